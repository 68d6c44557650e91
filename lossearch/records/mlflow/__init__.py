"""The MLflow view of a study, written from its records; and the MLflow UI on it."""

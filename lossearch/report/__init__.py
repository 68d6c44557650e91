"""Records to tables and figures. Reads records only, never MLflow."""

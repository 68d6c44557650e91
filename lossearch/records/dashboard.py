"""How the MLflow UI shows a study when it is opened: tags of its experiment."""

from __future__ import annotations

from lossearch.records.header import StudyHeader


def experiment_view(header: StudyHeader) -> dict[str, str]:
    """Return the experiment's tags that the UI reads."""
    return {
        "mlflow.experiment.primaryMetric.name": "score",
        "mlflow.experimentKind": "custom_model_development",
    }

"""The MLflow run that the caller has open, for those who have imported MLflow."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any


def active_run() -> Any:
    """Return the run that is active in this thread, None where there is none; MLflow is not imported for it."""
    mlflow = sys.modules.get("mlflow")
    return mlflow.active_run() if mlflow is not None and hasattr(mlflow, "active_run") else None


def is_active(run_id: str) -> bool:
    """Return whether this run is the active one."""
    run = active_run()
    return run is not None and run.info.run_id == run_id


def began_within(run: Any, trial_start: datetime | None) -> bool:
    """Return whether a run was started after its trial, which alone can it then belong to."""
    # MLflow counts whole milliseconds
    return trial_start is None or int(run.info.start_time) >= int(trial_start.timestamp() * 1000)

"""What the callback writes to MLflow: a run of its own, or tags on the run of the user's logger."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlparse

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from lossearch.errors import StoreError

FLUSH_SECONDS = 10.0


@dataclass(frozen=True)
class TrialSnapshot:
    """What there is to write of a trial: values so far, and how it ended once it has."""

    monitor: str
    values: Sequence[float]
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "FINISHED"


class Tracker(Protocol):
    """Where a trial is written, once opened."""

    def update(self, snapshot: TrialSnapshot) -> None:
        """Write what is new, from time to time. Never raises for a failing server."""
        ...

    def end(self, snapshot: TrialSnapshot) -> None:
        """Write the rest and close. Never raises for a failing server: the trial counts, warned."""
        ...


class TagTracker:
    """Tags on the run that the trainer's own MLFlowLogger keeps; the logger writes and closes it."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def update(self, snapshot: TrialSnapshot) -> None:
        """Do nothing: the logger writes the metrics."""

    def end(self, snapshot: TrialSnapshot) -> None:
        """Write the last tags."""
        self.write(snapshot)

    def write(self, snapshot: TrialSnapshot) -> None:
        """Write the tags."""
        try:
            self._client.log_batch(self._run_id, tags=_tags(snapshot))
        except MlflowException as error:
            _warn(error)


class RunTracker:
    """A run of its own, written in batches by an explicit client and run id."""

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._sent = 0
        self._last = time.monotonic()

    def update(self, snapshot: TrialSnapshot) -> None:
        """Write new values if the last were written a while ago."""
        if time.monotonic() - self._last > FLUSH_SECONDS:
            self._write(TrialSnapshot(snapshot.monitor, snapshot.values))

    def end(self, snapshot: TrialSnapshot) -> None:
        """Write what is left and close the run."""
        self._write(snapshot)
        try:
            self._client.set_terminated(self._run_id, snapshot.status)
        except MlflowException as error:
            _warn(error)

    def _write(self, snapshot: TrialSnapshot) -> None:
        key = re.sub(r"[^\w\-. :/]", "_", snapshot.monitor, flags=re.ASCII)
        now = time.time_ns() // 1_000_000
        metrics = [Metric(key, v, now, step) for step, v in enumerate(snapshot.values)][self._sent :]
        numbers = {k: v for k, v in snapshot.params.items() if k == "lr"}
        metrics += [Metric(k, float(v), now, 0) for k, v in numbers.items()]
        params = [Param(k, str(v)) for k, v in snapshot.params.items()]
        try:
            self._client.log_batch(self._run_id, metrics=metrics, params=params, tags=_tags(snapshot))
        except MlflowException as error:
            _warn(error)
        else:
            self._sent = len(snapshot.values)
        self._last = time.monotonic()


def open_run(uri: str, experiment: str, run_name: str, snapshot: TrialSnapshot) -> RunTracker:
    """Return a tracker on a new run.

    Raises:
        StoreError: the store cannot be written, or the experiment was deleted.
    """
    if urlparse(uri).scheme in ("", "file") and not uri.startswith("databricks"):
        raise StoreError(
            f"tracking_uri {uri!r} is a directory, which MLflow no longer writes to. Use a database, "
            "as in 'sqlite:////absolute/path/mlflow.db', or a server's http(s) address; "
            "`mlflow migrate-filestore` moves an old directory into a database."
        )
    try:
        client, experiment_id = _opened(uri, experiment)
        run = client.create_run(experiment_id, run_name=run_name, tags=dict(snapshot.tags))
    except MlflowException as error:
        raise StoreError(f"Cannot write to MLflow at {uri}: {error.message}") from error
    return RunTracker(client, run.info.run_id)


def tag_run(
    loggers: Sequence[Any], logger_types: tuple[type, ...], snapshot: TrialSnapshot
) -> TagTracker | None:
    """Return a tracker on the run of the first logger of these types, None where there is none."""
    for logger in loggers:
        if isinstance(logger, logger_types):
            tracker = TagTracker(logger.experiment, logger.run_id)  # type: ignore[attr-defined]
            tracker.write(snapshot)
            return tracker
    return None


def _tags(snapshot: TrialSnapshot) -> list[RunTag]:
    return [RunTag(k, v) for k, v in snapshot.tags.items()]


def _warn(error: MlflowException) -> None:
    warnings.warn(
        f"MLflow was not written ({error.message}); the trial itself goes on and counts.",
        RuntimeWarning,
        stacklevel=2,
    )


def _opened(uri: str, experiment: str) -> tuple[MlflowClient, str]:
    path = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if path is None:
        client = MlflowClient(uri)
        return client, _found_or_created(client, experiment, None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"Cannot write to {path.parent}: {error.strerror}.") from error
    # MLflow creates its tables without a lock, in the client's constructor: two processes that start
    # together would break it.
    with FileLock(f"{path}.lock"):
        client = MlflowClient(uri)
        return client, _found_or_created(client, experiment, (path.resolve().parent / "artifacts").as_uri())


def _found_or_created(client: MlflowClient, name: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"The MLflow experiment {name!r} was deleted and keeps its name. Restore it with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}`, or use another name."
        )
    return str(found.experiment_id)

"""What the callback writes to MLflow: a run of its own, or tags on the run of the user's logger."""

from __future__ import annotations

import math
import re
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlparse

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from lossearch._urls import Url, hidden
from lossearch.errors import StoreError
from lossearch.integrations.active_run import began_within
from lossearch.integrations.rules import OF_ONE_TRIAL, STUDY, TRIAL
from lossearch.records.database import reach_database, unrecorded
from lossearch.records.mlflow.client import answers, is_database, quiet
from lossearch.records.places import given_url, sqlite_path

FLUSH_SECONDS = 10.0
MOST = 1000
"""Metrics that MLflow takes in one call."""
SEVERAL = "several"
"""The trial that a run names which was active during more than one."""


@dataclass(frozen=True)
class TrialSnapshot:
    """What there is to write of a trial: values so far, and how it ended once it has."""

    monitor: str
    values: Sequence[float]
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    status: str = "FINISHED"


@dataclass
class Tracker:
    """A run in MLflow, written by an explicit client and run id.

    The trial's ``own`` run is written whole and closed. Another's, which its owner writes and closes, is given tags,
    and what the loss did where it is a run of this trial ``alone``; with ``params`` the trial's parameters too, as far
    as it has none of these names. A failing server is warned of and never raised: the trial goes on and counts.
    """

    client: MlflowClient
    run_id: str
    own: bool = False
    alone: bool = True
    params: bool = False
    _sent: int = 0
    _last: float = field(default_factory=time.monotonic)

    def update(self, snapshot: TrialSnapshot) -> None:
        """Write new values if the last were written a while ago."""
        if self.own and time.monotonic() - self._last > FLUSH_SECONDS:
            self.write(TrialSnapshot(snapshot.monitor, snapshot.values))

    def end(self, snapshot: TrialSnapshot, behaviour: Sequence[Mapping[str, float]] = ()) -> None:
        """Write what is left, with what the loss did before each validation, and close the run."""
        # what the caller logs during training comes first, and MLflow keeps a parameter's first value
        self.write(snapshot, params=self._missing(snapshot.params) if self.params else {})
        if self.alone:
            now = time.time_ns() // 1_000_000
            measured = ((step, k, v) for step, found in enumerate(behaviour) for k, v in found.items())
            with _warned():
                self._send([Metric(f"loss_{k}", v, now, step) for step, k, v in measured if math.isfinite(v)])
        if self.own:
            with _warned():
                self.client.set_terminated(self.run_id, snapshot.status)

    def write(self, snapshot: TrialSnapshot, params: Mapping[str, Any] | None = None) -> None:
        """Write the tags, these parameters, and new values into a run of its own."""
        tags = [RunTag(k, v) for k, v in snapshot.tags.items()]
        now = time.time_ns() // 1_000_000
        metrics = self._metrics(snapshot, now) if self.own else []
        with _warned():
            self._send(metrics, [Param(k, str(v)) for k, v in (params or {}).items()], tags)
            self._sent = len(snapshot.values)
        self._last = time.monotonic()

    def _send(
        self, metrics: Sequence[Metric], params: Sequence[Param] = (), tags: Sequence[RunTag] = ()
    ) -> None:
        """Write as many at a time as MLflow takes."""
        if params or tags:
            self.client.log_batch(self.run_id, (), params, tags)
        for start in range(0, len(metrics), MOST):
            self.client.log_batch(self.run_id, metrics[start : start + MOST])

    def _missing(self, params: Mapping[str, Any]) -> dict[str, Any]:
        with _warned():
            there = self.client.get_run(self.run_id).data.params
            return {k: v for k, v in params.items() if k not in there}
        return {}

    def _metrics(self, snapshot: TrialSnapshot, now: int) -> list[Metric]:
        key = re.sub(r"[^\w\-. :/]", "_", snapshot.monitor, flags=re.ASCII)
        metrics = [Metric(key, v, now, step) for step, v in enumerate(snapshot.values)][self._sent :]
        return metrics + [Metric(k, float(v), now, 0) for k, v in snapshot.params.items() if k == "lr"]


def open_run(uri: str, experiment: str, run_name: str, snapshot: TrialSnapshot) -> Tracker:
    """Return a tracker on a new run.

    Raises:
        InputError: the URI cannot be read.
        StoreError: the store cannot be written, or the experiment was deleted.
    """
    url = given_url("tracking_uri", uri)
    if urlparse(uri).scheme in ("", "file") and not uri.startswith("databricks"):
        raise StoreError(
            f"tracking_uri {url!r} is a directory, which MLflow no longer writes to. Use a database, "
            "as in 'sqlite:////absolute/path/mlflow.db', or a server's http(s) address; "
            "`mlflow migrate-filestore` moves an old directory into a database."
        )
    try:
        with quiet():
            client, experiment_id = _opened(url, experiment)
            run = client.create_run(experiment_id, run_name=run_name, tags=dict(snapshot.tags))
    except (MlflowException, SQLAlchemyError, ImportError) as error:
        raise StoreError(
            f"Cannot write to MLflow at {url}: {url.said(error)}{unrecorded(url, 'tracking_uri')}"
        ) from url.cause(error)
    return Tracker(client, run.info.run_id, own=True, params=True)


def tag_run(client: MlflowClient, run_id: str, snapshot: TrialSnapshot, *, alone: bool = True) -> Tracker:
    """Return a tracker on a run that another writes and closes; ``alone`` where it is of this trial only."""
    tracker = Tracker(client, run_id, alone=alone)
    tracker.write(snapshot)
    return tracker


def join_run(run: Run, trial_start: datetime | None, snapshot: TrialSnapshot) -> Tracker | None:
    """Return a tracker on the caller's active run, None where that run is one of several trials.

    A run older than the trial may be the whole study's: the first trial tags it, and a second one takes back what is
    not true of both.
    """
    client, run_id = MlflowClient(), run.info.run_id
    if began_within(run, trial_start):
        tracker = tag_run(client, run_id, snapshot)
        tracker.params = True
        return tracker
    with _warned():
        there = client.get_run(run_id).data.tags
        if TRIAL not in there or all(there.get(k) == snapshot.tags.get(k) for k in (TRIAL, STUDY)):
            return tag_run(client, run_id, snapshot, alone=False)
        for key in OF_ONE_TRIAL:
            if key in there:
                client.delete_tag(run_id, key)
        client.set_tag(run_id, TRIAL, SEVERAL)
    return None


@contextmanager
def _warned() -> Iterator[None]:
    try:
        yield
    except MlflowException as error:
        warnings.warn(
            f"MLflow was not written ({hidden(error.message)}); the trial itself goes on and counts.",
            RuntimeWarning,
            stacklevel=3,
        )


def _opened(uri: Url, experiment: str) -> tuple[MlflowClient, str]:
    if not answers(uri):
        raise StoreError(f"Cannot write to MLflow at {uri}: no server answers there.")
    path = sqlite_path(uri)
    if path is None:
        if is_database(uri):
            # MLflow would try for minutes to open what cannot be opened
            reach_database(uri)
        return _found(uri, experiment, None)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # as above; and a lock is waited for, where none can be made too
        reach_database(uri)
        # MLflow creates its tables without a lock, in the client's constructor: two processes that start
        # together would break it.
        with FileLock(f"{path}.lock"):
            return _found(uri, experiment, (path.resolve().parent / "artifacts").as_uri())
    except OSError as error:
        raise StoreError(f"Cannot write to {path.parent}: {error.strerror}.") from error


def _found(uri: Url, experiment: str, artifacts: str | None) -> tuple[MlflowClient, str]:
    client = MlflowClient(uri.whole)
    return client, _found_or_created(client, experiment, artifacts)


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

"""The MLflow view of a study: one parent run a study, one child run a trial, written from the records.

It may be lost or late and nothing else is: a failing server is warned of once, the trials it missed are
written as soon as it answers, and :meth:`MlflowView.sync` writes whatever is missing.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lossearch._options import option
from lossearch.errors import StoreError, StudyMismatchError
from lossearch.records.curves import MeanCurves
from lossearch.records.mlflow.client import (
    answers,
    checked_uri,
    connect,
    first_line,
    is_http,
    quiet,
    retried,
    tracking_errors,
)
from lossearch.records.mlflow.rows import Row, trial_row
from lossearch.records.mlflow.study_run import PARENT, ROLE, STUDY, ParentRun, who
from lossearch.records.store import Store, hide_password
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

PAUSE_SECONDS = 20.0
"""How long a server that failed is left alone."""

Status = Literal["finished", "failed", "killed"]
CurvesOf = Callable[[TrialRecord], MeanCurves | None]
"""Gives the mean curves of a trial."""
Key = tuple[str, int]


def warn(text: str) -> None:
    """Warn of a failing view; the default of :class:`MlflowView`."""
    warnings.warn(text, RuntimeWarning, stacklevel=3)


class MlflowView:
    """The runs of one study in MLflow.

    Args:
        store: whose database and artifacts are used where no tracking URI is given.
        name: the study's name, and the experiment's.
        uri: an MLflow tracking URI; None for the store's own database.
        warn: told once, in one sentence, when the view cannot be written.

    Raises:
        InputError: the URI is not one that MLflow writes to.
    """

    def __init__(
        self, store: Store, name: str, uri: str | None = None, *, warn: Callable[[str], None] = warn
    ) -> None:
        self.store = store
        self.name = name
        self.uri = store.tracking_uri if uri is None else checked_uri(uri)
        self.experiment_id: str | None = None
        self.run_id: str | None = None
        self.runs: dict[Key, str] = {}
        self.missed: dict[Key, tuple[TrialRecord, MeanCurves | None]] = {}
        self._warn = warn
        self._warned = False
        self._closed = True
        self._quiet_until = 0.0

    def open(self, study: StudyRecord) -> str:
        """Open the study's parent run, the one it had before if it is resumed, and return its id.

        Raises:
            StoreError: the tracking store cannot be opened, or the experiment was deleted.
            StudyMismatchError: the experiment of this name is not this study's.
        """
        self.study = study
        self.client = connect(self.store, self.uri)
        self._parent = ParentRun(self.client, study)
        with quiet(), self.store.lock(self.name):
            try:
                self.experiment_id = retried(self._experiment)
                self.run_id = retried(lambda: self._parent.begin(str(self.experiment_id)))
                self.runs = retried(self._written)
            except tracking_errors() as error:
                raise StoreError(
                    f"The study cannot be recorded at {hide_password(self.uri)}: {first_line(error)}"
                ) from error
        self._closed = False
        return self.run_id

    def write_trial(self, record: TrialRecord, curves: MeanCurves | None = None) -> str | None:
        """Write a trial's run, once however often it is asked.

        Returns:
            The run's id; None where MLflow does not answer. Then the trial is kept, and written later.
        """
        key = _key(record.stage, record.number, len(record.seeds))
        if key in self.runs:
            return self.runs[key]
        self.missed[key] = (record, curves)
        self._write_missed(patient=False)
        return self.runs.get(key)

    def sync(self, records: Iterable[TrialRecord], curves: CurvesOf) -> int:
        """Write the trials that are missing, and return how many were."""
        before = len(self.runs)
        for record in records:
            if _key(record.stage, record.number, len(record.seeds)) not in self.runs:
                self.write_trial(record, curves(record))
        self._write_missed(patient=True)
        return len(self.runs) - before

    def sync_confirmation(self, records: Sequence[TrialRecord], curves: CurvesOf) -> int:
        """Write the runs of a confirmation that are missing, and delete those of one that it replaces."""
        wanted = {_key(r.stage, r.number, len(r.seeds)) for r in records}
        old = [key for key in self.runs if key[0].startswith(Stage.CONFIRM) and key not in wanted]
        with quiet():
            for key in old:
                self._discard(self.runs.pop(key))
        return self.sync(records, curves)

    def close(
        self,
        status: Status = "finished",
        *,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
        tables: Mapping[str, Any] | None = None,
    ) -> None:
        """Close the parent run; a second call does nothing.

        ``metrics`` that are not finite are left out; ``tables`` are data frames, which the MLflow UI shows.
        """
        if self._closed:
            return
        self._closed = True
        self._write_missed(patient=True)
        with quiet():
            try:
                retried(lambda: self._parent.attach(metrics or {}, tags or {}, artifacts, tables or {}))
                retried(lambda: self.client.set_terminated(self._parent.run_id, status.upper()))
            except tracking_errors() as error:
                self._fail(error)

    def _write_missed(self, *, patient: bool) -> None:
        if not self.missed or (time.monotonic() < self._quiet_until and not patient):
            return
        if not answers(self.uri):
            self._fail(ConnectionError("nothing answers there"))
            return
        with quiet():
            for key, (record, curves) in list(self.missed.items()):
                try:
                    self.runs[key] = self._write(trial_row(self.study, record, curves))
                except tracking_errors() as error:
                    self._fail(error)
                    return
                del self.missed[key]

    def _write(self, row: Row) -> str:
        from mlflow.entities import Metric, Param

        start, end = _milliseconds(row.start or time.time()), _milliseconds(row.end or time.time())
        tags = {PARENT: str(self.run_id), **who(), **row.tags}
        run = retried(
            lambda: self.client.create_run(
                str(self.experiment_id), start_time=start, tags=tags, run_name=row.name
            )
        )
        run_id: str = run.info.run_id
        try:
            metrics = [Metric(v.name, v.value, end, v.step) for v in row.metrics]
            params = [Param(k, v) for k, v in row.params.items()]
            self._log(run_id, metrics, params)
            if row.long:
                retried(lambda: self.client.log_dict(run_id, dict(row.long), "params.json"))
            # at the very end: a run still said to be running was not written to its end
            retried(lambda: self.client.set_terminated(run_id, row.status, end))
        except BaseException:
            self._discard(run_id)
            raise
        return run_id

    def _log(self, run_id: str, metrics: list[Any], params: list[Any]) -> None:
        """Write in as few calls as MLflow's limits allow: one, but for the largest."""
        # 1000 entities of all sorts a request
        for i in range(max(1, -(-len(metrics) // 800), -(-len(params) // 100))):
            some, few = metrics[800 * i : 800 * (i + 1)], params[100 * i : 100 * (i + 1)]
            retried(lambda m=some, p=few: self.client.log_batch(run_id, m, p))  # type: ignore[misc]

    def _discard(self, run_id: str) -> None:
        """Delete a run that could not be written to its end."""
        try:
            self.client.delete_run(run_id)
        except tracking_errors() as error:
            self._fail(error)

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(self.name)
        if found is None:
            return self._parent.create_experiment(self._artifact_location())
        if found.lifecycle_stage == "deleted":
            raise StoreError(
                f"The MLflow experiment {self.name!r} at {hide_password(self.uri)} was deleted and keeps its name. "
                f"Restore it: MLFLOW_TRACKING_URI={hide_password(self.uri)} mlflow experiments restore "
                f"--experiment-id {found.experiment_id}; or take another name ({option('name')})."
            )
        if found.tags.get(STUDY) != self.name or found.tags.get("lossearch.digest") != self.study.digest:
            raise StudyMismatchError(
                f"The MLflow experiment {self.name!r} at {hide_password(self.uri)} holds something else than this "
                f"study. Take another name ({option('name')}), or another tracking URI ({option('tracking_uri')})."
            )
        experiment_id: str = found.experiment_id
        return experiment_id

    def _artifact_location(self) -> str | None:
        if is_http(self.uri) or self.uri in {"databricks", "uc"}:
            return None
        # a place of its own each time: emptying MLflow's bin of a removed study must not touch the next one
        return (self.store.artifacts / f"{self.name}-{time.time_ns():x}").as_uri()

    def _written(self) -> dict[Key, str]:
        """Return the runs that are there; delete those whose writer died half-way."""
        found: dict[Key, str] = {}
        for run in children(self.client, str(self.experiment_id)):
            tags = run.data.tags
            if "lossearch.stage" in tags and run.info.status != "RUNNING":
                seeds = int(run.data.params.get("n_seeds", 0))
                key = _key(tags["lossearch.stage"], int(tags["lossearch.trial"]), seeds)
                found[key] = run.info.run_id
            else:
                self.client.delete_run(run.info.run_id)
        return found

    def _fail(self, error: BaseException) -> None:
        self._quiet_until = time.monotonic() + PAUSE_SECONDS
        if not self._warned:
            self._warned = True
            self._warn(
                f"MLflow at {hide_password(self.uri)} cannot be written to: {first_line(error)}. The study goes on "
                f"and loses nothing; write what is missing later with `lossearch sync {self.name}`."
            )


def children(client: MlflowClient, experiment_id: str) -> list[Run]:
    """Return the runs of all trials and confirmations of an experiment, page by page."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`{ROLE}` != 'study'", max_results=1000, page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def _key(stage: str, number: int, seeds: int) -> Key:
    """Return what tells a run from all others: of a confirmation also its seeds, which may be raised."""
    return (f"{stage} {seeds}" if stage == Stage.CONFIRM else stage, number)


def _milliseconds(seconds: float) -> int:
    return round(1000 * seconds)

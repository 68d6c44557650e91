"""The MLflow view of a study: one parent run a study, one child run a trial, written from the records.

It may be lost or late and nothing else is: a failing server is warned of once, and what it missed is written
as soon as it answers. :meth:`MlflowView.sync` writes whatever is missing. Beside a running study a
:class:`~lossearch.records.mlflow.writer.ViewWriter` does all this, so that the study does not wait.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, Literal, cast

from lossearch._options import on_the_command_line, option
from lossearch._urls import Url
from lossearch.errors import StoreError
from lossearch.records.curves import MeanCurves
from lossearch.records.mlflow.best import PairModel, mark_best, write_models
from lossearch.records.mlflow.bulk import RUNS, BulkWriter, bulk_writer
from lossearch.records.mlflow.client import (
    PAUSES,
    answers,
    checked_uri,
    connect,
    quiet,
    retried,
    tracking_errors,
)
from lossearch.records.mlflow.experiment import Key, key_of, open_experiment, recorded_runs
from lossearch.records.mlflow.overview import write_overview
from lossearch.records.mlflow.revocable import Revocable
from lossearch.records.mlflow.rows import Row, trial_row
from lossearch.records.mlflow.study_run import PARENT, ParentRun, who
from lossearch.records.store import FULL, Store
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

Status = Literal["finished", "failed", "killed"]
CurvesOf = Callable[[TrialRecord], MeanCurves | None]
"""Gives the mean curves of a trial."""
Trial = tuple[TrialRecord, MeanCurves | None]


def warn(text: str) -> None:
    """Warn of a failing view; the default of :class:`MlflowView`."""
    warnings.warn(text, RuntimeWarning, stacklevel=3)


def _no_room(error: Exception) -> str:
    if getattr(error, "errno", None) not in FULL:
        return ""
    return f", there or in {gettempdir()}. Make room, or run without it ({option('mlflow', False)})."


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
        self.uri = Url(store.tracking_uri) if uri is None else checked_uri(uri)
        self.experiment_id: str | None = None
        self.run_id: str | None = None
        self.runs: dict[Key, str] = {}
        self.missed: dict[Key, Trial] = {}
        self.warn = warn
        self.quiet: Callable[[], AbstractContextManager[None]] = quiet
        """Entered around whatever is written; replaced where somebody else sees to the silence."""
        self.closed = True
        """Whether the parent run says how the study ended."""
        self.given_up = False
        """Set, by another thread too, to have no further call made."""
        self.hurried = False
        """Set likewise, to have no more trials written: only how the study ended."""
        self._warned = False
        self._unsure = False
        self.bulk: BulkWriter | None = None
        self._quiet_until = 0.0
        self._failures = 0

    def open(self, study: StudyRecord) -> str:
        """Open the study's parent run, the one it had before if it is resumed, and return its id.

        Raises:
            StoreError: the tracking store cannot be opened, or the experiment was deleted.
            StudyMismatchError: the experiment of this name is not this study's.
        """
        self.study = study
        self.client = cast("MlflowClient", Revocable(connect(self.store, self.uri), lambda: self.given_up))
        self._parent = ParentRun(self.client, study)
        with quiet(), self.store.lock(self.name):
            try:
                experiment = retried(lambda: open_experiment(self._parent, self.store, self.uri))
                self.experiment_id = str(experiment.experiment_id)
                self.run_id = retried(lambda: self._parent.begin(str(self.experiment_id)))
                self.runs = retried(self._recorded)
                self.bulk = bulk_writer(self.uri, self.experiment_id, experiment.artifact_location)
            except tracking_errors() as error:
                raise StoreError(
                    f"The study cannot be recorded at {self.uri}: {self.uri.said(error)}{_no_room(error)}"
                ) from self.uri.cause(error)
        self.closed = False
        return self.run_id

    def write_trial(self, record: TrialRecord, curves: MeanCurves | None = None) -> str | None:
        """Write a trial's run, once however often it is asked.

        Returns:
            The run's id; None where MLflow does not answer. Then the trial is kept, and written later.
        """
        self.add(record, curves)
        self.write_missed()
        return self.runs.get(key_of(record))

    @property
    def sync_command(self) -> str:
        """The command that writes what is missing, in backquotes."""
        with on_the_command_line():
            given = option("tracking_uri", self.uri)
        return f"`lossearch sync {self.name}{'' if self.uri == self.store.tracking_uri else f' {given}'}`"

    def add(self, record: TrialRecord, curves: MeanCurves | None) -> None:
        """Take a trial to be written with the next ones."""
        if (key := key_of(record)) not in self.runs:
            self.missed[key] = (record, curves)

    def sync(self, records: Iterable[TrialRecord], curves: CurvesOf, *, patient: bool = True) -> int:
        """Write the trials that are missing, and return how many were written."""
        before = len(self.runs)
        for record in records:
            if key_of(record) not in self.runs:
                self.add(record, curves(record))
                if len(self.missed) >= RUNS:
                    self.write_missed()
        self.write_missed(patient=patient)
        return len(self.runs) - before

    def sync_confirmation(
        self, records: Sequence[TrialRecord], curves: CurvesOf, *, patient: bool = True
    ) -> int:
        """Write the runs of a confirmation that are missing, and delete those of one that it replaces."""
        wanted = {key_of(r) for r in records}
        old = [key for key in self.runs if key[0].startswith(Stage.CONFIRM) and key not in wanted]
        with self.quiet():
            try:
                for key in old:
                    self.client.delete_run(self.runs[key])
                    del self.runs[key]
            except tracking_errors() as error:
                self.fail(error)
        return self.sync(records, curves, patient=patient)

    def close(
        self,
        status: Status = "finished",
        *,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
        tables: Mapping[str, Any] | None = None,
        best: Sequence[TrialRecord] = (),
        models: Sequence[PairModel] = (),
        answer: str = "",
    ) -> None:
        """Write what is missing and close the parent run; a second call does nothing.

        ``metrics`` that are not finite are left out; ``tables`` are data frames, which the MLflow UI shows; ``best`` is
        the best trial of each pair, best first, whose runs are marked; ``models`` are the best models of the pairs, which
        only a study that is finished has; ``answer`` is Markdown for the description.
        """
        if self.closed:
            return

        given = metrics or {}, tags or {}

        def end() -> None:
            self._parent.attach(*given, artifacts, tables or {}, answer)
            self.client.set_terminated(self._parent.run_id, status.upper())

        def around() -> None:
            self._parent.describe_experiment()
            experiment, runs = str(self.experiment_id), self.runs
            mark_best(self.client, experiment, [runs[key] for key in map(key_of, best) if key in runs])
            if status == "finished":
                found = {runs[key_of(m.record)]: m for m in models if key_of(m.record) in runs}
                write_models(self.client, self.study, experiment, found)
            write_overview(self.client, self.store, self.uri, self.study, status, *given)

        try:
            self.write_missed(patient=True)
        finally:
            self.closed = not self.given_up and self._attempt(end, patient=not self.missed)
        # last: what a slow server leaves no time for is written by a sync
        if self.closed:
            self._attempt(around, patient=not self.missed)

    def write_missed(self, *, patient: bool = False) -> None:
        """Write the trials taken and not written yet, unless the server failed a moment ago.

        Args:
            patient: try it now, and several times where it fails.
        """
        if self.missed and (patient or time.monotonic() >= self._quiet_until):
            self._attempt(self._write_all, patient=patient)

    def fail(self, error: BaseException) -> None:
        """Note that the view cannot be written, and leave the server alone for a while, longer each time."""
        self._unsure = True
        self._quiet_until = time.monotonic() + min(2.0**self._failures, 20.0)
        self._failures += 1
        if not self._warned and not self.given_up:
            self._warned = True
            self.warn(
                f"MLflow at {self.uri} cannot be written to: {self.uri.said(error)}. The study goes on "
                f"and loses nothing; write what is missing later with {self.sync_command}."
            )

    def _attempt(self, call: Callable[[], None], *, patient: bool) -> bool:
        """Call once, or until it works where ``patient``; return whether it did."""
        for pause in (*(PAUSES if patient else ()), 0.0):
            try:
                if not answers(self.uri):
                    raise ConnectionError("nothing answers there")
                with self.quiet():
                    call()
            except tracking_errors() as error:
                self.fail(error)
                if self.given_up or (self.hurried and call == self._write_all):
                    break
                time.sleep(pause)
            else:
                self._failures = 0
                return True
        return False

    def _write_all(self) -> None:
        if self._unsure:
            # a call that failed may have been obeyed all the same, or half
            self.runs = self._recorded()
            self._unsure = False
            for key in self.runs.keys() & self.missed.keys():
                del self.missed[key]
        while self.missed and not (self.given_up or self.hurried):
            some = dict(islice(self.missed.items(), 1 if self.bulk is None else RUNS))
            rows = [trial_row(self.study, *trial) for trial in some.values()]
            self.runs |= zip(some, self._write(rows), strict=True)
            for key in some:
                del self.missed[key]

    def _write(self, rows: Sequence[Row]) -> list[str]:
        tags = {PARENT: str(self.run_id), **who()}
        # an artifact needs its run first: such a run is written as elsewhere
        if self.bulk is not None and not any(row.long for row in rows):
            return self.bulk.write(rows, tags)
        return [self._write_by_client(row, tags) for row in rows]

    def _write_by_client(self, row: Row, tags: Mapping[str, str]) -> str:
        from mlflow.entities import Metric, Param

        run = self.client.create_run(
            str(self.experiment_id), start_time=row.start_ms, tags={**tags, **row.tags}, run_name=row.name
        )
        run_id: str = run.info.run_id
        try:
            metrics = [Metric(v.name, v.value, row.end_ms, v.step) for v in row.metrics]
            params = [Param(k, v) for k, v in row.params.items()]
            self._log(run_id, metrics, params)
            if row.long:
                self.client.log_dict(run_id, dict(row.long), "params.json")
            # at the very end: a run still said to be running was not written to its end
            self.client.set_terminated(run_id, row.status, row.end_ms)
        except BaseException as error:
            self._unsure = True
            if not isinstance(error, Exception):
                self.client.delete_run(run_id)
            raise
        return run_id

    def _log(self, run_id: str, metrics: list[Any], params: list[Any]) -> None:
        """Write in as few calls as MLflow's limits allow: one, but for the largest."""
        # 1000 entities of all sorts a request
        for i in range(max(1, -(-len(metrics) // 800), -(-len(params) // 100))):
            some, few = metrics[800 * i : 800 * (i + 1)], params[100 * i : 100 * (i + 1)]
            self.client.log_batch(run_id, some, few)

    def _recorded(self) -> dict[Key, str]:
        return recorded_runs(self.client, str(self.experiment_id))

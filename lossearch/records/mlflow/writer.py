"""A study's MLflow view, written in a thread of its own: the study never waits for it.

A thread, not a process: measured on two cores, the import of lossearch and MLflow in a process of its own
costs as much CPU as writing thousands of trials.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from lossearch.records.curves import mean_curves
from lossearch.records.mlflow.client import quiet
from lossearch.records.mlflow.experiment import Key, key_of
from lossearch.records.mlflow.rows import main_curves
from lossearch.records.mlflow.view import CurvesOf, MlflowView, Status
from lossearch.records.trial import TrialRecord
from lossearch.training.contract import ReplicateResult

WAIT_SECONDS = 60.0
"""How long a study waits for its view at the end."""

KILLED_SECONDS = 2.0
"""How long one waits that is being interrupted."""

_GATHER_SECONDS = 1.0
_LAST_PART = 0.25
"""Of the wait, in which nothing but how the study ended is written."""
_POLL_SECONDS = 0.1


class ViewWriter:
    """Writes to an open view in the background, some seconds behind. To be closed, whatever happens.

    Its methods return at once, but for :meth:`close`. ``note``, told when the view fails, is called by them,
    never by the thread.
    """

    def __init__(self, view: MlflowView, note: Callable[[str], None]) -> None:
        self.view = view
        self._note = note
        self._notes: SimpleQueue[str] = SimpleQueue()
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._keys: set[Key] = set()
        self._closing = threading.Event()
        self._closed = False
        self._silence = ExitStack()
        self._silence.enter_context(quiet())
        # a thread that hangs in a call could not put back what it changed of this process
        view.quiet = nullcontext
        view.warn = self._notes.put
        self._thread = threading.Thread(target=self._work, name=f"MLflow view of {view.name}", daemon=True)
        self._thread.start()

    def add(self, record: TrialRecord, results: Sequence[ReplicateResult] = ()) -> None:
        """Have a trial written, with those curves of its replicates that its run shows."""
        names = dict.fromkeys(name for result in results for name in result.curves)
        curves = mean_curves(results, main_curves(self.view.study, names))
        self._keys.add(key_of(record))
        self._jobs.put(partial(self.view.add, record, curves))
        self._tell()

    def sync(self, records: Sequence[TrialRecord], curves: CurvesOf) -> None:
        """Have those of many trials written that are missing."""
        self._keys |= {key_of(r) for r in records}
        self._jobs.put(partial(self.view.sync, records, curves, patient=False))

    def sync_confirmation(self, records: Sequence[TrialRecord], curves: CurvesOf) -> None:
        """Have a confirmation written, instead of an earlier one."""
        self._keys |= {key_of(r) for r in records}
        self._jobs.put(partial(self.view.sync_confirmation, records, curves, patient=False))

    def close(self, status: Status, *, seconds: float | None = None, **answer: Any) -> None:
        """Close the parent run with what :meth:`MlflowView.close` takes; a second call does nothing.

        Waits until all is written, ``seconds`` at most, and says what is missing then. Ctrl-C ends the wait.
        """
        if self._closed:
            return
        self._closed = True
        if seconds is None:
            seconds = KILLED_SECONDS if status == "killed" else WAIT_SECONDS
        self._jobs.put(partial(self.view.close, status, **answer))
        self._closing.set()
        end = time.monotonic() + seconds
        try:
            while self._thread.is_alive() and time.monotonic() < end:
                self._thread.join(_POLL_SECONDS)
                self.view.hurried = time.monotonic() > end - seconds * _LAST_PART
        finally:
            self.view.given_up = True
            self._silence.close()
            self._tell()
            self._tell_missing()

    def _work(self) -> None:
        last = False
        while not last:
            last = self._closing.wait(_GATHER_SECONDS)
            while not self.view.given_up:
                try:
                    job = self._jobs.get_nowait()
                except Empty:
                    break
                self._guarded(job)
            if not last:
                self._guarded(self.view.write_missed)

    def _guarded(self, job: Callable[[], object]) -> None:
        try:
            job()
        except Exception as error:  # noqa: BLE001 - whatever befalls a view, its study goes on
            self.view.fail(error)

    def _tell(self) -> None:
        while not self._notes.empty():
            self._note(self._notes.get())

    def _tell_missing(self) -> None:
        view, there = self.view, len(self._keys & self.view.runs.copy().keys())
        if view.closed and there == len(self._keys):
            return
        ended = "" if view.closed else ", and not how the study ended"
        self._note(
            f"MLflow at {view.uri} has {there} of {len(self._keys)} runs of trials and "
            f"confirmations{ended}. Nothing else is lost: write what is missing with {view.sync_command}."
        )

"""What a study asks of a view of its records, so that callers need not know who writes it, or when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from lossearch.records.curves import MeanCurves
from lossearch.records.trial import TrialRecord

Status = Literal["finished", "failed", "killed"]
CurvesOf = Callable[[TrialRecord], MeanCurves | None]
"""Gives the mean curves of a trial."""


class StudyView(Protocol):
    """A view of one study that is open for writing: :class:`~lossearch.records.mlflow.view.MlflowView`.

    A writer in a thread or process of its own would implement this and put its work off until ``sync`` or
    ``close``. It may be late, and what it lacks can always be written from the records.
    """

    def write_trial(self, record: TrialRecord, curves: MeanCurves | None = None) -> object:
        """Take a trial just recorded; return without waiting for a view that does not answer."""
        ...

    def sync(self, records: Iterable[TrialRecord], curves: CurvesOf) -> int:
        """Write the trials that are missing, and return how many were."""
        ...

    def sync_confirmation(self, records: Sequence[TrialRecord], curves: CurvesOf) -> int:
        """Write what is missing of a confirmation, remove what it replaces, and return how many were written."""
        ...

    def close(
        self,
        status: Status = "finished",
        *,
        metrics: Mapping[str, float | None] | None = None,
        tags: Mapping[str, str] | None = None,
        artifacts: Sequence[Path] = (),
        tables: Mapping[str, Any] | None = None,
    ) -> None:
        """Attach what came out and say how the study ended; a second call does nothing."""
        ...

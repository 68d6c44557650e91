"""What a study tells of itself while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossearch.records.trial import TrialRecord


class Listener:
    """Hears of a study's progress, in the process that runs it; this one says nothing."""

    def note(self, text: str) -> None:
        """Hear one sentence worth knowing."""

    def started(self, total: int, resumed: int) -> None:
        """Hear how many trials there will be in all, and how many of them are done already."""

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Hear of one trial just recorded."""

    def finished(self, reason: str) -> None:
        """Hear why the search ended."""

"""What a study tells of itself while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossearch.records.trial import TrialRecord


class Listener:
    """Hears of a study's progress, in the process that runs it; this one says nothing."""

    def note(self, text: str) -> None:
        """Hear one sentence worth knowing."""

    def doing(self, what: str) -> None:
        """Hear what is being done from now on, before it takes a while: "Reading the data"."""

    def time_left(self, seconds: float) -> None:
        """Hear how long the rest takes, about, confirmation and closing included: several times a second."""

    def started(self, total: int, resumed: int) -> None:
        """Hear how many trials there will be in all, and how many of them are done already."""

    def trial_done(
        self, record: TrialRecord, done: int, total: int, best: TrialRecord | None, failed: int
    ) -> None:
        """Hear of one trial just recorded."""

    def improved(self, record: TrialRecord) -> None:
        """Hear of a pair's best trial so far, before the trial itself is told; of those before, too."""

    def finished(self, reason: str) -> None:
        """Hear why the search ended."""

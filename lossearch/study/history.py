"""The trials that a study has had: which of them count, and by pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from lossearch.records.trial import TrialRecord, best_of
from lossearch.training.contract import Outcome

History = Mapping[str, Sequence[TrialRecord]]
"""Last attempts by pair, in order of their place."""


def last_attempts(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that count against the budget: the last attempt at each place of each pair."""
    last = {(record.point.pair, record.index): record for record in records}
    return sorted(last.values(), key=lambda r: r.number)


def by_pair(records: Sequence[TrialRecord]) -> History:
    """Return the last attempts by pair, in order of their place."""
    found: dict[str, list[TrialRecord]] = {}
    for record in last_attempts(records):
        found.setdefault(record.point.pair, []).append(record)
    return {pair: sorted(rs, key=lambda r: r.index) for pair, rs in found.items()}


@dataclass
class Progress:
    """How far a study is, told trial by trial at a cost that does not grow with their number.

    ``best`` is the last attempt of best value, the earliest of equals, and ``best_of_pairs`` that of each pair;
    ``failed`` counts those that failed or diverged.
    """

    sign: int
    best: TrialRecord | None = None
    failed: int = 0
    best_of_pairs: dict[str, TrialRecord] = field(default_factory=dict)
    _last: dict[tuple[str, int], TrialRecord] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[TrialRecord], sign: int) -> Self:
        """Return how far these trials are."""
        progress = cls(sign)
        for record in records:
            progress.add(record)
        return progress

    @property
    def done(self) -> int:
        """How many trials count against the budget."""
        return len(self._last)

    def add(self, record: TrialRecord) -> None:
        """Take a trial, which may be a further attempt."""
        place = (record.point.pair, record.index)
        before = self._last.get(place)
        self._last[place] = record
        self.failed += _lost(record) - (before is not None and _lost(before))
        if before is None:
            rivals = [r for r in (self.best_of_pairs.get(record.point.pair), record) if r is not None]
        else:
            rivals = [r for r in self._last.values() if r.point.pair == record.point.pair]
        best = best_of(rivals, self.sign)
        if best is None:
            self.best_of_pairs.pop(record.point.pair, None)
        else:
            self.best_of_pairs[record.point.pair] = best
        self.best = best_of(sorted(self.best_of_pairs.values(), key=lambda r: r.number), self.sign)


def _lost(record: TrialRecord) -> bool:
    return record.outcome in {Outcome.FAILED, Outcome.DIVERGED}

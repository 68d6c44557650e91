"""The trials that a study has had: which of them count, and by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lossearch.records.trial import TrialRecord

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

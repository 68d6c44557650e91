"""A race: who is told worse early gets no more seeds, and what was said on the way stays in the verdict.

Pairs are looked at several times, with more seeds each time, and each look may be wrong. So the level is
spent look by look (Lan and DeMets 1983), without counting on how looks go together, which is careful: one
half is for the last, so that close pairs lose little by the race, and the other half is for all earlier
looks alike. Each look compares all pairs that are still in the race, as one family at its share of the
level. So all that is said at any look holds at once but for the level, wherever the race ends, and it may
end as soon as nothing is left to decide.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from lossearch.records.confirmations import Raced
from lossearch.verdict.sentences import sentences
from lossearch.verdict.verdict import Comparison, Ranked, Relation, Verdict

FIRST = 8
"""Seeds before the first look: with fewer hardly any difference can be told."""
GROWTH = 1.5
"""How many times as many seeds the next look has."""
LAST = 0.5
"""The last look's share of the level."""


def plan_looks(seeds: int) -> tuple[int, ...]:
    """Return after how many seeds a race of so many is looked at; the last time after all of them.

    A look that would be closer to the end than half a step is left out.
    """
    found, at = [], FIRST
    while at * (1 + GROWTH) / 2 <= seeds:
        found.append(at)
        at = math.ceil(at * GROWTH)
    return (*found, seeds)


def share_of(looks: Sequence[int], at: int) -> float:
    """Return the share of the level that the look after ``at`` seeds has; all of it where it is the only one."""
    if len(looks) <= 1:
        return 1.0
    return LAST if at == looks[-1] else (1 - LAST) / (len(looks) - 1)


def start(seeds: int) -> Raced:
    """Return a race over at most so many seeds, as it is at its first look."""
    looks = plan_looks(seeds)
    return Raced(looks, looks[0])


def step(raced: Raced, verdict: Verdict) -> Raced | None:
    """Return the race as it is at its next look, None where it has come to its end.

    Pairs that were told worse than the leader are dropped, all but the conventional one, as gains are
    measured against it. The race ends where more seeds would tell nothing: one pair is the best, or
    those tied with the best are equal for practical purposes.

    Args:
        raced: the race as it was looked at.
        verdict: what was said there, of the pairs still in it.
    """
    later = [n for n in raced.looks if n > raced.at]
    if not later or _decided(verdict):
        return None
    behind = [r.pair for r in verdict.ranking if not r.tied and r.pair != verdict.conventional]
    return replace(raced, at=later[0], dropped={**raced.dropped, **dict.fromkeys(behind, raced.at)})


def _decided(verdict: Verdict) -> bool:
    tied = set(verdict.tied)
    return all(c.relation is Relation.EQUAL for c in verdict.comparisons if {c.a, c.b} <= tied)


def joined(said: Mapping[int, Verdict], dropped: Mapping[str, int]) -> Verdict:
    """Return the last look's verdict, with the pairs that had been dropped as the looks before left them.

    Every two pairs are compared on all seeds that both have. A dropped pair has the score of its own
    seeds, and its rank by how far it was behind the leader on them. It is not tied with the best, since it
    was told worse than another pair.

    Args:
        said: seeds at a look -> what was said there.
        dropped: pair -> after how many seeds it was dropped.
    """
    last = said[max(said)]
    if not dropped:
        return last
    rows = {r.pair: r for r in last.ranking}
    rows |= {pair: _left(said[at], pair) for pair, at in dropped.items()}
    off = {pair: _off(row, last, said) for pair, row in rows.items()}
    order = sorted(rows, key=lambda pair: (pair != last.leader, off[pair]))
    ranking = [
        replace(rows[pair], rank=1 + sum(other < off[pair] for other in off.values())) for pair in order
    ]
    comparisons = [_between(a, b, said, dropped) for a, b in combinations(order, 2)]
    whole = replace(last, ranking=tuple(ranking), comparisons=tuple(comparisons))
    return replace(whole, sentences=sentences(whole))


def _left(look: Verdict, pair: str) -> Ranked:
    """Return what a look said of a pair that was dropped after it."""
    row = next(r for r in look.ranking if r.pair == pair)
    return replace(row, tied=False, dropped=look.seeds)


def _off(row: Ranked, last: Verdict, said: Mapping[int, Verdict]) -> float:
    """Return how far a pair is behind the last leader, on the seeds of both; not below 0."""
    if row.dropped is None:
        return abs(row.score - last.ranking[0].score)
    return max(0.0, said[row.dropped].between(last.leader, row.pair).difference)


def _between(a: str, b: str, said: Mapping[int, Verdict], dropped: Mapping[str, int]) -> Comparison:
    return said[min(dropped.get(pair, max(said)) for pair in (a, b))].between(a, b)

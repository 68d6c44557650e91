"""Early stopping of a confirmation: pairs that are told worse at an interim analysis get no more seeds.

A group-sequential design: pairs are compared after several numbers of seeds, and each analysis may be wrong. So
the level is spent analysis by analysis (Lan and DeMets 1983), by Bonferroni, which counts on nothing about how
analyses depend on each other: one half is for the last, so that close pairs lose little by stopping early, and
the other half is for all interim analyses alike. Each compares all pairs that are left, as one family at its
share of the level. So all that is said at any analysis holds at once but for the level, wherever the
confirmation ends, and it may end as soon as nothing is left to decide. What was said on the way stays in the
verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from lossearch.records.confirmations import EarlyStopping
from lossearch.verdict.sentences import sentences
from lossearch.verdict.verdict import Comparison, Ranked, Relation, Verdict

FIRST = 8
"""Seeds at the first analysis: with fewer hardly any difference can be told."""
GROWTH = 1.5
"""How many times as many seeds the next analysis has."""
LAST = 0.5
"""The last analysis's share of the level."""


def plan_analyses(seeds: int) -> tuple[int, ...]:
    """Return after how many seeds of so many there is an analysis; the last time after all of them.

    An interim analysis that would be closer to the end than half a step is left out.
    """
    found, at = [], FIRST
    while at * (1 + GROWTH) / 2 <= seeds:
        found.append(at)
        at = math.ceil(at * GROWTH)
    return (*found, seeds)


def level_share(analyses: Sequence[int], at: int) -> float:
    """Return the share of the level that the analysis after ``at`` seeds has; all of it where it is the only one."""
    if len(analyses) <= 1:
        return 1.0
    return LAST if at == analyses[-1] else (1 - LAST) / (len(analyses) - 1)


def first_analysis(seeds: int) -> EarlyStopping:
    """Return where a confirmation on at most so many seeds is at its first analysis."""
    analyses = plan_analyses(seeds)
    return EarlyStopping(analyses, analyses[0])


def next_analysis(stopping: EarlyStopping, verdict: Verdict) -> EarlyStopping | None:
    """Return where a confirmation is at its next analysis, None where it has come to its end.

    Pairs that were told worse than the leader are dropped, all but the conventional one, as gains are
    measured against it. It ends where more seeds would tell nothing: one pair is the best, or those tied
    with the best are equal for practical purposes.

    Args:
        stopping: where it is now.
        verdict: what was said there, of the pairs that are left.
    """
    later = [n for n in stopping.analyses if n > stopping.at]
    if not later or _decided(verdict):
        return None
    behind = [r.pair for r in verdict.ranking if not r.tied and r.pair != verdict.conventional]
    return replace(stopping, at=later[0], dropped={**stopping.dropped, **dict.fromkeys(behind, stopping.at)})


def _decided(verdict: Verdict) -> bool:
    tied = set(verdict.tied)
    return all(c.relation is Relation.EQUAL for c in verdict.comparisons if {c.a, c.b} <= tied)


def combined(said: Mapping[int, Verdict], dropped: Mapping[str, int]) -> Verdict:
    """Return the last analysis's verdict, with the pairs that had been dropped as the ones before left them.

    Every two pairs are compared on all seeds that both have. A dropped pair has the score of its own
    seeds, and its rank by how far it was behind the leader on them. It is not tied with the best, since it
    was told worse than another pair.

    Args:
        said: seeds of an analysis -> what was said there.
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


def _left(interim: Verdict, pair: str) -> Ranked:
    """Return what an interim analysis said of a pair that was dropped after it."""
    row = next(r for r in interim.ranking if r.pair == pair)
    return replace(row, tied=False, dropped=interim.seeds)


def _off(row: Ranked, last: Verdict, said: Mapping[int, Verdict]) -> float:
    """Return how far a pair is behind the last leader, on the seeds of both; not below 0."""
    if row.dropped is None:
        return abs(row.score - last.ranking[0].score)
    return max(0.0, said[row.dropped].between(last.leader, row.pair).difference)


def _between(a: str, b: str, said: Mapping[int, Verdict], dropped: Mapping[str, int]) -> Comparison:
    return said[min(dropped.get(pair, max(said)) for pair in (a, b))].between(a, b)

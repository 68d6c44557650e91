"""The verdict on confirmed pairs: who beats whom, who ties with the best, and which to take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import stats
from lossearch.errors import refuse
from lossearch.metrics.metric import SIGN
from lossearch.records.evidence import Evidence
from lossearch.verdict.bootstrap import Draws, resample
from lossearch.verdict.constant import Learned, learned, seeds_of_one_label
from lossearch.verdict.intervals import score_intervals
from lossearch.verdict.known import ROUNDING
from lossearch.verdict.multiple_testing import Estimates, differences, means, step_down
from lossearch.verdict.sentences import sentences
from lossearch.verdict.verdict import Comparison, Ranked, Relation, Rule, Verdict

Floats = NDArray[np.float64]
Numbers = Mapping[str, float]

POWER = 0.8
"""How probably the smallest detectable difference would have been seen."""
SHARE = 0.01
"""What is equal for practical purposes, unless the user says: this much of a score of which 1 is the best
(accuracy, area under a curve), or this share of the conventional pair's error (Benavoli et al. 2017)."""


def judge(
    evidence: Evidence,
    *,
    direction: str,
    conventional: str | None,
    search_scores: Numbers | None = None,
    validation_scores: Numbers | None = None,
    sensitivity: Numbers | None = None,
    cost: Numbers | None = None,
    rope: float | None = None,
    level: float = 0.05,
    share: float = 1.0,
    draws: int = 2000,
    seed: int = 0,
) -> Verdict:
    """Return what confirmed pairs' predictions say of them: ranking, all comparisons, ties and advice.

    What is judged is the expected score on new rows of a model trained this way on these training rows, so
    seeds and rows are drawn again together. All k(k-1)/2 differences are one family of hypotheses,
    tested step down. Another pair never changes the difference, standard error or order of the others; nor
    which of them differ significantly, where its own differences from them are more significant than theirs
    (a loss that plainly fails), or it repeats one of them exactly. Where it is close to them, or as good as
    lost in its own noise, the family is larger: intervals widen, by up to a fifth in small families, and
    nobody is turned round.

    Args:
        evidence: what the pairs predicted, of which rows.
        direction: "maximize" or "minimize".
        conventional: the pair to state gains over, first choice among tied; None where there is none.
        search_scores: pair -> the score it was chosen by.
        validation_scores: pair -> the fresh seeds' mean score on validation rows.
        sensitivity: pair -> how much its score falls beside its best learning rate.
        cost: pair -> what a training costs, in any unit.
        rope: differences up to this are equal for practical purposes; None for the metric's default.
        level: chance of calling any pair worse where all are equal; intervals hold with 1 - level.
        share: of the level, what these comparisons may use up where there are interim analyses; p and intervals
            are those of all analyses together.
        draws: how many draws of seeds and rows.
        seed: of these draws.

    Raises:
        InputError: the evidence holds too little to judge, or a setting is out of range.
    """
    _check(direction, rope)
    sign = SIGN[direction]
    drawn = resample(evidence, draws, seed)
    conventional = conventional if conventional in drawn.pairs else None
    mean = means(drawn)
    known = learned(evidence, drawn, sign=sign, level=level, draws=draws, seed=seed)
    order = _order(drawn, sign * mean.value, conventional)
    pairs = [drawn.pairs[i] for i in order]
    rope = _default_rope(drawn, conventional or pairs[0], sign) if rope is None else rope
    comparisons, detectable = _compare(drawn, order, sign, rope, level, share)
    worse = {c.b for c in comparisons if c.a == pairs[0] and c.relation is Relation.BETTER}
    tied = tuple(p for p in pairs if p not in worse)
    recommended, rule = _recommend(tied, conventional, sensitivity or {}, cost or {})
    optimism = _optimism(pairs[0], search_scores or {}, validation_scores or {}, sign)
    verdict = Verdict(
        metric=evidence.metric.name,
        direction=direction,
        part=evidence.part,
        seeds=len(evidence.seeds),
        rows=len(np.unique(np.concatenate(evidence.rows))) if len(evidence.rows) else 0,
        level=level,
        rope=rope,
        draws=draws,
        ranking=(),
        comparisons=comparisons,
        tied=tied,
        leader=pairs[0],
        recommended=recommended,
        rule=rule,
        conventional=conventional,
        detectable=detectable,
        optimism=optimism,
        sentences=(),
        constant=known.constant,
    )
    scores = search_scores or {}, validation_scores or {}
    ranking = _rank(verdict, evidence, drawn, mean, order, known, *scores)
    verdict = replace(verdict, ranking=tuple(ranking))
    return replace(verdict, sentences=sentences(verdict))


def _check(direction: str, rope: float | None) -> None:
    problems = []
    if direction not in SIGN:
        problems.append(f"direction must be one of {', '.join(SIGN)}, got {direction!r}.")
    if rope is not None and not 0 <= rope < math.inf:
        problems.append(f"rope must be a finite number of at least 0, got {rope!r}.")
    refuse(problems)


def _order(drawn: Draws, score: Floats, conventional: str | None) -> list[int]:
    """Return the pairs' places, best mean first; equals by the conventional first, then by name."""
    pairs = drawn.pairs
    return sorted(range(len(pairs)), key=lambda i: (-score[i], pairs[i] != conventional, pairs[i]))


def _default_rope(drawn: Draws, reference: str, sign: int) -> float:
    if sign > 0:
        return SHARE
    return SHARE * abs(float(drawn.scores[drawn.pairs.index(reference)].mean()))


def _compare(
    drawn: Draws, order: Sequence[int], sign: int, rope: float, level: float, share: float
) -> tuple[tuple[Comparison, ...], float]:
    """Return all comparisons, the better ranked first, and the smallest detectable difference.

    That is how far the median pair would have to be behind the leader to be told from it with the stated power.
    """
    couples = np.array(list(combinations(order, 2)), dtype=np.int64).reshape(-1, 2)
    if not len(couples):
        return (), math.nan
    found = differences(drawn, *couples[:, ::sign].T)
    family = step_down(found, level * share)
    low, high = np.clip([family.low, family.high], drawn.low - drawn.high, drawn.high - drawn.low)
    effect = _effect_sizes(found.value, drawn.scores[couples[:, 0]] - drawn.scores[couples[:, 1]])
    better, equal, worse = _chances(found, rope)
    comparisons = tuple(
        Comparison(
            a=drawn.pairs[a],
            b=drawn.pairs[b],
            difference=float(found.value[j]),
            low=float(low[j]),
            high=float(high[j]),
            p=min(1.0, float(family.p[j]) / share),
            effect=float(effect[j]),
            better=float(better[j]),
            equal=float(equal[j]),
            worse=float(worse[j]),
            relation=_relation(low[j], high[j], rope),
        )
        for j, (a, b) in enumerate(couples.tolist())
    )
    told = family.half + found.as_distance(float(stats.norm.ppf(POWER)))
    # rows that agree show no error of a mean over such rows
    discrete = (found.se == 0) | math.isfinite(drawn.high - drawn.low)
    told = np.where(discrete, np.maximum(told, found.unseen(float(stats.norm.isf(level * share / 2)))), told)
    few = found.surest < stats.norm.isf(level * share / 2)
    told = np.where(~few & (told < drawn.high - drawn.low), told, math.inf)
    of_leader = told[(couples[:, 0] == order[0]) & (told > 0)]
    return comparisons, float(np.median(of_leader)) if len(of_leader) else math.nan


def _chances(found: Estimates, rope: float) -> tuple[Floats, Floats, Floats]:
    """Return the probabilities of better, practically equal and worse; none is 0 or 1 unless all is known."""
    better = (found.errors > found.as_outer_z(rope - found.value)).sum(axis=0)
    worse = (found.errors < found.as_outer_z(-rope - found.value)).sum(axis=0)
    draws, known = len(found.z), (found.se == 0) & (found.jump == 0)
    chances = np.stack([better, draws - better - worse, worse])
    better, equal, worse = np.where(known, chances / draws, (chances + 1 / 3) / (draws + 1))
    return better, equal, worse


def _effect_sizes(value: Floats, by_seed: Floats) -> Floats:
    """Return differences over their standard deviation across seeds, NaN where that is rounding."""
    sd = by_seed.std(axis=1, ddof=1)
    varies = sd > ROUNDING * np.abs(value)
    nothing = np.where(value == 0, 0.0, math.nan)
    np.divide(value, sd, out=nothing, where=varies)
    return nothing


def _relation(low: float, high: float, rope: float) -> Relation:
    if -rope <= low and high <= rope:
        return Relation.EQUAL
    if low > 0:
        return Relation.BETTER
    return Relation.WORSE if high < 0 else Relation.UNDECIDED


def _recommend(
    tied: Sequence[str], conventional: str | None, sensitivity: Numbers, cost: Numbers
) -> tuple[str, Rule]:
    """Return which of the tied pairs, best mean first, to take, and by what."""
    if len(tied) == 1:
        return tied[0], Rule.ALONE
    if conventional is not None and conventional in tied:
        return conventional, Rule.CONVENTIONAL
    left = list(tied)
    for rule, numbers in ((Rule.SENSITIVITY, sensitivity), (Rule.COST, cost)):
        known = {p: numbers[p] for p in left if math.isfinite(numbers.get(p, math.nan))}
        least = [p for p in known if known[p] == min(known.values())]
        if len(least) == 1:
            return least[0], rule
        left = least or left
    return left[0], Rule.SCORE


def _optimism(leader: str, search: Numbers, validation: Numbers, sign: int) -> float | None:
    """Return how much better the leader was in the search than on fresh seeds."""
    if leader not in search or leader not in validation:
        return None
    return sign * (search[leader] - validation[leader])


def _rank(
    verdict: Verdict,
    evidence: Evidence,
    drawn: Draws,
    mean: Estimates,
    order: Sequence[int],
    known: Learned,
    search: Numbers,
    validation: Numbers,
) -> Iterator[Ranked]:
    low, high = score_intervals(mean, drawn, verdict.level)
    for i in order:
        pair, score = drawn.pairs[i], float(mean.value[i])
        gain = None
        if verdict.conventional not in {None, pair}:
            gain = verdict.between(pair, str(verdict.conventional))
        yield Ranked(
            pair=pair,
            rank=1 + int((SIGN[verdict.direction] * (mean.value - score) > 0).sum()),
            score=score,
            low=float(low[i]),
            high=float(high[i]),
            sd=float(drawn.scores[i].std(ddof=1)),
            tied=pair in verdict.tied,
            diverged=int(np.sum(evidence.diverged[pair])),
            search=search.get(pair),
            validation=validation.get(pair),
            gain=gain.difference if gain else None,
            gain_low=gain.low if gain else None,
            gain_high=gain.high if gain else None,
            learned=known.better[i],
            one_label=0
            if evidence.logged is not None
            else seeds_of_one_label(evidence.predictions[pair], evidence.diverged[pair]),
        )

"""Tests on ranks: of many treatments over blocks, and of two; how far apart average ranks must be."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import stats

_DIGITS = 12
_DRAWS = 4_000
_SEED = 0


def friedman_p(blocks: NDArray[np.float64]) -> float:
    """Return the p of Friedman's test on (blocks, treatments), in Iman and Davenport's form (1980).

    Never below that of perfect agreement, (1 / treatments!)^(blocks - 1), where the approximation gives 0.
    With two treatments the sign of the difference is all there is: the exact sign test stands in.
    """
    n, k = blocks.shape
    ranks = stats.rankdata(blocks, axis=1)
    if n < 2 or k < 2 or (ranks == ranks[:, :1]).all():
        return 1.0
    if k == 2:
        ahead, behind = int((blocks[:, 0] > blocks[:, 1]).sum()), int((blocks[:, 0] < blocks[:, 1]).sum())
        return float(stats.binomtest(ahead, ahead + behind).pvalue)
    chi2 = float(stats.friedmanchisquare(*blocks.T).statistic)
    most = n * (k - 1)
    least = math.exp(-(n - 1) * math.lgamma(k + 1))
    if chi2 >= most * (1 - 1e-12):
        return least
    f = (n - 1) * chi2 / (most - chi2)
    return max(float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))), least)


def critical_difference(pairs: int, tasks: int, level: float) -> float:
    """Return the difference of average ranks that Nemenyi's test (1963) tells apart at this level."""
    q = float(stats.studentized_range.ppf(1 - level, pairs, np.inf)) / math.sqrt(2)
    return q * math.sqrt(pairs * (pairs + 1) / (6 * tasks))


def wilcoxon_p(difference: NDArray[np.float64]) -> float:
    """Return the exact two-sided p of Wilcoxon's signed ranks (1945), given the ties there are.

    Tasks on which both score the same count half for each (Demsar 2006). SciPy gives the same p with ties,
    in up to a second; here the distribution is built rank by rank.
    """
    # shares such as 0.3 - 0.1 and 0.4 - 0.2 are one difference, which rounding in binary hides
    rounded = np.round(difference, _DIGITS)
    doubled = np.rint(2 * stats.rankdata(np.abs(rounded))).astype(int)
    ahead = int(doubled[rounded > 0].sum())
    chances = np.ones(1)
    for rank in doubled[rounded != 0]:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return float(min(2 * min(chances[: ahead + 1].sum(), chances[ahead:].sum()), 1.0))


def holm(p: Sequence[float]) -> list[float]:
    """Return p adjusted for their number by Holm's step-down method (1979)."""
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=np.float64)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(x) for x in adjusted]


def rank_sum(difference: NDArray[np.float64]) -> float:
    """Return the signed rank sum, positive where the first is ahead."""
    return float((np.sign(difference) * stats.rankdata(np.abs(difference))).sum())


def practical(
    first: NDArray[np.float64], second: NDArray[np.float64], rope: float
) -> tuple[float, float, float] | None:
    """Return the probabilities that the first is better, practically equal and worse.

    Of the median difference over tasks, by the Bayesian signed-rank test (Benavoli et al. 2014). That test puts
    its prior on equality, and knows nothing else of few tasks: of two that agree it is certain. So none is
    surer than n tasks can be of a median, 1 - 1/2^n, as by the sign test. None without baycomp.
    """
    try:
        from baycomp import SignedRankTest
    except ImportError:
        return None
    drawn = SignedRankTest.sample(first, second, rope, nsamples=_DRAWS, random_state=_SEED)
    found = drawn.argmax(axis=1)
    unknown = 1.5 * 0.5 ** len(first)
    better, equal, worse = (1 - unknown) * np.bincount(found, minlength=3) / len(found) + unknown / 3
    return float(better), float(equal), float(worse)

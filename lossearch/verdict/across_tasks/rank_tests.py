"""Tests on ranks: of many treatments over blocks, and of two; how far apart average ranks must be.

SciPy and baycomp have them all, and are what they are tested against; their import alone takes half as long as torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import pd, special

_DIGITS = 12
_DRAWS = 4_000
_SEED = 0
_ON_EQUALITY = 0.5
"""What the prior of the Bayesian signed-rank test weighs, in tasks."""
_HALVINGS = 60


def ranks(blocks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks within each row, from 1; equals share theirs."""
    found: NDArray[np.float64] = pd.DataFrame(blocks).rank(axis=1).to_numpy()
    return found


def friedman_p(blocks: NDArray[np.float64]) -> float:
    """Return the p of Friedman's test on (blocks, treatments), in Iman and Davenport's form (1980).

    Never below that of perfect agreement, (1 / treatments!)^(blocks - 1), where the approximation gives 0.
    With two treatments the sign of the difference is all there is: the exact sign test stands in.
    """
    n, k = blocks.shape
    found = ranks(blocks)
    if n < 2 or k < 2 or (found == found[:, :1]).all():
        return 1.0
    if k == 2:
        ahead, behind = int((blocks[:, 0] > blocks[:, 1]).sum()), int((blocks[:, 0] < blocks[:, 1]).sum())
        return min(1.0, 2 * float(special.bdtr(min(ahead, behind), ahead + behind, 0.5)))
    centred = found - (k + 1) / 2
    chi2 = (k - 1) * float((centred.sum(axis=0) ** 2).sum() / (centred**2).sum())
    most = n * (k - 1)
    least = math.exp(-(n - 1) * math.lgamma(k + 1))
    if chi2 >= most * (1 - 1e-12):
        return least
    f = (n - 1) * chi2 / (most - chi2)
    return max(float(special.fdtrc(k - 1, (k - 1) * (n - 1), f)), least)


def critical_difference(pairs: int, tasks: int, level: float) -> float:
    """Return the difference of average ranks that Nemenyi's test (1963) tells apart at this level."""
    return range_quantile(1 - level, pairs) / math.sqrt(2) * math.sqrt(pairs * (pairs + 1) / (6 * tasks))


def range_quantile(p: float, n: int) -> float:
    """Return a quantile of the range of ``n`` standard normal values."""
    # a sum over even steps is exact to rounding for what is smooth and vanishes at both ends
    z, step = np.linspace(-9.0, 9.0, 1801, retstep=True)
    weights = n * step * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    low, high = 0.0, 100.0
    for _ in range(_HALVINGS):
        q = (low + high) / 2
        # by the largest of the values, all others at most q below it
        within = float(weights @ (special.ndtr(z) - special.ndtr(z - q)) ** (n - 1))
        low, high = (q, high) if within < p else (low, q)
    return (low + high) / 2


def wilcoxon_p(difference: NDArray[np.float64]) -> float:
    """Return the exact two-sided p of Wilcoxon's signed ranks (1945), given the ties there are.

    Tasks on which both score the same count half for each (Demsar 2006). SciPy gives the same p with ties,
    in up to a second; here the distribution is built rank by rank.
    """
    # shares such as 0.3 - 0.1 and 0.4 - 0.2 are one difference, which rounding in binary hides
    rounded = np.round(difference, _DIGITS)
    doubled = np.rint(2 * ranks(np.abs(rounded)[None])[0]).astype(int)
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
    return float((np.sign(difference) * ranks(np.abs(difference)[None])[0]).sum())


def practical(
    first: NDArray[np.float64], second: NDArray[np.float64], rope: float
) -> tuple[float, float, float]:
    """Return the probabilities that the first is better, practically equal and worse.

    Of the median difference over tasks, by the Bayesian signed-rank test (Benavoli et al. 2014). That test puts
    its prior on equality, and knows nothing else of few tasks: of two that agree it is certain. So none is
    surer than n tasks can be of a median, 1 - 1/2^n, as by the sign test.
    """
    found = signed_rank_draws(first, second, rope).argmax(axis=1)
    unknown = 1.5 * 0.5 ** len(first)
    better, equal, worse = (1 - unknown) * np.bincount(found, minlength=3) / len(found) + unknown / 3
    return float(better), float(equal), float(worse)


def signed_rank_draws(
    first: NDArray[np.float64], second: NDArray[np.float64], rope: float
) -> NDArray[np.float64]:
    """Return draws of the probabilities that the first is better, practically equal and worse."""
    differences = np.concatenate([[0.0], second - first])
    prior = np.array([_ON_EQUALITY, *np.ones(len(first))])
    drawn = np.random.RandomState(_SEED).dirichlet(prior, _DRAWS)
    sums = np.add.outer(differences, differences)
    ahead, behind = (_share_above(drawn, s, 2 * rope) for s in (-sums, sums))
    # without a region the first is whatever the second is not
    return np.stack([ahead, 1 - ahead - behind, behind] if rope > 0 else [1 - behind, 0 * behind, behind], 1)


def _share_above(drawn: NDArray[np.float64], sums: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    above = np.heaviside(sums - least, 0.5)
    found: NDArray[np.float64] = ((drawn @ above) * drawn).sum(axis=1)
    return found

"""Statements that hold all at once: errors over seeds and rows, and the family of comparisons.

Scores are crossed: every seed meets every row. With a share of variance that belongs to seeds, one to rows
and one to single cells (a seed on a row), drawing seeds alone repeats the first and the last, drawing rows
alone the second and the last, drawing both at once all three but the last three times over (Owen 2007;
that no resampling of both is right, McCullagh 2000). So the variance is that of seeds, plus that of rows,
less that of cells, and at least the larger of the first two (Cameron, Gelbach and Miller 2011; Davezies,
D'Haultfoeuille and Guyonvarch 2021). Drawing n units with replacement gives (n - 1)/n of their variance
(Efron 1982), which is undone. That standard errors have errors themselves is met by Student's quantiles,
those for the seeds and for the rows weighted by their shares of the variance (Cochran and Cox 1950): degrees
of freedom estimated from few seeds (Satterthwaite) fail where these happen to agree.

Resampling shows what the rows hold, and nothing of rows of a kind that is not among them: of n rows none may
differ though as many as 3 in n would in the long run (the rule of three, Hanley and Lippman-Hand 1983). So what
one more row could change widens every interval outwards, as in Wilson's score interval (1927), and no interval
is without width unless two pairs predict the same. It tells no pair from another and spares none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import stats
from lossearch.errors import InputError
from lossearch.verdict.bootstrap import Draws
from lossearch.verdict.known import ROUNDING

Floats = NDArray[np.float64]

NORMAL = np.linspace(0, 8, 1601)
"""Normal quantiles between which Student's are interpolated."""
FEW = 10
"""With fewer seeds their draws do not show how errors go together: the normal and Holm take their place."""
FEWEST = 5
"""With fewer seeds than this not even their share of the variance is known: all of it counts as theirs."""


@dataclass(frozen=True)
class Estimates:
    """J estimates: value, standard error, the seeds' share of its square, and B draws of the error.

    ``df`` are the degrees of freedom of seeds and of rows. ``z`` is (B, J), of mean 0 and variance 1; all 0
    where the standard error is 0. ``joint`` says whether a draw is one of all errors together, rather than
    of each alone. ``jump`` (J,) is what one more row could change, and ``leverage`` its share of all rows.
    ``surest`` is the largest normal quantile that so few rows can speak for, as by the sign test.
    """

    value: Floats
    se: Floats
    share: Floats
    df: tuple[float, float]
    z: Floats
    joint: bool = True
    jump: Floats | float = 0.0
    leverage: float = 0.0
    surest: float = math.inf

    @property
    def errors(self) -> Floats:
        """``z``, and normal ones where all draws are 0."""
        return np.where(self.z.any(axis=0), self.z, _normal_scores(len(self.z))[:, None])

    def as_z(self, distance: Floats) -> Floats:
        """Return the normal quantiles as likely as these distances from the estimates.

        At most the largest of :data:`NORMAL`; that where the standard error is 0 and the distance is not.
        """
        return _as_z(distance, self.as_distance(NORMAL[:, None]))

    def as_outer_z(self, distance: Floats) -> Floats:
        """Return the same, with what rows of an unseen kind could change."""
        return _as_z(distance, self.as_outer_distance(NORMAL[:, None]))

    def as_distance(self, z: Floats | float) -> Floats:
        """Return the distances that are as likely as these normal quantiles, at least 0."""
        seeds, rows = (np.interp(z, NORMAL, _student(df)) for df in self.df)
        return self.se * (self.share * seeds + (1 - self.share) * rows)

    def as_outer_distance(self, z: Floats | float) -> Floats:
        """Return the same, with what rows of an unseen kind could change."""
        return np.hypot(self.as_distance(z), self.unseen(z))

    def unseen(self, z: Floats | float) -> Floats:
        """Return what rows of an unseen kind could change, as surely as a normal quantile says."""
        square = np.square(z)
        found: Floats = square / (1 + square * self.leverage) * self.jump
        return found


def _as_z(distance: Floats, curves: Floats) -> Floats:
    """Return where distances (J,) lie on the curves (normal quantiles, J)."""
    found = [
        np.interp(x, curve, NORMAL) if curve[-1] > 0 else NORMAL[-1] * (x > 0)
        for x, curve in zip(np.abs(distance), curves.T, strict=True)
    ]
    return np.copysign(found, distance)


@cache
def _student(df: float) -> Floats:
    """Return Student's quantiles as likely as the normal ones of :data:`NORMAL`."""
    quantiles: Floats = stats.t.isf(stats.norm.sf(NORMAL), df)
    return quantiles


def means(draws: Draws) -> Estimates:
    """Return the mean score of each pair."""
    found = _estimates(draws, lambda pairs: pairs)
    return replace(found, jump=_widths(draws, found.value) * draws.leverage)


def _widths(draws: Draws, value: Floats) -> Floats:
    """Return how differently a row of an unseen kind may score, (P,): by the whole range, where it has two ends.

    Where it has one, by the distance from it: such a row is taken to be as hard as those that were seen. Of a pair
    that makes no error at all, by a constant predictor's.
    """
    if math.isfinite(draws.high - draws.low):
        return np.full(value.shape, draws.high - draws.low)
    end = _end(draws)
    left = np.abs(value - end)
    return np.asarray(np.where(left > 0, left, abs(draws.constant - end)), dtype=np.float64)


def _end(draws: Draws) -> float:
    return next((end for end in (draws.low, draws.high) if math.isfinite(end)), 0.0)


def differences(draws: Draws, first: NDArray[np.int64], second: NDArray[np.int64]) -> Estimates:
    """Return the mean difference of pairs ``first`` (J,) from pairs ``second`` (J,)."""
    found = _estimates(draws, lambda pairs: pairs[:, first] - pairs[:, second])
    each: Floats = _widths(draws, draws.scores.mean(axis=1))
    if math.isfinite(
        draws.high
    ):  # differences of a share, as that of the variance, are not relative to what is left
        each = np.maximum(each, abs(draws.constant - draws.high))
    jump = np.maximum(each[first], each[second]) * draws.leverage
    return replace(found, jump=np.where(draws.alike[first] == draws.alike[second], 0.0, jump))


def _estimates(draws: Draws, of: Callable[[Floats], Floats]) -> Estimates:
    """Return what ``of`` makes of the pairs' scores, (..., P) -> (..., J), with its error."""
    n, m = draws.scores.shape[1], draws.units
    each = of(draws.scores.T)
    value = each.mean(axis=0)
    by_seeds = draws.seeds @ each - value
    by_rows = of(draws.by_rows.mean(axis=2))
    by_both = of(np.einsum("bs,bps->bp", draws.seeds, draws.by_rows))
    seeds, rows = n / (n - 1), m / (m - 1)
    of_seeds = each.var(axis=0, ddof=1) / n
    of_rows = by_rows.var(axis=0) * rows
    of_cells = (by_both - by_rows - by_seeds).var(axis=0) * seeds * rows
    se = np.sqrt(np.maximum.reduce([of_seeds, of_rows, of_seeds + of_rows - of_cells]))
    error = by_seeds * math.sqrt(seeds) + (by_rows - by_rows.mean(axis=0)) * math.sqrt(rows)
    if n < FEW:
        error = np.repeat(_normal_scores(len(error))[:, None], len(value), axis=1)

    nothing = ROUNDING * np.abs(draws.scores).max()
    varies = se > nothing
    return Estimates(
        value=np.where(np.abs(value) > nothing, value, 0.0),
        se=np.where(varies, se, 0.0),
        share=np.divide(of_seeds, se**2, out=np.ones_like(se), where=varies & (n >= FEWEST)),
        df=(n - 1, m - 1),
        z=np.divide(error, error.std(axis=0), out=np.zeros_like(error), where=varies),
        joint=n >= FEW,
        leverage=draws.leverage,
        surest=_surest(draws),
    )


def _surest(draws: Draws) -> float:
    """Return the normal quantile as likely as that all rows agree where none is better; of a mean over classes, by weight.

    Of fewer than six rows not even that is rarer than one in twenty.
    """
    bounded = math.isfinite(draws.high - draws.low)
    return float(stats.norm.isf(0.5 ** (1 / draws.leverage if bounded else draws.units)))


def _normal_scores(draws: int) -> Floats:
    scores: Floats = stats.norm.ppf((np.arange(draws) + 0.5) / draws)
    return scores


def quantiles(estimates: Estimates, level: float) -> Floats:
    """Return the normal quantile, (J,), that each estimate's error alone exceeds in a share ``level`` of cases."""
    largest = np.sort(np.abs(estimates.z), axis=0)[_place(len(estimates.z), level)]
    found: Floats = np.maximum(largest, stats.norm.isf(level / 2))
    return found


@dataclass(frozen=True)
class Family:
    """What J estimates say together: adjusted p of "it is 0", and the interval of each.

    An interval leaves out 0 exactly where p is at most the level. ``half`` is half its width by what the rows
    hold; outwards of an estimate that is told from 0, and on both sides of any other, rows of an unseen kind
    widen it.
    """

    p: Floats
    half: Floats
    low: Floats
    high: Floats


def step_down(estimates: Estimates, level: float) -> Family:
    """Return adjusted p and intervals, step down: a hypothesis that is rejected leaves the family to the rest.

    The estimate furthest from 0 is held against the largest error of all J; once its hypothesis is rejected,
    the next against the largest of the rest, and so on (Romano and Wolf 2005). As draws of few seeds make
    errors look more alike than they are, p is never below that of Holm 1979, by the number of estimates
    left that do not repeat one another; where draws are not joint, it is that.
    """
    observed = np.minimum(np.abs(estimates.as_z(estimates.value)), estimates.surest)
    order = np.argsort(-observed, kind="stable")
    back = np.argsort(order, kind="stable")
    p, critical = _by_holm(observed[order], _left(estimates, order), level)
    if estimates.joint:
        p_joint, critical_joint = _by_max_t(observed[order], np.abs(estimates.z)[:, order], level)
        p, critical = np.maximum(p, p_joint), np.maximum(critical, critical_joint)
    p = np.maximum.accumulate(p)
    rejected = int((p <= level).sum())
    critical[rejected:] = critical[rejected : rejected + 1]
    value, half = estimates.value, estimates.as_distance(critical[back])
    seeming = (p[back] > level) & (np.abs(value) >= half) & (value != 0)
    half = np.where(seeming, np.nextafter(np.abs(value), np.inf), half)
    # each alone: that none of several differs is only wrong where one of them does (Berger 1982)
    outer = np.hypot(half, estimates.unseen(float(stats.norm.isf(level / 2))))
    return Family(
        p[back],
        half,
        low=value - np.where(value > half, half, outer),
        high=value + np.where(value < -half, half, outer),
    )


def _left(estimates: Estimates, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many estimates that vary, and repeat no other, each has in itself and those after it."""
    what = np.stack([np.abs(estimates.value), estimates.se, estimates.share])[:, order[::-1]]
    firsts = np.zeros(len(order), dtype=np.int64)
    firsts[np.unique(what, axis=1, return_index=True)[1]] = 1
    left: NDArray[np.int64] = np.cumsum(firsts * (what[1] > 0))[::-1]
    return np.maximum(left, 1)


def _by_max_t(observed: Floats, errors: Floats, level: float) -> tuple[Floats, Floats]:
    """Return p and critical value of each estimate among itself and those after it, by max-t over the draws."""
    largest = np.maximum.accumulate(errors[:, ::-1], axis=1)[:, ::-1]
    p = (1 + (largest >= observed).sum(axis=0)) / (len(largest) + 1)
    return p, np.sort(largest, axis=0)[_place(len(largest), level)]


def _by_holm(observed: Floats, left: NDArray[np.int64], level: float) -> tuple[Floats, Floats]:
    """Return p and critical value of each estimate by the number left of them (Holm)."""
    return np.minimum(1, 2 * left * stats.norm.sf(observed)), stats.norm.isf(level / 2 / left)


def _place(draws: int, level: float) -> int:
    """Return the place, among sorted draws, of what a share ``level`` of them exceeds."""
    above = math.floor(level * (draws + 1) + ROUNDING)
    if not 0 < above <= draws:
        raise InputError(
            f"At level {level:g} a verdict needs at least {math.ceil(1 / level) - 1} draws; here are {draws}."
            if 0 < level < 1
            else f"level must be between 0 and 1, got {level:g}."
        )
    return draws - above

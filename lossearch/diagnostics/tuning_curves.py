"""What a search of n trials can be expected to find, with bands that hold for every n at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from opda.nonparametric import EmpiricalDistribution

from lossearch.metrics.metric import SIGN
from lossearch.records.trial import Stage, TrialRecord

INDEPENDENT = (Stage.INITIAL_DESIGN,)
"""Stages whose points no earlier result has chosen."""
_SMALLEST = 5


@dataclass(frozen=True)
class TuningCurve:
    """The best score that a search of 1, 2, ... trials of one pair typically finds.

    ``typical[n - 1]`` is the median over searches of n trials: half of them find better. ``low`` and
    ``high`` hold for every n at once, and for every pair at once; an infinite end means that so few
    points say nothing there. ``trials`` is how many independent points all this rests on.
    """

    pair: str
    trials: int
    typical: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    level: float

    @property
    def budgets(self) -> NDArray[np.int64]:
        """The numbers of trials, 1 to ``trials``."""
        return np.arange(1, self.trials + 1)


@dataclass(frozen=True)
class Crossing:
    """Pair ``late`` overtakes ``early`` from ``trials`` trials on, by the typical best score.

    ``clear`` is whether the bands lie apart both before and after, so that it is more than a guess.
    """

    early: str
    late: str
    trials: int
    clear: bool

    def __str__(self) -> str:
        doubt = "" if self.clear else "; so few trials cannot show it for sure"
        return f"{self.late} overtakes {self.early} from {self.trials} trials on{doubt}."


def tuning_curves(
    records: Sequence[TrialRecord],
    *,
    direction: str,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    stages: Sequence[str] = INDEPENDENT,
) -> tuple[TuningCurve, ...]:
    """Return a tuning curve for each pair with at least five independent points.

    The bands are those of Lourie, Cho and He 2024 (``opda``): the distribution function of a random
    search's score with a simultaneous confidence band, turned into the best of n. They are computed at
    1 - (1 - level) / pairs, so that all curves hold together. Points that a model proposed are left out,
    for it aims at good ones.

    What they mean here: the search that is described draws log-uniform learning rates at random. The
    initial design is not such a sample. Its rates are equally spaced from end to end and its other parameters
    follow a scrambled Halton sequence. Where the score changes little from one rate to the next, so even
    a spread gives a distribution function closer to the true one than independent draws would, and the
    bands are wider than they need be. Nothing guarantees that where the score jumps between neighbouring
    rates; and both ends of the range, often its worst points, count in full. Values are means over the
    search's seeds, the same for every pair: the curves are about these seeds.

    Args:
        records: counted trials of a search; of them, those of ``stages`` that have a value.
        direction: "maximize" or "minimize".
        level: probability that every band of every pair holds everywhere.
        bounds: the least and greatest score there can be, where known: (0, 1) for accuracy.
        stages: stages whose points are independent; add "search" where the sampler was random.
    """
    values: dict[str, list[float]] = {}
    for record in records:
        if record.stage in stages and record.value is not None:
            values.setdefault(record.point.pair, []).append(record.value)
    enough = {pair: np.array(found) for pair, found in values.items() if len(found) >= _SMALLEST}
    each = 1 - (1 - level) / max(len(enough), 1)
    return tuple(_curve(pair, found, direction, each, bounds, level) for pair, found in enough.items())


def _curve(
    pair: str,
    values: NDArray[np.float64],
    direction: str,
    confidence: float,
    bounds: tuple[float, float],
    level: float,
) -> TuningCurve:
    sign = SIGN[direction]
    least, greatest = sorted(sign * b for b in bounds)
    tied = len(np.unique(values)) < len(values)
    # of opda's bands only this one holds for a score that can take the same value twice
    method = "dkw" if tied else "ld_equal_tailed"
    bands = EmpiricalDistribution.confidence_bands(
        sign * values,
        confidence,
        least,
        greatest,
        generator=np.random.default_rng(0),
        method=method,
        n_jobs=1,
    )
    budgets = np.arange(1, len(values) + 1)
    # the lower band of the distribution function is the upper one of its quantiles
    high, typical, low = (sign * np.asarray(c.quantile_tuning_curve(budgets, q=0.5)) for c in bands)
    return TuningCurve(pair, len(values), typical, np.minimum(low, high), np.maximum(low, high), level)


def crossings(curves: Sequence[TuningCurve], *, direction: str) -> tuple[Crossing, ...]:
    """Return every pair that is typically behind another at few trials and ahead of it at more."""
    sign = SIGN[direction]
    found = []
    for a, b in combinations(curves, 2):
        n = min(a.trials, b.trials)
        lead = np.sign(sign * (a.typical[:n] - b.typical[:n]))
        led = np.flatnonzero(lead)
        if not len(led) or lead[led[0]] == lead[led[-1]]:
            continue
        early, late = (a, b) if lead[led[0]] > 0 else (b, a)
        last_behind = int(np.flatnonzero(lead == lead[led[0]])[-1])
        start = int(led[led > last_behind][0])
        clear = _apart(early, late, n, sign)[:start].any() and _apart(late, early, n, sign)[start:].any()
        found.append(Crossing(early.pair, late.pair, start + 1, bool(clear)))
    return tuple(found)


def _apart(ahead: TuningCurve, behind: TuningCurve, n: int, sign: int) -> NDArray[np.bool_]:
    """Return at which budgets the whole band of one lies on the good side of the other's."""
    if sign > 0:
        return np.asarray(ahead.low[:n] > behind.high[:n])
    return np.asarray(ahead.high[:n] < behind.low[:n])

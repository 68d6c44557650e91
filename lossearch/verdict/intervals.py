"""Intervals of single scores, which stay in the score's range and always have a width."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lossearch.verdict.bootstrap import Draws
from lossearch.verdict.multiple_testing import Estimates, quantiles

Floats = NDArray[np.float64]


def score_intervals(estimates: Estimates, draws: Draws, level: float) -> tuple[Floats, Floats]:
    """Return the ends of the interval of each pair's mean score, (P,) each, which hold with 1 - ``level``.

    Between two ends it is Wilson's score interval (1927), with the variance of these seeds and rows in place of the
    binomial one. With one end it is symmetric in the logarithm of the distance from that end, of small errors.

    Args:
        estimates: of the mean scores, what ``means`` gives.
        draws: what they were estimated from.
        level: share of cases in which a score is not in its interval.
    """
    z = quantiles(estimates, level)
    low, high = draws.low, draws.high
    if math.isfinite(high - low):
        return _wilson(estimates, z, low, high)
    outer = estimates.as_outer_distance(z)
    if math.isfinite(low):
        near, far = _logarithmic(estimates.value - low, outer)
        return low + near, low + far
    if math.isfinite(high):
        near, far = _logarithmic(high - estimates.value, outer)
        return high - far, high - near
    return estimates.value - outer, estimates.value + outer


def _logarithmic(left: Floats, outer: Floats) -> tuple[Floats, Floats]:
    """Return how far from the end of the range the interval begins and ends; from the end itself by the error.

    An error larger than the distance itself is added as it is: by so few rows even the order of size is not known.
    """
    error = np.divide(outer, left, out=np.full_like(outer, np.inf), where=left > 0)
    within = np.exp(np.minimum(error, 1))
    return left * np.exp(-error), left * within + within * np.maximum(outer - left, 0)


def _wilson(estimates: Estimates, z: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    more = np.square(z) * estimates.leverage
    share = (estimates.value - low) / (high - low)
    centre = (share + more / 2) / (1 + more)
    half = np.hypot(estimates.as_distance(z) / (high - low), more / 2) / (1 + more)
    ends = [low + (high - low) * np.clip(centre + side * half, 0, 1) for side in (-1, 1)]
    # rounding must not part a score at the end of the range from its interval
    return np.minimum(ends[0], estimates.value), np.maximum(ends[1], estimates.value)

"""Scores of predicted distributions, for a stack of models at once.

``distribution`` is (K, N, T, P), the parameters of the family that goes with it, and the target (N, T) or (N,), both in
original units. Every score is computed for each output and averaged over the T outputs with equal weight; a distribution
that is not finite gives NaN. Intervals hold 90 % and leave 5 % on each side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.distributions import DISTRIBUTIONS, Family
from lossearch.kinds import Predictions
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read, summarised

if TYPE_CHECKING:
    from torch import Tensor

SHARE = 0.9
"""What an interval is to hold."""
_SIDE = (1 - SHARE) / 2
LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))
"""Shares of the targets whose quantiles are scored."""


def _read(predictions: Predictions, target: Tensor) -> tuple[Family, Tensor, Tensor]:
    """Return family, parameters in float64, and targets (N, T)."""
    true = (target.unsqueeze(-1) if target.ndim == 1 else target).double()
    return DISTRIBUTIONS[str(predictions.family)], read(predictions, "distribution").double(), true


@dataclass(frozen=True)
class Intervals:
    """Lower and upper ends, (K, N, T), of what holds :data:`SHARE` of each distribution, and the targets (N, T)."""

    low: Tensor
    high: Tensor
    target: Tensor

    @property
    def held(self) -> Tensor:
        """Which targets lie in them, (K, N, T) float64."""
        return ((self.target >= self.low) & (self.target <= self.high)).double()


def intervals(predictions: Predictions, target: Tensor) -> Intervals:
    """Return the central interval of each distribution."""
    family, params, true = _read(predictions, target)
    low, high = family.quantile(params, params.new_tensor([_SIDE, 1 - _SIDE])).unbind(dim=-1)
    return Intervals(low, high, true)


def probability_integral(predictions: Predictions, target: Tensor) -> Tensor:
    """Return the share of each distribution up to its target, (K, N, T): even between 0 and 1 where all are right."""
    family, params, true = _read(predictions, target)
    return family.cdf(params, true)


@finite_only("distribution")
def crps(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean continuous ranked probability score (Gneiting & Raftery 2007); of a single number it is the absolute error."""
    family, params, true = _read(predictions, target)
    return family.crps(params, true).mean(dim=(-2, -1))


@finite_only("distribution")
def nll(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean of minus the log-density at the target, in original units."""
    family, params, true = _read(predictions, target)
    return -family.log_density(params, true).mean(dim=(-2, -1))


@finite_only("distribution")
def mae(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean absolute error of the distributions' medians."""
    family, params, true = _read(predictions, target)
    return (family.median(params) - true).abs().mean(dim=(-2, -1))


@finite_only("distribution")
def pinball(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean pinball loss of the quantiles at .05, .1, ..., .95 (Koenker & Bassett 1978)."""
    family, params, true = _read(predictions, target)
    levels = params.new_tensor(LEVELS)
    missing = true.unsqueeze(-1) - family.quantile(params, levels)
    return torch.maximum(levels * missing, (levels - 1) * missing).mean(dim=(-3, -2, -1))


@summarised("distribution", intervals)
def coverage(found: Intervals) -> Tensor:
    """Share of the targets in their 90 % interval."""
    return found.held.mean(dim=(-2, -1))


@summarised("distribution", intervals)
def coverage_error(found: Intervals) -> Tensor:
    """How far the share of each output's targets in their 90 % interval is from .9."""
    return (found.held.mean(dim=-2) - SHARE).abs().mean(dim=-1)


@summarised("distribution", intervals)
def width(found: Intervals) -> Tensor:
    """Mean width of the 90 % intervals."""
    return (found.high - found.low).mean(dim=(-2, -1))


@summarised("distribution", intervals)
def interval_score(found: Intervals) -> Tensor:
    """Mean of width, and 20 times how far outside a target is (Winkler 1972; Gneiting & Raftery 2007)."""
    outside = (found.low - found.target).clamp(min=0) + (found.target - found.high).clamp(min=0)
    return (found.high - found.low + outside / _SIDE).mean(dim=(-2, -1))


@summarised("distribution", probability_integral)
def calibration_error(shares: Tensor) -> Tensor:
    """Mean distance of levels .05, ..., .95 from the shares of targets below their quantiles (Kuleshov et al. 2018)."""
    levels = shares.new_tensor(LEVELS)
    below = (shares.unsqueeze(-1) <= levels).double().mean(dim=-3)
    return (below - levels).abs().mean(dim=(-2, -1))


_KIND = ("probabilistic",)
METRICS = (
    Metric(
        "crps", _KIND, MINIMIZE, crps, "distribution", "mean", "continuous ranked probability score, in units of the target",
        aliases=("continuous_ranked_probability_score",), by_row=True, low=0,
    ),
    Metric(
        "nll", _KIND, MINIMIZE, nll, "density", "mean", "minus the log-density at the target; quantiles have none",
        aliases=("negative_log_likelihood", "log_score"), by_row=True,
    ),
    Metric(
        "mae", _KIND, MINIMIZE, mae, "distribution", "median", "mean absolute error of the median",
        aliases=("mean_absolute_error", "neg_mean_absolute_error"), by_row=True, low=0,
    ),
    Metric(
        "interval_score_90", _KIND, MINIMIZE, interval_score, "distribution", "mean",
        "width of the 90 % interval, and 20 times how far outside a target is", aliases=("winkler_score_90",), by_row=True,
        low=0,
    ),
    Metric(
        "coverage_error_90", _KIND, MINIMIZE, coverage_error, "distribution", "mean",
        "distance of coverage_90 from .9, mean over outputs", low=0, high=SHARE,
    ),
    Metric(
        "calibration_error", _KIND, MINIMIZE, calibration_error, "distribution", "mean",
        "mean distance of levels from the shares of targets below their quantiles", low=0, high=1,
    ),
    Metric(
        "coverage_90", _KIND, MAXIMIZE, coverage, "distribution", "mean",
        "share of targets in their 90 % interval: .9 is right, and more is no better", by_row=True, low=0, high=1,
    ),
    Metric(
        "width_90", _KIND, MINIMIZE, width, "distribution", "mean",
        "mean width of the 90 % interval, to be read beside its coverage", by_row=True, low=0,
    ),
    Metric(
        "pinball", _KIND, MINIMIZE, pinball, "distribution", "mean", "mean pinball loss over levels .05, .1, ..., .95",
        aliases=("mean_pinball_loss",), by_row=True, low=0, on_request=True,
    ),
)  # fmt: skip

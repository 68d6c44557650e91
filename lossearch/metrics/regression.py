"""Scores of real-valued predictions, for a stack of models at once.

``value`` is (K, N, T) and the target (N, T) or (N,), both in original units. Every score is computed
for each output and averaged over the T outputs with equal weight; a non-finite prediction gives NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions, quantile_constant
from lossearch.metrics.definedness import of_varied_values
from lossearch.metrics.leverage import whole_range
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor


def _target(target: Tensor) -> Tensor:
    return (target.unsqueeze(-1) if target.ndim == 1 else target).double()


def _error(predictions: Predictions, target: Tensor) -> Tensor:
    return read(predictions, "value").double() - _target(target)


@finite_only("value")
def mse(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean squared error."""
    return _error(predictions, target).square().mean(dim=(-2, -1))


@finite_only("value")
def rmse(predictions: Predictions, target: Tensor) -> Tensor:
    """Root mean squared error: the root of each output's own mean."""
    return _error(predictions, target).square().mean(dim=-2).sqrt().mean(dim=-1)


@finite_only("value")
def mae(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean absolute error."""
    return _error(predictions, target).abs().mean(dim=(-2, -1))


@finite_only("value")
def medae(predictions: Predictions, target: Tensor) -> Tensor:
    """Median absolute error, the middle two averaged for an even number of rows."""
    ordered = _error(predictions, target).abs().sort(dim=-2).values
    n = ordered.shape[-2]
    return (ordered[..., (n - 1) // 2, :] + ordered[..., n // 2, :]).mean(dim=-1) / 2


@finite_only("value")
def r2(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of the variance explained; for a constant target 1 where it is met exactly, else 0."""
    true = _target(target)
    left = _error(predictions, target).square().sum(dim=-2)
    total = (true - true.mean(dim=0)).square().sum(dim=0)
    defined = 1 - left / total.clamp(min=torch.finfo(torch.double).tiny)
    return torch.where(total > 0, defined, (left == 0).double()).mean(dim=-1)


@finite_only("value")
def max_error(predictions: Predictions, target: Tensor) -> Tensor:
    """Largest absolute error."""
    return _error(predictions, target).abs().amax(dim=-2).mean(dim=-1)


@dataclass(frozen=True)
class Pinball:
    """Mean pinball loss of values that are to have a share ``level`` of the targets below them (Koenker & Bassett 1978)."""

    level: float

    def __call__(self, predictions: Predictions, target: Tensor) -> Tensor:
        """Return the score."""
        missing = -_error(predictions, target)
        found = torch.maximum(self.level * missing, (self.level - 1) * missing).mean(dim=(-2, -1))
        return found.masked_fill(~torch.isfinite(found), torch.nan)


_REAL = ("regression", "count")
_MEANS = (*_REAL, "probabilistic")
"""Kinds of task whose value is to be the mean."""
LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Shares of the targets that a value may be asked to lie above."""


def _of_level(level: float) -> Metric:
    percent = round(100 * level)
    return Metric(
        f"pinball_{percent:02}", _REAL, MINIMIZE, Pinball(level), "value", quantile_constant(level),
        f"what errors cost, least at the value with {percent} % of the targets below it: too low costs {level:g}, too high "
        f"{1 - level:g}",
        by_row=True, low=0, on_request=True,
    )  # fmt: skip


METRICS = (
    Metric(
        "rmse", (*_MEANS, "compositional"), MINIMIZE, rmse, "value", "mean", "root mean squared error",
        aliases=("root_mean_squared_error", "neg_root_mean_squared_error"), low=0,
    ),
    Metric(
        "mse", _MEANS, MINIMIZE, mse, "value", "mean", "mean squared error",
        aliases=("mean_squared_error", "neg_mean_squared_error"), by_row=True, low=0,
    ),
    Metric(
        "mae", (*_REAL, "compositional"), MINIMIZE, mae, "value", "median", "mean absolute error",
        aliases=("mean_absolute_error", "neg_mean_absolute_error"), by_row=True, low=0,
    ),
    Metric(
        "medae", _REAL, MINIMIZE, medae, "value", "median", "median absolute error",
        aliases=("median_absolute_error", "neg_median_absolute_error"), low=0,
    ),
    Metric(
        "r2", _MEANS, MAXIMIZE, r2, "value", "mean", "share of variance explained",
        aliases=("r2_score", "r_squared"), high=1, undefined=of_varied_values,
    ),
    Metric(
        "max_error", _REAL, MINIMIZE, max_error, "value", "mean", "largest absolute error",
        aliases=("neg_max_error", "max_absolute_error"), low=0, leverage=whole_range,
    ),
    *map(_of_level, LEVELS),
)  # fmt: skip

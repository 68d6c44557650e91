"""Scores of predicted angles, for a stack of models at once: ``value`` (K, N, T), target (N, T), in radians.

Errors are taken the short way round, at most half a turn. Every score is of each output, averaged over outputs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._angles import wrapped
from lossearch.kinds import Predictions
from lossearch.metrics.metric import MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor


def _error(predictions: Predictions, target: Tensor) -> Tensor:
    true = target.unsqueeze(-1) if target.ndim == 1 else target
    return wrapped(read(predictions, "value").double() - true.double()).abs()


@finite_only("value")
def angular_error(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean angle between prediction and truth."""
    return _error(predictions, target).mean(dim=(-2, -1))


@finite_only("value")
def angular_rmse(predictions: Predictions, target: Tensor) -> Tensor:
    """Root of the mean squared angle between prediction and truth."""
    return _error(predictions, target).square().mean(dim=-2).sqrt().mean(dim=-1)


@finite_only("value")
def median_angular_error(predictions: Predictions, target: Tensor) -> Tensor:
    """Median angle between prediction and truth, the middle two averaged for an even number of rows."""
    ordered = _error(predictions, target).sort(dim=-2).values
    n = ordered.shape[-2]
    return (ordered[..., (n - 1) // 2, :] + ordered[..., n // 2, :]).mean(dim=-1) / 2


METRICS = (
    Metric(
        "angular_error", ("angles",), MINIMIZE, angular_error, "value", "median", "mean angle to the truth, in radians",
        aliases=("mean_angular_error",), by_row=True, low=0, high=math.pi,
    ),
    Metric(
        "angular_rmse", ("angles",), MINIMIZE, angular_rmse, "value", "mean",
        "root of the mean squared angle to the truth, in radians", low=0, high=math.pi,
    ),
    Metric(
        "median_angular_error", ("angles",), MINIMIZE, median_angular_error, "value", "median",
        "median angle to the truth, in radians", low=0, high=math.pi,
    ),
)  # fmt: skip

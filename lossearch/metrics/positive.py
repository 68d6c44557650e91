"""Scores of predicted amounts above 0, for a stack of models at once: ``value`` (K, N, T), target (N, T)."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.definedness import of_varied_values
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-2
"""What a predicted mean below this share of its target counts as: deviance is not defined at 0, and grows as 1 / mean."""
_TINY = sys.float_info.min


def _known(predictions: Predictions, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return values, none below a hundredth of its target, and targets, (K, N, T) and (N, T)."""
    true = (target.unsqueeze(-1) if target.ndim == 1 else target).double()
    return torch.maximum(read(predictions, "value").double(), FLOOR * true).clamp(min=_TINY), true


def _gamma(mean: Tensor, true: Tensor) -> Tensor:
    ratio = true / mean
    return 2 * (ratio - 1 - ratio.log())


@finite_only("value")
def gamma_deviance(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean gamma deviance; a predicted mean below a hundredth of its target counts as that."""
    return _gamma(*_known(predictions, target)).mean(dim=(-2, -1))


@finite_only("value")
def d2_gamma(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of the gamma deviance explained, each output's own, averaged; 1 where all is right."""
    mean, true = _known(predictions, target)
    left, total = _gamma(mean, true).sum(dim=-2), _gamma(true.mean(dim=0), true).sum(dim=0)
    explained = 1 - left / total.clamp(min=_TINY)
    return torch.where(total > 0, explained, (left == 0).double()).mean(dim=-1)


@finite_only("value")
def tweedie_deviance(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean Tweedie deviance of power 1.5, of amounts that may be 0; NaN where targets are below 0."""
    mean, true = _known(predictions, target)
    return (4 * (true.sqrt() - mean.sqrt()).square() / mean.sqrt()).mean(dim=(-2, -1))


@finite_only("value")
def rmsle(predictions: Predictions, target: Tensor) -> Tensor:
    """Root mean squared error of log(1 + value), of each output; a value below 0 counts as 0."""
    mean, true = _known(predictions, target)
    return (mean.log1p() - true.log1p()).square().mean(dim=-2).sqrt().mean(dim=-1)


def _error(predictions: Predictions, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    value = read(predictions, "value").double()
    true = (target.unsqueeze(-1) if target.ndim == 1 else target).double()
    return (value - true).abs(), value.abs(), true


@finite_only("value")
def mape(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean absolute error as a share of the target."""
    error, _, true = _error(predictions, target)
    return (error / true).mean(dim=(-2, -1))


@finite_only("value")
def smape(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean absolute error as a share of the mean of value and target, between 0 and 2."""
    error, size, true = _error(predictions, target)
    return (2 * error / (size + true)).mean(dim=(-2, -1))


def of_no_negatives(target: Tensor) -> str:
    """Return what is lacking where a target is below 0."""
    low = float(target.min())
    return "" if low >= 0 else f"a target is {low:g}, and this metric is of targets from 0 up"


_POSITIVE = ("positive",)
_TWEEDIE = Metric(
    "tweedie_deviance", ("count",), MINIMIZE, tweedie_deviance, "value", "mean", "mean Tweedie deviance of power 1.5",
    aliases=("mean_tweedie_deviance",), on_request=True, by_row=True, low=0,
)  # fmt: skip

METRICS = (
    Metric(
        "gamma_deviance", _POSITIVE, MINIMIZE, gamma_deviance, "value", "mean", "mean gamma deviance",
        aliases=("mean_gamma_deviance", "neg_mean_gamma_deviance"), by_row=True, low=0,
    ),
    Metric(
        "mape", _POSITIVE, MINIMIZE, mape, "value", "median", "mean absolute error as a share of the target",
        aliases=("mean_absolute_percentage_error", "neg_mean_absolute_percentage_error"), by_row=True, low=0,
    ),
    Metric(
        "smape", _POSITIVE, MINIMIZE, smape, "value", "median",
        "mean absolute error as a share of the mean of value and target",
        aliases=("symmetric_mean_absolute_percentage_error",), by_row=True, low=0, high=2,
    ),
    Metric(
        "rmsle", _POSITIVE, MINIMIZE, rmsle, "value", "mean", "root mean squared error of log(1 + value)",
        aliases=("root_mean_squared_log_error", "neg_root_mean_squared_log_error"), low=0,
    ),
    _TWEEDIE,
    replace(_TWEEDIE, kinds=("regression",), undefined=of_no_negatives),
    Metric(
        "d2_gamma", _POSITIVE, MAXIMIZE, d2_gamma, "value", "mean", "share of the gamma deviance explained",
        on_request=True, high=1, undefined=of_varied_values,
    ),
)  # fmt: skip

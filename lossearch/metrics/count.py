"""Scores of predicted counts, for a stack of models at once: ``value`` (K, N, T), target (N, T)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.definedness import of_varied_values
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-6
"""What a predicted mean at or below 0 counts as: deviance is not defined there."""


def _deviance(value: Tensor, target: Tensor) -> Tensor:
    mean, true = value.double().clamp(min=FLOOR), target.double()
    return 2 * (torch.xlogy(true, true / mean) - true + mean)


@finite_only("value")
def poisson_deviance(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean Poisson deviance; a predicted mean at or below 0 counts as 1e-6."""
    return _deviance(read(predictions, "value"), target).mean(dim=(-2, -1))


@finite_only("value")
def d2_poisson(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of the Poisson deviance explained, each output's own, averaged; 1 where all is right."""
    left = _deviance(read(predictions, "value"), target).sum(dim=-2)
    mean = target.double().mean(dim=0).expand_as(target)
    total = _deviance(mean, target).sum(dim=0)
    explained = 1 - left / total.clamp(min=torch.finfo(torch.double).tiny)
    return torch.where(total > 0, explained, (left == 0).double()).mean(dim=-1)


METRICS = (
    Metric(
        "poisson_deviance", ("count",), MINIMIZE, poisson_deviance, "value", "mean", "mean Poisson deviance",
        aliases=("mean_poisson_deviance", "neg_mean_poisson_deviance"), by_row=True, low=0,
    ),
    Metric(
        "d2_poisson", ("count",), MAXIMIZE, d2_poisson, "value", "mean", "share of the Poisson deviance explained",
        aliases=("d2_tweedie_score",), high=1, undefined=of_varied_values,
    ),
)  # fmt: skip

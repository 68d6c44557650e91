"""Scores of inputs that are given again: those of regression, but for what cannot be said of numbers that never vary."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics import regression
from lossearch.metrics.metric import MAXIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor

_INPUTS = ("reconstruction",)


@finite_only("value")
def r2(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of the variance of all numbers together that is explained; 0 where none varies and they are not met."""
    true = target.double()
    left = (read(predictions, "value").double() - true).square().sum(dim=(-2, -1))
    total = (true - true.mean(dim=0)).square().sum()
    defined = 1 - left / total.clamp(min=torch.finfo(torch.double).tiny)
    return torch.where(total > 0, defined, (left == 0).double())


def _vary(target: Tensor) -> str:
    return "" if (target != target[0]).any() else "all its rows are the same"


METRICS = (
    *(
        replace(m, kinds=_INPUTS)
        for m in regression.METRICS
        if m.fn in (regression.rmse, regression.mse, regression.mae, regression.max_error)
    ),
    Metric(
        "r2", _INPUTS, MAXIMIZE, r2, "value", "mean", "share of the variance of all numbers explained",
        aliases=("r2_score", "r_squared", "explained_variance"), high=1, undefined=_vary,
    ),
)  # fmt: skip

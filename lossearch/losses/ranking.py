"""The loss of how well scores tell two classes apart, over a batch: a smooth stand-in for the area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import over_classes
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor


def _moments(total: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of the scores of a class, from what the batch has of it."""
    known = total.clamp(min=torch.finfo(total.dtype).tiny)
    mean = first / known
    return mean, second / known - mean.square()


def _auc_margin(means: Tensor, *, margin: float | Tensor) -> Tensor:
    ones, of_ones, ones_squared, zeros, of_zeros, zeros_squared = means.chunk(6, dim=-1)
    high, spread = _moments(ones, of_ones, ones_squared)
    low, other_spread = _moments(zeros, of_zeros, zeros_squared)
    found = (over_classes(margin) - (high - low)).clamp(min=0).square() + spread + other_spread
    return torch.where((ones > 0) & (zeros > 0), found, torch.zeros_like(found)).mean(dim=-1)


@loss(
    task=("binary", "multilabel"),
    encoding="zero_one",
    domain="unit",
    joint=True,
    gathers=True,
    families=("ranking", "imbalance"),
    source="Gao, Jin, Zhu & Zhou 2013; Ying, Wen & Lyu 2016; Yuan et al. 2021",
    class_name="AUCMargin",
    formula="max(0, margin - (mean p of class 1 - mean p of class 0))^2 + var p of class 1 + var p of class 0, over the batch",
    aliases=("aucm", "AUCMLoss", "auc_margin_loss"),
    params=(
        Parameter("margin", 1.0, 0.1, 1.0, words="how far apart the classes' means are to be", valid=(1e-6, 1.0)),
    ),
    usual=("sigmoid",),
    caution={
        "sigmoid": "it is one number of a whole batch, and nothing where that has one class alone; it only ranks, so judge by "
        "roc_auc or average_precision."
    },
    after_mean=_auc_margin,
    on_request=True,
    example=([0.5], [1.0], 0.0),
)  # fmt: skip
def auc_margin(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return how many rows of each class there are, and first and second moments of their scores.

    At margin 1 it is the mean of (1 - (p_i - p_j))^2 over the pairs of a row i of class 1 and j of class 0.
    """
    one = target.expand_as(output)
    zero, square = 1 - one, output.square()
    return torch.cat([one, one * output, one * square, zero, zero * output, zero * square], dim=-1)


LOSSES = (auc_margin,)

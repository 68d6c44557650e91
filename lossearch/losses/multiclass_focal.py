"""The focal loss of several classes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._class_axis import (
    is_true,
    likeliest,
    log_softmax,
    over_classes,
    plus_true_class,
    softmax,
    true_class,
)
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_NEAR_ONE = -15.0
"""log(1 - p) below which -log p is 1 - p to the last digit of float32, and nearly so of float64."""


def log_rivals(logs: Tensor, top: Tensor) -> Tensor:
    """Return log(1 - p_top), the log of all other classes' probability, from log-probabilities."""
    return logs.masked_fill(top, -math.inf).logsumexp(dim=-1)


def focal_from_raw(raw: Tensor, target: Tensor, *, gamma: float | Tensor) -> Tensor:
    """Return the focal loss of raw output."""
    logs = log_softmax(raw)
    hard = torch.exp(gamma * log_rivals(logs, is_true(raw, target)))
    return hard * -true_class(logs, target)


def focal_derivative(raw: Tensor, target: Tensor, *, gamma: float | Tensor) -> Tensor:
    """Return the derivative of the focal loss in raw output."""
    logs = log_softmax(raw)
    own = true_class(logs, target)
    rivals = log_rivals(logs, is_true(raw, target))
    wrong = rivals.exp()
    # -log p / (1 - p), from whichever of the two is exact
    ratio = torch.where(rivals < -1, -torch.log1p(-wrong), -own) / wrong.clamp(
        min=torch.finfo(raw.dtype).tiny
    )
    ratio = torch.where(rivals < _NEAR_ONE, 1.0, ratio)
    push = torch.exp(gamma * rivals) * (1 + gamma * own.exp() * ratio)
    return plus_true_class(logs.exp(), target, -1.0) * push.unsqueeze(-1)


def log_complements(logs: Tensor) -> Tensor:
    """Return log(1 - p_k) of every class; exact too where one class has nearly all."""
    top = is_true(logs, likeliest(logs))
    rivals = log_rivals(logs, top).unsqueeze(-1)
    return torch.where(top, rivals, torch.log1p(-logs.masked_fill(top, -math.inf).exp()))


def focal_probability(raw: Tensor, *, gamma: float | Tensor) -> Tensor:
    """Return the probabilities whose expected focal loss ``raw`` minimises: p_k as 1 / |d loss / dp_k|."""
    gamma = torch.as_tensor(over_classes(gamma), dtype=raw.dtype, device=raw.device)
    logs = log_softmax(raw)
    others = log_complements(logs)
    derivative = (gamma - 1) * others + torch.logaddexp(others - logs, gamma.log() + (-logs).log())
    return softmax(-derivative)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("imbalance",),
    source="Lin et al. 2017",
    formula="-(1 - p_y)^gamma log p_y",
    aliases=(
        "categorical_focal_crossentropy",
        "CategoricalFocalCrossentropy",
        "focal_loss",
        "FocalLoss",
    ),
    params=(
        Parameter(
            "gamma",
            2.0,
            0.0,
            5.0,
            words="0 is cross_entropy; more looks less at what is already right",
            valid=(0.0, 100.0),
        ),
    ),
    contains=(Contained("cross_entropy", {"gamma": 0.0}),),
    fused={"softmax": focal_from_raw},
    fused_derivative={"softmax": focal_derivative},
    probability={"softmax": focal_probability},
    example=([[0.05, 0.95, 0.0]], [1], 0.00012823323596887645),
)
def focal(output: Tensor, target: Tensor, *, gamma: float | Tensor) -> Tensor:
    """Return the cross-entropy, less of it where the model is already right."""
    right = true_class(output, target)
    return (1 - right) ** gamma * -right.log()

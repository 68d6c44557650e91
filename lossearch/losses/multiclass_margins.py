"""Multiclass losses on differences and signs of scores: they give no probabilities."""

from __future__ import annotations

import math

from torch import Tensor

from lossearch._class_axis import is_true, over_classes, plus_true_class, true_class
from lossearch.losses.declaration import Parameter, loss

_MARGIN = Parameter(
    "margin",
    1.0,
    0.1,
    10.0,
    log=True,
    search=False,
    words="score wanted; much the same as scaling the first weights",
)


def _crammer_singer_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    rivals = output.masked_fill(is_true(output, target), -math.inf)
    top = rivals.amax(dim=-1, keepdim=True)
    # rivals that tie share the derivative, and the kink itself has one, as torch has both
    strongest = (rivals == top).to(output.dtype)
    short = margin + top.squeeze(-1) - true_class(output, target) >= 0
    shared = plus_true_class(strongest / strongest.sum(dim=-1, keepdim=True), target, -1.0)
    return shared * short.unsqueeze(-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    source="Crammer & Singer 2001",
    formula="max(0, margin + max over the other classes of f - f_y)",
    aliases=("categorical_hinge", "CategoricalHinge", "multiclass_hinge", "multiclass_hinge_loss"),
    params=(_MARGIN,),
    caution={
        "identity": "not consistent where no class has probability above one half; gives no probabilities."
    },
    derivative=_crammer_singer_derivative,
    kinks=(0.0,),
    example=([[2.0, 1.5, 0.0]], [0], 0.5),
)
def crammer_singer(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return how far the true class falls short of the margin over its strongest rival.

    Keras's categorical_hinge is this, but for a rival at 0 that it adds where all others are negative.
    """
    rival = output.masked_fill(is_true(output, target), -math.inf).amax(dim=-1)
    return (margin + rival - true_class(output, target)).clamp(min=0)


def _hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    # at the kink itself as torch's clamp has it
    return -target * (target * output <= over_classes(margin))


@loss(
    task="multiclass",
    encoding="plus_minus_one_hot",
    domain="margins",
    source="Rifkin & Klautau 2004; Janocha & Czarnecki 2017",
    class_name="OvRHinge",
    formula="sum_k max(0, margin - s_k f_k)",
    aliases=("one_vs_rest_hinge", "OneVsRestHinge"),
    params=(_MARGIN,),
    derivative=_hinge_derivative,
    kinks=(1.0,),
    example=([[2.0, -0.5, 0.0]], [[1.0, -1.0, -1.0]], 1.5),
)
def ovr_hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return the sum of one hinge a class, each class against the rest."""
    return (over_classes(margin) - target * output).clamp(min=0).sum(dim=-1)


def _squared_hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    return -2 * target * (over_classes(margin) - target * output).clamp(min=0)


@loss(
    task="multiclass",
    encoding="plus_minus_one_hot",
    domain="margins",
    source="Tang 2013; Janocha & Czarnecki 2017",
    class_name="OvRSquaredHinge",
    formula="sum_k max(0, margin - s_k f_k)^2",
    aliases=("one_vs_rest_squared_hinge", "OneVsRestSquaredHinge"),
    params=(_MARGIN,),
    derivative=_squared_hinge_derivative,
    example=([[2.0, -0.5, 0.0]], [[1.0, -1.0, -1.0]], 1.25),
)
def ovr_squared_hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return the sum of one squared hinge a class, each class against the rest."""
    return (over_classes(margin) - target * output).clamp(min=0).square().sum(dim=-1)


LOSSES = (crammer_singer, ovr_hinge, ovr_squared_hinge)

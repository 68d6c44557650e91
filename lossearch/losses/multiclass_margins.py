"""Multiclass losses on differences and signs of scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._class_axis import is_true, over_classes, plus_true_class, softmax, true_class
from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

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
    families=("margin",),
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
    families=("margin",),
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
    families=("margin",),
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


def _weston_watkins_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    own = true_class(output, target).unsqueeze(-1)
    short = (over_classes(margin) + output - own >= 0) & ~is_true(output, target)
    pushed = short.to(output.dtype)
    return plus_true_class(pushed, target, -pushed.sum(dim=-1))


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    families=("margin",),
    source="Weston & Watkins 1999",
    formula="sum over the other classes of max(0, margin + f_k - f_y)",
    aliases=("multi_margin", "multi_margin_loss", "MultiMarginLoss"),
    params=(_MARGIN,),
    caution={
        "identity": "not consistent; gives no probabilities. torch's MultiMarginLoss is this by the number of classes."
    },
    derivative=_weston_watkins_derivative,
    kinks=(0.0,),
    on_request=True,
    example=([[2.0, 1.5, 0.0]], [0], 0.5),
)
def weston_watkins(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return how far the true class falls short of the margin over each of its rivals, summed."""
    short = (over_classes(margin) + output - true_class(output, target).unsqueeze(-1)).clamp(min=0)
    return short.masked_fill(is_true(output, target), 0.0).sum(dim=-1)


def _perceptron_derivative(output: Tensor, target: Tensor) -> Tensor:
    best = (output == output.amax(dim=-1, keepdim=True)).to(output.dtype)
    return plus_true_class(best / best.sum(dim=-1, keepdim=True), target, -1.0)


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    families=("margin",),
    source="Collins 2002",
    formula="max_k f_k - f_y",
    aliases=("multiclass_perceptron", "multiclass_perceptron_loss"),
    caution={"identity": "equal scores cost nothing, so that without a margin they may end there."},
    derivative=_perceptron_derivative,
    kinks=(0.0,),
    on_request=True,
    example=([[2.0, 2.5, 0.0]], [0], 0.5),
)
def perceptron(output: Tensor, target: Tensor) -> Tensor:
    """Return how far the true class is behind the class of the highest score."""
    return output.amax(dim=-1) - true_class(output, target)


def _over_their_sum(each: Tensor) -> Tensor:
    return each / each.sum(dim=-1, keepdim=True)


def _cubed_hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    return -3 * target * (over_classes(margin) - target * output).clamp(min=0).square()


def _cubed_hinge_probability(raw: Tensor, *, margin: float | Tensor) -> Tensor:
    z = (raw / over_classes(margin)).clamp(-1, 1)
    right, wrong = (1 + z).square(), (1 - z).square()
    # no class may be given nothing: scores below every margin are equal then
    return _over_their_sum(right / (right + wrong) + torch.finfo(raw.dtype).tiny)


@loss(
    task="multiclass",
    encoding="plus_minus_one_hot",
    domain="margins",
    families=("margin",),
    source="Janocha & Czarnecki 2017",
    class_name="OvRCubedHinge",
    formula="sum_k max(0, margin - s_k f_k)^3",
    aliases=("one_vs_rest_cubed_hinge",),
    params=(_MARGIN,),
    probability={"identity": _cubed_hinge_probability},
    derivative=_cubed_hinge_derivative,
    on_request=True,
    example=([[2.0, -0.5, 0.0]], [[1.0, -1.0, -1.0]], 1.125),
)
def ovr_cubed_hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return the sum of one cubed hinge a class, each class against the rest."""
    return ((over_classes(margin) - target * output).clamp(min=0) ** 3).sum(dim=-1)


def _logistic_derivative(output: Tensor, target: Tensor) -> Tensor:
    return -target * torch.sigmoid(-target * output)


def _logistic_probability(raw: Tensor) -> Tensor:
    return softmax(functional.logsigmoid(raw))


@loss(
    task="multiclass",
    encoding="plus_minus_one_hot",
    domain="margins",
    families=("margin",),
    source="Rifkin & Klautau 2004; Beyer et al. 2020",
    class_name="OvRLogistic",
    formula="sum_k log(1 + exp(-s_k f_k))",
    aliases=("one_vs_rest_logistic", "ovr_bce", "sigmoid_cross_entropy"),
    probability={"identity": _logistic_probability},
    derivative=_logistic_derivative,
    on_request=True,
    example=([[2.0, -0.5, 0.0]], [[1.0, -1.0, -1.0]], 1.2941521757830245),
)
def ovr_logistic(output: Tensor, target: Tensor) -> Tensor:
    """Return the sum of one binary cross-entropy a class, each class against the rest."""
    return functional.softplus(-target * output).sum(dim=-1)


LOSSES = (
    crammer_singer, ovr_hinge, ovr_squared_hinge, weston_watkins, perceptron, ovr_cubed_hinge, ovr_logistic,
)  # fmt: skip

"""Losses for one class out of C. Classes lie along the last axis of ``output``.

Sums run over classes and are not divided by C, as in the formulas; Keras divides some of them.
A parameter is a number, or a tensor that broadcasts with the values (..., N): (K, 1) for a stack of K.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import (
    log_softmax,
    over_classes,
    plus_true_class,
    softmax,
    true_class,
)
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.multiclass_focal import focal, log_rivals
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from torch import Tensor


def _cross_entropy_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return -true_class(log_softmax(raw), target)


def _cross_entropy_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return plus_true_class(softmax(raw), target, -1.0)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("likelihood",),
    source="Good 1952; Bridle 1990",
    formula="-log p_y",
    aliases=(
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        "cross_entropy_loss",
        "CrossEntropyLoss",
        "softmax_cross_entropy_with_integer_labels",
        "nll_loss",
        "NLLLoss",
        "NLLLoss2d",
        "log_loss",
    ),
    fused={"softmax": _cross_entropy_from_raw},
    fused_derivative={"softmax": _cross_entropy_derivative},
    probability={"softmax": softmax},
    example=([[0.05, 0.95, 0.0]], [1], 0.05129329438755058),
)
def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log probability of the true class."""
    return -true_class(output, target).log()


def _one_hot_cross_entropy_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return -(target * log_softmax(raw)).sum(dim=-1)


@loss(
    task="multiclass",
    encoding="one_hot",
    domain="simplex",
    source="Good 1952; Bridle 1990",
    formula="-sum_k y_k log p_k",
    aliases=(
        "categorical_crossentropy",
        "CategoricalCrossentropy",
        "softmax_cross_entropy",
        "safe_softmax_cross_entropy",
    ),
    fused={"softmax": _one_hot_cross_entropy_from_raw},
    probability={"softmax": softmax},
    equivalent={
        "softmax": Equivalent("cross_entropy/softmax", "on a one-hot target the sum has one term, -log p_y")
    },
    example=([[0.05, 0.95, 0.0]], [[0.0, 1.0, 0.0]], 0.05129329438755058),
)
def cross_entropy_one_hot(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy with a one-hot target."""
    return -torch.xlogy(target, output).sum(dim=-1)


def _kl_div_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    entropy = -torch.xlogy(target, target).sum(dim=-1)
    return _one_hot_cross_entropy_from_raw(raw, target) - entropy


@loss(
    task="multiclass",
    encoding="one_hot",
    domain="simplex",
    source="Kullback & Leibler 1951",
    formula="sum_k y_k log(y_k / p_k)",
    aliases=(
        "kl_divergence",
        "kullback_leibler_divergence",
        "KLDivergence",
        "kld",
        "KLD",
        "KLDivLoss",
    ),
    fused={"softmax": _kl_div_from_raw},
    probability={"softmax": softmax},
    equivalent={
        "softmax": Equivalent("cross_entropy/softmax", "they differ by the target's entropy, 0 for one-hot")
    },
    example=([[0.05, 0.95, 0.0]], [[0.0, 1.0, 0.0]], 0.05129329438755058),
)
def kl_div(output: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the prediction from the target."""
    return (torch.xlogy(target, target) - torch.xlogy(target, output)).sum(dim=-1)


def _label_smoothing_from_raw(raw: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return -(1 - smoothing) * true_class(logs, target) - smoothing * logs.mean(dim=-1)


def _unsmoothed(raw: Tensor, *, smoothing: float | Tensor) -> Tensor:
    """Return the probabilities that smoothing shrank towards 1 / C."""
    smoothing = over_classes(smoothing)
    shrunk = softmax(raw)
    stretched = ((shrunk - smoothing / raw.shape[-1]) / (1 - smoothing)).clamp(0, 1)
    return stretched / stretched.sum(dim=-1, keepdim=True)


def _label_smoothing_derivative(raw: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    even = over_classes(smoothing) / raw.shape[-1]
    return plus_true_class(softmax(raw) - even, target, smoothing - 1)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Szegedy et al. 2016; Müller et al. 2019",
    class_name="LabelSmoothingCE",
    formula="-(1 - smoothing) log p_y - smoothing / C sum_k log p_k",
    aliases=("label_smoothing", "label_smoothed_cross_entropy"),
    params=(
        Parameter(
            "smoothing",
            0.1,
            0.0,
            0.3,
            words="share of the target spread over all classes",
            valid=(0.0, 0.999),
        ),
    ),
    contains=(Contained("cross_entropy", {"smoothing": 0.0}),),
    fused={"softmax": _label_smoothing_from_raw},
    fused_derivative={"softmax": _label_smoothing_derivative},
    probability={"softmax": _unsmoothed},
    example=([[0.25, 0.5, 0.25]], [1], 0.7393569926),
)
def label_smoothing_ce(output: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    """Return the cross-entropy with a target that is a little unsure."""
    logs = output.log()
    return -(1 - smoothing) * true_class(logs, target) - smoothing * logs.mean(dim=-1)


def _clipped(raw: Tensor) -> Tensor:
    """Return scores as probabilities: clipped to 0..1 and divided by their sum, equal where all are 0."""
    inside = raw.clamp(0, 1)
    total = inside.sum(dim=-1, keepdim=True)
    equal = torch.full_like(inside, 1 / raw.shape[-1])
    return torch.where(total > 0, inside / total.clamp(min=torch.finfo(raw.dtype).tiny), equal)


def _mse_derivative(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


@loss(
    task="multiclass",
    encoding="one_hot",
    source="Brier 1950; Janocha & Czarnecki 2017",
    formula="sum_k (f_k - y_k)^2",
    aliases=(
        "mean_squared_error",
        "mse_loss",
        "MSE",
        "MeanSquaredError",
        "MSELoss",
        "squared_error",
        "l2",
        "brier",
    ),
    probability={"softmax": softmax, "identity": _clipped},
    derivative=_mse_derivative,
    example=([[0.2, 0.8, 0.0]], [[0.0, 1.0, 0.0]], 0.08),
)
def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance from the one-hot target."""
    return (output - target).square().sum(dim=-1)


def _mae_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    logs = log_softmax(raw)
    return 2 * log_rivals(logs, target > 0.5).exp()


def _mae_derivative(raw: Tensor, target: Tensor) -> Tensor:
    p = softmax(raw)
    return 2 * (p * target).sum(dim=-1, keepdim=True) * (p - target)


@loss(
    task="multiclass",
    encoding="one_hot",
    families=("noisy_labels",),
    source="Ghosh, Kumar & Sastry 2017; Janocha & Czarnecki 2017",
    formula="sum_k |f_k - y_k|",
    aliases=(
        "mean_absolute_error",
        "l1_loss",
        "l1",
        "MAE",
        "MeanAbsoluteError",
        "L1Loss",
        "absolute_error",
    ),
    usual=("softmax",),
    fused={"softmax": _mae_from_raw},
    fused_derivative={"softmax": _mae_derivative},
    kinks=(0.0,),
    example=([[0.2, 0.8, 0.0]], [[0.0, 1.0, 0.0]], 0.4),
)
def mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute distance from the one-hot target, 2 (1 - p_y) after softmax."""
    return (output - target).abs().sum(dim=-1)


def _rescaled(target: Tensor, k: float | Tensor, m: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return what each class's square weighs, and where it is least."""
    return 1 + (over_classes(k) - 1) * target, over_classes(m) * target


def _rescaled_derivative(output: Tensor, target: Tensor, *, k: float | Tensor, m: float | Tensor) -> Tensor:
    weight, aim = _rescaled(target, k, m)
    return 2 * weight * (output - aim)


def _rescaled_probability(raw: Tensor, *, k: float | Tensor, m: float | Tensor) -> Tensor:
    k, m = over_classes(k), over_classes(m)
    z = torch.clamp(raw.clamp(min=0), max=m)
    return _clipped(z / (k * m - (k - 1) * z))


@loss(
    task="multiclass",
    encoding="one_hot",
    domain="margins",
    source="Hui & Belkin 2021",
    formula="k (f_y - m)^2 + sum over the other classes of f_j^2",
    aliases=("rescaled_square", "square_loss_rescaled"),
    params=(
        Parameter("k", 1.0, 1.0, 30.0, log=True, words="weight of the true class", valid=(1e-6, 1e6)),
        Parameter("m", 1.0, 1.0, 60.0, log=True, words="score wanted of the true class", valid=(1e-6, 1e6)),
    ),
    contains=(Contained("mse", {"k": 1.0, "m": 1.0}),),
    probability={"identity": _rescaled_probability},
    derivative=_rescaled_derivative,
    on_request=True,
    example=([[0.2, 0.8, 0.0]], [[0.0, 1.0, 0.0]], 0.08),
)
def square_rescaled(output: Tensor, target: Tensor, *, k: float | Tensor, m: float | Tensor) -> Tensor:
    """Return the squared distance from a one-hot target of height m, in which the true class weighs k."""
    weight, aim = _rescaled(target, k, m)
    return (weight * (output - aim).square()).sum(dim=-1)


LOSSES = (
    cross_entropy,
    cross_entropy_one_hot,
    kl_div,
    focal,
    label_smoothing_ce,
    mse,
    mae,
    square_rescaled,
)

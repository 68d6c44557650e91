"""Losses for two classes and one output, or for labels, each of which is there or not.

``margin`` below is u = s z, with s the class as -1 or +1 and z the raw output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.binary_focal import focal
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Equivalent

if TYPE_CHECKING:
    from torch import Tensor

_LABELS = ("binary", "multilabel")

MARGIN = Parameter(
    "margin",
    1.0,
    0.1,
    10.0,
    log=True,
    search=False,
    words="score wanted; much the same as scaling the first weights",
)


def _margin_of_zero_one(raw: Tensor, target: Tensor) -> Tensor:
    return (2 * target - 1) * raw


def _sigmoid(raw: Tensor) -> Tensor:
    return torch.sigmoid(raw)


def _bce_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(raw, target, reduction="none")


def _bce_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(raw) - target


@loss(
    task=_LABELS,
    encoding="zero_one",
    domain="unit",
    families=("likelihood",),
    source="Good 1952",
    formula="-y log p - (1 - y) log(1 - p)",
    aliases=(
        "binary_crossentropy",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "sigmoid_binary_cross_entropy",
        "BCE",
        "BinaryCrossentropy",
        "BCELoss",
        "BCEWithLogitsLoss",
        "logistic",
        "log_loss",
        "soft_margin",
        "soft_margin_loss",
        "SoftMarginLoss",
        "multilabel_soft_margin_loss",
        "MultiLabelSoftMarginLoss",
    ),
    fused={"sigmoid": _bce_from_raw},
    fused_derivative={"sigmoid": _bce_derivative},
    probability={"sigmoid": _sigmoid},
    example=(0.9, 1.0, 0.10536051565782628),
)
def bce(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy of two classes; logistic loss is the same on -1/+1."""
    return functional.binary_cross_entropy(output, target, reduction="none")


_OUT_OF_REACH = "tanh reaches -1 and +1 only in the limit, so gradients fade before the loss is 0."


def _hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    # at the kink itself as torch's clamp has it
    return -target * (target * output <= margin)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    families=("margin",),
    source="Cortes & Vapnik 1995",
    formula="max(0, margin - s f)",
    aliases=("Hinge", "hinge_loss", "HingeLoss"),
    params=(MARGIN,),
    equivalent={
        "tanh": Equivalent(
            "mae/sigmoid", "at margin 1, max(0, 1 - s tanh z) = 1 - s tanh z = 2 |sigmoid(2z) - y|", 2, 2
        )
    },
    caution={"tanh": _OUT_OF_REACH},
    derivative=_hinge_derivative,
    kinks=(1.0,),
    example=(0.5, 1.0, 0.5),
)
def hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return how far the score falls short of the margin; its minimiser is the sign, no probability."""
    return (margin - target * output).clamp(min=0)


def _squared_hinge_probability(raw: Tensor, *, margin: float | Tensor) -> Tensor:
    return ((raw / margin).clamp(-1, 1) + 1) / 2


def _squared_hinge_tanh_probability(raw: Tensor, *, margin: float | Tensor) -> Tensor:
    return _squared_hinge_probability(raw.tanh(), margin=margin)


def _squared_hinge_derivative(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    return -2 * target * (margin - target * output).clamp(min=0)


@loss(
    task=_LABELS,
    encoding="plus_minus_one",
    families=("margin",),
    source="Tang 2013",
    formula="max(0, margin - s f)^2",
    aliases=("SquaredHinge", "squared_hinge_loss", "l2_svm"),
    params=(MARGIN,),
    probability={"identity": _squared_hinge_probability, "tanh": _squared_hinge_tanh_probability},
    equivalent={
        "tanh": Equivalent(
            "mse/sigmoid", "at margin 1, (1 - s tanh z)^2 = (tanh z - s)^2 = 4 (sigmoid(2z) - y)^2", 4, 2
        )
    },
    caution={"tanh": _OUT_OF_REACH},
    derivative=_squared_hinge_derivative,
    example=(0.5, 1.0, 0.25),
)
def squared_hinge(output: Tensor, target: Tensor, *, margin: float | Tensor) -> Tensor:
    """Return the square of how far the score falls short of the margin."""
    return (margin - target * output).clamp(min=0).square()


def _mse_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(-_margin_of_zero_one(raw, target)).square()


def _mse_tanh_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return 4 * torch.sigmoid(-2 * target * raw).square()


def _mse_derivative(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


def _mse_sigmoid_derivative(raw: Tensor, target: Tensor) -> Tensor:
    side = 2 * target - 1
    wrong = torch.sigmoid(-side * raw)
    return -2 * side * wrong.square() * (1 - wrong)


def _mse_tanh_derivative(raw: Tensor, target: Tensor) -> Tensor:
    wrong = torch.sigmoid(-2 * target * raw)
    return -16 * target * wrong.square() * (1 - wrong)


def from_score(raw: Tensor) -> Tensor:
    """Return the probability of 1 where -1 and +1 stand for certainty."""
    return (raw.clamp(-1, 1) + 1) / 2


def from_half_log_odds(raw: Tensor) -> Tensor:
    """Return the probability of 1 where the score is half of its log odds."""
    return torch.sigmoid(2 * raw)


@loss(
    task=_LABELS,
    encoding=("plus_minus_one", "zero_one"),
    source="Brier 1950; Suykens & Vandewalle 1999",
    formula="(f - y)^2, y as 0/1 for sigmoid and -1/+1 otherwise",
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
    usual=("sigmoid", "identity"),
    fused={"sigmoid": _mse_from_raw, "tanh": _mse_tanh_from_raw},
    derivative=_mse_derivative,
    fused_derivative={"sigmoid": _mse_sigmoid_derivative, "tanh": _mse_tanh_derivative},
    probability={"sigmoid": _sigmoid, "identity": from_score, "tanh": from_half_log_odds},
    equivalent={"tanh": Equivalent("mse/sigmoid", "(tanh z - s)^2 = 4 (sigmoid(2z) - y)^2", 4, 2)},
    example=(0.3, 1.0, 0.49),
)
def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of the probability or score."""
    return (output - target).square()


def _mae_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(-_margin_of_zero_one(raw, target))


def _mae_tanh_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return 2 * torch.sigmoid(-2 * target * raw)


def _mae_derivative(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sign()


def _mae_sigmoid_derivative(raw: Tensor, target: Tensor) -> Tensor:
    side = 2 * target - 1
    wrong = torch.sigmoid(-side * raw)
    return side * (wrong.square() - wrong)


def _mae_tanh_derivative(raw: Tensor, target: Tensor) -> Tensor:
    wrong = torch.sigmoid(-2 * target * raw)
    return 4 * target * (wrong.square() - wrong)


@loss(
    task=_LABELS,
    encoding=("plus_minus_one", "zero_one"),
    families=("noisy_labels",),
    source="Ghosh, Kumar & Sastry 2017; Janocha & Czarnecki 2017",
    formula="|f - y|, y as 0/1 for sigmoid and -1/+1 otherwise",
    aliases=(
        "mean_absolute_error",
        "l1_loss",
        "l1",
        "MAE",
        "MeanAbsoluteError",
        "L1Loss",
        "absolute_error",
    ),
    usual=("sigmoid",),
    fused={"sigmoid": _mae_from_raw, "tanh": _mae_tanh_from_raw},
    derivative=_mae_derivative,
    fused_derivative={"sigmoid": _mae_sigmoid_derivative, "tanh": _mae_tanh_derivative},
    equivalent={"tanh": Equivalent("mae/sigmoid", "|tanh z - s| = 2 |sigmoid(2z) - y|", 2, 2)},
    kinks=(0.0,),
    example=(0.3, 1.0, 0.7),
)
def mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error of the probability or score; its minimiser is the likelier class."""
    return (output - target).abs()


LOSSES = (bce, focal, hinge, squared_hinge, mse, mae)

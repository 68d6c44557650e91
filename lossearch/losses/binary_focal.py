"""The focal loss of two classes, or of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

UNWEIGHTED = -1.0
"""The alpha under which neither class is weighted."""


def _margin_of_zero_one(raw: Tensor, target: Tensor) -> Tensor:
    return (2 * target - 1) * raw


def _class_weight(target: Tensor, alpha: float | Tensor) -> Tensor | float:
    if not isinstance(alpha, torch.Tensor):
        return 1.0 if alpha < 0 else alpha * target + (1 - alpha) * (1 - target)
    return torch.where(alpha < 0, 1.0, alpha * target + (1 - alpha) * (1 - target))


def focal_from_raw(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, alpha: float | Tensor = UNWEIGHTED
) -> Tensor:
    """Return the focal loss of raw output."""
    margin = _margin_of_zero_one(raw, target)
    hard = torch.exp(gamma * functional.logsigmoid(-margin))
    return _class_weight(target, alpha) * hard * functional.softplus(-margin)


def focal_derivative(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, alpha: float | Tensor = UNWEIGHTED
) -> Tensor:
    """Return the derivative of the focal loss in raw output."""
    side = 2 * target - 1
    wrong = torch.sigmoid(-side * raw)
    away = functional.logsigmoid(side * raw)
    hard = torch.exp(gamma * functional.logsigmoid(-side * raw))
    return side * _class_weight(target, alpha) * hard * (gamma * (1 - wrong) * away - wrong)


def _log_derivative(raw: Tensor, gamma: Tensor) -> Tensor:
    """Return log |d loss / dp| of the class whose logit is ``raw``, by p = sigmoid(raw)."""
    tail = gamma.log() + functional.softplus(-raw).log()
    return (gamma - 1) * functional.logsigmoid(-raw) + torch.logaddexp(-raw, tail)


def focal_log_odds(raw: Tensor, gamma: float | Tensor) -> Tensor:
    """Return the log odds whose expected focal loss ``raw`` minimises: they are those of 1 / derivative."""
    gamma = torch.as_tensor(gamma, dtype=raw.dtype, device=raw.device)
    return _log_derivative(-raw, gamma) - _log_derivative(raw, gamma)


def _focal_probability(raw: Tensor, *, gamma: float | Tensor, alpha: float | Tensor) -> Tensor:
    alpha = torch.as_tensor(alpha, dtype=raw.dtype, device=raw.device)
    weights = torch.where(alpha < 0, 0.0, torch.logit(alpha.clamp(0, 1)))
    return torch.sigmoid(focal_log_odds(raw, gamma) - weights)


@loss(
    task=("binary", "multilabel"),
    encoding="zero_one",
    domain="unit",
    families=("imbalance",),
    source="Lin et al. 2017",
    formula="-a (1 - p_y)^gamma log p_y, a = alpha for class 1 and 1 - alpha for class 0",
    aliases=(
        "binary_focal_crossentropy",
        "BinaryFocalCrossentropy",
        "sigmoid_focal_loss",
        "focal_loss",
        "FocalLoss",
    ),
    params=(
        Parameter(
            "gamma",
            2.0,
            0.0,
            5.0,
            words="0 is bce; more looks less at what is already right",
            valid=(0.0, 100.0),
        ),
        Parameter(
            "alpha",
            UNWEIGHTED,
            0.05,
            0.95,
            search=False,
            words="weight of class 1; -1: neither class is weighted",
            valid=(-1.0, 1.0),
        ),
    ),
    contains=(
        Contained("bce", {"gamma": 0.0}),
        Contained("bce", {"gamma": 0.0, "alpha": 0.5}, factor=0.5),
    ),
    fused={"sigmoid": focal_from_raw},
    fused_derivative={"sigmoid": focal_derivative},
    probability={"sigmoid": _focal_probability},
    example=(0.9, 1.0, 0.0010536051565782628),
)
def focal(output: Tensor, target: Tensor, *, gamma: float | Tensor, alpha: float | Tensor) -> Tensor:
    """Return the cross-entropy, less of it where the model is already right."""
    right = output * target + (1 - output) * (1 - target)
    return _class_weight(target, alpha) * (1 - right) ** gamma * -right.log()

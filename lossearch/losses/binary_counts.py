"""Losses of two classes, or of labels, that read how many training rows each class, or each label, has.

Their minimisers favour what is rare; the probabilities they give are those that occur. Of several classes they are in
``multiclass_counts``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._class_axis import over_classes
from lossearch._lazy import functional, torch
from lossearch.losses.binary_focal import focal, focal_derivative, focal_from_raw, focal_log_odds
from lossearch.losses.class_shares import (
    GAMMA,
    MAX_MARGIN,
    SCALE,
    TAU,
    UNNORMALISED,
    VOLUME,
    class_balance,
    log_shares,
    margins,
    steepness,
)
from lossearch.losses.declaration import loss
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_OF_COUNTS: dict[str, Any] = {
    "task": ("binary", "multilabel"),
    "encoding": "zero_one",
    "domain": "unit",
    "families": ("imbalance",),
    "statistics": ("class_counts",),
    "on_request": True,
}


def _of_true(each: Tensor, target: Tensor) -> Tensor:
    """Return what the true class has, of what the classes 0 and 1 have, (..., L, 2)."""
    zero, one = each.unbind(dim=-1)
    return torch.where(target > 0.5, one, zero)


def _log_ratio(each: Tensor) -> Tensor:
    zero, one = each.unbind(dim=-1)
    return one.log() - zero.log()


def _adjusted(raw: Tensor, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    zero, one = log_shares(class_counts).unbind(dim=-1)
    return raw + tau * (one - zero)


def _adjusted_from_raw(raw: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    moved = _adjusted(raw, tau, class_counts)
    return functional.binary_cross_entropy_with_logits(moved, target.expand(moved.shape), reduction="none")


def _adjusted_derivative(raw: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return torch.sigmoid(_adjusted(raw, tau, class_counts)) - target


def _adjusted_probability(raw: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return torch.sigmoid(_adjusted(raw, tau, class_counts))


@loss(
    source="Menon et al. 2021",
    formula="-log sigmoid(s (z + tau log(n_1 / n_0))), n_k training rows of class k",
    aliases=("logit_adjustment", "logit_adjusted_ce"),
    params=(TAU,),
    contains=(Contained("bce", {"tau": 0.0}),),
    fused={"sigmoid": _adjusted_from_raw},
    fused_derivative={"sigmoid": _adjusted_derivative},
    probability={"sigmoid": _adjusted_probability},
    example=([0.4], [1.0], 1.252762968495368),
    **_OF_COUNTS,
)
def logit_adjusted(output: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    """Return the cross-entropy of a score to which the logarithm of the classes' odds is added."""
    return _adjusted_from_raw(torch.logit(output), target, tau=tau, class_counts=class_counts)


def _balance(target: Tensor, volume: float | Tensor, class_counts: Tensor) -> Tensor:
    return _of_true(class_balance(class_counts, over_classes(volume)), target)


def _class_balanced_from_raw(
    raw: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    weight = _balance(target, volume, class_counts)
    return weight * functional.binary_cross_entropy_with_logits(raw, target, reduction="none")


def _class_balanced_derivative(
    raw: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _balance(target, volume, class_counts) * (torch.sigmoid(raw) - target)


def _class_balanced_probability(raw: Tensor, *, volume: float | Tensor, class_counts: Tensor) -> Tensor:
    return torch.sigmoid(raw - _log_ratio(class_balance(class_counts, over_classes(volume))))


@loss(
    source="Cui et al. 2019",
    class_name="ClassBalancedCE",
    formula="-w_y log p_y, w_k as 1 / (1 - beta^n_k) with mean 1 over both, beta = 1 - 1 / volume, n_k rows of class k",
    aliases=("class_balanced", "class_balanced_loss", "class_balanced_cross_entropy"),
    params=(VOLUME,),
    contains=(Contained("bce", {"volume": 1.0}),),
    fused={"sigmoid": _class_balanced_from_raw},
    fused_derivative={"sigmoid": _class_balanced_derivative},
    probability={"sigmoid": _class_balanced_probability},
    example=([0.4], [1.0], 1.141089540792649),
    **_OF_COUNTS,
)
def class_balanced_ce(
    output: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy, in which a class weighs by its effective number of training rows."""
    return _class_balanced_from_raw(torch.logit(output), target, volume=volume, class_counts=class_counts)


def _class_balanced_focal_from_raw(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _balance(target, volume, class_counts) * focal_from_raw(raw, target, gamma=gamma)


def _class_balanced_focal_derivative(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _balance(target, volume, class_counts) * focal_derivative(raw, target, gamma=gamma)


def _class_balanced_focal_probability(
    raw: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return torch.sigmoid(
        focal_log_odds(raw, gamma) - _log_ratio(class_balance(class_counts, over_classes(volume)))
    )


@loss(
    source="Cui et al. 2019; Lin et al. 2017",
    formula="-w_y (1 - p_y)^gamma log p_y, w_k as 1 / (1 - beta^n_k) with mean 1 over both, beta = 1 - 1 / volume",
    params=(next(p for p in focal.params if p.name == "gamma"), VOLUME),
    contains=(
        Contained("class_balanced_ce", {"gamma": 0.0}, shared={"volume": "volume"}),
        Contained("focal", {"volume": 1.0}, shared={"gamma": "gamma"}),
    ),
    fused={"sigmoid": _class_balanced_focal_from_raw},
    fused_derivative={"sigmoid": _class_balanced_focal_derivative},
    probability={"sigmoid": _class_balanced_focal_probability},
    example=([0.4], [1.0], 0.4107922346853536),
    **_OF_COUNTS,
)
def class_balanced_focal(
    output: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the focal loss, in which a class weighs by its effective number of training rows."""
    return _balance(target, volume, class_counts) * focal(output, target, gamma=gamma)


def _held_back(
    raw: Tensor, target: Tensor, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return by how much the true class leads beyond its margin, scaled."""
    return scale * (
        (2 * target - 1) * raw - _of_true(margins(class_counts, over_classes(max_margin)), target)
    )


def _ldam_from_raw(
    raw: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    return functional.softplus(-_held_back(raw, target, max_margin, scale, class_counts))


def _ldam_derivative(
    raw: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    wrong = torch.sigmoid(-_held_back(raw, target, max_margin, scale, class_counts))
    return -scale * (2 * target - 1) * wrong


def _ldam_probability(
    raw: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    zero, one = margins(class_counts, over_classes(max_margin)).unbind(dim=-1)
    return torch.sigmoid(
        functional.softplus(scale * (raw - one)) - functional.softplus(-scale * (raw + zero))
    )


@loss(
    source="Cao et al. 2019",
    class_name="LDAM",
    formula="log(1 + exp(-scale (s z - m_y))), m_k = max_margin (n_min / n_k)^(1/4), n_k training rows of class k",
    aliases=("label_distribution_aware_margin", "ldam_loss", "LDAMLoss"),
    params=(MAX_MARGIN, SCALE),
    fused={"sigmoid": _ldam_from_raw},
    fused_derivative={"sigmoid": _ldam_derivative},
    probability={"sigmoid": _ldam_probability},
    caution={"sigmoid": UNNORMALISED},
    example=([0.4], [1.0], 1.2450423571435623),
    **_OF_COUNTS,
)
def ldam(
    output: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy with a margin that is larger for rare classes."""
    raw = torch.logit(output)
    return _ldam_from_raw(raw, target, max_margin=max_margin, scale=scale, class_counts=class_counts)


def _sides(
    raw: Tensor, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return of class 0, and of class 1, how steep it is and what its loss is the softplus of."""
    zero, one = steepness(class_counts, over_classes(gamma)).unbind(dim=-1)
    rarer = tau * _log_ratio(class_counts.clamp(min=1))
    return (zero, zero * raw + rarer), (one, -one * raw - rarer)


def _vs_from_raw(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    (_, zero), (_, one) = _sides(raw, gamma, tau, class_counts)
    return functional.softplus(torch.where(target > 0.5, one, zero))


def _vs_derivative(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    (slope_0, zero), (slope_1, one) = _sides(raw, gamma, tau, class_counts)
    return torch.where(target > 0.5, -slope_1 * torch.sigmoid(one), slope_0 * torch.sigmoid(zero))


def _vs_probability(
    raw: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the probability at which the expected loss is flat."""
    (slope_0, zero), (slope_1, one) = _sides(raw, gamma, tau, class_counts)
    return torch.sigmoid(
        slope_0.log() - slope_1.log() + functional.logsigmoid(zero) - functional.logsigmoid(one)
    )


@loss(
    source="Kini et al. 2021",
    class_name="VSLoss",
    formula="log(1 + exp(-s (d_y z + tau log(n_1 / n_0)))), d_k = (n_k / n_max)^gamma, n_k training rows of class k",
    aliases=("vector_scaling", "vector_scaling_loss"),
    params=(GAMMA, TAU),
    contains=(Contained("logit_adjusted", {"gamma": 0.0}, shared={"tau": "tau"}),),
    fused={"sigmoid": _vs_from_raw},
    fused_derivative={"sigmoid": _vs_derivative},
    probability={"sigmoid": _vs_probability},
    example=([0.4], [1.0], 1.2119546670399448),
    **_OF_COUNTS,
)
def vs_loss(
    output: Tensor, target: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy of a score that is scaled and shifted by how frequent the classes are."""
    return _vs_from_raw(torch.logit(output), target, gamma=gamma, tau=tau, class_counts=class_counts)


LOSSES = (logit_adjusted, class_balanced_ce, class_balanced_focal, ldam, vs_loss)

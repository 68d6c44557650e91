"""Losses of several classes that read how many training rows each class has.

Their minimisers favour rare classes; the probabilities they give are those that occur.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._class_axis import log_softmax, over_classes, plus_true_class, softmax, true_class
from lossearch._lazy import torch
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
from lossearch.losses.multiclass_focal import (
    focal,
    focal_derivative,
    focal_from_raw,
    focal_probability,
    log_complements,
)
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_OF_COUNTS: dict[str, Any] = {
    "task": "multiclass",
    "encoding": "index",
    "domain": "simplex",
    "families": ("imbalance",),
    "statistics": ("class_counts",),
    "on_request": True,
}
_PROBABILITIES = ([[0.2, 0.3, 0.5]], [2])
"""Of an example, with 50, 30 and 20 rows of the classes."""


def _of_true(each: Tensor, raw: Tensor, target: Tensor) -> Tensor:
    """Return what the true class has, (..., N), of what classes have, (..., C)."""
    return true_class(each.expand(raw.shape), target)


def _adjusted(raw: Tensor, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return raw + over_classes(tau) * log_shares(class_counts)


def _adjusted_from_raw(raw: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return -true_class(log_softmax(_adjusted(raw, tau, class_counts)), target)


def _adjusted_derivative(raw: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return plus_true_class(softmax(_adjusted(raw, tau, class_counts)), target, -1.0)


def _adjusted_probability(raw: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return softmax(_adjusted(raw, tau, class_counts))


def _balanced_from_raw(raw: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
    return _adjusted_from_raw(raw, target, tau=1.0, class_counts=class_counts)


def _balanced_derivative(raw: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
    return _adjusted_derivative(raw, target, tau=1.0, class_counts=class_counts)


def _balanced_probability(raw: Tensor, *, class_counts: Tensor) -> Tensor:
    return _adjusted_probability(raw, tau=1.0, class_counts=class_counts)


@loss(
    source="Ren et al. 2020",
    formula="-log(n_y exp(z_y) / sum_k n_k exp(z_k)), n_k training rows of class k",
    fused={"softmax": _balanced_from_raw},
    fused_derivative={"softmax": _balanced_derivative},
    probability={"softmax": _balanced_probability},
    example=(*_PROBABILITIES, 1.0647107369924285),
    **_OF_COUNTS,
)
def balanced_softmax(output: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
    """Return the cross-entropy of scores that need not learn how frequent classes are."""
    return _balanced_from_raw(output.log(), target, class_counts=class_counts)


@loss(
    source="Menon et al. 2021",
    formula="-log(q_y^tau exp(z_y) / sum_k q_k^tau exp(z_k)), q_k the share of class k in the training rows",
    aliases=("logit_adjustment", "logit_adjusted_ce"),
    params=(TAU,),
    contains=(Contained("cross_entropy", {"tau": 0.0}), Contained("balanced_softmax", {"tau": 1.0})),
    fused={"softmax": _adjusted_from_raw},
    fused_derivative={"softmax": _adjusted_derivative},
    probability={"softmax": _adjusted_probability},
    example=(*_PROBABILITIES, 1.0647107369924285),
    **_OF_COUNTS,
)
def logit_adjusted(output: Tensor, target: Tensor, *, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    """Return the cross-entropy of scores to which logarithms of the classes' shares are added."""
    return _adjusted_from_raw(output.log(), target, tau=tau, class_counts=class_counts)


def _balance(raw: Tensor, target: Tensor, volume: float | Tensor, class_counts: Tensor) -> Tensor:
    return _of_true(class_balance(class_counts, over_classes(volume)), raw, target)


def _unbalanced(probability: Tensor, volume: float | Tensor, class_counts: Tensor) -> Tensor:
    found = probability / class_balance(class_counts, over_classes(volume))
    return found / found.sum(dim=-1, keepdim=True)


def _class_balanced_from_raw(
    raw: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _balance(raw, target, volume, class_counts) * -true_class(log_softmax(raw), target)


def _class_balanced_derivative(
    raw: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    weight = _balance(raw, target, volume, class_counts).unsqueeze(-1)
    return weight * plus_true_class(softmax(raw), target, -1.0)


def _class_balanced_probability(raw: Tensor, *, volume: float | Tensor, class_counts: Tensor) -> Tensor:
    return _unbalanced(softmax(raw), volume, class_counts)


@loss(
    source="Cui et al. 2019",
    class_name="ClassBalancedCE",
    formula="-w_y log p_y, w_k as 1 / (1 - beta^n_k) with mean 1 over classes, beta = 1 - 1 / volume, n_k rows of class k",
    aliases=("class_balanced", "class_balanced_loss", "class_balanced_cross_entropy"),
    params=(VOLUME,),
    contains=(Contained("cross_entropy", {"volume": 1.0}),),
    fused={"softmax": _class_balanced_from_raw},
    fused_derivative={"softmax": _class_balanced_derivative},
    probability={"softmax": _class_balanced_probability},
    example=(*_PROBABILITIES, 1.001653547768296),
    **_OF_COUNTS,
)
def class_balanced_ce(
    output: Tensor, target: Tensor, *, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy, in which a class weighs by its effective number of training rows."""
    return _balance(output, target, volume, class_counts) * -true_class(output, target).log()


def _class_balanced_focal_from_raw(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _balance(raw, target, volume, class_counts) * focal_from_raw(raw, target, gamma=gamma)


def _class_balanced_focal_derivative(
    raw: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    weight = _balance(raw, target, volume, class_counts).unsqueeze(-1)
    return weight * focal_derivative(raw, target, gamma=gamma)


def _class_balanced_focal_probability(
    raw: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    return _unbalanced(focal_probability(raw, gamma=gamma), volume, class_counts)


@loss(
    source="Cui et al. 2019; Lin et al. 2017",
    formula="-w_y (1 - p_y)^gamma log p_y, w_k as 1 / (1 - beta^n_k) with mean 1 over classes, beta = 1 - 1 / volume",
    params=(*focal.params, VOLUME),
    contains=(
        Contained("class_balanced_ce", {"gamma": 0.0}, shared={"volume": "volume"}),
        Contained("focal", {"volume": 1.0}, shared={"gamma": "gamma"}),
    ),
    fused={"softmax": _class_balanced_focal_from_raw},
    fused_derivative={"softmax": _class_balanced_focal_derivative},
    probability={"softmax": _class_balanced_focal_probability},
    example=(*_PROBABILITIES, 0.250413386942074),
    **_OF_COUNTS,
)
def class_balanced_focal(
    output: Tensor, target: Tensor, *, gamma: float | Tensor, volume: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the focal loss, in which a class weighs by its effective number of training rows."""
    return _balance(output, target, volume, class_counts) * focal.fn(output, target, gamma=gamma)


def _held_back(
    raw: Tensor, target: Tensor, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return scores less the margin of the true class, scaled."""
    margin = _of_true(margins(class_counts, over_classes(max_margin)), raw, target)
    return over_classes(scale) * plus_true_class(raw, target, -margin)


def _ldam_from_raw(
    raw: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    return -true_class(log_softmax(_held_back(raw, target, max_margin, scale, class_counts)), target)


def _ldam_derivative(
    raw: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    p = softmax(_held_back(raw, target, max_margin, scale, class_counts))
    return over_classes(scale) * plus_true_class(p, target, -1.0)


def _ldam_probability(
    raw: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return p_k (1 - p_k + p_k exp(-margin_k)) in proportion: where the expected loss is flat, by its derivative."""
    scale = over_classes(scale)
    logs = log_softmax(scale * raw)
    less = scale * margins(class_counts, over_classes(max_margin))
    return softmax(logs + torch.logaddexp(log_complements(logs), logs - less))


@loss(
    source="Cao et al. 2019",
    class_name="LDAM",
    formula="-log p_y of scale (z - m_y at class y), m_k = max_margin (n_min / n_k)^(1/4), n_k rows of class k",
    aliases=("label_distribution_aware_margin", "ldam_loss", "LDAMLoss"),
    params=(MAX_MARGIN, SCALE),
    fused={"softmax": _ldam_from_raw},
    fused_derivative={"softmax": _ldam_derivative},
    probability={"softmax": _ldam_probability},
    caution={"softmax": UNNORMALISED},
    example=(*_PROBABILITIES, 0.9740769841801067),
    **_OF_COUNTS,
)
def ldam(
    output: Tensor, target: Tensor, *, max_margin: float | Tensor, scale: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy with a margin that is larger for rare classes."""
    return _ldam_from_raw(output.log(), target, max_margin=max_margin, scale=scale, class_counts=class_counts)


def _scaled(raw: Tensor, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor) -> Tensor:
    return _adjusted(steepness(class_counts, over_classes(gamma)) * raw, tau, class_counts)


def _vs_derivative(
    output: Tensor, target: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    p = softmax(_scaled(output, gamma, tau, class_counts))
    return steepness(class_counts, over_classes(gamma)) * plus_true_class(p, target, -1.0)


def _vs_probability(
    raw: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    return softmax(_scaled(raw, gamma, tau, class_counts))


@loss(
    source="Kini et al. 2021",
    class_name="VSLoss",
    formula="-log(q_y^tau exp(d_y f_y) / sum_k q_k^tau exp(d_k f_k)), d_k = (n_k / n_max)^gamma, q_k shares of the n_k rows",
    aliases=("vector_scaling", "vector_scaling_loss"),
    params=(GAMMA, TAU),
    contains=(Contained("logit_adjusted/softmax", {"gamma": 0.0}, shared={"tau": "tau"}),),
    derivative=_vs_derivative,
    probability={"identity": _vs_probability},
    example=([[0.5, -1.0, 1.0]], [2], 1.1711988083281086),
    **{**_OF_COUNTS, "domain": "margins"},
)
def vs_loss(
    output: Tensor, target: Tensor, *, gamma: float | Tensor, tau: float | Tensor, class_counts: Tensor
) -> Tensor:
    """Return the cross-entropy of scores that are scaled and shifted by how frequent their classes are."""
    return -true_class(log_softmax(_scaled(output, gamma, tau, class_counts)), target)


LOSSES = (logit_adjusted, balanced_softmax, class_balanced_ce, class_balanced_focal, ldam, vs_loss)

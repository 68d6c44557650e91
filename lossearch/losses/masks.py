"""More losses of masks, on request: other measures of overlap over a batch's pixels, and losses of the hardest of them.

Output and target are (..., N, P), as in ``segmentation``.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._class_axis import over_classes
from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.overlap import (
    Means,
    averaged,
    dice_of,
    focal_tversky_of,
    log_cosh_dice_of,
    mcc_of,
    tversky_of,
)
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained
from lossearch.losses.segmentation import MASKS, OF_BATCH, SMOOTH, means_of

if TYPE_CHECKING:
    from torch import Tensor

_REQUESTED: dict[str, Any] = {**OF_BATCH, "on_request": True}
_EXAMPLE = ([0.5, 0.5], [1.0, 0.0])


@loss(
    source="Milletari et al. 2016",
    formula="1 - 2 sum p y / (sum p^2 + sum y^2) over all pixels of the batch",
    aliases=("v_net_dice",),
    after_mean=averaged(partial(dice_of, smooth=SMOOTH)),
    example=(*_EXAMPLE, 1 - (0.5 + 1e-5) / (0.75 + 1e-5)),
    **_REQUESTED,
)
def squared_dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice with squares in its denominator is made of."""
    target = target.expand_as(output)
    return torch.stack(
        [(output * target).mean(-1), output.square().mean(-1), target.square().mean(-1)], dim=-1
    )


@loss(
    source="Jadon 2020",
    formula="log cosh of 1 - 2 sum p y / (sum p + sum y) over all pixels of the batch",
    after_mean=averaged(partial(log_cosh_dice_of, smooth=SMOOTH)),
    example=(*_EXAMPLE, math.log(math.cosh(1 - (0.5 + 1e-5) / (1 + 1e-5)))),
    **_REQUESTED,
)
def log_cosh_dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of, of which the log cosh is taken."""
    return means_of(output, target)


@loss(
    source="Abhishek & Hamarneh 2021",
    class_name="MCCLoss",
    formula="1 - Matthews' correlation of probabilities taken for shares, over all pixels of the batch",
    aliases=("matthews",),
    after_mean=averaged(mcc_of),
    example=(*_EXAMPLE, 1.0),
    **_REQUESTED,
)
def mcc_loss(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what Matthews' correlation coefficient is made of."""
    return means_of(output, target)


def _rest(of: Means) -> Means:
    """Return the means of what is not marked."""
    return Means(1 - of.predicted - of.true + of.both, 1 - of.predicted, 1 - of.true)


def _generalized_dice(of: Means) -> Tensor:
    rest = _rest(of)
    marked, unmarked = ((m.true + SMOOTH) ** -2 for m in (of, rest))
    both = marked * of.both + unmarked * rest.both
    return 1 - 2 * both / (marked * (of.predicted + of.true) + unmarked * (rest.predicted + rest.true))


@loss(
    source="Crum et al. 2006; Sudre et al. 2017",
    formula="1 - 2 sum_c w_c sum p y / sum_c w_c (sum p + sum y), c what is marked and the rest, w_c = 1 / (sum y)^2, over the batch",
    after_mean=averaged(_generalized_dice),
    example=(*_EXAMPLE, 0.5),
    **_REQUESTED,
)
def generalized_dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice of marked pixels and of the rest is made of, each weighed by the square of how rare it is."""
    return means_of(output, target)


def _unified(means: Tensor, *, share: float | Tensor, delta: float | Tensor, gamma: float | Tensor) -> Tensor:
    extra, of = 1 - over_classes(delta), Means(*means[..., :3].chunk(3, dim=-1))
    marked = focal_tversky_of(of, alpha=extra, exponent=1 - over_classes(gamma), smooth=SMOOTH)
    overlap = (marked + tversky_of(_rest(of), alpha=extra, smooth=SMOOTH)) / 2
    return (over_classes(share) * means[..., 3:] + (1 - over_classes(share)) * overlap).squeeze(-1)


def _unified_from_raw(
    raw: Tensor, target: Tensor, *, delta: float | Tensor, gamma: float | Tensor, **_: float | Tensor
) -> Tensor:
    weight, easy = over_classes(delta), torch.exp(over_classes(gamma) * functional.logsigmoid(raw))
    marked = -weight * target * functional.logsigmoid(raw)
    rest = -(1 - weight) * (1 - target) * easy * functional.logsigmoid(-raw)
    focal = (marked + rest).mean(-1, keepdim=True)
    return torch.cat([means_of(torch.sigmoid(raw), target), focal], dim=-1)


@loss(
    source="Yeung, Sala, Schönlieb & Rundo 2022",
    formula="share focal + (1 - share) tversky; focal = -delta y log p - (1 - delta) (1 - y) p^gamma log(1 - p), tversky "
    "the mean of t^(1 - gamma) of what is marked and t of the rest, t = 1 - tp / (tp + (1 - delta) fp + delta fn)",
    aliases=("asymmetric_unified_focal", "AsymmetricUnifiedFocalLoss"),
    params=(
        Parameter("share", 0.5, 0.0, 1.0, words="0 is tversky alone, 1 focal alone", valid=(0.0, 1.0)),
        Parameter("delta", 0.6, 0.5, 0.9, words="weight of what is marked and missed", valid=(0.0, 1.0)),
        Parameter(
            "gamma",
            0.5,
            0.1,
            0.9,
            words="how far easy pixels of the rest are passed over, and hard marked ones stressed",
            valid=(1e-3, 0.999),
        ),
    ),
    after_mean=_unified,
    fused={"sigmoid": _unified_from_raw},
    example=(*_EXAMPLE, 0.4547575886419928),
    **_REQUESTED,
)
def unified_focal(output: Tensor, target: Tensor, **params: float | Tensor) -> Tensor:
    """Return what an asymmetric focal loss and an asymmetric focal Tversky loss are made of."""
    return _unified_from_raw(torch.logit(output), target, **params)


def _hardest(values: Tensor, share: float | Tensor) -> Tensor:
    """Return the mean of the largest share of values (..., P); where that is no whole number of them, one counts in part."""
    many = values.shape[-1] * torch.as_tensor(over_classes(share), dtype=values.dtype, device=values.device)
    rank = torch.arange(values.shape[-1], dtype=values.dtype, device=values.device)
    counted = (many - rank).clamp(0, 1)
    return (values.sort(dim=-1, descending=True).values * counted).sum(dim=-1) / counted.sum(dim=-1)


def _topk_from_raw(raw: Tensor, target: Tensor, *, share: float | Tensor) -> Tensor:
    values = functional.binary_cross_entropy_with_logits(raw, target.expand_as(raw), reduction="none")
    return _hardest(values, share)


@loss(
    source="Wu, Shen & van den Hengel 2016; Shrivastava, Gupta & Girshick 2016",
    class_name="TopKBCE",
    formula="mean of the largest share of bce's values of an image's pixels",
    aliases=("ohem", "topk_ce", "hard_pixel_mining"),
    params=(
        Parameter("share", 0.25, 0.05, 1.0, words="of the pixels that count; 1 is bce", valid=(1e-6, 1.0)),
    ),
    fused={"sigmoid": _topk_from_raw},
    contains=(Contained("bce", {"share": 1.0}),),
    caution={"sigmoid": "easy pixels have no gradient, so it gives no probabilities."},
    on_request=True,
    example=(*_EXAMPLE, math.log(2)),
    **MASKS,
)
def topk_bce(output: Tensor, target: Tensor, *, share: float | Tensor) -> Tensor:
    """Return the mean cross-entropy of the pixels of an image that have the most of it."""
    return _hardest(
        functional.binary_cross_entropy(output, target.expand_as(output), reduction="none"), share
    )


LOSSES = (squared_dice, log_cosh_dice, mcc_loss, generalized_dice, unified_focal, topk_bce)

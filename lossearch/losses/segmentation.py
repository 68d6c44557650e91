"""Losses of masks: how far what is marked and what should be overlap, over a batch's pixels or image by image.

Output and target are (..., N, P), a number for each of the P pixels of a mask. Over a batch, a row has the means of
p y, p and y over its pixels; their means over rows make the loss, so that large objects count more than small ones.
Image by image each mask counts alike. ``smooth`` is a share of the pixels, so small that an object of a few counts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.overlap import (
    ALPHA,
    EXPONENT,
    Means,
    averaged,
    dice_of,
    focal_tversky_of,
    jaccard_of,
    tversky_of,
)
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH = 1e-5
"""Added above and below, as a share of the pixels."""
_BATCH = (
    "it is one number of a whole batch of images, so its gradient depends on the batch size: keep that fixed."
)
_SURE = "it pushes probabilities to 0 and 1."
MASKS: dict[str, Any] = {
    "task": "segmentation",
    "encoding": "zero_one",
    "domain": "unit",
    "joint": True,
    "usual": ("sigmoid",),
    "families": ("overlap", "imbalance"),
}
OF_BATCH: dict[str, Any] = {**MASKS, "gathers": True, "caution": {"sigmoid": f"{_BATCH[:-1]}; {_SURE}"}}
_DICE = "1 - 2 sum p y / (sum p + sum y)"
_EXAMPLE = ([0.5, 0.5], [1.0, 0.0])


def means_of(output: Tensor, target: Tensor) -> Tensor:
    """Return what each row has of both, of what is predicted and of what is there, (..., N, 3)."""
    target = target.expand_as(output)
    return torch.stack([(output * target).mean(-1), output.mean(-1), target.mean(-1)], dim=-1)


@loss(
    source="Milletari et al. 2016; Sudre et al. 2017",
    formula=f"{_DICE} over all pixels of the batch",
    aliases=("dice_loss", "DiceLoss", "soft_f1", "binary_dice_loss"),
    after_mean=averaged(partial(dice_of, smooth=SMOOTH)),
    example=(*_EXAMPLE, 1 - (0.5 + 1e-5) / (1 + 1e-5)),
    **OF_BATCH,
)
def dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice over all pixels of a batch is made of."""
    return means_of(output, target)


@loss(
    source="Milletari et al. 2016",
    formula=f"{_DICE} of each image, averaged",
    aliases=("sample_dice", "dice_per_image"),
    caution={"sigmoid": _SURE},
    on_request=True,
    example=(*_EXAMPLE, 1 - (0.5 + 1e-5) / (1 + 1e-5)),
    **MASKS,
)
def image_dice(output: Tensor, target: Tensor) -> Tensor:
    """Return dice of each image, in which small and large objects count alike."""
    return dice_of(Means(*means_of(output, target).unbind(-1)), smooth=SMOOTH)


@loss(
    source="Rahman & Wang 2016",
    formula="1 - sum p y / (sum p + sum y - sum p y) over all pixels of the batch",
    aliases=("soft_iou", "iou", "JaccardLoss", "jaccard_loss"),
    after_mean=averaged(partial(jaccard_of, smooth=SMOOTH)),
    on_request=True,
    example=(*_EXAMPLE, 1 - (0.25 + 1e-5) / (0.75 + 1e-5)),
    **OF_BATCH,
)
def jaccard(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what the overlap by union is made of."""
    return means_of(output, target)


@loss(
    source="Salehi et al. 2017",
    formula="1 - tp / (tp + alpha fp + (1 - alpha) fn) over all pixels of the batch",
    aliases=("tversky_loss", "TverskyLoss"),
    params=(ALPHA,),
    after_mean=averaged(partial(tversky_of, smooth=SMOOTH)),
    contains=(Contained("dice", {"alpha": 0.5}, near=1e-4),),
    on_request=True,
    example=(*_EXAMPLE, 1 - (0.25 + 1e-5) / (0.25 + 0.3 * 0.25 + 0.7 * 0.25 + 1e-5)),
    **OF_BATCH,
)
def tversky(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of, with a weight for each of the two mistakes."""
    return means_of(output, target)


@loss(
    source="Abraham & Khan 2019",
    formula="(1 - tp / (tp + alpha fp + (1 - alpha) fn))^exponent over all pixels of the batch",
    aliases=("focal_tversky_loss", "FocalTverskyLoss"),
    params=(ALPHA, EXPONENT),
    after_mean=averaged(partial(focal_tversky_of, smooth=SMOOTH)),
    contains=(Contained("tversky", {"alpha": 0.3, "exponent": 1.0}, near=1e-4),),
    on_request=True,
    example=(*_EXAMPLE, (1 - (0.25 + 1e-5) / (0.5 + 1e-5) + 1e-6) ** 0.75),
    **OF_BATCH,
)
def focal_tversky(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what Tversky's loss is made of, of which a power is taken."""
    return means_of(output, target)


_SHARE = Parameter("share", 0.5, 0.0, 1.0, words="0 is bce, 1 is dice", valid=(0.0, 1.0))


def _dice_and_cross_entropy(means: Tensor, *, share: float | Tensor) -> Tensor:
    dice_part: Tensor = averaged(partial(dice_of, smooth=SMOOTH))(means[..., :3])
    return share * dice_part + (1 - share) * means[..., 3]


def _with_cross_entropy(output: Tensor, target: Tensor, cross_entropy: Tensor) -> Tensor:
    return torch.cat([means_of(output, target), cross_entropy.mean(-1, keepdim=True)], dim=-1)


def _dice_bce_from_raw(raw: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    values = functional.binary_cross_entropy_with_logits(raw, target.expand_as(raw), reduction="none")
    return _with_cross_entropy(torch.sigmoid(raw), target, values)


@loss(
    source="Taghanaki et al. 2019; Isensee et al. 2021",
    formula="(1 - share) bce + share dice over all pixels of the batch",
    aliases=("bce_dice", "combo", "DiceBCELoss", "DiceCELoss"),
    params=(_SHARE,),
    after_mean=_dice_and_cross_entropy,
    fused={"sigmoid": _dice_bce_from_raw},
    contains=(Contained("bce", {"share": 0.0}), Contained("dice", {"share": 1.0})),
    example=(*_EXAMPLE, 0.5 * (1 - (0.5 + 1e-5) / (1 + 1e-5)) + 0.5 * 0.6931471805599453),
    **(OF_BATCH | {"caution": {"sigmoid": _BATCH}}),
)
def dice_bce(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of, and the cross-entropy of the pixels."""
    return _with_cross_entropy(
        output, target, functional.binary_cross_entropy(output, target.expand_as(output), reduction="none")
    )


@loss(
    task="segmentation",
    encoding="plus_minus_one",
    domain="margins",
    joint=True,
    families=("overlap", "margin", "imbalance"),
    source="Berman et al. 2018",
    formula="Lovasz extension of 1 - IoU at max(0, 1 - s z), image by image",
    aliases=("lovasz", "LovaszHinge", "LovaszLoss"),
    example=([0.5, -2.0, 0.0], [1.0, -1.0, -1.0], 0.75),
)
def lovasz_hinge(output: Tensor, target: Tensor) -> Tensor:
    """Return the convex surrogate of 1 less the IoU of each image, tight where all pixels are right or wrong by 1."""
    error, order = (1 - output * target).sort(dim=-1, descending=True)
    there = ((target.expand_as(output) + 1) / 2).gather(-1, order)
    missed, extra = there.cumsum(-1), (1 - there).cumsum(-1)
    marked = missed[..., -1:]
    # 1 less the IoU where so many of the worst pixels are wrong
    jaccard_loss = 1 - (marked - missed) / (marked + extra)
    steps = torch.cat([jaccard_loss[..., :1], jaccard_loss.diff(dim=-1)], dim=-1)
    return (error.clamp(min=0) * steps).sum(-1)


LOSSES = (dice, image_dice, jaccard, tversky, focal_tversky, dice_bce, lovasz_hinge)

"""Losses of how far what is predicted and what is there overlap, over a whole batch: dice, Jaccard, Tversky and their kin.

Each row has the products tp = p y, and p and y; their means over the batch make the loss, label by label or class by class,
averaged. ``smooth`` is added above and below, in rows, so that a batch without the label has a value.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH = 1e-3
"""Added above and below, as a share of the batch's rows."""
_BATCH = "it is one number of a whole batch: its gradient depends on the batch size, so keep that fixed; it pushes probabilities to 0 and 1."
_LABELS: dict[str, Any] = {
    "task": ("binary", "multilabel"),
    "encoding": "zero_one",
    "domain": "unit",
    "joint": True,
    "gathers": True,
    "usual": ("sigmoid",),
    "caution": {"sigmoid": _BATCH},
    "families": ("overlap", "imbalance"),
    "on_request": True,
}
_CLASSES: dict[str, Any] = {
    "task": "multiclass",
    "encoding": "one_hot",
    "domain": "simplex",
    "gathers": True,
    "usual": ("softmax",),
    "caution": {"softmax": _BATCH},
    "families": ("overlap", "imbalance"),
    "on_request": True,
}


class Means(NamedTuple):
    """Batch means for each label or class, (..., 1, L)."""

    both: Tensor
    predicted: Tensor
    true: Tensor


def gathered(output: Tensor, target: Tensor) -> Tensor:
    """Return what each row has of every label, (..., N, 3 L)."""
    return torch.cat([output * target, output, target.expand_as(output)], dim=-1)


def _squares(output: Tensor, target: Tensor) -> Tensor:
    return torch.cat([output * target, output.square(), target.expand_as(output).square()], dim=-1)


def averaged(of_label: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Return what makes the loss of means: of each label, averaged over labels."""

    def after_mean(means: Tensor, **params: float | Tensor) -> Tensor:
        wide = {
            n: p.unsqueeze(-1) if isinstance(p, torch.Tensor) and p.ndim else p for n, p in params.items()
        }
        found: Tensor = of_label(Means(*means.chunk(3, dim=-1)), **wide)
        return found.mean(dim=-1)

    return after_mean


def dice_of(of: Means, *, smooth: float = SMOOTH) -> Tensor:
    """Return 1 less twice what both have, as a share of what either has."""
    return 1 - (2 * of.both + smooth) / (of.predicted + of.true + smooth)


def jaccard_of(of: Means, *, smooth: float = SMOOTH) -> Tensor:
    """Return 1 less what both have, as a share of the union."""
    return 1 - (of.both + smooth) / (of.predicted + of.true - of.both + smooth)


def tversky_of(of: Means, *, alpha: float | Tensor, smooth: float = SMOOTH) -> Tensor:
    """Return 1 less what both have, as a share of that and of the weighted mistakes."""
    extra, missed = of.predicted - of.both, of.true - of.both
    return 1 - (of.both + smooth) / (of.both + alpha * extra + (1 - alpha) * missed + smooth)


def focal_tversky_of(
    of: Means, *, alpha: float | Tensor, exponent: float | Tensor, smooth: float = SMOOTH
) -> Tensor:
    """Return a power of Tversky's loss."""
    # a root has no slope at 0
    return (tversky_of(of, alpha=alpha, smooth=smooth).clamp(min=0) + 1e-6) ** exponent


def log_cosh_dice_of(of: Means, *, smooth: float = SMOOTH) -> Tensor:
    """Return the log cosh of dice."""
    dice = dice_of(of, smooth=smooth)
    return dice + functional.softplus(-2 * dice) - math.log(2)


def mcc_of(of: Means) -> Tensor:
    """Return 1 less Matthews' correlation, from shares of the batch."""
    covariance = of.both - of.predicted * of.true
    spread = (of.predicted * (1 - of.predicted) * of.true * (1 - of.true)).clamp(min=0)
    return 1 - covariance / (spread + 1e-6).sqrt()


ALPHA = Parameter(
    "alpha", 0.3, 0.1, 0.9, words="weight of what is predicted and not there; 0.5 is dice", valid=(0.0, 1.0)
)  # fmt: skip
EXPONENT = Parameter(
    "exponent",
    0.75,
    0.5,
    2.0,
    words="1 is tversky; less looks more at what is nearly right",
    valid=(0.01, 10.0),
)
_DICE = "1 - 2 sum p y / (sum p + sum y) over the batch"
_EXAMPLE = ([0.5], [1.0])


@loss(
    source="Milletari et al. 2016; Sudre et al. 2017",
    formula=_DICE,
    aliases=("dice_loss", "DiceLoss", "soft_f1", "binary_dice_loss"),
    after_mean=averaged(dice_of),
    example=(*_EXAMPLE, 1 - 1.001 / 1.501),
    **_LABELS,
)
def dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of: it is 1 less the F1 of probabilities taken for shares."""
    return gathered(output, target)


@loss(
    source="Milletari et al. 2016",
    formula="1 - 2 sum p y / (sum p^2 + sum y^2) over the batch",
    aliases=("v_net_dice",),
    after_mean=averaged(dice_of),
    example=(*_EXAMPLE, 1 - 1.001 / 1.251),
    **_LABELS,
)
def squared_dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice with squares in its denominator is made of."""
    return _squares(output, target)


@loss(
    source="Jadon 2020",
    formula=f"log cosh of {_DICE}",
    after_mean=averaged(log_cosh_dice_of),
    example=(*_EXAMPLE, math.log(math.cosh(1 - 1.001 / 1.501))),
    **_LABELS,
)
def log_cosh_dice(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of, of which the log cosh is taken."""
    return gathered(output, target)


@loss(
    source="Rahman & Wang 2016",
    formula="1 - sum p y / (sum p + sum y - sum p y) over the batch",
    aliases=("soft_iou", "iou", "JaccardLoss", "jaccard_loss"),
    after_mean=averaged(jaccard_of),
    example=(*_EXAMPLE, 1 - 0.501 / 1.001),
    **_LABELS,
)
def jaccard(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what the overlap by union is made of."""
    return gathered(output, target)


@loss(
    source="Salehi et al. 2017",
    formula="1 - tp / (tp + alpha fp + (1 - alpha) fn) over the batch",
    aliases=("tversky_loss", "TverskyLoss"),
    params=(ALPHA,),
    after_mean=averaged(tversky_of),
    contains=(Contained("dice", {"alpha": 0.5}, near=1e-2),),
    example=(*_EXAMPLE, 1 - 0.501 / 0.851),
    **_LABELS,
)
def tversky(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice is made of, with a weight for each of the two mistakes."""
    return gathered(output, target)


@loss(
    source="Abraham & Khan 2019",
    formula="(1 - tp / (tp + alpha fp + (1 - alpha) fn))^exponent over the batch",
    aliases=("focal_tversky_loss", "FocalTverskyLoss"),
    params=(ALPHA, EXPONENT),
    after_mean=averaged(focal_tversky_of),
    contains=(Contained("tversky", {"exponent": 1.0}, near=1e-4, shared={"alpha": "alpha"}),),
    example=(*_EXAMPLE, (1 - 0.501 / 0.851 + 1e-6) ** 0.75),
    **_LABELS,
)
def focal_tversky(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what Tversky's loss is made of, of which a power is taken."""
    return gathered(output, target)


@loss(
    source="Abhishek & Hamarneh 2021",
    class_name="MCCLoss",
    formula="1 - Matthews' correlation of probabilities taken for shares, over the batch",
    aliases=("matthews",),
    after_mean=averaged(mcc_of),
    example=(*_EXAMPLE, 1.0),
    **_LABELS,
)
def mcc_loss(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what Matthews' correlation coefficient is made of."""
    return gathered(output, target)


@loss(
    name="dice",
    source="Milletari et al. 2016; Sudre et al. 2017",
    formula=f"{_DICE}, averaged over classes",
    aliases=("dice_loss", "DiceLoss", "soft_f1"),
    after_mean=averaged(dice_of),
    example=([[0.5, 0.5]], [[1.0, 0.0]], (1 - 1.001 / 1.501 + 1 - 0.001 / 0.501) / 2),
    **_CLASSES,
)
def dice_of_classes(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what dice of every class against the rest is made of."""
    return gathered(output, target)


@loss(
    name="jaccard",
    source="Rahman & Wang 2016",
    formula="1 - sum p y / (sum p + sum y - sum p y) over the batch, averaged over classes",
    aliases=("soft_iou", "iou", "JaccardLoss", "jaccard_loss"),
    after_mean=averaged(jaccard_of),
    example=([[0.5, 0.5]], [[1.0, 0.0]], (1 - 0.501 / 1.001 + 1 - 0.001 / 0.501) / 2),
    **_CLASSES,
)
def jaccard_of_classes(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what the overlap by union of every class is made of."""
    return gathered(output, target)


@loss(
    name="tversky",
    source="Salehi et al. 2017",
    formula="1 - tp / (tp + alpha fp + (1 - alpha) fn) over the batch, averaged over classes",
    aliases=("tversky_loss", "TverskyLoss"),
    params=(ALPHA,),
    after_mean=averaged(tversky_of),
    contains=(Contained("dice", {"alpha": 0.5}, near=1e-2),),
    example=([[0.5, 0.5]], [[1.0, 0.0]], (1 - 0.501 / 0.851 + 1 - 0.001 / 0.151) / 2),
    **_CLASSES,
)
def tversky_of_classes(output: Tensor, target: Tensor, **_: float | Tensor) -> Tensor:
    """Return what Tversky's loss of every class is made of."""
    return gathered(output, target)


LOSSES = (
    dice, squared_dice, log_cosh_dice, jaccard, tversky, focal_tversky, mcc_loss, dice_of_classes, jaccard_of_classes,
    tversky_of_classes,
)  # fmt: skip

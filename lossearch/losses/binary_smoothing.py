"""The cross-entropy of two classes, or of labels, with targets that are a little unsure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor


def _smoothed(target: Tensor, smoothing: float | Tensor) -> Tensor:
    return target * (1 - smoothing) + smoothing / 2


def _from_raw(raw: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(raw, _smoothed(target, smoothing), reduction="none")


def _derivative(raw: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    return torch.sigmoid(raw) - _smoothed(target, smoothing)


def _probability(raw: Tensor, *, smoothing: float | Tensor) -> Tensor:
    return ((torch.sigmoid(raw) - smoothing / 2) / (1 - smoothing)).clamp(0, 1)


@loss(
    task=("binary", "multilabel"),
    encoding="zero_one",
    domain="unit",
    families=("noisy_labels",),
    source="Szegedy et al. 2016; Müller et al. 2019",
    class_name="LabelSmoothingBCE",
    formula="-y' log p - (1 - y') log(1 - p), y' = (1 - smoothing) y + smoothing / 2",
    aliases=("smoothed_bce",),
    params=(
        Parameter(
            "smoothing",
            0.1,
            0.0,
            0.3,
            words="share of the target spread over both classes",
            valid=(0.0, 0.999),
        ),
    ),
    contains=(Contained("bce", {"smoothing": 0.0}),),
    fused={"sigmoid": _from_raw},
    fused_derivative={"sigmoid": _derivative},
    probability={"sigmoid": _probability},
    on_request=True,
    example=(0.9, 1.0, 0.21522174452463724),
)
def label_smoothing_bce(output: Tensor, target: Tensor, *, smoothing: float | Tensor) -> Tensor:
    """Return the cross-entropy with a target that is a little unsure."""
    return functional.binary_cross_entropy(output, _smoothed(target, smoothing), reduction="none")


LOSSES = (label_smoothing_bce,)

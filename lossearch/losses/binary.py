"""Losses for two classes and one output."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lossearch.losses.declaration import loss


def _bce_from_logits(raw: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(raw, target, reduction="none")


@loss(
    task="binary",
    encoding="zero_one",
    domain="unit",
    source="Good 1952",
    formula="-y log p - (1-y) log(1-p)",
    aliases=("binary_crossentropy", "binary_cross_entropy", "logistic", "log_loss"),
    fused={"sigmoid": _bce_from_logits},
    probability={"sigmoid": torch.sigmoid},
    proper=True,
    example=(0.9, 1.0, 0.10536051565782628),
)
def bce(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy(output, target, reduction="none")


LOSSES = (bce,)

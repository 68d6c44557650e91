"""Losses for one class out of C. Classes lie along the last axis of ``output``."""

from __future__ import annotations

import torch
from torch import Tensor

from lossearch.losses.declaration import loss


def _softmax(raw: Tensor) -> Tensor:
    return torch.softmax(raw, dim=-1)


def _cross_entropy_from_logits(raw: Tensor, target: Tensor) -> Tensor:
    return torch.logsumexp(raw, dim=-1) - raw.gather(-1, target.unsqueeze(-1)).squeeze(-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Good 1952; Bridle 1990",
    formula="-log p_y",
    aliases=("sparse_categorical_crossentropy", "CrossEntropyLoss", "nll_loss"),
    fused={"softmax": _cross_entropy_from_logits},
    probability={"softmax": _softmax},
    proper=True,
    example=([[0.05, 0.95, 0.0]], [1], 0.05129329438755058),
)
def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    return -output.gather(-1, target.unsqueeze(-1)).squeeze(-1).log()


LOSSES = (cross_entropy,)

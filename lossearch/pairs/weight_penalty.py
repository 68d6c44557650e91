"""What a loss adds for the weights of a network: their sizes (L1) and half their squares (L2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Strength: TypeAlias = "float | Tensor"


def weights_of(parameters: Mapping[str, Tensor], leading: int = 0) -> dict[str, Tensor]:
    """Return those that are multiplied by, of two axes or more behind ``leading`` ones: neither biases nor scales."""
    return {name: p for name, p in parameters.items() if p.ndim > 1 + leading}


def penalty(weights: Iterable[Tensor], l1: Strength, l2: Strength) -> Tensor:
    """Return what weights cost, a scalar."""
    return sum((l1 * w.abs().sum() + l2 * w.square().sum() / 2 for w in weights), torch.zeros(()))


def add_gradient(
    weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], l1: Tensor, l2: Tensor
) -> None:
    """Add to gradients of K replicates' weights, (K, ...), those of what they cost; strengths are (K,)."""
    for name, w in weights_of(weights, leading=1).items():
        each = (-1, *[1] * (w.ndim - 1))
        gradients[name].add_(l1.view(each) * w.sign() + l2.view(each) * w)

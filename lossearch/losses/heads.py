"""What the network of a loss gives where that is not one number for each that is predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.distributions import Family

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Head:
    """The end of a network as a loss needs it: how wide, with which learnable numbers, and what it predicts.

    ``n_out`` is how many numbers a row the kind of task predicts: outputs, labels or classes.
    Losses with equal heads share networks; populations train those of different heads side by side.
    """

    name: str
    width: Callable[[int], int]
    """n_out -> how many numbers the loss reads, as 2 n_out for a mean and a spread."""
    reads: Callable[[Tensor, int], Tensor]
    """(raw output (..., N, width), n_out) -> raw output (..., N, n_out) that predictions are made of."""
    layer: Callable[[int], nn.Module] | None = None
    """n_out -> what follows the network, with the loss's own learnable numbers, as thresholds; None for nothing."""
    inner: Callable[[int], int] | None = None
    """n_out -> how many numbers the network gives that layer; the width by default."""

    def network(self, build: Callable[[int], nn.Module], n_out: int) -> nn.Module:
        """Return a network that ends in this head.

        Args:
            build: gives a network of so many outputs.
            n_out: how many numbers a row are predicted.
        """
        body = build((self.inner or self.width)(n_out))
        return body if self.layer is None else torch.nn.Sequential(body, self.layer(n_out))

    def n_out(self, width: int) -> int | None:
        """Return how many numbers a row are predicted from so many outputs, None where that cannot be."""
        return next((n for n in range(1, width + 2) if self.width(n) == width), None)


@dataclass(frozen=True)
class Distributed:
    """The distribution that raw output stands for, one a target."""

    family: Family
    params: Callable[..., Tensor]
    """(raw output (..., N, width), n_out, the loss's own parameters by keyword) -> (..., N, n_out, P)."""

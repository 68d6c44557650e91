"""In what precision weights are kept and products computed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch.pairs.shapes import lifted


@dataclass(frozen=True)
class Precision:
    """The type of weights, and of the products where that is a lower one."""

    weights: torch.dtype
    products: torch.dtype | None = None

    def context(self, device: torch.device) -> AbstractContextManager[object]:
        """Return what a network is to be applied under."""
        return nullcontext() if self.products is None else torch.autocast(device.type, self.products)

    def applied(self, network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return a network's output, in float32 where the products are of a lower type: losses need it."""
        with self.context(x.device):
            raw = network(x)
        return lifted(raw) if isinstance(raw, Tensor) else raw


PRECISIONS = {
    "32-true": Precision(torch.float32),
    "64-true": Precision(torch.float64),
    "bf16-mixed": Precision(torch.float32, torch.bfloat16),
}
"""Precisions by the names that a Trainer gives them."""

"""Output activations: what turns a network's raw output into a prediction, and its range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lossearch._registry import Registry
from lossearch.losses.ranges import RANGES, Range


@dataclass(frozen=True)
class Activation:
    """A pure function over the last axis of raw outputs, with its range and the tasks it fits."""

    name: str
    fn: Callable[[Tensor], Tensor]
    range: Range
    kinds: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    def __call__(self, raw: Tensor) -> Tensor:
        return self.fn(raw)

    def __str__(self) -> str:
        return self.name


def _identity(raw: Tensor) -> Tensor:
    return raw


def _softmax(raw: Tensor) -> Tensor:
    return torch.softmax(raw, dim=-1)


ACTIVATIONS = Registry(
    "activation",
    [
        Activation("identity", _identity, RANGES["real"], ("regression", "binary", "multiclass"), ("linear", "none")),
        Activation("sigmoid", torch.sigmoid, RANGES["unit"], ("regression", "binary")),
        Activation("tanh", torch.tanh, RANGES["tanh"], ("regression", "binary")),
        Activation("softmax", _softmax, RANGES["simplex"], ("multiclass",)),
        Activation("softplus", F.softplus, RANGES["nonnegative"], ("regression",)),
        Activation("exp", torch.exp, RANGES["nonnegative"], ("regression",)),
    ],
)

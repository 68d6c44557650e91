"""Output activations: what turns a network's raw output into a prediction, and its range."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lossearch._registry import Registry
from lossearch.errors import UnknownNameError
from lossearch.losses.ranges import RANGES, Range


@dataclass(frozen=True, repr=False)
class Activation:
    """A pure function over the last axis of raw outputs, with its range and the tasks it fits."""

    name: str
    fn: Callable[[Tensor], Tensor]
    range: Range
    kinds: tuple[str, ...]
    aliases: tuple[str, ...] = ()

    def __call__(self, raw: Tensor) -> Tensor:
        """Return the activated output, of the same shape."""
        return self.fn(raw)

    def __reduce__(self) -> str | tuple[Any, ...]:
        if ACTIVATIONS.get(self.name) is self:
            return _by_name, (self.name,)
        return super().__reduce__()

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


NOT_OUTPUTS = {
    "relu": "where it is 0 its gradient is 0 too, so such an output never recovers. Use softplus or exp.",
    "log_softmax": "losses take log-probabilities from raw output themselves. Use softmax.",
    "log_sigmoid": "losses take log-probabilities from raw output themselves. Use sigmoid.",
}
"""Activations one might ask for at the output, and why they are not offered."""


class _Activations(Registry[Activation]):
    def __getitem__(self, name: str) -> Activation:
        if name in NOT_OUTPUTS:
            raise UnknownNameError(f"{name} is not an output activation: {NOT_OUTPUTS[name]}")
        return super().__getitem__(name)


def _by_name(name: str) -> Activation:
    return ACTIVATIONS[name]


def _identity(raw: Tensor) -> Tensor:
    return raw


def _softmax(raw: Tensor) -> Tensor:
    return torch.softmax(raw, dim=-1)


ACTIVATIONS = _Activations(
    "activation",
    [
        Activation(
            "identity", _identity, RANGES["real"], ("regression", "binary", "multiclass"), ("linear", "none")
        ),
        Activation("sigmoid", torch.sigmoid, RANGES["unit"], ("regression", "binary")),
        Activation("tanh", torch.tanh, RANGES["tanh"], ("regression", "binary")),
        Activation("softmax", _softmax, RANGES["simplex"], ("multiclass",)),
        Activation("softplus", softplus, RANGES["nonnegative"], ("regression",)),
        Activation("exp", torch.exp, RANGES["nonnegative"], ("regression",)),
    ],
)

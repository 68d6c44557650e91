"""The default network: fully connected, sized to the task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

from torch import nn

from lossearch._registry import unknown_name
from lossearch.errors import InputError
from lossearch.networks.factory import BuiltIn, widths

INITS = ("torch", "he_uniform")


def default_hidden(rows: int) -> tuple[int, ...]:
    """Return the hidden widths of the default network.

    Two ReLU layers, as wide as the number of training rows can feed: 32 below 200 rows, 64 below
    10 000, 128 below 100 000, else 256.

    Args:
        rows: how many training rows there are.
    """
    for limit, width in ((200, 32), (10_000, 64), (100_000, 128)):
        if rows < limit:
            return (width, width)
    return (256, 256)


def _initialise_as_keras(layers: Sequence[nn.Linear]) -> None:
    for layer in layers:
        nn.init.zeros_(layer.bias)
    for layer in layers[:-1]:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    nn.init.xavier_uniform_(layers[-1].weight)


@dataclass(frozen=True)
class MLP(BuiltIn):
    """Fully connected ReLU layers with a linear head; inputs of several axes are flattened.

    ``hidden`` are the widths of the hidden layers, by default as :func:`default_hidden` says.
    ``init`` "torch" keeps each layer's own; "he_uniform" draws hidden layers He-uniform and the head
    Glorot-uniform, with zero biases, as Keras networks do.
    """

    name: ClassVar[str] = "mlp"
    hidden: tuple[int, ...]
    init: str = "torch"

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", widths(self.hidden))
        if self.init not in INITS:
            raise InputError(unknown_name("init", self.init, INITS))

    @classmethod
    def defaults(cls, rows: int) -> Mapping[str, Any]:
        """Return the arguments that depend on the number of training rows."""
        return {"hidden": default_hidden(rows)}

    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Sequential:
        """Return a fresh network."""
        sizes = [math.prod(input_shape), *self.hidden, n_out]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        if self.init == "he_uniform":
            _initialise_as_keras(layers)
        steps: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        for layer in layers[:-1]:
            steps += [layer, nn.ReLU()]
        return nn.Sequential(*steps, layers[-1])

    def __str__(self) -> str:
        return f"mlp({'-'.join(map(str, self.hidden))}, relu, init {self.init})"


NETWORK = MLP

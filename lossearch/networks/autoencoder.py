"""An autoencoder: layers that grow narrow and wide again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import nn

from lossearch.networks.factory import BuiltIn, widths


@dataclass(frozen=True)
class Autoencoder(BuiltIn):
    """Fully connected ReLU layers, the narrowest of them the code, which is linear.

    ``hidden`` are the widths from input to output; by default half the inputs, an eighth of them, half of them.
    Inputs of several axes are flattened, and come out in a row.
    """

    name: ClassVar[str] = "autoencoder"
    hidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", widths(self.hidden))

    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Sequential:
        """Return a fresh network."""
        n_in = math.prod(input_shape)
        hidden = self.hidden or tuple(max(1, n_in // share) for share in (2, 8, 2))
        code = hidden.index(min(hidden))
        steps: list[nn.Module] = [nn.Flatten()] if len(input_shape) > 1 else []
        for i, (before, after) in enumerate(pairwise([n_in, *hidden])):
            # a code of few numbers would lose those that ReLU holds at 0
            steps += [nn.Linear(before, after), *([] if i == code else [nn.ReLU()])]
        return nn.Sequential(*steps, nn.Linear(hidden[-1], n_out))

    def __str__(self) -> str:
        return f"autoencoder({'-'.join(map(str, self.hidden)) or 'by inputs'}, relu, linear code)"


NETWORK = Autoencoder

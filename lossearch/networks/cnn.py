"""A small convolutional network for images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lossearch.networks.factory import BuiltIn, widths


@dataclass(frozen=True)
class CNN(BuiltIn):
    """Convolutions with a linear head.

    Each of ``hidden`` is the number of channels of a 3 x 3 convolution that halves the image by its stride, with
    a ReLU: no pooling, which costs a population more than the convolutions (Springenberg et al. 2015).
    """

    name: ClassVar[str] = "cnn"
    axes: ClassVar[tuple[str, ...] | None] = ("C", "H", "W")
    hidden: tuple[int, ...] = (16, 32)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", widths(self.hidden))

    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Sequential:
        """Return a fresh network for rows of shape (C, H, W)."""
        before, *size = input_shape
        steps: list[nn.Module] = []
        for channels in self.hidden:
            steps += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.ReLU()]
            before, size = channels, [-(-n // 2) for n in size]
        return nn.Sequential(*steps, nn.Flatten(), nn.Linear(before * math.prod(size), n_out))

    def __str__(self) -> str:
        return f"cnn({'-'.join(map(str, self.hidden))}, relu)"


NETWORK = CNN

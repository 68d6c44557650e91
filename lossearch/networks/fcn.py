"""A small fully convolutional network: a number for each pixel of an image, of whatever size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lossearch.errors import InputError
from lossearch.networks.factory import BuiltIn, widths


@dataclass(frozen=True)
class FCN(BuiltIn):
    """Convolutions that keep the image's size, each of which sees twice as far as the one before.

    Each of ``hidden`` is the number of channels of a 3 x 3 convolution with a ReLU, dilated by 1, 2, 4, ... as far as
    the image reaches, in place of pooling and enlarging (Yu & Koltun 2016); a 1 x 1 convolution ends it. No layer
    reads the batch, so that it trains in populations as alone.
    """

    name: ClassVar[str] = "fcn"
    axes: ClassVar[tuple[str, ...] | None] = ("C", "H", "W")
    hidden: tuple[int, ...] = (8, 16, 16)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", widths(self.hidden))

    @classmethod
    def takes(cls, input_shape: tuple[int, ...]) -> bool:
        """Return whether rows are images, of one channel or several."""
        return len(input_shape) in (2, 3)

    def __call__(self, n_out: int, input_shape: tuple[int, ...]) -> nn.Sequential:
        """Return a fresh network for rows of shape (C, H, W) or (H, W), with all pixels of the output in a row.

        Raises:
            InputError: ``n_out`` is not so many numbers a pixel.
        """
        *channels, height, width = input_shape
        each, rest = divmod(n_out, height * width)
        if rest or not each:
            raise InputError(
                f"model 'fcn' gives a number for each of the {height} x {width} pixels of an image, and {n_out} numbers a "
                "row are to be predicted: give masks of the size of the images, or take model = 'mlp'."
            )
        before = channels[0] if channels else 1
        steps: list[nn.Module] = [] if channels else [nn.Unflatten(1, (1, height))]
        farthest = max(1, min(height, width) // 2)
        for i, now in enumerate(self.hidden):
            step = min(2**i, 2 ** int(math.log2(farthest)))
            steps += [nn.Conv2d(before, now, 3, padding=step, dilation=step), nn.ReLU()]
            before = now
        return nn.Sequential(*steps, nn.Conv2d(before, each, 1), nn.Flatten())

    def __str__(self) -> str:
        return f"fcn({'-'.join(map(str, self.hidden))}, relu)"


NETWORK = FCN

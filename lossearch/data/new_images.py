"""Images that a fitted model is given: files by their paths, or images of Pillow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from lossearch.data.images import Form, ImageRows, Picture

_LISTS = (list, tuple, np.ndarray, pd.Series, pd.Index)


@dataclass(frozen=True, eq=False)
class _Given:
    """Images as they were given, in their order."""

    images: tuple[Any, ...]
    name: str = "X"

    def __len__(self) -> int:
        return len(self.images)

    def title(self, i: int) -> str:
        """Return the path, or the number of an image that has none."""
        image = self.images[i]
        return f"image {i}" if isinstance(image, Picture) else os.fspath(image)

    def open(self, i: int) -> Picture:
        """Return an image, which the caller may close."""
        image = self.images[i]
        return image.copy() if isinstance(image, Picture) else Image.open(image)

    def digest(self) -> bytes:
        """Return nothing: new rows have no digest."""
        return b""


def pixels_of(x: Any, shape: tuple[int, ...]) -> Any:
    """Return image files or images of Pillow, one or several, as (N, channels, height, width); all else as it is.

    Args:
        x: what the user gave.
        shape: (channels, height, width) of an image.

    Raises:
        InputError: some cannot be read.
    """
    images = tuple(x) if isinstance(x, _LISTS) and getattr(x, "ndim", 1) == 1 else (x,)
    if not images or not all(isinstance(image, (str, os.PathLike, Picture)) for image in images):
        return x
    channels, height, width = shape
    rows = ImageRows(_Given(images), Form(height, width, grey=channels == 1), b"")
    return rows.read(np.arange(len(images)))

"""Columns of images of Hugging Face data sets, as files or encoded bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from lossearch.data.images import ImageRows, Picture, image_rows


@dataclass(frozen=True, eq=False)
class _Images:
    """A column of images of several data sets, one after another, as files or encoded bytes."""

    name: str
    column: str
    sets: tuple[Any, ...]

    def __len__(self) -> int:
        return sum(map(len, self.sets))

    def _cell(self, i: int) -> Mapping[str, Any]:
        for data in self.sets:
            if i < len(data):
                return data[i][self.column] or {}
            i -= len(data)
        raise IndexError(i)

    def title(self, i: int) -> str:
        """Return the number of the row, and the file's name where there is one."""
        path = self._cell(i).get("path")
        return f"row {i}, {path}" if path else f"row {i}"

    def open(self, i: int) -> Picture:
        """Return an image."""
        return Image.open(self._source(i))

    def _source(self, i: int) -> Any:
        cell = self._cell(i)
        if cell.get("bytes") is not None:
            return BytesIO(cell["bytes"])
        if not cell.get("path"):
            raise ValueError("missing")
        return cell["path"]

    def _bytes(self) -> Iterator[bytes]:
        for i in range(len(self)):
            source = self._source(i)
            if isinstance(source, BytesIO):
                yield source.getvalue()
            else:
                with open(source, "rb") as file:  # noqa: PTH123 - a path of any form
                    yield file.read()

    def digest(self) -> bytes:
        """Return a hash of all images as they are encoded."""
        found = hashlib.blake2b(digest_size=16)
        for encoded in self._bytes():
            found.update(hashlib.blake2b(encoded).digest())
        return found.digest()


def read_images(
    sets: Mapping[str, Any], feature: Any, column: str, name: str, options: Mapping[str, Any]
) -> tuple[ImageRows, tuple[str, ...]]:
    """Return a column of images as a source of rows, and notes on what was done to them.

    Args:
        sets: the data set of each part.
        feature: what the column is declared as.
        column: its name.
        name: what to call the data.
        options: ``image_size``.

    Raises:
        InputError: an option is unknown or wrong, or images cannot be read.
    """
    stored = type(feature)(decode=False)
    encoded = tuple(data.select_columns([column]).cast_column(column, stored) for data in sets.values())
    return image_rows(_Images(name, column, encoded), options)

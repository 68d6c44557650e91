"""A data set: features and targets as they came, checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lossearch.data.readings import Reading
from lossearch.data.rows import (
    Array,
    Features,
    RowSource,
    hash_of,
)

STREAM_BYTES = 2**30
"""Bytes of features above which a file is read in pieces without being asked."""
PEAK = 5
"""Times the bytes of a table that its cleaned columns, and the inputs made of them, take at most (measured)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and targets as they came, checked.

    ``x`` is a table of float64 and text columns, a float array (N, ...), or where such are read from when
    memory does not hold them. ``y`` is (N,) numbers or
    names, or (N, T) numbers. ``parts`` names the rows of parts that were given. ``classes`` are class
    names in the order of the sorted values of y, where the source has them. ``readings`` say how the columns
    of a table were read; ``categorical`` says that text in y is names, whatever it looks like, and that numbers with ``classes``
    are no amounts. ``ordered`` says that the order of y is that of its type. ``images`` says that
    features are decoded images. ``sample_weight`` is what
    each row weighs in the loss, (N,) numbers from 0 up; None where all weigh the same.
    """

    name: str
    x: Features | RowSource
    y: Array
    target: str = "y"
    classes: tuple[str, ...] = ()
    groups: Array | None = None
    time: Array | None = None
    sample_weight: Array | None = None
    parts: Mapping[str, Array] | None = None
    digest: str = ""
    notes: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    categorical: bool = False
    ordered: bool = False
    images: bool = False

    def __len__(self) -> int:
        return len(self.y)


def digest(dataset: Dataset) -> str:
    """Return a hash of everything in a data set but its name and notes."""
    sides = {
        "groups": dataset.groups,
        "time": dataset.time,
        "sample_weight": dataset.sample_weight,
        **(dataset.parts or {}),
    }
    x = dataset.x.digest() if isinstance(dataset.x, RowSource) else hash_of(dataset.x)
    found = hashlib.blake2b(x + hash_of(dataset.y), digest_size=16)
    found.update(json.dumps([dataset.target, dataset.classes]).encode())
    for name in sorted(sides):
        side = sides[name]
        if side is not None:
            found.update(name.encode() + hash_of(np.asarray(side)))
    return found.hexdigest()

"""From rows to network inputs, as plain numbers that :mod:`lossearch.data.preparation` has fitted.

Training rows and, in a fitted model, new ones take this one way; it needs no data, and is JSON.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lossearch._moments import standardised
from lossearch.data.arrays import features, table_or_numbers
from lossearch.data.columns import as_given, conform
from lossearch.data.new_images import pixels_of
from lossearch.data.readings import Reading, from_json
from lossearch.data.rows import Array, Features
from lossearch.errors import InputError


@dataclass(frozen=True)
class Number:
    """A numeric column: what stands for a missing value, then (value - mean) / scale."""

    column: Any
    fill: float
    mean: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Category:
    """A column of names: one input for each of ``names``, and a last one for the ``infrequent`` if there are any.

    A name that is in neither goes with those; where there are none, its inputs are all 0.
    """

    column: Any
    names: tuple[str, ...]
    infrequent: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """How many inputs it gives."""
        return len(self.names) + bool(self.infrequent)

    def one_hot(self, values: Array) -> Array:
        """Return (N, width) of 0 and 1."""
        place = pd.Index(self.names).get_indexer(pd.Index(values))
        known = place >= 0
        found = np.zeros((len(values), self.width))
        found[np.flatnonzero(known), place[known]] = 1.0
        if self.infrequent:
            found[~known, -1] = 1.0
        return found


class Inputs(ABC):
    """How rows become network inputs; what X must be is the subclass's to say."""

    form: ClassVar[str]
    numbers: tuple[Number, ...] = ()
    categories: tuple[Category, ...] = ()

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns X must have, by name or place; none where it is taken as a whole."""
        return (*(n.column for n in self.numbers), *(c.column for c in self.categories))

    def __call__(self, x: Any) -> Array:
        """Return the inputs of raw rows, (N, inputs) or (N, ...) float64.

        Raises:
            InputError: X has another form or shape, lacks columns, or holds what is not a number or name.
        """
        return self.of_cleaned(self.cleaned(x))

    @abstractmethod
    def cleaned(self, x: Any) -> Features:
        """Return raw rows as a cleaned table or array that has the right columns or shape."""

    @abstractmethod
    def of_cleaned(self, x: Features) -> Array:
        """Return the inputs of cleaned rows."""

    @abstractmethod
    def example(self) -> pd.DataFrame | Array:
        """Return two rows as X must have them, made of typical values and of no one's data."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""

    def read_by(self, readings: Sequence[Reading]) -> Inputs:  # noqa: ARG002 - for tables
        """Return the same inputs, of columns that are read as these say."""
        return self

    def of_images(self) -> Inputs:
        """Return the same inputs, of rows that are images."""
        return self

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Inputs:
        """Return the inputs that :meth:`as_json` described, in this release or in the one before."""
        values = _with_names_of_today(values)
        if values["form"] == ArrayInputs.form:
            mean, scale = (tuple(np.atleast_1d(values[name]).tolist()) for name in ("mean", "scale"))
            shape, moved = tuple(values["shape"]), values.get("channels_first", False)
            return ArrayInputs(shape, mean, scale, values.get("axis"), moved, values.get("images", False))
        columns = TableInputs if values["form"] == TableInputs.form else MatrixInputs
        found = columns(
            numbers=tuple(Number(**n) for n in values["numbers"]),
            missing=tuple(values["missing"]),
            categories=tuple(
                Category(c["column"], tuple(c["names"]), tuple(c["infrequent"]))
                for c in map(_with_names_of_today, values["categories"])
            ),
            constant=tuple(values["constant"]),
        )
        return found.read_by([from_json(r) for r in values.get("readings", ())])


@dataclass(frozen=True)
class ArrayInputs(Inputs):
    """Arrays (N, ...) of more than two axes, a row of the given ``shape``.

    They are scaled channel by channel along ``axis``, or as a whole where it is None; ``channels_first`` moves
    the channels behind the rows. ``images`` says that a row is an image, and may be given as a file or as one of Pillow.
    """

    form: ClassVar[str] = "array"
    shape: tuple[int, ...]
    mean: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)
    axis: int | None = None
    channels_first: bool = False
    images: bool = False

    def of_images(self) -> ArrayInputs:
        """Return the same inputs, of images that may be given as files too."""
        return replace(self, images=True)

    def cleaned(self, x: Any) -> Features:
        """Return rows as an array."""
        return _array(pixels_of(x, self.shape) if self.images else x, self.shape)

    def of_cleaned(self, x: Features) -> Array:
        """Return the scaled array."""
        values = standardised(x, self._along(self.mean), self._along(self.scale))
        return np.moveaxis(values, self.axis or 1, 1) if self.channels_first else values

    def _along(self, of_channels: tuple[float, ...]) -> Array:
        axes = [1] * (len(self.shape) + 1)
        if self.axis is not None:
            axes[self.axis] = -1
        return np.reshape(of_channels, axes)

    def example(self) -> Array:
        """Return two rows."""
        return np.broadcast_to(self._along(self.mean), (2, *self.shape)).copy()

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"form": self.form, **asdict(self)}


@dataclass(frozen=True)
class MatrixInputs(Inputs):
    """Arrays (N, F) of numbers, by the place of their columns.

    Inputs are the numbers, an input for each column of ``missing`` that says where it is missing, then the
    categories. Those in ``constant`` never varied in training and stay 0.
    """

    form: ClassVar[str] = "columns"
    numbers: tuple[Number, ...]
    missing: tuple[Any, ...] = ()
    categories: tuple[Category, ...] = ()
    constant: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int]:
        """The shape of one row of inputs."""
        return (len(self.numbers) + len(self.missing) + sum(c.width for c in self.categories),)

    def cleaned(self, x: Any) -> Features:
        """Return rows as an array."""
        return _array(x, (len(self.numbers),))

    def of_cleaned(self, x: Features) -> Array:
        """Return the columns side by side."""
        numbers = select(x, [n.column for n in self.numbers])
        fill, mean, scale = self._statistics
        blocks = [
            standardised(np.where(np.isnan(numbers), fill, numbers), mean, scale),
            np.isnan(select(x, self.missing)).astype(np.float64),
            *(c.one_hot(np.asarray(x[c.column])) for c in self.categories),
        ]
        values = np.concatenate(blocks, axis=1)
        values[:, list(self.constant)] = 0.0
        return values

    @cached_property
    def _statistics(self) -> tuple[Array, Array, Array]:
        rows = np.array([(n.fill, n.mean, n.scale) for n in self.numbers], dtype=np.float64).reshape(-1, 3)
        return rows[:, 0], rows[:, 1], rows[:, 2]

    def example(self) -> pd.DataFrame | Array:
        """Return two rows."""
        return np.array([(n.fill, n.fill + n.scale) for n in self.numbers]).T

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"form": self.form, **asdict(self)}


@dataclass(frozen=True)
class TableInputs(MatrixInputs):
    """Tables, by the names of their columns; ``readings`` say what those of the user's table hold."""

    form: ClassVar[str] = "table"
    readings: tuple[Reading, ...] = ()

    def read_by(self, readings: Sequence[Reading]) -> TableInputs:
        """Return the same inputs, of columns that are read as these say."""
        used = set(self.columns)
        return replace(self, readings=tuple(r for r in readings if used & set(r.gives)))

    def cleaned(self, x: Any) -> Features:
        """Return rows as a table."""
        x = table_or_numbers(x)
        if not isinstance(x, pd.DataFrame):
            names = as_given(self.columns)
            shown = ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
            raise InputError(
                f"This model takes a pandas DataFrame with the columns {shown}; got {type(x).__name__}."
            )
        numbers = [n.column for n in self.numbers]
        return conform(x, numbers, [c.column for c in self.categories], self.readings)

    def example(self) -> pd.DataFrame:
        """Return two rows."""
        values: dict[str, list[Any]] = {n.column: [n.fill, n.fill + n.scale] for n in self.numbers}
        for name in as_given(values):
            if name not in values:
                values[name] = list(np.array(values[f"{name} days"]).round().astype("datetime64[D]"))
        for c in self.categories:
            names = c.names or c.infrequent
            values[c.column] = [names[0], names[-1]]
        return pd.DataFrame({name: values[name] for name in as_given(self.columns)})

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**super().as_json(), "readings": [r.as_json() for r in self.readings]}


def _array(x: Any, shape: tuple[int, ...]) -> Array:
    """Return raw rows, each of this shape, as numbers.

    Raises:
        InputError: they have another.
    """
    rows = np.asarray(features(x).x)
    if rows.shape[1:] != shape:
        wanted = ", ".join(("N", *map(str, shape)))
        raise InputError(
            f"This model takes X of shape ({wanted}); got {tuple(np.shape(x))}. "
            "Give the columns it was trained on, in their order, one row a sample."
        )
    return rows


_FIRST_NAMES = {"gaps": "missing", "still": "constant", "rest": "infrequent"}
"""What fields were called in models of the first format."""


def _with_names_of_today(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_FIRST_NAMES.get(name, name): value for name, value in values.items()}


def select(x: Features, columns: Sequence[Any]) -> Array:
    """Return columns of numbers, by name or place, as (N, columns) float64."""
    chosen = x[list(columns)] if isinstance(x, pd.DataFrame) else x[:, np.asarray(columns, dtype=np.int64)]
    return np.asarray(chosen, dtype=np.float64)

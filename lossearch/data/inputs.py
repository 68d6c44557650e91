"""From rows to network inputs, as plain numbers that :mod:`lossearch.data.preparation` has fitted.

Training rows and, in a fitted model, new ones take this one way; it needs no data, and is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lossearch.data.arrays import features, plain
from lossearch.data.columns import as_given, conform
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


@dataclass(frozen=True)
class Inputs:
    """How rows become network inputs.

    ``form`` is what X must be: a "table" with columns by name, an array (N, F) of "columns", or an
    "array" (N, ...) that keeps its ``shape`` and is scaled as a whole by ``mean`` and ``scale``.
    Otherwise inputs are the numbers, an input for each column of ``missing`` that says where it is
    missing, then the categories. Those in ``constant`` never varied in training and stay 0.
    """

    form: str
    shape: tuple[int, ...]
    numbers: tuple[Number, ...] = ()
    missing: tuple[Any, ...] = ()
    categories: tuple[Category, ...] = ()
    constant: tuple[int, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def columns(self) -> tuple[Any, ...]:
        """The columns X must have, by name or place."""
        return (*(n.column for n in self.numbers), *(c.column for c in self.categories))

    def __call__(self, x: Any) -> Array:
        """Return the inputs of raw rows, (N, inputs) or (N, ...) float64.

        Raises:
            InputError: X has another form or shape, lacks columns, or holds what is not a number or name.
        """
        return self.of_cleaned(self._cleaned(x))

    def of_cleaned(self, x: Features) -> Array:
        """Return the inputs of a cleaned table or array that has the right columns or shape."""
        if self.form == "array":
            images: Array = (np.asarray(x, dtype=np.float64) - self.mean) / self.scale
            return images
        values = np.concatenate([np.empty((len(x), 0)), *self._blocks(x)], axis=1)
        values[:, list(self.constant)] = 0.0
        return values

    def _blocks(self, x: Features) -> list[Array]:
        numbers = select(x, [n.column for n in self.numbers])
        fill, mean, scale = self._statistics
        return [
            (np.where(np.isnan(numbers), fill, numbers) - mean) / scale,
            np.isnan(select(x, self.missing)).astype(np.float64),
            *(c.one_hot(x[c.column].to_numpy()) for c in self.categories if isinstance(x, pd.DataFrame)),
        ]

    @cached_property
    def _statistics(self) -> tuple[Array, Array, Array]:
        rows = np.array([(n.fill, n.mean, n.scale) for n in self.numbers], dtype=np.float64).reshape(-1, 3)
        return rows[:, 0], rows[:, 1], rows[:, 2]

    def _cleaned(self, x: Any) -> Features:
        if self.form == "table":
            return self._table(x)
        if isinstance(x, pd.DataFrame):
            x = features(x)[0]
            x = x.to_numpy() if isinstance(x, pd.DataFrame) else x
        rows, _ = features(x)
        if not isinstance(rows, np.ndarray) or rows.shape[1:] != self._expected:
            wanted = ", ".join(("N", *map(str, self._expected)))
            raise InputError(
                f"This model takes X of shape ({wanted}); got {tuple(np.shape(x))}. "
                "Give the columns it was trained on, in their order, one row a sample."
            )
        return rows

    @property
    def _expected(self) -> tuple[int, ...]:
        return self.shape if self.form == "array" else (len(self.numbers),)

    def _table(self, x: Any) -> pd.DataFrame:
        if not isinstance(x, pd.DataFrame):
            names = as_given(self.columns)
            shown = ", ".join(map(repr, names[:6])) + (", ..." if len(names) > 6 else "")
            raise InputError(
                f"This model takes a pandas DataFrame with the columns {shown}; got {type(plain(x)).__name__}."
            )
        return conform(x, [n.column for n in self.numbers], [c.column for c in self.categories])

    def example(self) -> pd.DataFrame | Array:
        """Return two rows of the form X must have, made of typical values and of no one's data."""
        if self.form == "array":
            return np.full((2, *self.shape), self.mean)
        values: dict[Any, list[Any]] = {n.column: [n.fill, n.fill + n.scale] for n in self.numbers}
        if self.form == "columns":
            return np.array(list(values.values()), dtype=np.float64).T
        for name in as_given(values):
            if name not in values:
                values[name] = [pd.Timestamp(0) + pd.Timedelta(round(d), "D") for d in values[f"{name} days"]]
        names = {
            c.column: [(c.names or c.infrequent)[0], (c.names or c.infrequent)[-1]] for c in self.categories
        }
        every = {**values, **names}
        return pd.DataFrame({name: every[name] for name in as_given(self.columns)})

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Inputs:
        """Return the inputs that :meth:`as_json` described."""
        values = _with_names_of_today(values)
        return cls(
            form=values["form"],
            shape=tuple(values["shape"]),
            numbers=tuple(Number(**n) for n in values["numbers"]),
            missing=tuple(values["missing"]),
            categories=tuple(
                Category(c["column"], tuple(c["names"]), tuple(c["infrequent"]))
                for c in map(_with_names_of_today, values["categories"])
            ),
            constant=tuple(values["constant"]),
            mean=values["mean"],
            scale=values["scale"],
        )


_FIRST_NAMES = {"gaps": "missing", "still": "constant", "rest": "infrequent"}
"""What fields were called in models of the first format."""


def _with_names_of_today(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_FIRST_NAMES.get(name, name): value for name, value in values.items()}


def select(x: Features, columns: Sequence[Any]) -> Array:
    """Return columns of numbers, by name or place, as (N, columns) float64."""
    chosen = x[list(columns)] if isinstance(x, pd.DataFrame) else x[:, np.asarray(columns, dtype=np.int64)]
    return np.asarray(chosen, dtype=np.float64)

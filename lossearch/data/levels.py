"""Targets whose type puts their values in an order: ordered categoricals of pandas, and what Arrow keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lossearch.data.arrays import Array, categorical_of, column_or_columns
from lossearch.errors import InputError, refuse
from lossearch.kinds import some_rows


@dataclass(frozen=True, eq=False)
class Leveled:
    """Targets of each part as arrays; of values in an order as numbers from 0 up, with the names of those that occur."""

    columns: list[Array]
    classes: tuple[str, ...] = ()
    ordered: bool = False


def leveled(given: Sequence[Any]) -> Leveled:
    """Return the targets of each part, in the order that the type of the first says, where it says one.

    Numbers whose order is that of their values stay as they are.

    Raises:
        InputError: they cannot be read, or a part has a value that is no category of the first.
    """
    columns = [column_or_columns(y) for y in given]
    dtype = categorical_of(given[0])
    if dtype is None or not dtype.ordered:
        return Leveled(columns)
    categories = list(dtype.categories)
    if pd.api.types.is_numeric_dtype(dtype.categories.dtype) and dtype.categories.is_monotonic_increasing:
        return Leveled(columns, ordered=True)
    numbered = [_numbered(y, categories) for y in columns]
    occurring = sorted({int(code) for y in numbered for code in np.unique(y[~np.isnan(y)])})
    return Leveled(numbered, tuple(str(categories[code]) for code in occurring), ordered=True)


def _numbered(y: Array, categories: list[Any]) -> Array:
    """Return the place of each value among the categories, NaN where it is missing."""
    place = {value: float(i) for i, value in enumerate(categories)}
    missing = np.asarray(pd.isna(y))
    strange = np.array([value not in place for value in y]) & ~missing
    some = ", ".join(map(repr, dict.fromkeys(y[strange][:3])))
    refuse(
        [f"y holds {some} ({some_rows(strange)}), which is no category of the training part's y."]
        if strange.any()
        else [],
        InputError,
    )
    return np.array([np.nan if lost else place[value] for value, lost in zip(y, missing, strict=True)])

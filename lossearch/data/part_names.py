"""Names of parts: what directories, splits and cells of a column call training, validation and test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from lossearch._text import listed
from lossearch.data.containers import plain
from lossearch.data.splits import ROLES, Rows
from lossearch.errors import InputError
from lossearch.kinds import some_rows

PART_NAMES: Mapping[str, str] = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def parts_by_names(values: Any, n: int) -> dict[str, Rows] | None:
    """Return the rows of each part that is named; None where nothing is said.

    Args:
        values: the name of a part for each row, such as "train", "val" or "test".
        n: how many rows there are.

    Raises:
        InputError: they are not one a row, or name what is no part, or no training part.
    """
    if values is None:
        return None
    found = plain(values, "split")
    found = np.asarray(found.to_numpy() if isinstance(found, pd.DataFrame) else found)
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != (n,):
        raise InputError(f"split has shape {found.shape}; give the name of a part for each of the {n} rows.")
    names = pd.Series(found, dtype=object)
    roles = names.astype(str).str.strip().str.lower().map(PART_NAMES)
    odd = roles.isna().to_numpy()
    if odd.any():
        shown = listed([repr(v) for v in names[odd].unique()[:4]])
        raise InputError(
            f"split holds {shown} ({some_rows(odd)}); it says which part each row is in: {', '.join(PART_NAMES)}."
        )
    if not (roles == "train").any():
        raise InputError("split names no training rows: call them train.")
    return {role: np.flatnonzero(roles == role) for role in ROLES if (roles == role).any()}


def on_part_names(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return notes on columns of features that seem to say which part a row is in."""
    return tuple(
        f"column {name!r} holds {listed(sorted(found))}, as if it said which part each row is in: if so, say split = {name!r}"
        for name, column in frame.items()
        if (found := _part_names(column))
    )


def _part_names(column: pd.Series[Any]) -> set[str]:
    """Return the different cells of a column of names of parts, training and another; none of another column."""
    if pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return set()
    cells = set(map(str, column.iloc[:_SOME].dropna().unique()))
    roles = {PART_NAMES.get(cell.strip().lower()) for cell in cells}
    if None in roles or not roles:
        return set()
    cells = set(map(str, column.dropna().unique()))
    roles = {PART_NAMES.get(cell.strip().lower()) for cell in cells}
    return cells if None not in roles and {"train"} < roles else set()


_SOME = 100
"""Cells that tell most columns from names of parts."""

"""Tables of features: every column becomes numbers or names, row by row, without learning anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from lossearch.errors import refuse
from lossearch.tasks.kinds import some_rows

MISSING = "(missing)"
MOSTLY_NUMBERS = 0.5
FEW_NAMES = 30
"""A text column with more different cells than this, most of them numbers, is a damaged column."""


def _dates(name: str, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    when = pd.to_datetime(column, format="ISO8601", utc=True)
    days = (when - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / 86400
    return {
        f"{name} days": days.astype(np.float64),
        f"{name} month": when.dt.month.astype(np.float64),
        f"{name} weekday": when.dt.day_of_week.astype(np.float64),
    }


def _is_date_text(column: pd.Series[Any]) -> bool:
    cells = column.dropna()
    head = cells.head(20)
    if not head.astype(str).str.match(r"\d{4}-\d{2}-\d{2}").all():
        return False
    return bool(pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True).notna().all())


def _text_problem(name: str, column: pd.Series[Any]) -> str:
    cells = column.dropna()
    kinds = {type(v) for v in cells}
    if not kinds <= {str}:
        numbers = cells.map(lambda v: isinstance(v, (int, float, complex, np.number)))
        if numbers.any() and not numbers.all():
            odd = ~column.map(lambda v: isinstance(v, (int, float, np.number))) & column.notna()
            return f"Column {name!r} mixes numbers and text ({some_rows(odd.to_numpy())}): make it one or the other."
        found = ", ".join(sorted(k.__name__ for k in kinds))
        return f"Column {name!r} holds objects of type {found}: give numbers, text, true/false or dates."
    if cells.nunique() <= FEW_NAMES:
        return ""
    numbers = pd.to_numeric(cells, errors="coerce").notna()
    if MOSTLY_NUMBERS <= numbers.mean() < 1:
        odd = cells[~numbers]
        return (
            f"Column {name!r} mixes numbers and text: {len(odd)} of {len(cells)} cells, such as "
            f"{odd.iloc[0]!r}, are not numbers. Leave such cells empty if they stand for missing values."
        )
    return ""


def _number_column(name: str, column: pd.Series[Any]) -> tuple[dict[str, pd.Series[Any]], str]:
    values = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        return {}, f"Column {name!r} holds infinite values ({some_rows(infinite)}): drop or replace them."
    return {name: pd.Series(values, index=column.index)}, ""


def _text_column(name: str, column: pd.Series[Any]) -> tuple[dict[str, pd.Series[Any]], str]:
    column = column.astype(object)
    column = column.where(column.notna(), None)
    cells = column.dropna()
    if len(cells) == 0 or all(isinstance(v, (bool, np.bool_)) for v in cells):
        return _number_column(name, column.astype("boolean"))
    if all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in cells):
        return _number_column(name, column.astype("Float64"))
    problem = _text_problem(name, column)
    if problem:
        return {}, problem
    return {name: column.where(column.notna(), MISSING)}, ""


def _one(name: str, column: pd.Series[Any]) -> tuple[dict[str, pd.Series[Any]], str, str]:
    """Return the columns one column becomes, a note and a problem."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        names = column.astype(object).map(str, na_action="ignore")
        return {name: names.where(names.notna(), MISSING)}, "", ""
    if pd.api.types.is_complex_dtype(dtype):
        return {}, "", f"Column {name!r} holds complex numbers: give real and imaginary parts as columns."
    if pd.api.types.is_timedelta64_dtype(dtype):
        return {name: column.dt.total_seconds() / 86400}, f"column {name!r}: durations in days", ""
    text = not pd.api.types.is_numeric_dtype(dtype)
    date = pd.api.types.is_datetime64_any_dtype(dtype)
    if date or (text and column.notna().any() and _is_date_text(column)):
        note = f"column {name!r}: dates, as days since 1970, month and weekday"
        return dict(_dates(name, column)), note, ""
    found, problem = _text_column(name, column) if text else _number_column(name, column)
    return found, "", problem


def duplicates(names: Iterable[Any]) -> list[str]:
    """Return the names that occur more than once."""
    seen: dict[str, int] = {}
    for name in names:
        seen[str(name)] = seen.get(str(name), 0) + 1
    return [name for name, count in seen.items() if count > 1]


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table of float64 columns and text columns only, and notes on what was changed.

    Truth values become 0 and 1, dates become numbers, missing text a name of its own; missing numbers
    stay missing. Each row is treated by itself.

    Raises:
        InputError: a column holds infinite values, complex numbers, objects, or a mixture.
    """
    double = duplicates(frame.columns)
    refuse([f"Two columns are named {name!r}: every column needs its own name." for name in double])
    columns: dict[str, pd.Series[Any]] = {}
    notes, problems = [], []
    for name in frame.columns:
        found, note, problem = _one(str(name), frame[name])
        columns.update(found)
        notes += [note] if note else []
        problems += [problem] if problem else []
    refuse(problems)
    return pd.DataFrame(columns, index=frame.index), tuple(notes)

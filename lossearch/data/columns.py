"""Tables of features: every column becomes numbers or names, row by row, without learning anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

from lossearch.errors import InputError, refuse
from lossearch.kinds import some_rows

MISSING = "(missing)"
DATE_PARTS = ("days", "month", "weekday")
"""The numbers that a column of dates becomes, each named after it."""
MOSTLY_NUMBERS = 0.5
FEW_NAMES = 30
"""A text column with more different cells than this, most of them numbers, is a damaged column."""


def _dates(name: str, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    when = pd.to_datetime(column, format="ISO8601", utc=True)
    return {
        f"{name} days": _in_days(when - pd.Timestamp(0, tz="UTC")),
        f"{name} month": when.dt.month.astype(np.float64),
        f"{name} weekday": when.dt.day_of_week.astype(np.float64),
    }


def _in_days(durations: pd.Series[Any]) -> pd.Series[Any]:
    days: pd.Series[Any] = durations.dt.total_seconds() / 86400
    return days


def _is_date_text(column: pd.Series[Any]) -> bool:
    cells = column.dropna()
    head = cells.head(20)
    if not head.astype(str).str.match(r"\d{4}-\d{2}-\d{2}").all():
        return False
    return bool(pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True).notna().all())


def _float_column(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    values = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        raise InputError(
            f"Column {name!r} holds infinite values ({some_rows(infinite)}): drop or replace them."
        )
    return pd.Series(values, index=column.index)


def _object_column(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of objects or text as numbers or as text."""
    column = column.astype(object).where(column.notna(), None)
    held = pd.api.types.infer_dtype(column, skipna=True)
    if held in {"empty", "boolean"}:
        return _float_column(name, column.astype("boolean"))
    if held in {"integer", "floating", "mixed-integer-float"}:
        return _float_column(name, column)
    cells = column.dropna()
    if held != "string":
        odd = column.notna() & ~column.map(lambda v: isinstance(v, (int, float, complex, np.number)))
        if 0 < odd.sum() < len(cells):
            rows = some_rows(odd.to_numpy())
            raise InputError(f"Column {name!r} mixes numbers and text ({rows}): make it one or the other.")
        found = ", ".join(sorted({type(v).__name__ for v in cells}))
        raise InputError(
            f"Column {name!r} holds objects of type {found}: give numbers, text, true/false or dates."
        )
    if cells.nunique() > FEW_NAMES:
        odd = pd.to_numeric(cells, errors="coerce").isna()
        if 0 < odd.mean() <= 1 - MOSTLY_NUMBERS:
            raise InputError(
                f"Column {name!r} mixes numbers and text: {_odd_cells(cells, odd)}, are not numbers. "
                "Leave such cells empty if they stand for missing values."
            )
    return column.where(column.notna(), MISSING)


def _odd_cells(column: pd.Series[Any], odd: pd.Series[bool]) -> str:
    return f"{odd.sum()} of {len(column)} cells, such as {column[odd].iloc[0]!r}"


def _cleaned(name: str, column: pd.Series[Any]) -> tuple[dict[str, pd.Series[Any]], str]:
    """Return the columns that one column becomes, and a note."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return {name: _text(column, str)}, ""
    if pd.api.types.is_complex_dtype(dtype):
        raise InputError(f"Column {name!r} holds complex numbers: give real and imaginary parts as columns.")
    if pd.api.types.is_timedelta64_dtype(dtype):
        return {name: _in_days(column)}, f"column {name!r}: durations in days"
    text = not pd.api.types.is_numeric_dtype(dtype)
    date = pd.api.types.is_datetime64_any_dtype(dtype)
    if date or (text and column.notna().any() and _is_date_text(column)):
        return _dates(name, column), f"column {name!r}: dates, as days since 1970, month and weekday"
    return {name: _object_column(name, column) if text else _float_column(name, column)}, ""


def _text(column: pd.Series[Any], name_of: Callable[[Any], str]) -> pd.Series[Any]:
    names = column.astype(object).map(name_of, na_action="ignore")
    return names.where(names.notna(), MISSING)


def duplicates(names: Iterable[Any]) -> list[str]:
    """Return the names that occur more than once."""
    seen: dict[str, int] = {}
    for name in names:
        seen[str(name)] = seen.get(str(name), 0) + 1
    return [name for name, count in seen.items() if count > 1]


def refuse_duplicates(names: Iterable[Any]) -> None:
    """Refuse columns of one name.

    Raises:
        InputError: there are such.
    """
    refuse(
        [f"Two columns are named {name!r}: every column needs its own name." for name in duplicates(names)]
    )


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table of float64 columns and text columns only, and notes on what was changed.

    Truth values become 0 and 1, dates become numbers, missing text a name of its own; missing numbers
    stay missing. Each row is treated by itself.

    Raises:
        InputError: a column holds infinite values, complex numbers, objects, or a mixture.
    """
    refuse_duplicates(frame.columns)
    columns: dict[str, pd.Series[Any]] = {}
    notes: list[str] = []
    problems: list[str] = []
    for name in frame.columns:
        with _kept(problems):
            found, note = _cleaned(str(name), frame[name])
            columns.update(found)
            notes += [note] if note else []
    refuse(problems)
    return pd.DataFrame(columns, index=frame.index), tuple(notes)


@contextmanager
def _kept(problems: list[str]) -> Iterator[None]:
    """Keep what is wrong with one column, so that all of it is told at once."""
    try:
        yield
    except InputError as error:
        problems.append(str(error))


def _as_numbers(name: str, column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of new rows as float64."""
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return _in_days(column)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return _float_column(name, column)
    found = pd.to_numeric(column.astype(object).where(column.notna(), None), errors="coerce")
    odd = found.isna() & column.notna()
    if odd.any():
        raise InputError(
            f"Column {name!r} must hold numbers; {_odd_cells(column, odd)}, are not. "
            "Leave such cells empty if they stand for missing values."
        )
    return _float_column(name, found)


def _as_text(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of new rows as text: whole numbers as such, which gaps among them make floats."""
    return _text(column, str if isinstance(column.dtype, pd.CategoricalDtype) else _cell_text)


def _cell_text(value: Any) -> str:
    number = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if number else str(value)


def _as_dates(name: str, column: pd.Series[Any]) -> dict[str, pd.Series[Any]]:
    """Return the three columns that a column of dates becomes."""
    when = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    odd = column[when.isna() & column.notna()]
    if len(odd):
        raise InputError(f"Column {name!r} must hold dates; {odd.iloc[0]!r} is none.")
    return _dates(name, when)


def date_column(name: str) -> str | None:
    """Return the column of dates that may have given the number ``name``, such as "born month"."""
    stem, _, part = name.rpartition(" ")
    return stem if stem and part in DATE_PARTS else None


def as_given(names: Iterable[str]) -> list[str]:
    """Return the columns of a user's table: three numbers that one column of dates has become are that column."""
    names = list(names)
    dates = {d for name in names if (d := date_column(name)) and {f"{d} {p}" for p in DATE_PARTS} <= {*names}}
    return list(dict.fromkeys(d if (d := date_column(n)) in dates else n for n in names))


def conform(frame: pd.DataFrame, numbers: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """Return the columns of a table that a model was trained on, as :func:`clean` would have left them.

    What a column holds is not guessed from these rows, which may be few: ``numbers`` become float64,
    dates among them from the column they came from, and ``names`` text.

    Raises:
        InputError: columns are lacking or doubled, or hold what cannot be made a number.
    """
    frame = frame.rename(columns=str).reset_index(drop=True)
    refuse_duplicates(frame.columns)
    given = {str(name): column for name, column in frame.items()}
    columns: dict[str, pd.Series[Any]] = {}
    problems: list[str] = []
    for name in numbers:
        dates = date_column(name)
        with _kept(problems):
            if name in given:
                columns[name] = _as_numbers(name, given[name])
            elif dates in given:
                columns[name] = _as_dates(str(dates), given[dates])[name]
    lacking = [n for n in numbers if n not in given and date_column(n) not in given]
    lacking += [n for n in names if n not in given]
    problems += [_lacking(lacking, list(given))] if lacking else []
    refuse(list(dict.fromkeys(problems)))
    return pd.DataFrame(columns | {name: _as_text(given[name]) for name in names}, index=frame.index)


def _lacking(lacking: Sequence[str], given: Sequence[str]) -> str:
    lacking = as_given(lacking)
    shown = ", ".join(map(repr, lacking[:6])) + (", ..." if len(lacking) > 6 else "")
    there = ", ".join(map(repr, given[:6])) + (", ..." if len(given) > 6 else "")
    return f"X lacks the column{'s' * (len(lacking) > 1)} {shown} that the model was trained on; it has {there or 'none'}."

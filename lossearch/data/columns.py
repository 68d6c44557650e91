"""Tables of features: every column becomes numbers or names, row by row, without learning anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lossearch._registry import did_you_mean
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


def refuse_duplicates(names: Iterable[Any]) -> None:
    """Refuse columns of one name.

    Raises:
        InputError: there are such.
    """
    refuse(
        [f"Two columns are named {name!r}: every column needs its own name." for name in duplicates(names)]
    )


@dataclass(frozen=True)
class Roles:
    """Which columns of a table are the target, the groups and the time; all others are features."""

    target: list[str]
    groups: str | None
    time: str | None
    features: list[str]

    @property
    def sides(self) -> dict[str, str]:
        """The columns of groups and time that there are."""
        return {k: c for k, c in (("groups", self.groups), ("time", self.time)) if c is not None}

    def y(self, table: pd.DataFrame) -> pd.DataFrame | pd.Series[Any]:
        """Return the targets in a table."""
        return table[self.target[0]] if len(self.target) == 1 else table[self.target]


def column_of(table: pd.DataFrame, name: str | None) -> pd.Series[Any] | None:
    """Return a column, None where it has no name."""
    return None if name is None else table[name]


def column_roles(
    names: Iterable[Any], table: str, target: str | None, groups: str | None = None, time: str | None = None
) -> Roles:
    """Return what each column of a table is for.

    Args:
        names: its columns.
        table: what to call it.
        target: the target's column, or several with commas between them.
        groups: the column that says which rows belong together; not a feature.
        time: the column that orders the rows; not a feature.

    Raises:
        InputError: a column is missing or named twice, or no feature is left.
    """
    names = list(map(str, names))
    refuse_duplicates(names)
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    if target is None:
        raise InputError(f"{table}: say which column is the target (target = '...'). Columns: {shown}.")
    whole = target in names or "," not in target
    targets = [target] if whole else [part.strip() for part in target.split(",")]
    beside = [name for name in (groups, time) if name is not None]
    for name in (*targets, *beside):
        if name not in names:
            raise InputError(f"{table} has no column {name!r}.{did_you_mean(name, names)} Columns: {shown}.")
    features = [name for name in names if name not in {*targets, *beside}]
    if not features:
        raise InputError(
            f"{table} has no column beside the target {', '.join(targets)!r}: there is nothing to learn from."
        )
    return Roles(targets, groups, time, features)


def clean(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table of float64 columns and text columns only, and notes on what was changed.

    Truth values become 0 and 1, dates become numbers, missing text a name of its own; missing numbers
    stay missing. Each row is treated by itself.

    Raises:
        InputError: a column holds infinite values, complex numbers, objects, or a mixture.
    """
    refuse_duplicates(frame.columns)
    columns: dict[str, pd.Series[Any]] = {}
    notes, problems = [], []
    for name in frame.columns:
        found, note, problem = _one(str(name), frame[name])
        columns.update(found)
        notes += [note] if note else []
        problems += [problem] if problem else []
    refuse(problems)
    return pd.DataFrame(columns, index=frame.index), tuple(notes)


def _as_numbers(name: str, column: pd.Series[Any]) -> tuple[pd.Series[Any], str]:
    """Return a column as float64, and what is wrong with it."""
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column.dt.total_seconds() / 86400, ""
    if not pd.api.types.is_numeric_dtype(column.dtype):
        found = pd.to_numeric(column.astype(object).where(column.notna(), None), errors="coerce")
        odd = column[found.isna() & column.notna()]
        if len(odd):
            return found, (
                f"Column {name!r} must hold numbers; {len(odd)} of {len(column)} cells, such as "
                f"{odd.iloc[0]!r}, are not. Leave such cells empty if they stand for missing values."
            )
        column = found.astype("Float64")
    found_columns, problem = _number_column(name, column)
    return found_columns.get(name, column), problem


def _as_names(column: pd.Series[Any]) -> pd.Series[Any]:
    whole = isinstance(column.dtype, pd.CategoricalDtype)
    names = column.astype(object).map(str if whole else _cell_name, na_action="ignore")
    return names.where(names.notna(), MISSING)


def _cell_name(value: Any) -> str:
    number = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if number else str(value)


def _date_parts(stem: str, column: pd.Series[Any]) -> tuple[dict[str, pd.Series[Any]], str]:
    """Return the three columns that a column of dates becomes, and what is wrong with it."""
    when = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
    odd = column[when.isna() & column.notna()]
    problem = f"Column {stem!r} must hold dates; {odd.iloc[0]!r} is none." if len(odd) else ""
    return _dates(stem, when), problem


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
    problems, lacking = [], []
    for name in numbers:
        dates = date_column(name)
        if name in given:
            columns[name], problem = _as_numbers(name, given[name])
            problems.append(problem)
        elif dates in given:
            parts, problem = _date_parts(str(dates), given[dates])
            columns[name] = parts[name]
            problems.append(problem)
        else:
            lacking.append(name)
    lacking += [name for name in names if name not in given]
    if lacking:
        problems.append(_lacking(lacking, list(given)))
    refuse(list(dict.fromkeys(p for p in problems if p)))
    return pd.DataFrame(columns | {name: _as_names(given[name]) for name in names}, index=frame.index)


def _lacking(lacking: Sequence[str], given: Sequence[str]) -> str:
    lacking = as_given(lacking)
    shown = ", ".join(map(repr, lacking[:6])) + (", ..." if len(lacking) > 6 else "")
    there = ", ".join(map(repr, given[:6])) + (", ..." if len(given) > 6 else "")
    return f"X lacks the column{'s' * (len(lacking) > 1)} {shown} that the model was trained on; it has {there or 'none'}."

"""Moments, durations and times of day, in whatever form they came, as plain numbers."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossearch._numerals import is_missing_mark

Array = NDArray[Any]

DATE_PARTS = ("days", "month", "weekday")
"""The numbers that a column of dates becomes, each named after it."""
MOSTLY_DATES = 0.5
SAMPLE = 2000
_ISO = r"\s*\d{4}-\d{2}-\d{2}"
_MICROSECONDS = "datetime64[us]"
"""Any year that Python or ISO 8601 can write fits into it."""
DATES = (date, np.datetime64, pd.Period)
DURATIONS = (timedelta, np.timedelta64)
TIMES = (time,)


def date_numbers(name: str, moments: Array) -> dict[str, Array]:
    """Return what moments, datetime64 of any unit, become: days since 1970, month from 1, weekday from Monday, 0."""
    missing = np.isnat(moments)
    micro = moments.astype(_MICROSECONDS)
    day = micro.astype("datetime64[D]").astype(np.int64)
    month = micro.astype("datetime64[M]").astype(np.int64)
    found = micro.astype(np.int64) / 86_400e6, month % 12 + 1.0, (day + 3.0) % 7
    return {f"{name} {part}": np.where(missing, np.nan, v) for part, v in zip(DATE_PARTS, found, strict=True)}


def moments_of(column: pd.Series[Any]) -> tuple[Array, Array]:
    """Return a column as datetime64 in UTC, missing where it is, and which cells are no dates.

    Args:
        column: dates of any resolution or time zone, periods (by their start), date objects, ISO 8601 text;
            those without a time zone are taken for UTC.
    """
    if isinstance(column.dtype, pd.PeriodDtype):
        return _of_periods(column), np.zeros(len(column), dtype=bool)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        aware = isinstance(column.dtype, pd.DatetimeTZDtype)
        naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if aware else column
        return naive.to_numpy(), np.zeros(len(column), dtype=bool)
    codes, different = pd.factorize(column.astype(object), use_na_sentinel=True)
    found = _of_cells(different)
    cells = np.append(found, np.datetime64("NaT"))[codes]
    missing = np.append([isinstance(c, str) and is_missing_mark(c) for c in different], True)[codes]
    return cells, np.isnat(cells) & ~missing.astype(bool)


def _of_periods(column: pd.Series[Any]) -> Array:
    starts = pd.PeriodIndex(column).asfreq("s", how="S")
    seconds = starts.astype(np.int64).to_numpy()
    return np.where(column.isna(), np.datetime64("NaT"), seconds.astype("datetime64[s]"))


def _of_cells(cells: Any) -> Array:
    """Return objects and text as moments; NaT where they are none."""
    found = np.full(len(cells), np.datetime64("NaT"), dtype=_MICROSECONDS)
    text = np.array([isinstance(c, str) for c in cells], dtype=bool)
    if text.any():
        found[text] = _of_text(pd.Series(np.asarray(cells, dtype=object)[text], dtype=object))
    for i in np.flatnonzero(~text):
        found[i] = _of_object(cells[i])
    return found


def _of_text(cells: pd.Series[Any]) -> Array:
    iso = cells.str.match(_ISO).to_numpy(dtype=bool)
    parsed = pd.to_datetime(cells.where(iso), format="ISO8601", errors="coerce", utc=True)
    found = parsed.dt.tz_localize(None).to_numpy().astype(_MICROSECONDS)
    for i in np.flatnonzero(iso & np.isnat(found)):  # beyond what pandas holds, or none
        found[i] = _of_iso(cells.iloc[i].strip())
    return found


def _of_iso(cell: str) -> Any:
    try:
        return _of_object(datetime.fromisoformat(cell))
    except ValueError:
        return np.datetime64("NaT")


def _of_object(cell: Any) -> Any:
    if isinstance(cell, pd.Period):
        return _of_periods(pd.Series([cell]))[0]
    if isinstance(cell, datetime):  # pandas' own time stamps too
        return np.datetime64(cell.replace(tzinfo=None)) - np.timedelta64(cell.utcoffset() or timedelta(0))
    return np.datetime64(cell) if isinstance(cell, DATES) else np.datetime64("NaT")


def is_date_text(column: pd.Series[Any]) -> bool:
    """Return whether most cells of a column of text are ISO 8601 dates; of many some are looked at."""
    cells = column.dropna()
    cells = cells.iloc[:: -(-len(cells) // SAMPLE) or 1]
    cells = cells[[not is_missing_mark(cell) for cell in cells]]
    if not cells.head(20).str.match(_ISO).any():
        return False
    _, odd = moments_of(cells)
    return bool(odd.mean() <= 1 - MOSTLY_DATES)


def days_of(column: pd.Series[Any]) -> Array:
    """Return durations, of any resolution or as objects, in days; NaN where they are missing."""
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return np.asarray(column.dt.total_seconds() / 86_400, dtype=np.float64)
    return np.array([_seconds(c) for c in column.astype(object)], dtype=np.float64) / 86_400


def _seconds(cell: Any) -> float:
    if pd.isna(cell):
        return np.nan
    is_numpy = isinstance(cell, np.timedelta64)
    return float(cell / np.timedelta64(1, "s")) if is_numpy else float(cell.total_seconds())


def hours_of(column: pd.Series[Any]) -> Array:
    """Return times of day as hours; NaN where they are missing."""
    return np.array(
        [
            np.nan if pd.isna(c) else c.hour + c.minute / 60 + (c.second + c.microsecond / 1e6) / 3600
            for c in column
        ]
    )


def from_arrow(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column of an Arrow type as the pandas type or the objects that it stands for."""
    if not isinstance(column.dtype, pd.ArrowDtype):
        return column
    import pyarrow as pa

    found: pd.Series[Any] = pa.array(column.array).to_pandas()
    return found.set_axis(column.index)

"""What a user gives as X, y, groups or time, as arrays and tables that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossearch.data import columns
from lossearch.data.columns import Cleaned
from lossearch.data.containers import native, plain, readable
from lossearch.data.dates import from_arrow, is_date_text, moments_of
from lossearch.data.suspects import row_numbers
from lossearch.errors import InputError, refuse
from lossearch.kinds import some_rows

Array = NDArray[Any]
_LEAST_WEIGHT = 1e-100
_NUMBERS = (int, float, np.integer, np.floating, Decimal)

_PANDAS = " If 'NA' or 'None' is a class, pandas took its name for a missing value: read the file with keep_default_na=False."


def _any_in_row(mask: Array) -> Array:
    return np.asarray(mask.any(axis=tuple(range(1, mask.ndim))))


def table_or_numbers(x: Any, name: str = "X") -> pd.DataFrame | Array:
    """Return X as a table, or as an array of numbers: what is not of numbers alone is a table.

    Raises:
        InputError: it cannot be read as rows.
    """
    if isinstance(x, pd.Series) and not _is_numpy_number(x.dtype):
        x = x.to_frame("0" if x.name is None else str(x.name))
    found: pd.DataFrame | Array = plain(x, name)
    if isinstance(found, pd.DataFrame):
        return found
    if found.dtype.kind in "biufc":
        return native(found)
    if found.ndim not in (1, 2):
        raise InputError(
            f"{name} is an array {found.shape} of {found.dtype} and not of numbers: give numbers, or a table."
        )
    records = found.ndim == 1 and all(isinstance(row, Mapping) for row in found)
    cells = found.tolist() if records else found
    table = readable(lambda: pd.DataFrame(cells).infer_objects(), name, found)
    table.columns = table.columns.map(str)
    numbers = table.dtypes.map(_is_numpy_number).all()
    return table.to_numpy(dtype=np.float64) if numbers and len(table.columns) else table


def _is_numpy_number(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf"


def features(x: Any) -> Cleaned[pd.DataFrame | Array]:
    """Return features as a cleaned table or an array (N, ...) of numbers, how they were read, and notes.

    Raises:
        InputError: they are not numbers, are infinite, or have missing values where none can be filled.
    """
    x = table_or_numbers(x)
    if isinstance(x, pd.DataFrame):
        refuse([] if x.size else [f"X is empty: shape {x.shape}."])
        return columns.clean(x.reset_index(drop=True))
    if x.dtype.kind == "c":
        raise InputError("X holds complex numbers: give real and imaginary parts as columns.")
    if x.ndim == 0:
        raise InputError("X is a single number; give an array with one row a sample.")
    table = x[:, None] if x.ndim == 1 else x
    infinite = np.isinf(table) if table.dtype.kind == "f" else np.zeros(1, dtype=bool)
    if infinite.any():
        raise InputError(f"X holds infinite values ({some_rows(_any_in_row(infinite))}).")
    if table.size == 0:
        raise InputError(f"X is empty: shape {x.shape}.")
    if table.ndim > 2 and table.dtype.kind == "f" and np.isnan(table).any():
        raise InputError(f"X has shape {x.shape} and missing values; they are filled in tables only.")
    table = native(np.asarray(table))
    return Cleaned(table, notes=row_numbers(table))


def _names(y: Array) -> Array:
    """Return an object array as names or numbers.

    Raises:
        InputError: it holds both, or neither.
    """
    kinds = {bool if isinstance(v, np.bool_) else type(v) for v in y.flat}
    if kinds <= {bool}:
        return y.astype(bool)
    durations = any(issubclass(k, np.timedelta64) for k in kinds)  # which numpy counts among whole numbers
    if not durations and all(issubclass(k, _NUMBERS) for k in kinds):
        return y.astype(np.float64)
    if kinds <= {str, np.str_}:
        names = pd.Series(y.astype(str), dtype=object)
        if 2 * names.nunique() > len(names) and is_date_text(names):
            raise InputError("y holds dates; give numbers, such as the days since one of them, or names.")
        return names.to_numpy()
    text = np.array([isinstance(v, str) for v in y])
    if text.any() and all(issubclass(k, (*_NUMBERS, str)) for k in kinds):
        raise InputError(f"y mixes numbers and text ({some_rows(text)} are text): make it one or the other.")
    found = ", ".join(sorted(k.__name__ for k in kinds))
    raise InputError(f"y holds objects of type {found}: give numbers or names.")


def categorical_of(y: Any) -> pd.CategoricalDtype | None:
    """Return the type of targets that are names by it, whatever they look like; None where they are not."""
    column = y.iloc[:, 0] if isinstance(y, pd.DataFrame) and y.shape[1] == 1 else y
    column = from_arrow(column) if isinstance(column, pd.Series) else column
    dtype = getattr(column, "dtype", None)
    return dtype if isinstance(dtype, pd.CategoricalDtype) else None


def is_categorical(y: Any) -> bool:
    """Return whether targets are names by their type, whatever they look like."""
    return categorical_of(y) is not None


def _joined(columns: list[Array]) -> Array:
    """Return columns side by side, as objects where one is of text."""
    text = any(c.dtype.kind == "O" for c in columns)
    return np.column_stack([c.astype(object) for c in columns] if text else columns)


def column_or_columns(y: Any, name: str = "y") -> Array:
    """Return targets as an array, one column as (N,).

    Raises:
        InputError: they cannot be read.
    """
    y = plain(y, name)
    y = y.to_numpy() if isinstance(y, pd.DataFrame) else y
    return native(np.asarray(y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y))


def targets(y: Any) -> Array:
    """Return targets as (N,) numbers or names, or (N, T) or (N, H, W) numbers; numbers may still be text.

    Raises:
        InputError: values are missing or infinite, or neither numbers nor names.
    """
    return _checked(column_or_columns(y))


def _checked(y: Array) -> Array:
    if y.ndim == 0 or (y.ndim > 2 and y.dtype.kind not in "biufc"):
        raise InputError(f"y has shape {y.shape}; give one value a row, (N,), or one row of values, (N, T).")
    if y.dtype.kind == "c":
        raise InputError("y holds complex numbers; give real numbers or names.")
    if y.dtype.kind in "mM":
        raise InputError("y holds dates or durations; give numbers or names.")
    missing = _any_in_row(np.asarray(pd.isna(y)))
    problems = []
    if missing.any():
        text = any(isinstance(v, str) for v in y.flat)
        problems.append(
            f"y has {missing.sum()} missing values ({some_rows(missing)}): leave those rows out.{_PANDAS if text else ''}"
        )
    elif y.dtype.kind in "OUS":
        y = _names(y) if y.ndim == 1 else _joined([_names(column) for column in y.T])
    if y.dtype.kind == "f":
        infinite = _any_in_row(np.isinf(y))
        if infinite.any():
            problems.append(
                f"y has {infinite.sum()} infinite values ({some_rows(infinite)}): leave those rows out."
            )
    refuse(problems)
    return y


def side(values: Any, n: int, name: str) -> Array | None:
    """Return groups as numbers, or times as numbers or dates, one a row.

    Raises:
        InputError: they are not one a row, or some are missing.
    """
    if values is None:
        return None
    values = plain(values, name)
    if values.ndim != 1 or len(values) != n:
        raise InputError(f"{name} has shape {values.shape}; give one value for each of the {n} rows.")
    missing = pd.isna(values)
    if missing.any():
        raise InputError(f"{name} has missing values ({some_rows(missing)}).")
    if name == "groups":
        return np.asarray(pd.factorize(values)[0])
    if values.dtype.kind not in "OU":
        return np.asarray(values)
    moments, odd = moments_of(pd.Series(values))
    if not odd.any():
        return moments
    try:
        return np.asarray(pd.to_datetime(values, utc=True).tz_localize(None))
    except (ValueError, TypeError) as error:
        raise InputError(f"time holds neither numbers nor dates: {error}") from error


def sample_weights(values: Any, n: int) -> Array | None:
    """Return what each row weighs in the loss, (N,) float64 from 0 up; None where none is said.

    Raises:
        InputError: they are not one number a row, some are missing, infinite or below 0, or all are 0.
    """
    if values is None:
        return None
    name = "sample_weight"
    found = plain(values, name)
    found = found.to_numpy() if isinstance(found, pd.DataFrame) else found
    found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
    if found.ndim != 1 or len(found) != n:
        raise InputError(f"{name} has shape {found.shape}; give one number for each of the {n} rows.")
    numbers = pd.to_numeric(pd.Series(found), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    odd, below = ~np.isfinite(numbers), numbers < 0
    refuse(
        [
            f"{name} is {words} in {wrong.sum()} of {n} rows ({some_rows(wrong)}): {cure}."
            for words, wrong, cure in (
                ("no finite number", odd, "give numbers from 0 up; 0 leaves a row out of the loss"),
                ("below 0", below, "give numbers from 0 up; 0 leaves a row out of the loss"),
            )
            if wrong.any()
        ]
    )
    if not numbers.any():
        raise InputError(f"{name} is 0 in all {n} rows, which leaves nothing to learn from.")
    if not _LEAST_WEIGHT <= numbers.max() <= 1 / _LEAST_WEIGHT:
        raise InputError(
            f"{name} goes up to {numbers.max():g}, and sums of such numbers are no 64-bit floats: divide it by a constant."
        )
    return np.asarray(numbers)

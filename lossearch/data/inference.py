"""What a column of a user's table holds, inferred from all its cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from lossearch._notation import notation_of
from lossearch._numerals import CURE, is_missing_mark
from lossearch.data import dates
from lossearch.data.readings import (
    MISSING,
    Dates,
    Durations,
    Names,
    Numbers,
    Reading,
    Times,
    are,
    are_numbers,
    refuse_others,
)
from lossearch.errors import InputError
from lossearch.kinds import some_rows


def learn(name: str, column: pd.Series[Any], decimal: str | None = None) -> tuple[Reading, tuple[str, ...]]:
    """Return how a column is read, and notes.

    Args:
        name: what it is called.
        column: all its cells.
        decimal: the decimal sign of other columns, see :func:`decimal_of`.

    Raises:
        InputError: it holds objects that are neither numbers, text nor dates, a mixture, or text most of which
            is numbers.
    """
    column = dates.from_arrow(column)
    dtype = column.dtype
    reading: Reading | None = None
    if isinstance(dtype, pd.CategoricalDtype):
        reading = Names(name)
    elif pd.api.types.is_timedelta64_dtype(dtype):
        reading = Durations(name)
    elif pd.api.types.is_datetime64_any_dtype(dtype) or isinstance(dtype, pd.PeriodDtype):
        reading = Dates(name)
    elif pd.api.types.is_numeric_dtype(dtype):
        reading = Numbers(name)
    if reading is None:
        return _of_objects(name, column.astype(object), decimal)
    return reading, (reading.note,) if reading.note else ()


def decimal_of(readings: Iterable[Reading]) -> str | None:
    """Return the decimal sign of which columns of text leave no doubt, all the same; None where there is none."""
    known = [r.notation for r in readings if isinstance(r, Numbers)]
    signs = {n.decimal for n in known if n.decimal == "," or n.thousands == ","}
    return signs.pop() if len(signs) == 1 else None


def _of_objects(name: str, column: pd.Series[Any], decimal: str | None) -> tuple[Reading, tuple[str, ...]]:
    """Return how a column of objects or text is read, and notes."""
    text, plain = are(column, str), are_numbers(column)
    if text.any() and (text | plain | column.isna()).all():
        return _of_text(name, column, text, plain, decimal)
    for reading, held in (
        (Numbers(name), plain),
        (Dates(name), are(column, *dates.DATES, str)),
        (Durations(name), are(column, *dates.DURATIONS)),
        (Times(name), are(column, *dates.TIMES)),
    ):
        if (held | column.isna()).all():
            return reading, (reading.note,) if reading.note else ()
    if plain.any():
        raise _mixture(name, ~plain & column.notna())
    refuse_others(column, text, name)
    return Names(name), ()


def _of_text(
    name: str, column: pd.Series[Any], text: pd.Series[bool], plain: pd.Series[bool], decimal: str | None
) -> tuple[Reading, tuple[str, ...]]:
    """Return how text is read, among which there may be numbers."""
    cells = column.where(text, np.nan)
    if not plain.any() and dates.is_date_text(cells):
        return Dates(name), (Dates(name).note,)
    what = f"Column {name!r}"
    cure = f"{CURE} If they are names, make the column categorical: X[{name!r}].astype('category')."
    found = notation_of(cells, what, cure, asked=bool(plain.any()), decimal=decimal)
    if found.notation is None and plain.any():
        odd = text & ~column.where(text, "").map(is_missing_mark)
        if odd.any():
            raise _mixture(name, text)
        return Numbers(name), (f"column {name!r}: text such as {column[text].iloc[0]!r} for a missing value",)
    notes = (f"column {name!r}: {found.note}",) if found.note else ()
    if found.notation is not None:
        return Numbers(name, found.notation), notes
    marks = [c for c in cells.dropna().unique() if is_missing_mark(c)]
    # pandas makes such a name a missing value where others read their files
    known = len(marks) == 1 and bool(cells.notna().all())
    return Names(name, str(marks[0]) if known else MISSING), notes


def _mixture(name: str, text: pd.Series[bool]) -> InputError:
    rows = some_rows(text.to_numpy())
    return InputError(f"Column {name!r} mixes numbers and text ({rows}): make it one or the other.")

"""What a column of a user's table holds, inferred from all its cells."""

from __future__ import annotations

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


def learn(name: str, column: pd.Series[Any]) -> tuple[Reading, tuple[str, ...]]:
    """Return how a column is read, and notes.

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
        return _of_objects(name, column.astype(object))
    return reading, (reading.note,) if reading.note else ()


def _of_objects(name: str, column: pd.Series[Any]) -> tuple[Reading, tuple[str, ...]]:
    """Return how a column of objects or text is read, and notes."""
    text, plain = are(column, str), are_numbers(column)
    if text.any() and (text | plain | column.isna()).all():
        return _of_text(name, column, text, plain)
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
    name: str, column: pd.Series[Any], text: pd.Series[bool], plain: pd.Series[bool]
) -> tuple[Reading, tuple[str, ...]]:
    """Return how text is read, among which there may be numbers."""
    cells = column.where(text, np.nan)
    if not plain.any() and dates.is_date_text(cells):
        return Dates(name), (Dates(name).note,)
    what = f"Column {name!r}"
    cure = f"{CURE} If they are names, make the column categorical: X[{name!r}].astype('category')."
    found = notation_of(cells, what, cure, asked=bool(plain.any()))
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

"""What each column of a table holds, found out once, and kept so that new rows are read in the same way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from lossearch import _numerals
from lossearch._numerals import Notation
from lossearch.data import dates
from lossearch.errors import InputError
from lossearch.kinds import some_rows

MISSING = "(missing)"
Columns = dict[str, "pd.Series[Any]"]
_NUMBERS = (Real, Decimal, np.bool_)


@dataclass(frozen=True)
class Reading(ABC):
    """How a column of a user's table becomes columns of float64 or of names, row by row."""

    form: ClassVar[str]
    column: str

    @property
    def gives(self) -> tuple[str, ...]:
        """The columns it becomes."""
        return (self.column,)

    @property
    def note(self) -> str:
        """What is worth saying of it."""
        return ""

    @abstractmethod
    def read(self, column: pd.Series[Any]) -> Columns:
        """Return what the column becomes.

        Raises:
            InputError: a cell is not of the kind.
        """

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :func:`from_json`."""
        return {"form": self.form, **asdict(self)}


@dataclass(frozen=True)
class Numbers(Reading):
    """Numbers, or truth values as 0 and 1; where they are text, in ``notation``."""

    form: ClassVar[str] = "numbers"
    notation: Notation = field(default_factory=Notation)

    def read(self, column: pd.Series[Any]) -> Columns:
        """Return float64, NaN where missing; durations are read in days."""
        column = dates.from_arrow(column)
        if pd.api.types.is_timedelta64_dtype(column.dtype):
            return Durations(self.column).read(column)
        if pd.api.types.is_complex_dtype(column.dtype):
            raise InputError(
                f"Column {self.column!r} holds complex numbers: give real and imaginary parts as columns."
            )
        if pd.api.types.is_numeric_dtype(column.dtype):
            values = column.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            values = self._objects(column.astype(object))
        infinite = np.isinf(values)
        if infinite.any():
            raise InputError(
                f"Column {self.column!r} holds infinite values ({some_rows(infinite)}): drop or replace them."
            )
        return {self.column: pd.Series(values, index=column.index)}

    def _objects(self, column: pd.Series[Any]) -> Any:
        plain = are_numbers(column)
        refuse_others(column, plain | are(column, str), self.column)
        found = _numerals.numbers(column, self.notation, f"Column {self.column!r}")
        found[plain] = [float(v) for v in column[plain]]
        return found


@dataclass(frozen=True)
class Dates(Reading):
    """Dates and moments, as three numbers."""

    form: ClassVar[str] = "dates"

    @property
    def gives(self) -> tuple[str, ...]:
        """The columns it becomes."""
        return tuple(f"{self.column} {part}" for part in dates.DATE_PARTS)

    @property
    def note(self) -> str:
        """What is worth saying of it."""
        return f"column {self.column!r}: dates, as days since 1970, month and weekday"

    def read(self, column: pd.Series[Any]) -> Columns:
        """Return days since 1970, month and weekday, NaN where missing."""
        moments, odd = dates.moments_of(dates.from_arrow(column))
        if odd.any():
            i = int(np.flatnonzero(odd)[0])
            more = f", and {odd.sum() - 1} more cells" if odd.sum() > 1 else ""
            raise InputError(
                f"Column {self.column!r} must hold dates; {_cell(column, i)} in row {i} is none{more}. Write dates as "
                "2024-01-31, and leave cells empty whose date is missing."
            )
        found = dates.date_numbers(self.column, moments)
        return {name: pd.Series(values, index=column.index) for name, values in found.items()}


@dataclass(frozen=True)
class Durations(Reading):
    """Durations, as days."""

    form: ClassVar[str] = "durations"

    @property
    def note(self) -> str:
        """What is worth saying of it."""
        return f"column {self.column!r}: durations in days"

    def read(self, column: pd.Series[Any]) -> Columns:
        """Return days, NaN where missing; bare numbers are days."""
        column = dates.from_arrow(column)
        if pd.api.types.is_numeric_dtype(column.dtype):
            return Numbers(self.column).read(column)
        if not pd.api.types.is_timedelta64_dtype(column.dtype):
            refuse_others(column, are(column, *dates.DURATIONS), self.column, "durations")
        return {self.column: pd.Series(dates.days_of(column), index=column.index)}


@dataclass(frozen=True)
class Times(Reading):
    """Times of day, as hours."""

    form: ClassVar[str] = "times"

    @property
    def note(self) -> str:
        """What is worth saying of it."""
        return f"column {self.column!r}: times of day in hours"

    def read(self, column: pd.Series[Any]) -> Columns:
        """Return hours, NaN where missing; bare numbers are hours."""
        column = dates.from_arrow(column)
        if pd.api.types.is_numeric_dtype(column.dtype):
            return Numbers(self.column).read(column)
        refuse_others(column, are(column, *dates.TIMES), self.column, "times of day")
        return {self.column: pd.Series(dates.hours_of(column), index=column.index)}


@dataclass(frozen=True)
class Names(Reading):
    """Names; ``missing`` is what a missing one is called."""

    form: ClassVar[str] = "names"
    missing: str = MISSING

    def read(self, column: pd.Series[Any]) -> Columns:
        """Return text: whole numbers as such, which gaps among them make floats."""
        column = dates.from_arrow(column)
        name_of = str if isinstance(column.dtype, pd.CategoricalDtype) else _cell_text
        names = column.astype(object).map(name_of, na_action="ignore")
        return {self.column: names.where(names.notna(), self.missing)}


def _cell_text(value: Any) -> str:
    number = isinstance(value, (float, np.floating)) and float(value).is_integer()
    return str(int(value)) if number else str(value)


_FORMS: Mapping[str, type[Reading]] = {r.form: r for r in (Numbers, Dates, Durations, Times, Names)}


def from_json(values: Mapping[str, Any]) -> Reading:
    """Return the reading that :meth:`Reading.as_json` described."""
    own: dict[str, Any] = {k: v for k, v in values.items() if k not in {"form", "notation"}}
    if "notation" in values:
        own["notation"] = Notation(**values["notation"])
    return _FORMS[values["form"]](**own)


def are(column: pd.Series[Any], *types: type) -> pd.Series[bool]:
    """Return which cells are of these types and not missing."""
    held = list(map(type, column.astype(object)))
    known = {kind: issubclass(kind, types) for kind in set(held)}
    return pd.Series([known[kind] for kind in held], index=column.index, dtype=bool) & column.notna()


def are_numbers(column: pd.Series[Any]) -> pd.Series[bool]:
    """Return which cells are numbers or truth values and not missing."""
    # numpy counts its durations among the whole numbers
    return are(column, *_NUMBERS) & ~are(column, *dates.DURATIONS)


def _cell(column: pd.Series[Any], i: int) -> str:
    cell = column.iloc[i]
    return repr(cell) if isinstance(cell, str) else str(cell)


def refuse_others(column: pd.Series[Any], known: pd.Series[bool], name: str, wanted: str = "") -> None:
    """Refuse cells that are neither known nor missing."""
    odd = column.notna() & ~known
    if not odd.any():
        return
    if wanted:
        raise InputError(
            f"Column {name!r} must hold {wanted}; {_cell(column[odd], 0)} ({some_rows(odd.to_numpy())}) is none."
        )
    found = ", ".join(sorted({type(v).__name__ for v in column[odd]}))
    raise InputError(
        f"Column {name!r} holds objects of type {found}: give numbers, text, true/false or dates."
    )


def readings_of(numbers: Sequence[str], names: Sequence[str]) -> Iterator[Reading]:
    """Give the readings of columns of which no more is known than what they became."""
    yield from map(Numbers, numbers)
    yield from map(Names, names)

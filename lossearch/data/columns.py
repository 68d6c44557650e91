"""Tables of features: every column becomes numbers or names, row by row, without learning anything."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

import pandas as pd
from numpy.typing import NDArray

from lossearch._numerals import Notation
from lossearch.data.column_names import called
from lossearch.data.dates import DATE_PARTS
from lossearch.data.inference import decimal_of, learn
from lossearch.data.readings import Columns, Dates, Numbers, Reading, readings_of
from lossearch.data.suspects import without_row_numbers
from lossearch.errors import InputError, refuse


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


X_co = TypeVar("X_co", bound="pd.DataFrame | NDArray[Any]", covariant=True)


class Cleaned(NamedTuple, Generic[X_co]):
    """Features as a table of float64 and text columns or as an array, how they were read, and notes."""

    x: X_co
    readings: tuple[Reading, ...] = ()
    notes: tuple[str, ...] = ()


def clean(frame: pd.DataFrame) -> Cleaned[pd.DataFrame]:
    """Return a table of float64 columns and text columns only, how each column was read, and notes.

    Truth values become 0 and 1, dates become numbers, and so does text most of which is numbers; missing text
    becomes a name of its own; missing numbers stay missing. Each row is treated by itself. A column that is
    surely no more than the number of the row is left out.

    Raises:
        InputError: a column holds infinite values, complex numbers, objects, or a mixture.
    """
    refuse_duplicates(frame.columns)
    frame = frame.rename(columns=str)
    readings, notes, problems = _learned(frame)
    columns: Columns = {}
    for name, reading in readings.items():
        problems += [_twice(name, c) for c in reading.gives if c != name and c in frame]
        with _kept(problems):
            columns.update(reading.read(frame[name]))
    refuse(problems)
    table, numbering = without_row_numbers(pd.DataFrame(columns, index=frame.index))
    return Cleaned(table, tuple(readings.values()), (*notes, *numbering))


def _learned(frame: pd.DataFrame) -> tuple[dict[str, Reading], list[str], list[str]]:
    """Return how each column is read, notes, and what is wrong with those that cannot be.

    Where a comma or a dot in one column may be either, other columns of the same table decide.
    """
    learned = {str(name): _attempt(str(name), column) for name, column in frame.items()}
    decimal = decimal_of(a.reading for a in learned.values() if a.reading is not None)
    for name, attempt in learned.items():
        if decimal is not None and attempt.open:
            learned[name] = _attempt(name, frame[name], decimal)
    readings = {name: a.reading for name, a in learned.items() if a.reading is not None}
    notes = [note for a in learned.values() for note in a.notes]
    return readings, notes, [problem for a in learned.values() for problem in a.problems]


class _Attempt(NamedTuple):
    """What was learned of a column, or what is wrong with it."""

    reading: Reading | None
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def open(self) -> bool:
        """Whether another column's notation may change it."""
        return self.reading is None or (
            isinstance(self.reading, Numbers) and self.reading.notation == Notation()
        )


def _attempt(name: str, column: pd.Series[Any], decimal: str | None = None) -> _Attempt:
    try:
        reading, notes = learn(name, column, decimal)
    except InputError as error:
        return _Attempt(None, (), (str(error),))
    return _Attempt(reading, notes, ())


def _twice(name: str, column: str) -> str:
    return f"Column {name!r} becomes {column!r}, which is there already: rename or leave out one of them."


@contextmanager
def _kept(problems: list[str]) -> Iterator[None]:
    """Keep what is wrong with one column, so that all of it is told at once."""
    try:
        yield
    except InputError as error:
        problems.append(str(error))


def date_column(name: str) -> str | None:
    """Return the column of dates that may have given the number ``name``, such as "born month"."""
    stem, _, part = name.rpartition(" ")
    return stem if stem and part in DATE_PARTS else None


def as_given(names: Iterable[str]) -> list[str]:
    """Return the columns of a user's table: three numbers that one column of dates has become are that column."""
    names = list(names)
    dates = {d for name in names if (d := date_column(name)) and {f"{d} {p}" for p in DATE_PARTS} <= {*names}}
    return list(dict.fromkeys(d if (d := date_column(n)) in dates else n for n in names))


def conform(
    frame: pd.DataFrame, numbers: Sequence[str], names: Sequence[str], readings: Sequence[Reading] = ()
) -> pd.DataFrame:
    """Return the columns of a table that a model was trained on, as :func:`clean` would have left them.

    Columns go by their names, and by what is left of them where blanks around them are trimmed if that leaves no doubt.
    What a column holds is not guessed from these rows, which may be few: ``numbers`` become float64,
    dates among them from the column they came from, and ``names`` text, as ``readings`` say.

    Raises:
        InputError: columns are lacking or doubled, or hold what cannot be made a number.
    """
    frame = frame.rename(columns=str).reset_index(drop=True)
    refuse_duplicates(frame.columns)
    known = {name: r for r in (*readings_of(numbers, names), *readings) for name in r.gives}
    sources = {known[name].column for name in (*numbers, *names)}
    dates = {date for name in (*numbers, *names) if (date := date_column(name))}
    frame = called(frame, [*numbers, *names, *sources, *dates])
    given = {str(name): column for name, column in frame.items()}
    wanted = {name: _reading(name, known[name], given) for name in (*numbers, *names)}
    columns: Columns = {}
    problems: list[str] = []
    for reading in dict.fromkeys(r for r in wanted.values() if r is not None):
        with _kept(problems):
            columns.update(reading.read(given[reading.column]))
    lacking = [name for name, reading in wanted.items() if reading is None]
    problems += [_lacking(lacking, list(given))] if lacking else []
    refuse(problems)
    return pd.DataFrame({name: columns[name] for name in wanted}, index=frame.index)


def _reading(name: str, reading: Reading, given: Container[str]) -> Reading | None:
    """Return how a column that a model was trained on is had from the given ones; None where it lacks."""
    if name in given:
        return reading if reading.column == name else Numbers(name)
    date = date_column(name)
    if reading.column not in given and date in given:
        reading = Dates(str(date))
    return reading if reading.column in given else None


def _lacking(lacking: Sequence[str], given: Sequence[str]) -> str:
    lacking = as_given(lacking)
    shown = ", ".join(map(repr, lacking[:6])) + (", ..." if len(lacking) > 6 else "")
    there = ", ".join(map(repr, given[:6])) + (", ..." if len(given) > 6 else "")
    return f"X lacks the column{'s' * (len(lacking) > 1)} {shown} that the model was trained on; it has {there or 'none'}."

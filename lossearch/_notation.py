"""In which notation the cells of a column of text are numbers, or whether they are names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from lossearch._lazy import pa, pc, pd
from lossearch._numerals import (
    IDENTIFIER,
    PATTERNS,
    Notation,
    Parts,
    Pattern,
    apart,
    fits,
    is_missing_mark,
    odd_cells,
    values_of,
)
from lossearch.errors import InputError

MOSTLY = 0.5
"""The share of rows from which a column is one of numbers, so that any other cell is a fault."""
MAX_CODES = 20
ROWS_PER_CODE = 5
"""Whole numbers written as text are names where they are so few, each of so many rows on average."""
CODES = 0.05
"""The share of cells with letters and digits from which bare whole numbers beside them are codes too."""
SAMPLE = 2000
"""Different cells that are looked at for a notation before all are read in it."""


@dataclass(frozen=True)
class Found:
    """What a column of text is: numbers in a notation, or names where that is None; and a note."""

    notation: Notation | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Cells:
    """The different cells of a column that are not missing, how many rows each has, and their parts."""

    rows: Mapping[str, int]
    marks: tuple[str, ...]

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _Cells:
        counts = column.value_counts(sort=False)
        rows = dict(zip(map(str, counts.index), counts.tolist(), strict=True))
        marks = tuple(cell for cell in rows if is_missing_mark(cell))
        for mark in marks:
            del rows[mark]
        return cls(rows, marks)

    @cached_property
    def parts(self) -> Mapping[str, Parts | None]:
        return {cell: apart(cell) for cell in self.rows}

    def sample(self) -> _Cells:
        """Return some of them, evenly spaced, where they are many."""
        step = -(-len(self.rows) // SAMPLE)
        return self if step <= 1 else _Cells(dict(islice(self.rows.items(), 0, None, step)), self.marks)

    @cached_property
    def numbers(self) -> list[Parts]:
        return [p for p in self.parts.values() if p is not None]

    @cached_property
    def n(self) -> int:
        return sum(self.rows.values())

    def few(self, rows: int) -> bool:
        """Return whether there are few different cells, of at least so many rows on average; two are always few."""
        return len(self.rows) <= 2 or (len(self.rows) <= MAX_CODES and self.n >= rows * len(self.rows))

    @cached_property
    def unit(self) -> str:
        """The unit that most rows have."""
        counts: dict[str, int] = {}
        for cell, parts in self.parts.items():
            if parts is not None:
                counts[parts.unit] = counts.get(parts.unit, 0) + self.rows[cell]
        return max(counts, key=counts.__getitem__)

    @property
    def names(self) -> Found:
        """What the cells are if they are no numbers: such as "NA" are names among others."""
        marks = ", ".join(map(repr, [m for m in self.marks if m.strip()][:3])) if self.rows else ""
        return Found(None, f"{marks} taken for a name, as the other cells are" if marks else "")

    def share(self, fits: Callable[[Parts], Any]) -> float:
        """Return the share of rows whose cells are numbers that fit."""
        return sum(self.rows[c] for c, p in self.parts.items() if p is not None and fits(p)) / max(1, self.n)


def notation_of(
    column: pd.Series[Any], what: str, cure: str, *, asked: bool = False, decimal: str | None = None
) -> Found:
    """Return what a column of text is.

    Args:
        column: text, with missing cells.
        what: what to call it in messages.
        cure: what to do about cells that are no numbers where most are.
        asked: whether numbers are asked for, so that codes and identifiers are numbers too.
        decimal: the decimal sign that speaks for itself elsewhere; used where this column's may be either.

    Raises:
        InputError: most cells are numbers and some are not, or the notation cannot be told.
    """
    cells = _Cells.of(column)
    if not asked and cells.sample().share(lambda _: True) < MOSTLY / 2:
        return cells.names
    notation = _likely(cells, decimal)
    if notation is None:
        names = _names(cells, asked=asked)
        if names is not None:
            return names
        fitting = _fitting(cells, decimal)
        if not fitting:
            return _refused(column, cells, what, cure, asked=asked)
        pattern = fitting[0] if fitting[0].plain else _decided(column, fitting, cells.numbers, what)
        notation = Notation(pattern.decimal, pattern.thousands, cells.unit)
    words = ", ".join(filter(None, ["numbers written as text", notation.words]))
    marks = ", ".join(map(repr, cells.marks[:3]))
    return Found(notation, words + (f"; {marks} for a missing value" if marks else ""))


def _names(cells: _Cells, *, asked: bool) -> Found | None:
    """Return the note on cells that are names, None where they may be numbers."""
    numbers = cells.numbers
    least = 0.0 if asked else MOSTLY
    if not numbers or all(p.bracketed for p in numbers) or cells.share(lambda _: True) < least:
        return cells.names
    if asked:
        return None
    if _identifiers(cells):
        digits = next(cell for cell, parts in cells.parts.items() if parts is not None)
        return Found(None, f"digits that are names, such as {digits!r}: taken as they stand")
    if cells.few(2) and all(p.digits for p in numbers) and not _fitting(cells):
        return cells.names
    by_choice = cells.few(ROWS_PER_CODE) and all(p.whole for p in numbers) and not (cells.unit or cells.marks)
    return Found(None, "whole numbers written as text: taken for names") if by_choice else None


def _identifiers(cells: _Cells) -> bool:
    """Return whether digits are names: post codes with leading zeros, telephone numbers, some of many codes."""
    numbers = cells.numbers
    if not all(p.digits and not p.unit for p in numbers):
        return False
    padded = any(len(p.body) > 1 and p.body.startswith("0") for p in numbers)
    calls = all(p.sign == "+" and len(p.body) >= 8 for p in numbers)
    others = [cell for cell, parts in cells.parts.items() if parts is None]
    codes = [cell for cell in others if re.search(r"[0-9]", cell) and re.search(r"[^\W\d_]", cell)]
    mixed = 1 - cells.share(lambda _: True) >= CODES and 2 * len(codes) >= len(others)
    return padded or calls or mixed


def _likely(cells: _Cells, decimal: str | None) -> Notation | None:
    """Return the notation of very many cells where some of them leave no doubt, and all are in it."""
    some = cells.sample()
    if some is cells or not some.numbers:
        return None
    fitting = _fitting(some, decimal)
    if not fitting:
        return None
    first = fitting[0]
    if not first.plain and any(p.value(n) != first.value(n) for p in fitting for n in some.numbers):
        return None
    found = Notation(first.decimal, first.thousands, some.unit)
    text = pa.array(list(cells.rows), pa.string())
    identifiers = pc.any(pc.match_substring_regex(text, rf"^\s*{IDENTIFIER}\s*$")).as_py()
    return None if identifiers or np.isnan(values_of(list(cells.rows), found)).any() else found


def _fitting(cells: _Cells, decimal: str | None = None) -> list[Pattern]:
    """Return the separators with which every cell is a number in one unit, those with this decimal sign if any."""
    found = cells.parts.values()
    fitting = [p for p in PATTERNS.values() if all(fits(parts, p, cells.unit) for parts in found)]
    return [p for p in fitting if p.decimal == decimal] or fitting


def _decided(column: pd.Series[Any], fitting: list[Pattern], numbers: list[Parts], what: str) -> Pattern:
    """Return the one of several notations that the cells speak for.

    Where a comma may be either, cells of up to three digits without one say that it stands between thousands.
    """
    first = fitting[0]
    other = next((p for p in fitting if any(p.value(n) != first.value(n) for n in numbers)), None)
    if other is None:
        return first
    bare = [len(p.body) for p in numbers if p.body.isdigit()]
    if bare and max(bare) <= 3:
        return first
    odd = next(c for c in column.dropna() if (p := apart(c)) and first.value(p) != other.value(p))
    parts = apart(odd)
    values = " or ".join(f"{p.value(parts):.10g}" for p in (first, other)) if parts else ""
    raise InputError(
        f"{what}: {odd!r} may be {values}, and no cell decides. Write numbers with a decimal point and nothing "
        "between thousands."
    )


def _refused(column: pd.Series[Any], cells: _Cells, what: str, cure: str, *, asked: bool) -> Found:
    """Refuse cells that are no numbers where most are; where too few fit any one notation, they are all names."""
    unit = cells.unit
    best = max(PATTERNS.values(), key=lambda p: cells.share(lambda n: fits(n, p, unit)))
    odd = [cell for cell, parts in cells.parts.items() if not fits(parts, best, unit)]
    if not asked and cells.share(lambda n: fits(n, best, unit)) < MOSTLY:
        fitting = [cell for cell in cells.rows if cell not in odd]
        both = f"{fitting[0]!r} and {odd[0]!r}" if fitting else ""
        note = f"numbers in several notations or units, such as {both}: taken for names"
        return Found(None, note) if fitting else cells.names
    told = odd_cells(column, odd, Notation(best.decimal, best.thousands, unit))
    raise InputError(f"{what} holds {told} {cure}")

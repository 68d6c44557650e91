"""Numbers written as text: the notation that fits all cells of a column, and what they are in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lossearch.errors import InputError

MISSING_MARKS = frozenset(
    [
        "?",
        "??",
        "???",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "*",
        "n/a",
        "na",
        "n.a.",
        "n.a",
        "#n/a",
        "#na",
        "nan",
        "null",
        "(null)",
        "none",
        "nil",
        "missing",
        "(missing)",
        "<na>",
        "unknown",
        "#value!",
        "#div/0!",
        "#ref!",
        "#num!",
        "#name?",
    ]
) | {"", "not available"}
"""What stands for a missing value among numbers, in lower case."""
MOSTLY = 0.5
"""The share of rows from which a column is one of numbers, so that any other cell is a fault."""
MAX_CODES = 20
ROWS_PER_CODE = 5
"""Whole numbers written as text are names where they are so few, each of so many rows on average."""

IF_NAMES = (
    "If they are names, say so: kind = 'multiclass' for a target, a categorical column of a DataFrame else."
)

CURE = "Write every cell alike, and leave it empty where the value is missing."
"""What to do about cells of a column that are no numbers."""

_SPELLINGS = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " ")
    | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
)
"""Signs that are written in several ways, and the one that is read: minus, space and apostrophe."""
_CURRENCY = (
    r"(?:[A-Z]{0,2}[$\u00a2-\u00a5\u058f\u060b\u0e3f\u17db\u20a0-\u20cf\ufdfc\uffe0\uffe1\uffe5\uffe6]"
    r"|EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|RUB|UAH|BRL|MXN|ZAR|KRW|SGD|HKD"
    r"|Rs\.?|kr\.?|Fr\.?)"
)
_CELL = re.compile(
    rf"(?P<open>\()?\s*(?P<outer>[+-])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[+-])?\s*"
    r"(?P<body>[0-9](?:[0-9.,' ]*[0-9.,])?|[.,][0-9]+|(?i:inf(?:inity)?)(?![^\W_]))"
    r"(?P<exponent>[eE][+-]?[0-9]{1,4})?\s*"
    r"(?P<after>[^\W0-9_]|[^\w\s()+\-.,'<>=~?!#&*:;\"/\\|])?(?P<more>[^0-9()+\-<>=~?!#&*:;\"|]{0,14})"
    r"(?P<trail>-)?\s*(?P<close>\))?"
)


@dataclass(frozen=True)
class Notation:
    """How numbers are written: their decimal sign, what stands between thousands, and the unit of all of them."""

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    @property
    def words(self) -> str:
        """What is special about it, for a note; '' for bare numbers with a decimal point."""
        between = {",": "commas", ".": "dots", " ": "spaces", "'": "apostrophes"}
        parts = ["with a decimal comma"] if self.decimal == "," else []
        parts += [f"with {between[self.thousands]} between thousands"] if self.thousands else []
        parts += [f"in {self.unit}"] if self.unit else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Found:
    """What a column of text is: numbers in a notation, or names where that is None; and a note."""

    notation: Notation | None
    note: str = ""


class _Parts(NamedTuple):
    """A cell taken apart: a number's digits with their separators, and what stands around them."""

    body: str
    exponent: str
    unit: str
    sign: str
    bracketed: bool

    @property
    def digits(self) -> bool:
        return self.body.isdigit() and not self.exponent


class _Pattern(NamedTuple):
    decimal: str
    thousands: str
    fits: Callable[[str], Any]

    def value(self, parts: _Parts) -> float:
        digits = parts.body.replace(self.thousands, "") if self.thousands else parts.body
        return float(parts.sign + digits.replace(self.decimal, ".") + parts.exponent)


def _pattern(decimal: str, thousands: str) -> _Pattern:
    whole = "[0-9]+"
    if thousands:
        t = re.escape(thousands)
        whole = rf"(?:[1-9][0-9]{{0,2}}(?:{t}[0-9]{{3}})+|{whole})"
    if thousands == ",":  # lakhs and crores too
        whole = rf"(?:[1-9][0-9]?(?:,[0-9]{{2}})*,[0-9]{{3}}|{whole})"
    d = re.escape(decimal)
    return _Pattern(
        decimal, thousands, re.compile(rf"(?i:{whole}(?:{d}[0-9]*)?|{d}[0-9]+|inf(?:inity)?)").fullmatch
    )


_PATTERNS = {
    (p.decimal, p.thousands): p
    for p in (_pattern(d, t) for d, between in ((".", ",' "), (",", ".' ")) for t in ("", *between))
}
"""Every pair of separators, the one of Python first."""


def is_missing_mark(cell: str) -> bool:
    """Return whether a cell stands for a missing value among numbers."""
    return cell.translate(_SPELLINGS).strip().lower() in MISSING_MARKS


def _apart(cell: str) -> _Parts | None:
    """Return the parts of a cell that is a number in some notation, None for another."""
    found = _CELL.fullmatch(cell.translate(_SPELLINGS).strip())
    if found is None or (found["more"].strip() and not found["after"]):
        return None
    if bool(found["open"]) != bool(found["close"]) or (found["trail"] and not found["body"][-1].isdigit()):
        return None
    signs = [found["outer"] or "", found["inner"] or "", found["trail"] or "", "-" if found["open"] else ""]
    if len("".join(signs)) > 1:
        return None
    unit = f"{found['before'] or ''} {found['after'] or ''}{found['more']}".strip()
    return _Parts(found["body"], found["exponent"] or "", unit, "".join(signs), bool(found["open"]))


@dataclass(frozen=True, eq=False)
class _Cells:
    """The different cells of a column that are not missing, how many rows each has, and their parts."""

    rows: Mapping[str, int]
    parts: Mapping[str, _Parts | None]
    marks: tuple[str, ...]

    @classmethod
    def of(cls, column: pd.Series[Any]) -> _Cells:
        counts = {str(cell): int(n) for cell, n in column.value_counts(sort=False).items()}
        marks = tuple(cell for cell in counts if is_missing_mark(cell))
        rows = {cell: n for cell, n in counts.items() if cell not in marks}
        return cls(rows, {cell: _apart(cell) for cell in rows}, marks)

    @property
    def numbers(self) -> list[_Parts]:
        return [p for p in self.parts.values() if p is not None]

    @property
    def n(self) -> int:
        return sum(self.rows.values())

    @property
    def few(self) -> bool:
        """Whether there are few different cells, each of several rows."""
        return len(self.rows) <= MAX_CODES and self.n >= ROWS_PER_CODE * len(self.rows)

    @property
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

    def share(self, fits: Callable[[_Parts], Any]) -> float:
        """Return the share of rows whose cells are numbers that fit."""
        return sum(self.rows[c] for c, p in self.parts.items() if p is not None and fits(p)) / max(1, self.n)


def _identifiers(numbers: list[_Parts]) -> bool:
    """Return whether digits are a name: post codes with leading zeros, telephone numbers."""
    if all(p.digits and not p.unit for p in numbers):
        padded = any(len(p.body) > 1 and p.body.startswith("0") for p in numbers)
        return padded or all(p.sign == "+" and len(p.body) >= 8 for p in numbers)
    return False


def notation_of(column: pd.Series[Any], what: str, cure: str, *, asked: bool = False) -> Found:
    """Return what a column of text is.

    Args:
        column: text, with missing cells.
        what: what to call it in messages.
        cure: what to do about cells that are no numbers where most are.
        asked: whether numbers are asked for, so that codes and identifiers are numbers too.

    Raises:
        InputError: most cells are numbers and some are not, or the notation cannot be told.
    """
    cells = _Cells.of(column)
    numbers = cells.numbers
    if not numbers or cells.share(lambda _: True) < MOSTLY or all(p.bracketed for p in numbers):
        return cells.names
    if not asked and _identifiers(numbers):
        return Found(None, f"digits that are names, such as {next(iter(cells.rows))!r}: taken as they stand")
    unit = cells.unit
    whole = all(p.digits for p in numbers)
    fitting = [p for p in _PATTERNS.values() if all(_fits(parts, p, unit) for parts in cells.parts.values())]
    if not fitting:
        if whole and cells.few and not asked:
            return cells.names
        return _refused(column, cells, unit, what, cure)
    if whole and cells.few and not (asked or unit or cells.marks):
        return Found(None, "whole numbers written as text: taken for names")
    pattern = fitting[0] if fitting[0][:2] == (".", "") else _decided(column, fitting, numbers, what)
    notation = Notation(pattern.decimal, pattern.thousands, unit)
    words = ", ".join(filter(None, ["numbers written as text", notation.words]))
    marks = ", ".join(map(repr, cells.marks[:3]))
    return Found(notation, words + (f"; {marks} for a missing value" if marks else ""))


def _fits(parts: _Parts | None, pattern: _Pattern, unit: str) -> bool:
    return parts is not None and parts.unit == unit and pattern.fits(parts.body) is not None


def _decided(column: pd.Series[Any], fitting: list[_Pattern], numbers: list[_Parts], what: str) -> _Pattern:
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
    odd = next(c for c in column.dropna() if (p := _apart(c)) and first.value(p) != other.value(p))
    parts = _apart(odd)
    values = " or ".join(f"{p.value(parts):.10g}" for p in (first, other)) if parts else ""
    raise InputError(
        f"{what}: {odd!r} may be {values}, and no cell decides. Write numbers with a decimal point and nothing "
        "between thousands."
    )


def _refused(column: pd.Series[Any], cells: _Cells, unit: str, what: str, cure: str) -> Found:
    """Refuse cells that are no numbers where most are; where too few fit any notation, they are all names."""
    best = max(_PATTERNS.values(), key=lambda p: cells.share(lambda n: _fits(n, p, unit)))
    if cells.share(lambda n: _fits(n, best, unit)) < MOSTLY:
        return cells.names
    odd = [cell for cell, parts in cells.parts.items() if not _fits(parts, best, unit)]
    told = _odd_cells(column, odd, Notation(best.decimal, best.thousands, unit))
    raise InputError(f"{what} holds {told} {cure}")


def numbers(column: pd.Series[Any], notation: Notation, what: str) -> NDArray[np.float64]:
    """Return a column of text as numbers, NaN where they are missing.

    Args:
        column: text, with missing cells.
        notation: how it is written.
        what: what to call it in messages.

    Raises:
        InputError: a cell is not a number in this notation.
    """
    cells = _Cells.of(column)
    pattern = _PATTERNS[notation.decimal, notation.thousands]
    values = {
        cell: pattern.value(parts)
        for cell, parts in cells.parts.items()
        if parts is not None and _fits(parts, pattern, notation.unit)
    }
    odd = [cell for cell in cells.rows if cell not in values]
    if odd:
        raise InputError(f"{what} must hold {_odd_cells(column, odd, notation)} {CURE}")
    found = column.astype(object).map(values, na_action="ignore")
    return np.array(found, dtype=np.float64)


def _odd_cells(column: pd.Series[Any], odd: list[str], notation: Notation) -> str:
    """Return which cells are no numbers in this notation, and what to do about them."""
    rows = np.flatnonzero(column.isin(odd).to_numpy())
    shown = ", ".join(f"{column.iloc[i]!r} in row {i}" for i in rows[:3])
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    written = f" {notation.words}" if notation.words else ""
    return (
        f"numbers{written}, and {len(rows)} of {column.notna().sum()} cells {'are' if len(rows) > 1 else 'is'} not: "
        f"{shown}{more}."
    )

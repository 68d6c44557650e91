"""Numbers written as text: the notation that fits all cells of a column, and what they are in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from unicodedata import decimal

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import pa, pc, pd
from lossearch.errors import InputError

_MARKS = (
    "? ?? ??? - -- --- . .. ... * n/a na n.a. n.a #n/a #na nan null (null) none nil missing (missing) <na> unknown "
    "#value! #div/0! #ref! #num! #name?"
)
MISSING_MARKS = {"", "not available", *_MARKS.split()}
"""What stands for a missing value among numbers, in lower case."""

IDENTIFIER = r"(?:[+-]?0[0-9]+|\+[0-9]{8,})"
"""Digits that are a name: a post code with leading zeros, a telephone number."""

LONGEST = 100
"""Characters of the longest cell that is taken for a number."""

CURE = "Write every cell alike, and leave it empty where the value is missing."
"""What to do about cells of a column that are no numbers."""

_SPELLINGS = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-")
    | dict.fromkeys("\u00a0\u2007\u2009\u202f\t", " ")
    | dict.fromkeys("\u2019\u02bc\u00b4`", "'")
    | dict(zip("\uff0e\u066b\uff0c\u066c\u066a", "..,,%", strict=True))
)
"""Signs that are written in several ways, and the one that is read: minus, space, apostrophe, separators."""
_CURRENCY = (
    r"(?:[A-Z]{0,2}[$\u00a2-\u00a5\u058f\u060b\u0e3f\u17db\u20a0-\u20cf\ufdfc\uffe0\uffe1\uffe5\uffe6]"
    r"|EUR|USD|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RON|TRY|RUB|UAH|BRL|MXN|ZAR|KRW|SGD|HKD"
    r"|Rs\.?|kr\.?|Fr\.?)"
)
_CELL = re.compile(
    rf"(?P<lead>{_CURRENCY})?\s*(?P<open>\()?\s*(?P<outer>[+-])?\s*(?P<before>{_CURRENCY})?\s*(?P<inner>[+-])?\s*"
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


_WHOLE = re.compile(r"[0-9]+(?:\.0*)?")


class Parts(NamedTuple):
    """A cell taken apart: a number's digits with their separators, and what stands around them."""

    body: str
    exponent: str
    unit: str
    sign: str
    bracketed: bool

    @property
    def digits(self) -> bool:
        """Whether it is a whole number written with digits alone, whatever its sign and unit."""
        return self.body.isdigit() and not self.exponent

    @property
    def whole(self) -> bool:
        """Whether it is a whole number without separators of thousands."""
        return not self.exponent and _WHOLE.fullmatch(self.body) is not None


class Pattern(NamedTuple):
    """A pair of separators, the regular expression of common numbers with them, and what fits them at all."""

    decimal: str
    thousands: str
    common: str
    fits: Callable[[str], Any]

    @property
    def plain(self) -> bool:
        """Whether these are the separators of Python."""
        return (self.decimal, self.thousands) == (".", "")

    def value(self, parts: Parts) -> float:
        digits = parts.body.replace(self.thousands, "") if self.thousands else parts.body
        return float(parts.sign + digits.replace(self.decimal, ".") + parts.exponent)


def _pattern(decimal: str, thousands: str) -> Pattern:
    whole = "[0-9]+"
    if thousands:
        t = re.escape(thousands)
        whole = rf"(?:[1-9][0-9]{{0,2}}(?:{t}[0-9]{{3}})+|{whole})"
    if thousands == ",":  # lakhs and crores too
        whole = rf"(?:[1-9][0-9]?(?:,[0-9]{{2}})*,[0-9]{{3}}|{whole})"
    d = re.escape(decimal)
    common = rf"-?(?:{whole}(?:{d}[0-9]+)?|[0-9]+(?:{d}[0-9]+)?[eE][+-]?[0-9]+)"
    fits = re.compile(rf"(?i:{whole}(?:{d}[0-9]*)?|{d}[0-9]+|inf(?:inity)?)").fullmatch
    return Pattern(decimal, thousands, common, fits)


PATTERNS = {
    (p.decimal, p.thousands): p
    for p in (_pattern(d, t) for d, between in ((".", ",' "), (",", ".' ")) for t in ("", *between))
}
"""Every pair of separators, the one of Python first."""


def _spelled(cell: str) -> str:
    plain = cell.isascii() and "\t" not in cell and "`" not in cell
    if plain:
        return cell.strip()
    return "".join(str(decimal(c)) if c.isdecimal() else c for c in cell.translate(_SPELLINGS)).strip()


def is_missing_mark(cell: str) -> bool:
    """Return whether a cell stands for a missing value among numbers."""
    return not cell[:1].isdigit() and len(cell) < 20 and _spelled(cell).lower() in MISSING_MARKS


def apart(cell: str) -> Parts | None:
    """Return the parts of a cell that is a number in some notation, None for another."""
    found = _CELL.fullmatch(_spelled(cell)) if len(cell) <= LONGEST else None
    if found is None or (found["more"].strip() and not found["after"]) or (found["lead"] and found["before"]):
        return None
    if bool(found["open"]) != bool(found["close"]) or (found["trail"] and not found["body"][-1].isdigit()):
        return None
    signs = [found["outer"] or "", found["inner"] or "", found["trail"] or "", "-" if found["open"] else ""]
    if len("".join(signs)) > 1:
        return None
    unit = f"{found['lead'] or found['before'] or ''} {found['after'] or ''}{found['more']}".strip()
    return Parts(found["body"], found["exponent"] or "", unit, "".join(signs), bool(found["open"]))


def fits(parts: Parts | None, pattern: Pattern, unit: str) -> bool:
    """Return whether a cell is a number with these separators and in this unit."""
    if parts is None or parts.unit != unit:
        return False
    grouped = bool(pattern.thousands) and pattern.thousands in parts.body
    return not (grouped and parts.exponent) and pattern.fits(parts.body) is not None


def numbers(column: pd.Series[Any], notation: Notation, what: str) -> NDArray[np.float64]:
    """Return a column of text as numbers, NaN where they are missing.

    Args:
        column: text, with missing cells and others, which become NaN.
        notation: how it is written.
        what: what to call it in messages.

    Raises:
        InputError: a cell is not a number in this notation.
    """
    different = column.dropna().unique()
    known = [cell for cell in different if isinstance(cell, str) and not is_missing_mark(cell)]
    values = values_of(known, notation)
    odd = [cell for cell, value in zip(known, values, strict=True) if np.isnan(value)]
    if odd:
        raise InputError(f"{what} must hold {odd_cells(column, odd, notation)} {CURE}")
    of = dict(zip(known, values, strict=True))
    return np.array(column.astype(object).map(of, na_action="ignore"), dtype=np.float64)


def values_of(cells: list[str], notation: Notation) -> NDArray[np.float64]:
    """Return cells as numbers, NaN where they are none in this notation."""
    pattern = PATTERNS[notation.decimal, notation.thousands]
    unit = rf"\s?{re.escape(notation.unit)}" if notation.unit else ""
    text = pa.array(cells, pa.string())
    common = pc.match_substring_regex(text, f"^{pattern.common}{unit}$").to_numpy(zero_copy_only=False)
    found = np.full(len(cells), np.nan)
    digits = (
        pc.replace_substring_regex(text.filter(pa.array(common)), unit + "$", "")
        if unit
        else text.filter(pa.array(common))
    )
    if notation.thousands:
        digits = pc.replace_substring(digits, notation.thousands, "")
    found[common] = pc.replace_substring(digits, notation.decimal, ".").cast(pa.float64()).to_numpy()
    for i in np.flatnonzero(~common):
        parts = apart(cells[i])
        if parts is not None and fits(parts, pattern, notation.unit):
            found[i] = pattern.value(parts)
    return found


def odd_cells(column: pd.Series[Any], odd: list[str], notation: Notation) -> str:
    """Return which cells are no numbers in this notation, and what to do about them."""
    rows = np.flatnonzero(column.isin(odd).to_numpy())
    shown = ", ".join(f"{column.iloc[i]!r} in row {i}" for i in rows[:3])
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    written = f" {notation.words}" if notation.words else ""
    return (
        f"numbers{written}, and {len(rows)} of {column.notna().sum()} cells {'are' if len(rows) > 1 else 'is'} not: "
        f"{shown}{more}."
    )

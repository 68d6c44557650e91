"""How numbers are written: as many digits as their spread over seeds supports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from lossearch._lazy import pd

MISSING = "-"


def _decimals(value: float, sd: float) -> int:
    """Return the decimals that a spread supports: two of its digits where it starts with 1, 2 or 3, else one."""
    if not (math.isfinite(sd) and sd > 0):
        return 4 - 1 - _exponent(value)
    exponent = _exponent(sd)
    leading = round(sd / 10.0 ** (exponent - 1))
    return -exponent + (1 if leading < 36 else 0)


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def _fixed(value: float, decimals: int) -> str:
    rounded = round(value, decimals) + 0.0  # no "-0.0"
    return f"{rounded:.{max(decimals, 0)}f}"


def typical_spread(sds: Iterable[float]) -> float:
    """Return the spread whose digits all numbers of a column have, the median; NaN where there is none."""
    found = [sd for sd in sds if math.isfinite(sd) and sd > 0]
    return median(found) if found else math.nan


def plus_minus(value: float | None, sd: float | None = None, spread: float | None = None) -> str:
    """Return ``value ± sd`` with the digits that ``spread`` supports, by default the sd itself.

    Very large and very small numbers share one power of ten. Without a spread, four significant digits;
    "-" where there is no value.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if sd is None or not math.isfinite(sd):
        return number(value)
    size = max(abs(value), sd)
    if size and not 1e-3 <= size < 1e6:
        power = _exponent(size)
        scaled = plus_minus(value / 10.0**power, sd / 10.0**power)
        return f"({scaled})e{power}"
    if sd == 0:
        return f"{number(value)} ± 0"
    decimals = min(_decimals(value, sd if spread is None or not spread > 0 else spread), 6)
    return f"{_fixed(value, decimals)} ± {_fixed(sd, decimals)}"


def number(value: float | None, sd: float | None = None, *, signed: bool = False) -> str:
    """Return a number alone, to the digits of ``sd`` where there is one, else four significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    sign = "+" if signed and value > 0 else ""
    if sd is not None and math.isfinite(sd) and sd > 0 and 1e-3 <= max(abs(value), sd) < 1e6:
        return sign + _fixed(value, min(_decimals(value, sd), 6))
    return f"{sign}{value + 0.0:.4g}"


def as_csv(frame: pd.DataFrame, *, index: bool = False) -> str:
    """Return a table as CSV, in which no name is a formula to a spreadsheet: such a cell begins with an apostrophe."""
    shown = frame.reset_index() if index else frame
    return shown.map(_as_text).rename(columns=_as_text).to_csv(index=False)


def _as_text(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def rate(value: float | None) -> str:
    """Return a learning rate, three significant digits."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.3g}"


def class_names(classes: Sequence[str], count: int) -> tuple[str, ...]:
    """Return what so many classes are called in a sentence: by name, or "class 0" of one that is called 0 or has no name."""
    names = classes if len(classes) == count else map(str, range(count))
    return tuple(f"class {name}" if name.isdecimal() else name for name in names)


def as_published(value: float | None) -> str:
    """Return a published number with three decimals, as tables print them."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"

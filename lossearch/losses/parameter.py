"""A loss's own hyper-parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Parameter:
    """A loss's own hyper-parameter and the range it is searched over.

    ``search=False`` keeps it at its default unless a study names a range for it. ``valid`` are the ends
    of what it may be at all; where ``log``, it must be above 0 besides.
    """

    name: str
    default: float
    low: float
    high: float
    log: bool = False
    integer: bool = False
    search: bool = True
    words: str = ""
    valid: tuple[float, float] = (-math.inf, math.inf)

    def problem(self, value: float) -> str | None:
        """Return why ``value`` cannot be used, or None."""
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            return f"{self.name} takes a finite number; got {value!r}."
        if self.log and value <= 0:
            return f"{self.name} must be above 0; got {value:g}."
        low, high = self.valid
        return (
            None
            if low <= value <= high
            else f"{self.name} must lie between {low:g} and {high:g}; got {value:g}."
        )

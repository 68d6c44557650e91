"""Sets of numbers that losses are defined on and activations give."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lossearch._registry import Registry


@dataclass(frozen=True, repr=False)
class Range:
    """An interval of the real line, or the probability simplex over the last axis.

    ``low_open`` excludes the lower end (log1p is not defined at -1). ``margins`` marks a loss on
    differences between scores, which must be free to grow: a bounded activation is refused.
    """

    name: str
    low: float
    high: float
    words: str
    simplex: bool = False
    low_open: bool = False
    margins: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether either end is finite."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def holds(self, low: float, high: float) -> bool:
        """Whether every number from ``low`` to ``high`` is inside."""
        return (self.low < low if self.low_open else self.low <= low) and high <= self.high

    def __str__(self) -> str:
        return self.words

    def __repr__(self) -> str:
        return f"Range({self.name!r})"


RANGES = Registry(
    "range",
    [
        Range("real", -math.inf, math.inf, "any real number"),
        Range("margins", -math.inf, math.inf, "unbounded scores", margins=True),
        Range("unit", 0.0, 1.0, "a number between 0 and 1", aliases=("probability",)),
        Range("simplex", 0.0, 1.0, "probabilities that sum to 1", simplex=True),
        Range("tanh", -1.0, 1.0, "a number between -1 and 1"),
        Range("nonnegative", 0.0, math.inf, "a number from 0 up"),
        Range("positive", 0.0, math.inf, "a number above 0", low_open=True),
        Range("above_minus_one", -1.0, math.inf, "a number above -1", low_open=True),
    ],
)

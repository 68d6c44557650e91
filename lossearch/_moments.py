"""Mean and standard deviation in float64, of numbers as large or small as there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_NUMBERS = 2**22
"""Numbers that are turned into float64 at a time."""


def mean_and_std(values: NDArray[Any], axes: Sequence[int] = (0,)) -> tuple[Floats, Floats]:
    """Return mean and standard deviation over some axes, the first among them, of numbers without NaN.

    The standard deviation is exactly 0 where all values are equal.
    """
    over = tuple(axes)
    low, high = (np.asarray(f(axis=over, keepdims=True), dtype=np.float64) for f in (values.min, values.max))
    unit = power_of_two(np.maximum(-low, high))
    n = values.size / low.size

    def total(of: Callable[[Floats], Floats]) -> Floats:
        return sum((of(x / unit).sum(axis=over, keepdims=True) for x in _pieces(values)), np.zeros_like(low))

    mean = total(lambda x: x) / n
    std = np.sqrt(total(lambda x: np.square(x - mean)) / n)
    constant = low == high
    found = np.where(constant, low, mean * unit), np.where(constant, 0.0, std * unit)
    return np.squeeze(found[0], over), np.squeeze(found[1], over)


def power_of_two(size: Floats) -> Floats:
    """Return the power of two below each of these sizes, or 1 for 0.

    Numbers divided by it are rounded by nothing, and their squares and sums neither overflow nor vanish.
    """
    found: Floats = np.ldexp(1.0, np.where(size > 0, np.frexp(size)[1] - 1, 0))
    return found


def standardised(values: Any, mean: Any, scale: Any) -> Floats:
    """Return (values - mean) / scale in float64; what the three hold broadcasts.

    In units that round nothing, the difference of two numbers however large is one.
    """
    unit = power_of_two(np.asarray(scale, dtype=np.float64))
    found: Floats = (np.asarray(values, dtype=np.float64) / unit - mean / unit) / (scale / unit)
    return found


def _pieces(values: NDArray[Any]) -> Iterator[Floats]:
    step = max(1, _NUMBERS // max(1, values[:1].size))
    for start in range(0, len(values), step):
        yield np.asarray(values[start : start + step], dtype=np.float64)

"""What is known of targets before training: in which form they stand, their range, and their statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any

import numpy as np

from lossearch.errors import InputError


class TargetForm(Enum):
    """How targets stand in memory once they are read; losses, encodings and activations go by it."""

    REAL = "(N, T) real numbers in original units"
    ZERO_ONE = "(N, L) 0 or 1"
    INDEX = "(N,) class indices"
    SHARES = "(N, C) numbers from 0 up that sum to 1"

    @property
    def numbers(self) -> bool:
        """Whether targets are amounts rather than classes or labels."""
        return self in (TargetForm.REAL, TargetForm.SHARES)

    @property
    def by_row(self) -> bool:
        """Whether losses read a row's outputs together, along the last axis, and have one value a row."""
        return self in (TargetForm.INDEX, TargetForm.SHARES)


MOST_ROUNDING = 1e-3
"""How much of a standard deviation targets may lose by being rounded."""


@dataclass(frozen=True)
class TargetFacts:
    """What is known of the targets before training: kind, outputs, and their range.

    ``rounding`` is the most that targets as they come change by being rounded to the type of the weights, in
    standard deviations of their output.
    """

    kind: str
    n_out: int = 1
    low: float = -math.inf
    high: float = math.inf
    rounding: float = 0.0


@dataclass(frozen=True)
class TargetStatistics:
    """Location and scale of each output's target in original units, fitted on training rows only.

    ``scale`` is the mean absolute target, the unit of non-negative targets; ``low`` and ``high`` are the ends of their
    range; ``log_mean`` and ``log_std`` are of the logarithms, () where targets have none. The defaults leave targets as
    they are, which is also what classification uses.

    ``class_counts`` are how many rows each class has, (K, C), for each output that has classes of its own, see
    ``Kind.class_shape``; those of one output may be given as (C,). Rows that have weights count what they weigh, in all
    as many as there are rows. () where nobody counted, and for targets without classes.

    Raises:
        InputError: a count is negative or not finite, or outputs have different numbers of classes.

    Example:
        >>> from lossearch.kinds import TargetStatistics
        >>> TargetStatistics(class_counts=((900, 100),)).class_counts
        ((900.0, 100.0),)
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: tuple[float, ...] = (1.0,)
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (1.0,)
    log_mean: tuple[float, ...] = ()
    log_std: tuple[float, ...] = ()
    class_counts: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        given = np.asarray(self.class_counts, dtype=np.float64)
        counts = given[None] if given.ndim == 1 and given.size else given
        if counts.size and (counts.ndim != 2 or not np.isfinite(counts).all() or (counts < 0).any()):
            raise InputError(
                "class_counts takes how many rows each class has, as ((900, 100),), one such tuple for each label; "
                f"got {self.class_counts!r}."
            )
        object.__setattr__(self, "class_counts", tuple(map(tuple, counts.tolist())))

    def as_json(self) -> dict[str, Any]:
        """Return plain values, without counts of classes where there are none."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: list(values) for name, values in found.items() if values or name != "class_counts"}

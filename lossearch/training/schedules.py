"""Learning-rate schedules: what the rate is multiplied by at each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lossearch._registry import Registry


@dataclass(frozen=True)
class Schedule:
    """A multiplier of the learning rate over training.

    ``factor(progress)`` takes the share of steps done, from 0 to below 1, and gives the multiplier.
    """

    name: str
    factor: Callable[[float], float]
    words: str
    aliases: tuple[str, ...] = ()

    def __call__(self, step: int, total: int) -> float:
        """Return the multiplier at a step, counted from 0, of ``total``."""
        return self.factor(min(step / total, 1.0))

    def __str__(self) -> str:
        return self.name


WARM_UP = 0.1
"""Share of the steps over which a warm-up rises from (nearly) 0 to the whole rate."""


def _steps(progress: float) -> float:
    return 0.1 ** int(3 * progress)


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * progress)) / 2


def _warm_up(after: Callable[[float], float]) -> Callable[[float], float]:
    def factor(progress: float) -> float:
        if progress < WARM_UP:
            # never 0: the first step counts too
            return max(progress / WARM_UP, 1e-3)
        return after((progress - WARM_UP) / (1 - WARM_UP))

    return factor


SCHEDULES = Registry(
    "schedule",
    [
        Schedule("constant", lambda _: 1.0, "the same rate throughout"),
        Schedule("step", _steps, "a tenth after each third of the steps"),
        Schedule("cosine", _cosine, "down to 0 along half a cosine (Loshchilov & Hutter 2017)"),
        Schedule("linear", lambda progress: 1 - progress, "straight down to 0"),
        Schedule("warmup", _warm_up(lambda _: 1.0), "up over the first tenth, then constant"),
        Schedule(
            "warmup_cosine", _warm_up(_cosine), "up over the first tenth, then down along half a cosine"
        ),
    ],
)

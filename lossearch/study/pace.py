"""How fast replicates are trained, learned from what was trained, whoever trained it.

A step of many replicates takes ``a + b * replicates`` seconds: ``a`` for the calls, which a GPU hides the
arithmetic behind, ``b`` for the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

OVERHEAD, OVERHEAD_ELSEWHERE = 150.0, 1500.0
"""Replicates whose arithmetic takes as long as the calls of a step, while only one number was trained: on a processor, on others."""
TRUST = 0.02
"""How much that counts beside what was measured: a part of one measured number of replicates."""
HALF_LIFE = 60.0
"""Seconds after which what was measured counts half: others may use the machine too, and workers join."""
MOST_CROWDED = 3.0
"""How much longer the end may take at most for others that use the machine: a process may wait for other things than them."""


class Training(NamedTuple):
    """Replicates that are to be trained as one call, each for so many epochs."""

    replicates: float
    epochs: float


NOTHING = Training(0.0, 0.0)


@dataclass
class Pace:
    """What an epoch of replicates trained together takes.

    Args:
        overhead: replicates whose arithmetic takes as long as the calls of a step, as far as that is known before.
    """

    overhead: float
    most: int = 1
    """The most replicates that were trained together."""
    processes: int = 1
    """How many train at once, whose seconds add up."""
    _measured: dict[int, tuple[float, float]] = field(default_factory=dict)
    """By the number trained together: epochs and seconds."""

    def add(self, together: int, epochs: float, seconds: float) -> None:
        """Note that so many replicates were trained for some epochs, which took some seconds."""
        self.most = max(self.most, together)
        fade = 0.5 ** (seconds / HALF_LIFE / self.processes)
        self._measured = {n: (e * fade, s * fade) for n, (e, s) in self._measured.items()}
        before = self._measured.get(together, (0.0, 0.0))
        self._measured[together] = before[0] + epochs, before[1] + seconds

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return any(seconds > 0 for _, seconds in self._measured.values())

    def seconds(self, work: Training, together: int = 0) -> float:
        """Return what training takes, what is left of chunks of ``together`` or in new ones no larger than those seen.

        0 while nothing was measured.
        """
        if not self.known or work.replicates <= 0:
            return 0.0
        a, b = self._line()
        chunks = work.replicates / together if together else math.ceil(work.replicates / self.most)
        return work.epochs * (a * chunks + b * work.replicates)

    def _line(self) -> tuple[float, float]:
        """Return seconds of an epoch for the calls, and for each replicate beside."""
        import numpy as np
        from scipy.optimize import nnls

        sizes = {n: s / e for n, (e, s) in self._measured.items() if s > 0 and e > 0}
        total = sum(s for _, s in self._measured.values())
        weights = {n: math.sqrt(self._measured[n][1] / total) for n in sizes}
        rows = [[w / sizes[n], w * n / sizes[n]] for n, w in weights.items()]
        seconds = sum(weights[n] ** 2 * of for n, of in sizes.items())
        typical = sum(weights[n] ** 2 * n for n in sizes)
        prior = math.sqrt(TRUST) / seconds * typical / (self.overhead + typical)
        rows.append([prior, -prior * self.overhead])
        (a, b), _ = nnls(np.array(rows), np.array([*weights.values(), 0.0]))
        return float(a), float(b)


@dataclass
class Crowd:
    """How much longer a process takes because others use its processors, by what it gets of them while it trains."""

    clock: Callable[[], float]
    _since: float | None = None
    _seconds: float = 0.0
    _used: float = 0.0

    def add(self, seconds: float) -> None:
        """Note that the process trained for so many seconds, since it did last, or was idle."""
        now = self.clock()
        if self._since is not None:
            fade = 0.5 ** (seconds / HALF_LIFE)
            self._seconds, self._used = self._seconds * fade + seconds, self._used * fade + now - self._since
        self._since = now

    def idle(self) -> None:
        """Note that the process did something else than train."""
        self._since = None

    @property
    def factor(self) -> float:
        """By what its seconds are longer than those of the processor."""
        return min(MOST_CROWDED, max(1.0, self._seconds / self._used)) if self._used > 0 else 1.0

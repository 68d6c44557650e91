"""How long the rest of a study will take, from what its training has taken so far.

A step of many replicates takes ``a + b * replicates`` seconds: ``a`` for the calls, which a GPU hides the
arithmetic behind, ``b`` for the arithmetic. Both are learned from what was trained, whoever trained it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lossearch.study.progress import Listener

OVERHEAD, OVERHEAD_ELSEWHERE = 150.0, 1500.0
"""Replicates whose arithmetic takes as long as the calls of a step, while only one number was trained: on a processor, on others."""
TRUST = 0.02
"""How much that counts beside what was measured: a part of one measured number of replicates."""
HALF_LIFE = 60.0
"""Seconds after which what was measured counts half: others may use the machine too, and workers join."""
RECORDED_SECONDS, RECORDED_TRIALS = 0.01, 10
"""What writing a trial down takes, and how many measured ones that counts as."""
TOLD_SECONDS = 0.25
"""How often a listener is told, at most."""


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
    _measured: dict[int, tuple[float, float]] = field(default_factory=dict)
    """By the number trained together: epochs and seconds."""

    def add(self, together: int, epochs: float, seconds: float) -> None:
        """Note that so many replicates were trained for some epochs, which took some seconds."""
        self.most = max(self.most, together)
        fade = 0.5 ** (seconds / HALF_LIFE)
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
class TimeLeft:
    """Tells a listener how long the rest of a study will take, as it is trained, confirmed and closed.

    The first thing trained is not measured: what is done once (imports, compiling, a device that wakes up) is in it.

    Args:
        listener: is told.
        overhead: see :class:`Pace`.
        seeds: replicates of a trial.
        closing: seconds that follow the confirmation.
        deadline: when the search ends, by ``clock``, whatever is left of it.
    """

    listener: Listener = field(default_factory=Listener)
    overhead: float = OVERHEAD
    seeds: int = 1
    closing: float = 0.0
    deadline: float | None = None
    clock: Callable[[], float] = time.monotonic
    confirmation: Callable[[], Training] = lambda: NOTHING
    """What is to be confirmed, as far as that is known."""
    pace: Pace = field(init=False)
    _now: Training = NOTHING
    _together: int = 0
    """How many replicates are trained together now, 0 before that has begun."""
    _ahead: Sequence[Training] = ()
    _trials: int = 0
    _recorded: tuple[int, float] = (0, 0.0)
    _confirming: bool = False
    _last: float | None = None
    _told: float = -math.inf

    def __post_init__(self) -> None:
        self.pace = Pace(self.overhead)

    def search(self, ahead: Sequence[Training]) -> None:
        """Take what the search has still to train: its next round, and those that follow."""
        now, *rest = ahead or [NOTHING]
        self._now, self._ahead, self._together = now, rest, 0
        self._trials = round(sum(part.replicates for part in ahead)) // self.seeds

    def confirm(self, work: Training) -> None:
        """Take what the confirmation has to train; the search is over."""
        self._confirming, self._now, self._ahead, self._trials = True, work, (), 0
        self._together = 0
        self._tell()

    def trained(self, together: int, epochs: float) -> None:
        """Note that replicates were trained together for some epochs, or a part of one, since the last time."""
        now = self.clock()
        if self._last is not None:
            self.pace.add(together, epochs, now - self._last)
        self._last, self._together = now, together
        left = self._now.replicates - together * epochs / max(self._now.epochs, epochs)
        self._now = self._now._replace(replicates=max(0.0, left))
        self._tell()

    def recorded(self, seconds: float) -> None:
        """Note that a trial was written down, which took so long."""
        trials, spent = self._recorded
        self._recorded = trials + 1, spent + seconds
        self._trials = max(0, self._trials - 1)
        if self._last is not None:
            self._last += seconds

    def close(self) -> None:
        """Note that all is trained."""
        self._confirming, self._now, self._ahead, self._trials = True, NOTHING, (), 0
        self._tell()

    @property
    def training_seconds(self) -> float:
        """What is left of what is trained now; 0 while nothing was measured."""
        return self.pace.seconds(self._now, self._together)

    @property
    def seconds(self) -> float | None:
        """What is left, in seconds; None while nothing was measured."""
        if not self.pace.known:
            return None
        trials, spent = self._recorded
        a_trial = (spent + RECORDED_TRIALS * RECORDED_SECONDS) / (trials + RECORDED_TRIALS)
        training = self.training_seconds + sum(map(self.pace.seconds, self._ahead))
        search = training + self._trials * a_trial
        if self.deadline is not None and not self._confirming:
            search = min(search, max(0.0, self.deadline - self.clock()))
        after = 0.0 if self._confirming else self.pace.seconds(self.confirmation())
        return search + after + self.closing

    def _tell(self) -> None:
        now = self.clock()
        if now - self._told < TOLD_SECONDS or (left := self.seconds) is None:
            return
        self._told = now
        self.listener.time_left(left)

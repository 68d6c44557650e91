"""What a study will take, estimated from a few epochs of its first trials: time, memory, disk."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lossearch.study.plan import Plan
from lossearch.training.batches import batch_sizes
from lossearch.training.contract import SCORED_EPOCHS, Replicate, TrainingMethod
from lossearch.training.population.chunks import Chunk
from lossearch.training.population.method import Populations
from lossearch.training.workers.group import START_UP_SECONDS

PROBE_SECONDS = 2.0
"""Seconds of training by which the time of a study is estimated."""


class _Clock:
    """Notes when each step was done, and says stop after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times: list[float] = []

    def __call__(self) -> bool:
        self.times.append(time.perf_counter())
        return self.times[-1] - self.times[0] > self.seconds

    def costs(self, steps: int) -> tuple[float, float]:
        """Return seconds a step, and seconds an epoch for everything between its steps."""
        gaps = [b - a for a, b in pairwise(self.times)]
        within = [g for i, g in enumerate(gaps, start=1) if i % steps] or gaps
        between = [g for i, g in enumerate(gaps, start=1) if not i % steps]
        step = statistics.median(within) if within else 0.0
        return step, max(statistics.median(between) - step, 0.0) if between else 0.0


@dataclass(frozen=True)
class Cost:
    """What a study is estimated to take.

    Args:
        replicates: how many are trained in the search.
        seconds: of training them, by the clock.
        disk: bytes of records.
        together: how many replicates are trained as one, in each process.
        processes: how many train at once.
        memory: bytes that training takes in each process; None where that is not known.
    """

    replicates: int
    seconds: float
    disk: int
    together: int
    processes: int
    memory: int | None


def estimate_cost(plan: Plan, method: TrainingMethod, workers: int) -> Cost:
    """Return what a whole study takes."""
    n = plan.total * len(plan.budget.seeds)
    first = plan.schedule.next_round({})
    replicates = [Replicate(item.point, seed) for item in first for seed in plan.budget.seeds]
    parts: list[Chunk] = []
    memory = None
    if isinstance(method, Populations):
        parts = method.parts(plan.task, plan.space, replicates, plan.settings)
        memory = method.memory(plan.task, plan.space, parts[0])
    probe = parts[0].replicates if parts else replicates[:1]
    alone = n / len(probe) * _seconds(plan, method, probe, whole=not parts)
    processes = _processes(alone, workers, len(parts) or n)
    seconds = alone if processes == 1 else START_UP_SECONDS + (alone - START_UP_SECONDS) / processes
    curves = 3 + len(plan.task.metrics)
    disk = n * plan.settings.epochs * curves * 6 + plan.total * 20_000
    return Cost(n, seconds, disk, len(probe), processes, memory)


def _seconds(plan: Plan, method: TrainingMethod, probe: Sequence[Replicate], *, whole: bool) -> float:
    """Return the seconds of training these together; ``whole``: with every metric at every epoch."""
    clock = _Clock(PROBE_SECONDS)
    list(method(plan.task, plan.space, probe, plan.settings, stop=clock))
    settings = plan.settings
    rows = plan.task.fold(plan.budget.seeds[0]).train_rows
    steps = len(batch_sizes(rows, int(settings.batch_size)))
    step, scoring = clock.costs(steps)
    scored = settings.epochs if whole else min(settings.epochs, SCORED_EPOCHS)
    return settings.epochs * steps * step + scored * scoring


def _processes(seconds: float, workers: int, parts: int) -> int:
    """Return how many processes will train what takes one of them so many seconds."""
    most = min(workers, parts)
    return most if seconds * (1 - 1 / most) > START_UP_SECONDS else 1

"""How fast a round is trained, and how long the rest will take."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean

from lossearch.tasks.task import Task
from lossearch.training.batches import batch_sizes
from lossearch.training.population.chunks import Chunk

KNOWN_SECONDS = 1.0
"""Seconds of training by which the time of what is left can be estimated."""


def mean_epochs(part: Chunk) -> float:
    """Return how many epochs the replicates of a chunk are trained for, on average."""
    return fmean(c.until or int(part.settings.epochs) for c in part.configurations)


@dataclass
class Throughput:
    """Counts what this process has trained, and by when, of ``left`` replicates that others may train too."""

    left: float
    spent: float = 0.0
    trained: float = 0.0
    epochs_a_step: float = 0.0
    """What part of an epoch a step of the chunk under way is."""
    _begun: float | None = None
    _under_way: float = 0.0
    _a_step: float = 0.0
    """Of the chunk under way: when it was begun, how many of its replicates are done, and how many a step does."""

    def begin(self, task: Task, part: Chunk) -> None:
        """Note that a chunk is begun."""
        settings = part.settings
        rows = task.fold(part.seeds[0]).train_rows
        steps = len(batch_sizes(rows, int(settings.batch_size)))
        self.epochs_a_step = 1 / steps
        self._a_step = len(part) / (mean_epochs(part) * steps)
        self._begun, self._under_way = time.perf_counter(), 0.0

    def step(self) -> None:
        """Note a step of the chunk."""
        self._under_way += self._a_step

    def done(self, replicates: int) -> None:
        """Note that the chunk has given the results of so many replicates."""
        self.spent += 0.0 if self._begun is None else time.perf_counter() - self._begun
        self.trained += replicates
        self.left -= replicates
        self._begun, self._under_way = None, 0.0

    def seconds_left(self) -> float:
        """Return the seconds that what is left will take this process alone; 0 while that is not known."""
        spent = self.spent + (0.0 if self._begun is None else time.perf_counter() - self._begun)
        trained = self.trained + self._under_way
        known = spent >= KNOWN_SECONDS and trained > 0
        return max(0.0, (self.left - self._under_way) * spent / trained) if known else 0.0

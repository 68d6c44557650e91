"""How fast a round is trained, and how long the rest will take."""

from __future__ import annotations

import time
from dataclasses import dataclass

from lossearch.tasks.task import Task
from lossearch.training.batches import batch_sizes
from lossearch.training.population.chunks import Chunk

KNOWN_SECONDS = 1.0
"""Seconds of training by which the time of what is left can be estimated."""


@dataclass
class Throughput:
    """Counts what this process has trained of a round of ``left`` replicates, and by when."""

    left: int
    spent: float = 0.0
    trained: float = 0.0
    _begun: float | None = None
    _steps: int = 0
    _of: int = 1
    _replicates: int = 0

    def begin(self, task: Task, part: Chunk) -> None:
        """Note that a chunk is begun."""
        rows = task.fold(part.seeds[0]).train_rows
        epochs = sum(c.until or int(part.settings.epochs) for c in part.configurations) / len(
            part.configurations
        )
        self._of = max(1, round(epochs * len(batch_sizes(rows, int(part.settings.batch_size)))))
        self._begun, self._steps, self._replicates = time.perf_counter(), 0, len(part)

    def step(self) -> None:
        """Note a step of the chunk."""
        self._steps += 1

    def done(self, replicates: int) -> None:
        """Note that the chunk has given the results of so many replicates."""
        if self._begun is not None:
            self.spent += time.perf_counter() - self._begun
        self.trained += replicates
        self.left -= replicates
        self._begun = None

    def by_others(self, replicates: int) -> None:
        """Note that others have trained so many."""
        self.left -= replicates

    def seconds_left(self, study: int) -> float:
        """Return the seconds that what is left will take this process alone; 0 while that is not known.

        ``study`` is how many replicates the study has left, where that is more than the round.
        """
        spent, trained = self.spent, self.trained
        if self._begun is not None:
            spent += time.perf_counter() - self._begun
            trained += self._replicates * min(1.0, self._steps / self._of)
        if spent < KNOWN_SECONDS or not trained:
            return 0.0
        left = max(self.left, study) - (trained - self.trained)
        return max(0.0, left * spent / trained)

"""Who trains what, written down while it is so."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lossearch._json import write_json
from lossearch.training.workers.worker import Job

SECONDS = 1.0
"""How often it is written at most."""


@dataclass(frozen=True)
class Assigned:
    """A job and who has it, ``since`` in seconds since 1970."""

    worker: str
    pairs: tuple[str, ...]
    replicates: int
    since: float

    @classmethod
    def of(cls, worker: str, job: Job) -> Assigned:
        """Return a job that a worker is given now."""
        return cls(worker, job.pairs, job.replicates, time.time())


@dataclass
class Roster:
    """The list of who has what, in a file that other processes read; in none where ``path`` is None."""

    engine: str
    path: Path | None = None
    done: int = 0
    """Jobs that have ended."""
    _next: float = field(default=0.0, repr=False)

    def write(self, assigned: Iterable[Assigned], *, at_once: bool = False) -> None:
        """Write the list, where it was not written within the last second."""
        if (
            self.path is None
            or not self.path.parent.is_dir()
            or (time.monotonic() < self._next and not at_once)
        ):
            return
        self._next = time.monotonic() + SECONDS
        found = {"engine": self.engine, "done": self.done, "at": time.time(), "assigned": [*assigned]}
        write_json(self.path, found)

    def close(self) -> None:
        """Remove the list."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

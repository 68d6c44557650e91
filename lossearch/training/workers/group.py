"""The worker processes of a study.

A worker needs about 5 s and 500 MB before its first replicate, nearly all of it imports. So workers
are started only once the rest of the work is seen to be worth it, and kept for what comes after it.
"""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Self

from lossearch.tasks.task import Task
from lossearch.training.workers.executor import JobEnd, WorkersUnavailableError, packed
from lossearch.training.workers.process import Worker
from lossearch.training.workers.roster import Roster
from lossearch.training.workers.worker import Job, MakeTask

START_UP_SECONDS = 6.0
"""What starting workers costs before they train anything."""
_POLL_SECONDS = 0.1


def _end_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().end()


class WorkerGroup:
    """Processes that train beside this one; implements ``executor.Executor``. They live until :meth:`close`.

    Where processes cannot be used (a loss, network or data defined in the script itself, another
    operating system) ``note`` is told why, once, and from then on nothing is asked of them.

    Args:
        make_task: makes the task again in a worker.
        workers: how many processes may train at once; all cores by default.
        gpus: what each worker in turn is to see; none where all see what this process sees.
        note: takes one line for the user.
        start_up: seconds that must be saved for workers to be started; 0 starts them at once.
        roster: where it is written who trains what.
    """

    def __init__(
        self,
        make_task: MakeTask,
        *,
        workers: int | None = None,
        gpus: Sequence[str] = (),
        note: Callable[[str], None] = lambda _: None,
        start_up: float = START_UP_SECONDS,
        roster: Path | None = None,
    ) -> None:
        self.make_task = make_task
        self.trains_here = True
        self.size = workers or cores()
        self.gpus = tuple(gpus)
        self.note = note
        self.start_up = start_up
        self.workers: list[Worker] = []
        self.roster = Roster("processes of this machine", roster)
        self._unusable = "" if self.size > 1 else "one worker asked for"
        self._sendable = False
        weakref.finalize(self, _end_all, self.workers)

    def close(self) -> None:
        """End the workers; they can be started again."""
        _end_all(self.workers)
        self.roster.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def usable(self) -> bool:
        """Whether workers can be used as far as is known."""
        return not self._unusable

    @property
    def busy(self) -> list[Worker]:
        """Workers that have something to do."""
        return [w for w in self.workers if w.job is not None]

    @property
    def started(self) -> int:
        """How many workers there are."""
        return len(self.workers)

    @property
    def idle(self) -> list[Worker]:
        """Workers that are ready for more."""
        return [w for w in self.workers if w.ready and w.job is None]

    def disable(self, reason: str) -> None:
        """End the workers for good, and say why."""
        self.close()
        if self.usable:
            self.note(f"Training in one process: {reason}.")
        self._unusable = reason

    def check(self) -> None:
        """Raise WorkersUnavailableError where workers could not train this task."""
        if self._unusable:
            raise WorkersUnavailableError(self._unusable)
        if os.name != "posix":
            raise WorkersUnavailableError("workers need a POSIX system")
        if self._sendable:
            return
        packed(self.make_task)
        self._sendable = True

    def start(self, count: int) -> None:
        """Start workers until there are so many. They make the task while this process goes on."""
        for _ in range(min(self.size, count) - len(self.workers)):
            self.workers.append(Worker.start(self._least_used()))

    def _least_used(self) -> str | None:
        """Return the GPU on which fewest workers train."""
        used = Counter(w.gpu for w in self.workers)
        return min(self.gpus, key=lambda gpu: used[gpu], default=None)

    def assign(self, jobs: Iterator[tuple[int, Job]]) -> None:
        """Give every idle worker its next job."""
        for worker, (number, job) in zip(self.idle, jobs, strict=False):
            worker.assign(number, job)
        self.roster.write(w.assigned for w in self.workers if w.assigned is not None)

    def receive(self, task: Task, seconds: float = _POLL_SECONDS) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds.

        Raises:
            WorkersUnavailableError: one cannot make the task, or died before it had, or can take no job.
        """
        readable = wait([w.connection for w in self.workers], timeout=seconds)
        for worker in [w for w in self.workers if w.connection in readable]:
            job, response = worker.job, worker.receive()
            if response is None:
                death = worker.exit_reason()
                self.end([worker])
                if not worker.ready:
                    raise WorkersUnavailableError(f"a worker {death} before it could train")
                if job is not None:
                    yield JobEnd(job, None, death)
            elif job is None:
                worker.set_up(response, self.make_task, task)
            elif response.unable:
                raise WorkersUnavailableError(response.unable)
            else:
                self.roster.done += 1
                yield JobEnd(job, response)

    def abandon(self) -> None:
        """End the workers that have something to do."""
        self.end(self.busy)

    def end(self, workers: Iterable[Worker]) -> None:
        """End these workers, whatever they do."""
        for worker in list(workers):
            worker.end()
            self.workers.remove(worker)


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

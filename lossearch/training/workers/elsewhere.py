"""Jobs trained by an engine of other machines, and not by this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from lossearch._options import option
from lossearch.errors import RunFailedError
from lossearch.tasks.task import Task
from lossearch.training.workers.executor import JobEnd, WorkersUnavailableError, packed
from lossearch.training.workers.roster import Assigned, Roster
from lossearch.training.workers.shipment import Shipment
from lossearch.training.workers.worker import Job, MakeTask


class Elsewhere(ABC):
    """What engines share; implements ``executor.Executor``.

    Args:
        make_task: makes the task again where it is trained.
        size: jobs that are given to the engine at once.
        roster: where it is written who trains what.
    """

    name: str

    def __init__(self, make_task: MakeTask, size: int, roster: Path | None = None) -> None:
        self.make_task, self.size = make_task, size
        self.trains_here, self.start_up = False, 0.0
        self.started = 0
        self.usable = True
        self.waiting: list[tuple[int, Job]] = []
        self.made_by = b""
        """How the task is made, as it travels; empty until that is asked."""
        self.roster = Roster(self.name, roster)
        self.assigned: dict[int, Assigned] = {}

    @property
    def busy(self) -> Sequence[int]:
        """The numbers of the jobs that the engine has."""
        return [*self.assigned]

    @abstractmethod
    def submit(self, number: int, shipment: Shipment, job: Job) -> str:
        """Give a job to the engine; return what that calls it."""

    @abstractmethod
    def ended(self, seconds: float) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds."""

    @abstractmethod
    def cancel(self) -> None:
        """End all jobs that the engine has."""

    @abstractmethod
    def close(self) -> None:
        """Leave the engine as it was."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self.roster.close()

    def check(self) -> None:
        """Raise WorkersUnavailableError where the task cannot be sent."""
        self.made_by = self.made_by or packed(self.make_task)

    def start(self, count: int) -> None:  # noqa: ARG002 - engines start what they need by themselves
        """Be ready for as many jobs as there may be."""
        self.started = self.size

    def assign(self, jobs: Iterator[tuple[int, Job]]) -> None:
        """Take as many jobs as the engine is to have at once; they are sent when it is next heard."""
        free = range(self.started - len(self.busy) - len(self.waiting))
        self.waiting += [job for _, job in zip(free, jobs, strict=False)]

    def receive(self, task: Task, seconds: float = 0.1) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds."""
        while self.waiting:
            number, job = self.waiting.pop(0)
            shipment = Shipment(task.digest, self.made_by)
            self.assigned[number] = Assigned.of(self.submit(number, shipment, job), job)
        self.roster.write(self.assigned.values())
        for end in self.ended(seconds):
            self.assigned.pop(end.job, None)
            self.roster.done += 1
            if end.response is not None and end.response.unable:
                raise WorkersUnavailableError(end.response.unable)
            yield end

    def abandon(self) -> None:
        """Take back all jobs."""
        self.cancel()
        self.assigned.clear()
        self.waiting.clear()

    def disable(self, reason: str) -> None:
        """Say that nothing can be trained: this process was not asked to.

        Raises:
            RunFailedError: always.
        """
        self.abandon()
        raise RunFailedError(
            f"Nothing can be trained on {self.name}: {reason}. What was done before is kept; the same call goes on "
            f"from there, with {option('on', 'local')} in processes of this machine."
        )


def last_line(error: BaseException) -> str:
    """Return the last line of what an engine says, which has the cause."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]

"""What trains chunks of a study for the process that runs it: local processes, Ray or SLURM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple, Protocol, Self

from lossearch.losses import Loss, losses_for, reference_of
from lossearch.pairs import Pair, find_pair
from lossearch.tasks.task import Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult
from lossearch.training.workers.worker import Job, MakeTask, Response


class WorkersUnavailableError(Exception):
    """Workers cannot do this; the message says why."""


class JobEnd(NamedTuple):
    """How a job ended: with a response, or with None and how its process died."""

    job: int
    response: Response | None
    death: str = ""


class Executor(Protocol):
    """Trains jobs elsewhere. What a job gives depends on nothing but the job, whoever trains it.

    ``size`` is how many jobs it trains at once, ``trains_here`` whether the calling process is one of them, and
    ``start_up`` the seconds that must be saved for it to be started; 0 starts it at once.
    """

    size: int
    trains_here: bool
    start_up: float

    @property
    def usable(self) -> bool:
        """Whether it can be used as far as is known."""
        ...

    @property
    def busy(self) -> Sequence[Any]:
        """What is being trained."""
        ...

    @property
    def started(self) -> int:
        """How many jobs it could train at once now."""
        ...

    def __enter__(self) -> Self:
        """Live until the end of what follows."""
        ...

    def __exit__(self, *error: object) -> None:
        """End what was started."""
        ...

    def check(self) -> None:
        """Raise WorkersUnavailableError where it could not train this task."""
        ...

    def start(self, count: int) -> None:
        """Be ready for so many jobs at once, or for ``size``."""
        ...

    def assign(self, jobs: Iterator[tuple[int, Job]]) -> None:
        """Take as many jobs, with their numbers, as it is ready for."""
        ...

    def receive(self, task: Task, seconds: float = 0.1) -> Iterator[JobEnd]:
        """Give the jobs that end within so many seconds.

        Raises:
            WorkersUnavailableError: it can train no job of this task.
        """
        ...

    def abandon(self) -> None:
        """End all jobs that are being trained."""
        ...

    def disable(self, reason: str) -> None:
        """Train nothing any more, and say why.

        Raises:
            RunFailedError: it was asked for, and nothing stands in for it.
        """
        ...


def packed(make_task: MakeTask) -> bytes:
    """Return how a task is made, as it travels to another process.

    Raises:
        WorkersUnavailableError: it cannot.
    """
    try:
        sent = bytes(ForkingPickler.dumps(make_task))
    except Exception as error:
        raise WorkersUnavailableError(
            f"the data or network cannot be sent to another process ({error})"
        ) from error
    if b"__main__" in sent:
        raise WorkersUnavailableError(
            "the data or network is defined in the script itself; move it to a module of its own"
        )
    return sent


def failed(replicate: Replicate, reason: str) -> ReplicateResult:
    """Return the result of a replicate whose processes died."""
    return ReplicateResult(replicate, Outcome.FAILED, {}, 0.0, reason=reason, error=reason)


def references(pairs: Iterable[Pair], task: Task) -> tuple[str, ...]:
    """Return ``module:name`` of each of these pairs' losses that is the user's own.

    Raises:
        WorkersUnavailableError: one cannot be found again by another process.
    """
    found = {}
    for pair in pairs:
        reference = _reference(pair.loss, task.kind)
        own = {} if reference is None else {pair.loss.name: pair.loss}
        if find_pair(pair.name, task.kind, task.facts, own) != pair:
            raise WorkersUnavailableError(f"{pair.name} is not the pair of that name in the catalogue")
        if reference is not None:
            found[pair.loss.name] = reference
    return tuple(found.values())


def _reference(loss: Loss, kind: str) -> str | None:
    """Return ``module:name`` of a user's own loss, None for one of the catalogue."""
    if losses_for(kind).get(loss.name) is loss:
        return None
    reference = reference_of(loss)
    if reference is None:
        raise WorkersUnavailableError(
            f"loss {loss.name} is not a function of an importable module; move it to one"
        )
    return reference

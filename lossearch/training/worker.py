"""A process that trains replicates for a pool in another process.

Started as ``python -c``, not by the start methods of multiprocessing: those run the caller's main
script again in every worker.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossearch.losses import Loss
    from lossearch.tasks import Task
    from lossearch.training.contract import Replicate, ReplicateResult, TrainSettings


@dataclass(frozen=True)
class Recipe:
    """How to make a task again in another process.

    ``make`` is a function of a module, or a ``functools.partial`` of one with plain arguments.
    """

    make: Callable[[], Task]


@dataclass(frozen=True)
class Job:
    """One replicate as plain values. ``losses`` are the user's own, as ``module:name``."""

    point: Mapping[str, Any]
    seed: int
    settings: TrainSettings
    losses: Sequence[str]
    random: bool
    keep_weights: bool
    threads: int | None


@dataclass(frozen=True)
class Answer:
    """What a worker says of a job: its result (weights as arrays), or why it cannot take any."""

    result: ReplicateResult | None = None
    weights: Mapping[str, NDArray[Any]] | None = None
    digest: str = ""
    cannot: str = ""


def find_loss(reference: str) -> Loss:
    """Return the loss at ``module:name``."""
    module, _, name = reference.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # checked where the reference is made


def restored(job: Job, task: Task) -> Replicate:
    """Return the replicate a job describes, with its pair."""
    from lossearch.losses import losses_for
    from lossearch.pairs import find_pair
    from lossearch.space import Point
    from lossearch.training.contract import Replicate

    own = {loss.name: loss for loss in map(find_loss, job.losses)}
    name = job.point["pair"]
    table = own if name.partition("/")[0] in own else losses_for(task.kind)
    return Replicate(Point.from_json(job.point, find_pair(name, task.kind, task.facts, table)), job.seed)


def run(job: Job, task: Task) -> Answer:
    """Train a job's replicate."""
    from lossearch.space import Space
    from lossearch.training.plain import Assignment, train_one

    replicate = restored(job, task)
    point, pair = replicate.point, replicate.point.definition
    assert pair is not None  # noqa: S101 - restored() found it
    space = Space(task.kind, (pair,), (point.lr, point.lr))
    never = Assignment(task, space, replicate, job.settings, job.random, lambda: False, job.keep_weights)
    result = train_one(never, job.threads)
    assert result is not None  # noqa: S101 - it was never told to stop
    weights = None if result.weights is None else {k: v.numpy() for k, v in result.weights.items()}
    bare = replace(replicate, point=replace(point, definition=None))
    return Answer(replace(result, replicate=bare, weights=None), weights)


def _die_with_parent() -> None:
    """Leave at once when the parent's end of standard input closes, however the parent went."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _open(connection: Connection) -> Task:
    recipe: Recipe = connection.recv()
    task = recipe.make()
    connection.send(Answer(digest=task.digest))
    return task


def main(descriptor: int) -> None:
    """Make the task, then train jobs as they come until the connection closes."""
    _die_with_parent()
    connection = Connection(descriptor)
    try:
        task = _open(connection)
        while True:
            job = connection.recv()
            connection.send(run(job, task))
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001 - told to the parent, which then trains by itself
        connection.send(Answer(cannot=f"{type(error).__name__}: {error}"))

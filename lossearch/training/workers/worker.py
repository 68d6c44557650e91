"""A process that trains replicates for a pool in another process.

Started as ``python -c``, not by the start methods of multiprocessing: those run the caller's main
script again in every worker.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossearch.losses import Loss
    from lossearch.space import Point, Space
    from lossearch.tasks.task import Task
    from lossearch.training.contract import Prune, Replicate, ReplicateResult, TrainSettings


@dataclass(frozen=True)
class Recipe:
    """How to make a task again in another process.

    ``make`` is a function of a module, or a ``functools.partial`` of one with plain arguments.
    """

    make: Callable[[], Task]


@dataclass(frozen=True)
class Answer:
    """What a worker says of its work: results, or what was raised, or why it cannot take any.

    Weights travel apart, as arrays.
    """

    results: Sequence[ReplicateResult] = ()
    weights: Sequence[Mapping[str, NDArray[Any]] | None] = ()
    error: str = ""
    memory: bool = False
    digest: str = ""
    cannot: str = ""

    @classmethod
    def of(cls, results: Iterable[ReplicateResult]) -> Answer:
        """Return results as they travel: without what the other side has already."""
        found = list(results)
        weights = [None if r.weights is None else {k: v.numpy() for k, v in r.weights.items()} for r in found]
        return cls([replace(r, replicate=_bare(r.replicate), weights=None) for r in found], weights)

    def restored(self, replicates: Iterable[Replicate]) -> list[ReplicateResult]:
        """Return the results of these replicates, as they were before they travelled."""
        import torch

        every = zip(self.results, self.weights, replicates, strict=True)
        return [
            replace(
                result,
                replicate=replicate,
                weights=None if arrays is None else {k: torch.from_numpy(v) for k, v in arrays.items()},
            )
            for result, arrays, replicate in every
        ]


def _bare(replicate: Replicate) -> Replicate:
    return replace(replicate, point=replace(replicate.point, definition=None))


class Work(Protocol):
    """What a worker can be given to do, as plain values."""

    def answer(self, task: Task) -> Answer:
        """Do it."""
        ...


@dataclass(frozen=True)
class Terms:
    """How a worker is to train. ``losses`` are the user's own, as ``module:name``."""

    settings: TrainSettings
    losses: Sequence[str]
    random: bool
    keep_weights: bool
    threads: int | None

    def under(self, settings: TrainSettings) -> Terms:
        """Return the same under other settings."""
        return replace(self, settings=settings)

    def point(self, values: Mapping[str, Any], task: Task) -> Point:
        """Return a point from its plain values, with its pair."""
        from lossearch.losses import losses_for
        from lossearch.pairs import find_pair
        from lossearch.space import Point

        own = {loss.name: loss for loss in map(find_loss, self.losses)}
        name = values["pair"]
        table = own if name.partition("/")[0] in own else losses_for(task.kind)
        return Point.from_json(values, find_pair(name, task.kind, task.facts, table))


@dataclass(frozen=True)
class Job:
    """One replicate, trained alone."""

    point: Mapping[str, Any]
    seed: int
    until: int | None
    terms: Terms

    def answer(self, task: Task) -> Answer:
        """Train it."""
        from lossearch.training.contract import Replicate
        from lossearch.training.plain.train import Assignment, train_one

        terms = self.terms
        replicate = Replicate(terms.point(self.point, task), self.seed, self.until)
        never = Assignment(
            task,
            _space_of(task, [replicate.point]),
            replicate,
            terms.settings,
            terms.random,
            lambda: False,
            terms.keep_weights,
        )
        result = train_one(never, terms.threads)
        assert result is not None  # noqa: S101 - it was never told to stop
        return Answer.of([result])


@dataclass(frozen=True)
class ChunkJob:
    """Replicates trained together: points and the epochs they are trained until, under all seeds."""

    arms: Sequence[tuple[Mapping[str, Any], int | None]]
    seeds: Sequence[int]
    terms: Terms
    prune: Prune | None
    block: int | None

    def answer(self, task: Task) -> Answer:
        """Train them; what is raised is told, for the other side to decide."""
        from lossearch.training.plain.train import free_memory, out_of_memory
        from lossearch.training.population.batchable_losses import first_sentence
        from lossearch.training.population.chunks import Chunk
        from lossearch.training.population.results import Arm
        from lossearch.training.population.train_chunk import Run

        terms = self.terms
        arms = tuple(Arm(terms.point(values, task), until) for values, until in self.arms)
        chunk = Chunk(arms, tuple(self.seeds), terms.settings)
        run = Run(
            task,
            _space_of(task, [a.point for a in arms]),
            terms.random,
            lambda: False,
            terms.keep_weights,
            self.prune,
            terms.threads,
        )
        try:
            found = run.together(chunk, self.block)
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises, its parts are tried
            free_memory()
            why = f"{type(error).__name__}: {first_sentence(error)}"
            return Answer(error=why, memory=out_of_memory(error))
        assert found is not None  # noqa: S101 - it was never told to stop
        return Answer.of(found[r] for r in chunk.replicates)


def _space_of(task: Task, points: Iterable[Point]) -> Space:
    """Return the space of some points, as far as training reads it."""
    from lossearch.space import Space

    known = {p.pair: p for p in points}
    pairs = tuple(p.definition for p in known.values() if p.definition is not None)
    rate = next(iter(known.values())).lr
    return Space(task.kind, pairs, (rate, rate))


def find_loss(reference: str) -> Loss:
    """Return the loss at ``module:name``."""
    module, _, name = reference.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # checked where the reference is made


def _die_with_parent() -> None:
    """Leave at once when the parent's end of standard input closes, however the parent went."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _open(connection: Connection) -> Task:
    # a first word, so that what is long to send is sent to one who listens
    connection.send(Answer())
    recipe: Recipe = connection.recv()
    task = recipe.make()
    # what takes long to import, before it says that it is ready
    import_module("lossearch.training.population")
    connection.send(Answer(digest=task.digest))
    return task


def main(descriptor: int) -> None:
    """Make the task, then train jobs as they come until the connection closes."""
    _die_with_parent()
    connection = Connection(descriptor)
    try:
        task = _open(connection)
        while True:
            job: Work = connection.recv()
            connection.send(job.answer(task))
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001 - told to the parent, which then trains by itself
        connection.send(Answer(cannot=f"{type(error).__name__}: {error}"))

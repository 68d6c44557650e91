"""A process that trains replicates for another process.

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
from multiprocessing import current_process
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossearch.space import Point
    from lossearch.tasks.task import Task
    from lossearch.training.contract import Prune, Replicate, ReplicateResult, TrainingCall, TrainSettings

MakeTask = Callable[[], "Task"]
"""Makes a task again in another process: a function of a module, or a ``functools.partial`` of one with plain
arguments."""


@dataclass(frozen=True)
class Response:
    """What a worker sends back: results, or what was raised, or why it cannot take any job.

    Weights travel apart, as arrays.
    """

    results: Sequence[ReplicateResult] = ()
    weights: Sequence[Mapping[str, NDArray[Any]] | None] = ()
    error: str = ""
    out_of_memory: bool = False
    digest: str = ""
    unable: str = ""

    @property
    def seconds(self) -> float:
        """What training took."""
        return sum(result.seconds for result in self.results)

    @classmethod
    def of(cls, results: Iterable[ReplicateResult]) -> Response:
        """Return results as they travel: without what the other side has already."""
        found = list(results)
        weights = [None if r.weights is None else {k: v.numpy() for k, v in r.weights.items()} for r in found]
        bare = [replace(r.replicate, point=replace(r.replicate.point, definition=None)) for r in found]
        return cls([replace(r, replicate=b, weights=None) for r, b in zip(found, bare, strict=True)], weights)

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


@dataclass(frozen=True)
class JobSettings:
    """How a worker is to train. ``losses`` are the user's own, as ``module:name``."""

    settings: TrainSettings
    losses: Sequence[str]
    random: bool
    keep_weights: bool
    threads: int | None

    def point(self, values: Mapping[str, Any], task: Task) -> Point:
        """Return a point from its plain values, with its pair."""
        from lossearch.losses import own_loss
        from lossearch.pairs import find_pair
        from lossearch.space import Point

        own = {loss.name: loss for loss in (own_loss(name, task.kind) for name in self.losses)}
        return Point.from_json(values, find_pair(values["pair"], task.kind, task.facts, own))

    def call(self, task: Task, points: Sequence[Point], prune: Prune | None = None) -> TrainingCall:
        """Return the call that trains these points, with a space as far as training reads it."""
        from lossearch.space import Space
        from lossearch.training.contract import TrainingCall

        known = {p.pair: p.definition for p in points}
        pairs = tuple(pair for pair in known.values() if pair is not None)
        space = Space(task.kind, pairs, (points[0].lr, points[0].lr))
        return TrainingCall(
            task, space, self.random, keep_weights=self.keep_weights, prune=prune, threads=self.threads
        )


@dataclass(frozen=True)
class ReplicateJob:
    """One replicate, trained alone."""

    point: Mapping[str, Any]
    seed: int
    until: int | None
    how: JobSettings

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pair that is trained."""
        return (self.point["pair"],)

    @property
    def replicates(self) -> int:
        """How many are trained."""
        return 1

    def run(self, task: Task) -> Response:
        """Train it."""
        from lossearch.training.contract import Replicate
        from lossearch.training.plain.train import train_one

        replicate = Replicate(self.how.point(self.point, task), self.seed, self.until)
        result = train_one(self.how.call(task, [replicate.point]), replicate, self.how.settings)
        assert result is not None  # noqa: S101 - it was never told to stop
        return Response.of([result])


@dataclass(frozen=True)
class ChunkJob:
    """Replicates trained together: points and the epochs they are trained until, under all seeds.

    ``singly`` trains them one by one all the same.
    """

    configurations: Sequence[tuple[Mapping[str, Any], int | None]]
    seeds: Sequence[int]
    how: JobSettings
    prune: Prune | None
    block: int | None
    singly: bool = False

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs that are trained."""
        return tuple(dict.fromkeys(values["pair"] for values, _ in self.configurations))

    @property
    def replicates(self) -> int:
        """How many are trained."""
        return len(self.configurations) * len(self.seeds)

    def run(self, task: Task) -> Response:
        """Train them; what is raised is told, for the other side to decide."""
        from lossearch.training.population.chunks import Chunk, Configuration
        from lossearch.training.population.train_chunk import train_one_by_one, train_together
        from lossearch.training.trainer import first_sentence, free_memory, out_of_memory

        points = [self.how.point(values, task) for values, _ in self.configurations]
        ends = (until for _, until in self.configurations)
        configurations = tuple(map(Configuration, points, ends))
        chunk = Chunk(configurations, tuple(self.seeds), self.how.settings)
        call = self.how.call(task, points, self.prune)
        try:
            found = train_one_by_one(call, chunk) if self.singly else train_together(call, chunk, self.block)
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises, its parts are tried
            free_memory(error)
            why = f"{type(error).__name__}: {first_sentence(error)}"
            return Response(error=why, out_of_memory=out_of_memory(error))
        assert found is not None  # noqa: S101 - it was never told to stop
        return Response.of(found[r] for r in chunk.replicates)


Job = ReplicateJob | ChunkJob
"""What a worker can be given to do, as plain values."""


def _exit_with_parent() -> None:
    """Leave at once when the parent's end of standard input closes, however the parent went."""

    def wait() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main(descriptor: int) -> None:
    """Make the task, then run jobs as they come until the connection closes."""
    _exit_with_parent()
    connection = Connection(descriptor)
    try:
        # a first message, so that what is long to send is sent to one who listens
        connection.send(Response())
        current_process().authkey = connection.recv()
        make: MakeTask = connection.recv()
        task = make()
        # what takes long to import, before it says that it is ready
        import_module("lossearch.training.population.train_chunk")
        connection.send(Response(digest=task.digest))
        while True:
            job: Job = connection.recv()
            connection.send(job.run(task))
    except (EOFError, ConnectionError):
        return
    except Exception as error:  # noqa: BLE001 - told to the parent, which then trains by itself
        connection.send(Response(unable=f"{type(error).__name__}: {error}"))

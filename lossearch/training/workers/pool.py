"""Training replicates one by one in several processes at once, with the very results of one process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from lossearch.pairs import Pair
from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import Outcome, Prune, Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain.train import preflight, train_plain
from lossearch.training.workers.group import START_UP_SECONDS, Crew, references
from lossearch.training.workers.process import UnableError
from lossearch.training.workers.worker import Answer, Job, Recipe, Terms

__all__ = ["PlainPool", "Recipe", "train_plain_parallel"]

_ATTEMPTS = 2


class PlainPool:
    """Trains like ``train_plain``, on up to ``workers`` processes; implements ``contract.Trains``.

    Results are equal to the last bit to those of one process with the same ``threads``, and come in
    the order asked. A replicate whose process dies is tried once more, then FAILED. What workers cannot
    train is trained in this process.

    Args:
        recipe: makes the task again in a worker.
        workers: how many processes; all cores by default.
        threads: how many each one's arithmetic uses.
        note: takes one line for the user.
        start_up: seconds that must be saved for workers to be started; 0 starts them at once.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        workers: int | None = None,
        threads: int = 1,
        note: Callable[[str], None] = lambda _: None,
        start_up: float = START_UP_SECONDS,
    ) -> None:
        self.crew = Crew(recipe, workers=workers, note=note, start_up=start_up)
        self.threads = threads

    def close(self) -> None:
        """End the workers; a later call starts new ones."""
        self.crew.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __call__(
        self,
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        *,
        stop: Callable[[], bool] = lambda: False,
        keep_weights: bool = False,
        prune: Prune | None = None,  # noqa: ARG002 - the contract's; see train_plain
    ) -> Iterator[ReplicateResult]:
        """Train each replicate and give its result, in order. See ``training.contract``."""
        alone = partial(
            train_plain, task, space, settings=settings, keep_weights=keep_weights, threads=self.threads
        )
        if self.crew.busy:
            # a trial that is tried again while the round that it failed in is under way
            yield from alone(replicates=replicates, stop=stop)
            return
        done = 0
        try:
            self.crew.check()
            own = references(_definitions(replicates), task)
            for result in self._lead(alone, replicates, stop):
                done += 1
                yield result
            rest = replicates[done:]
            if rest and not stop():
                jobs = self._jobs(task, rest, settings, own, keep_weights=keep_weights)
                for result in self._together(task, rest, jobs, stop):
                    done += 1
                    yield result
        except UnableError as reason:
            self.crew.decline(str(reason))
            yield from alone(replicates=replicates[done:], stop=stop)

    def _lead(
        self,
        alone: Callable[..., Iterator[ReplicateResult]],
        replicates: Sequence[Replicate],
        stop: Callable[[], bool],
    ) -> Iterator[ReplicateResult]:
        """Train in this process for as long as starting workers would cost more than it saves."""
        spent = 0.0
        for done, replicate in enumerate(replicates):
            left = len(replicates) - done
            saved = left * (1 - 1 / min(self.crew.size, left))
            patience = self.crew.start_up / saved if saved else float("inf")
            if self.crew.workers or self.crew.start_up == 0 or (done and spent / done > patience):
                return
            until = _Deadline(stop, time.perf_counter() + patience)
            result = next(alone(replicates=[replicate], stop=until), None)
            if result is None:
                return
            spent += result.seconds
            yield result

    def _jobs(
        self,
        task: Task,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        losses: Sequence[str],
        *,
        keep_weights: bool,
    ) -> list[Job]:
        random = preflight(task, replicates, settings)
        return [
            Job(
                r.point.as_json(),
                r.seed,
                r.until,
                Terms(settings.of(r.point), losses, random, keep_weights, self.threads),
            )
            for r in replicates
        ]

    def _together(
        self, task: Task, replicates: Sequence[Replicate], jobs: Sequence[Job], stop: Callable[[], bool]
    ) -> Iterator[ReplicateResult]:
        todo = deque(range(len(jobs)))
        done: dict[int, ReplicateResult] = {}
        deaths: dict[int, int] = {}
        given = 0
        try:
            while given < len(jobs):
                self.crew.staff(len(jobs) - given - len(done))
                self.crew.hand_out((todo.popleft(), jobs[i]) for i in list(todo))
                for index, answer, death in self.crew.heard(task):
                    if answer is not None:
                        done[index] = _result(answer, replicates[index])
                        continue
                    deaths[index] = deaths.get(index, 0) + 1
                    if deaths[index] < _ATTEMPTS:
                        todo.appendleft(index)
                    else:
                        done[index] = _lost(replicates[index], death)
                if stop():
                    return
                while given in done:
                    yield done.pop(given)
                    given += 1
        finally:
            self.crew.dismiss(self.crew.busy)


@dataclass(frozen=True)
class _Deadline:
    """True once ``stop`` is, or the time has come."""

    stop: Callable[[], bool]
    when: float

    def __call__(self) -> bool:
        return self.stop() or time.perf_counter() > self.when


def _definitions(replicates: Sequence[Replicate]) -> list[Pair]:
    found = {r.point.pair: r.point.definition for r in replicates}
    return [pair for pair in found.values() if pair is not None]


def _result(answer: Answer, replicate: Replicate) -> ReplicateResult:
    if answer.cannot:
        raise UnableError(answer.cannot)
    (result,) = answer.restored([replicate])
    return result


def _lost(replicate: Replicate, how: str) -> ReplicateResult:
    reason = f"its process {how}, {_ATTEMPTS} times"
    return ReplicateResult(replicate, Outcome.FAILED, {}, 0.0, reason=reason, error=reason)


def train_plain_parallel(
    recipe: Recipe,
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    workers: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    keep_weights: bool = False,
) -> Iterator[ReplicateResult]:
    """Train by a pool that lives for this call. See :class:`PlainPool`."""
    with PlainPool(recipe, workers=workers) as pool:
        yield from pool(task, space, replicates, settings, stop=stop, keep_weights=keep_weights)

"""Training replicates by several processes at once, with the very results of one process.

A worker needs about 5 s and 500 MB before its first replicate, nearly all of it imports. So workers
are started only once the rest of a round is seen to be worth it, and kept for the rounds after it.
"""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Self

import torch

from lossearch.losses import Loss, losses_for
from lossearch.space import Space
from lossearch.tasks import Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain import preflight, train_plain
from lossearch.training.process import UnableError, Worker
from lossearch.training.worker import Answer, Job, Recipe, find_loss, restored

__all__ = ["PlainPool", "Recipe", "train_plain_parallel"]

START_UP_SECONDS = 6.0
"""What starting workers costs before they train anything."""
_ATTEMPTS = 2
_POLL_SECONDS = 0.1


def _end_all(workers: list[Worker]) -> None:
    while workers:
        workers.pop().end()


class PlainPool:
    """Trains like ``train_plain``, on up to ``workers`` processes; implements ``contract.Trains``.

    Results are equal to the last bit to those of one process with the same ``threads``, and come in
    the order asked. Workers live until :meth:`close`. A replicate whose process dies is tried once
    more, then FAILED. Where processes cannot be used (a loss, network or data defined in the script
    itself, another operating system) everything is trained in this one, and ``note`` is told why.

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
        self.recipe = recipe
        self.size = workers or cores()
        self.threads = threads
        self.note = note
        self.start_up = start_up
        self._workers: list[Worker] = []
        self._unable = ""
        weakref.finalize(self, _end_all, self._workers)

    def close(self) -> None:
        """End the workers; a later call starts new ones."""
        _end_all(self._workers)

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
    ) -> Iterator[ReplicateResult]:
        """Train each replicate and give its result, in order. See ``training.contract``."""
        alone = partial(
            train_plain, task, space, settings=settings, keep_weights=keep_weights, threads=self.threads
        )
        done = 0
        try:
            self._check(task, replicates)
            for result in self._lead(alone, replicates, stop):
                done += 1
                yield result
            rest = replicates[done:]
            if rest and not stop():
                for result in self._together(
                    task, rest, self._jobs(task, rest, settings, keep_weights), stop
                ):
                    done += 1
                    yield result
        except UnableError as reason:
            self._decline(str(reason))
            yield from alone(replicates=replicates[done:], stop=stop)

    def _decline(self, reason: str) -> None:
        self.close()
        if not self._unable and self.size > 1:
            self.note(f"Training in one process: {reason}.")
        self._unable = reason

    def _check(self, task: Task, replicates: Sequence[Replicate]) -> None:
        """Raise UnableError where workers could not train these replicates."""
        if self._unable or self.size < 2:
            raise UnableError(self._unable or "one worker asked for")
        if os.name != "posix":
            raise UnableError("workers need a POSIX system")
        try:
            recipe = bytes(ForkingPickler.dumps(self.recipe))
        except Exception as error:
            raise UnableError(f"the data or network cannot be sent to another process ({error})") from error
        if b"__main__" in recipe:
            raise UnableError(
                "the data or network is defined in the script itself; move it to a module of its own"
            )
        for pair in {r.point.pair: r.point.definition for r in replicates}.values():
            if pair is not None:
                _reference(pair.loss, task.kind)

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
            saved = left * (1 - 1 / min(self.size, left))
            patience = self.start_up / saved if saved else float("inf")
            if self._workers or self.start_up == 0 or (done and spent / done > patience):
                return
            until = _Deadline(stop, time.perf_counter() + patience)
            result = next(alone(replicates=[replicate], stop=until), None)
            if result is None:
                return
            spent += result.seconds
            yield result

    def _jobs(
        self, task: Task, replicates: Sequence[Replicate], settings: TrainSettings, keep_weights: bool
    ) -> list[Job]:
        random = preflight(task, replicates, settings)
        jobs = []
        for replicate in replicates:
            point = replicate.point
            own = _reference(point.definition.loss, task.kind) if point.definition else None
            job = Job(
                point.as_json(),
                replicate.seed,
                settings.of(point),
                (own,) if own else (),
                random,
                keep_weights,
                self.threads,
            )
            if point.definition is not None and restored(job, task).point.definition != point.definition:
                raise UnableError(f"{point.pair} is not the pair of that name in the catalogue")
            jobs.append(job)
        return jobs

    def _together(
        self, task: Task, replicates: Sequence[Replicate], jobs: Sequence[Job], stop: Callable[[], bool]
    ) -> Iterator[ReplicateResult]:
        todo = deque(range(len(jobs)))
        done: dict[int, ReplicateResult] = {}
        deaths: dict[int, int] = {}
        given = 0
        try:
            while given < len(jobs):
                self._staff(len(jobs) - given - len(done))
                self._hand_out(jobs, todo)
                for worker in self._heard():
                    index, answer = worker.index, worker.hear()
                    if answer is None:
                        reason = self._bury(worker)
                        if index is not None:
                            deaths[index] = deaths.get(index, 0) + 1
                            if deaths[index] < _ATTEMPTS:
                                todo.appendleft(index)
                            else:
                                done[index] = _lost(replicates[index], reason)
                    elif index is None:
                        worker.welcome(answer, task)
                    else:
                        done[index] = _result(answer, replicates[index])
                if stop():
                    return
                while given in done:
                    yield done.pop(given)
                    given += 1
        finally:
            self._dismiss([w for w in self._workers if w.index is not None])

    def _staff(self, needed: int) -> None:
        for _ in range(min(self.size, needed) - len(self._workers)):
            self._workers.append(Worker.start(self.recipe))

    def _hand_out(self, jobs: Sequence[Job], todo: deque[int]) -> None:
        for worker in self._workers:
            if todo and worker.ready and worker.index is None:
                worker.take(todo[0], jobs[todo[0]])
                todo.popleft()

    def _heard(self) -> list[Worker]:
        spoke = wait([w.connection for w in self._workers], timeout=_POLL_SECONDS)
        return [w for w in self._workers if w.connection in spoke]

    def _bury(self, worker: Worker) -> str:
        reason = worker.obituary()
        self._dismiss([worker])
        if not worker.ready:
            raise UnableError(f"a worker {reason} before it could train")
        return reason

    def _dismiss(self, workers: list[Worker]) -> None:
        for worker in workers:
            worker.end()
            self._workers.remove(worker)


@dataclass(frozen=True)
class _Deadline:
    """True once ``stop`` is, or the time has come."""

    stop: Callable[[], bool]
    when: float

    def __call__(self) -> bool:
        return self.stop() or time.perf_counter() > self.when


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _reference(loss: Loss, kind: str) -> str | None:
    """Return ``module:name`` of a user's own loss, None for one of the catalogue."""
    if losses_for(kind).get(loss.name) is loss:
        return None
    module, name = loss.fn.__module__, getattr(loss.fn, "__qualname__", "")
    advice = f"loss {loss.name} is not a function of an importable module; move it to one"
    if module == "__main__":
        raise UnableError(advice)
    try:
        found = find_loss(f"{module}:{name}")
    except (ImportError, AttributeError) as error:
        raise UnableError(advice) from error
    if found is not loss:
        raise UnableError(advice)
    return f"{module}:{name}"


def _result(answer: Answer, replicate: Replicate) -> ReplicateResult:
    if answer.result is None:
        raise UnableError(answer.cannot)
    weights = None if answer.weights is None else {k: torch.from_numpy(v) for k, v in answer.weights.items()}
    return replace(answer.result, replicate=replicate, weights=weights)


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

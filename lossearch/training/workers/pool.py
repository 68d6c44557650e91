"""Training replicates one by one in several processes at once, with the very results of one process."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Unpack

from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import (
    CallOptions,
    Observer,
    Replicate,
    ReplicateResult,
    TrainSettings,
)
from lossearch.training.plain.train import train_plain
from lossearch.training.preflight.preflight import Preflight, known_or_checked
from lossearch.training.workers.executor import Executor, WorkersUnavailableError, failed, references
from lossearch.training.workers.worker import JobSettings, ReplicateJob

_ATTEMPTS = 2


@dataclass
class PlainPool:
    """Trains like ``train_plain``, by an executor; implements ``contract.TrainingMethod``.

    Results are equal to the last bit to those of one process with the same ``threads``, and come in
    the order asked. A replicate whose process dies is tried once more, then FAILED. What workers cannot
    train is trained in this process.

    Args:
        group: what trains beside this process, or instead of it.
        threads: how many each one's arithmetic uses.
        preflight: what was found before.
    """

    group: Executor
    threads: int = 1
    preflight: Preflight | None = None

    def __call__(
        self,
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        **options: Unpack[CallOptions],
    ) -> Iterator[ReplicateResult]:
        """Train each replicate and give its result, in order. See ``training.contract``."""
        if not replicates:
            return
        found = known_or_checked(self.preflight, task, space, replicates, settings)
        stop, keep_weights = options.get("stop", lambda: False), options.get("keep_weights", False)
        observer = options.get("observer") or Observer()

        def alone(some: Sequence[Replicate], stop: Callable[[], bool] = stop) -> Iterator[ReplicateResult]:
            told: CallOptions = {"stop": stop, "keep_weights": keep_weights, "observer": observer}
            return train_plain(task, space, some, settings, threads=self.threads, preflight=found, **told)

        if self.group.busy:
            # a trial that is tried again while the round that it failed in is under way
            yield from alone(replicates)
            return
        done = 0
        try:
            self.group.check()
            pairs = {r.point.pair: r.point.definition for r in replicates}
            losses = references((pair for pair in pairs.values() if pair is not None), task)
            for result in self._lead(alone, replicates, stop):
                done += 1
                yield result
            rest = replicates[done:]
            if rest and not stop():
                how = JobSettings(settings, losses, found.random, keep_weights, self.threads)
                for result in self._in_parallel(task, rest, how, stop, observer):
                    done += 1
                    yield result
        except WorkersUnavailableError as reason:
            self.group.disable(str(reason))
            yield from alone(replicates[done:])

    def _lead(
        self,
        alone: Callable[..., Iterator[ReplicateResult]],
        replicates: Sequence[Replicate],
        stop: Callable[[], bool],
    ) -> Iterator[ReplicateResult]:
        """Train in this process for as long as starting workers would cost more than it saves."""
        if not self.group.trains_here:
            return
        spent = 0.0
        for done, replicate in enumerate(replicates):
            left = len(replicates) - done
            saved = left * (1 - 1 / min(self.group.size, left))
            patience = self.group.start_up / saved if saved else float("inf")
            if self.group.started or self.group.start_up == 0 or (done and spent / done > patience):
                return
            deadline = time.perf_counter() + patience
            result = next(alone([replicate], partial(_stopped_or_late, stop, deadline)), None)
            if result is None:
                return
            spent += result.seconds
            yield result

    def _in_parallel(
        self,
        task: Task,
        replicates: Sequence[Replicate],
        how: JobSettings,
        stop: Callable[[], bool],
        observer: Observer,
    ) -> Iterator[ReplicateResult]:
        def jobs() -> Iterator[tuple[int, ReplicateJob]]:
            while todo:
                index = todo.popleft()
                under_way.add(index)
                replicate = replicates[index]
                epochs = replicate.until or int(how.settings.of(replicate.point).epochs)
                observer.begun(index, 1, 1, epochs)
                yield index, _job(replicate, how)

        under_way: set[int] = set()
        todo = deque(range(len(replicates)))
        done: dict[int, ReplicateResult] = {}
        deaths: Counter[int] = Counter()
        given = 0
        try:
            while given < len(replicates):
                self.group.start(len(replicates) - given - len(done))
                observer.shared_by(self.group.started, self.group.start_up)
                self.group.assign(jobs())
                for index, response, death in self.group.receive(task):
                    under_way.discard(index)
                    deaths[index] += response is None
                    again = response is None and deaths[index] < _ATTEMPTS
                    observer.ended(index, None if again else response.seconds if response else 0.0)
                    if response is not None:
                        (done[index],) = response.restored([replicates[index]])
                    elif again:
                        todo.appendleft(index)
                    else:
                        done[index] = failed(replicates[index], f"its process {death}, {_ATTEMPTS} times")
                if stop():
                    return
                while given in done:
                    yield done.pop(given)
                    given += 1
        finally:
            for index in under_way:
                observer.ended(index, None)
            self.group.abandon()


def _stopped_or_late(stop: Callable[[], bool], deadline: float) -> bool:
    return stop() or time.perf_counter() > deadline


def _job(replicate: Replicate, how: JobSettings) -> ReplicateJob:
    point = replicate.point
    own = replace(how, settings=how.settings.of(point))
    return ReplicateJob(point.as_json(), replicate.seed, replicate.until, own)

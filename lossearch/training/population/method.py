"""A training method: replicates as populations, in chunks that fit, on as many processes as pays."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.reduction import ForkingPickler
from typing import Unpack

from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import (
    CallOptions,
    Outcome,
    Replicate,
    ReplicateResult,
    TrainingCall,
    TrainSettings,
)
from lossearch.training.population.batched_optimizers import supported
from lossearch.training.population.chunks import MOST, Chunk, ChunkSizer, chunks, divided, pieces
from lossearch.training.population.throughput import Throughput, mean_epochs
from lossearch.training.population.train_chunk import Results, train_one_by_one, train_together
from lossearch.training.preflight.preflight import Preflight, known_or_checked
from lossearch.training.trainer import device_of, first_sentence, free_memory, out_of_memory
from lossearch.training.workers.executor import (
    Executor,
    JobEnd,
    WorkersUnavailableError,
    failed,
    references,
)
from lossearch.training.workers.worker import ChunkJob, JobSettings

ATTEMPTS = 3
"""How often a chunk is given out before it is taken for what ends its processes."""
POLL_SECONDS = 0.05
"""How often workers are looked after while this process trains."""


def train_population(
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    chunk: int = MOST,
    threads: int | None = None,
    **options: Unpack[CallOptions],
) -> Iterator[ReplicateResult]:
    """Train replicates in this process, at most ``chunk`` together, and give their results in order.

    See ``training.contract``, and :class:`Populations`, which chooses how many itself.
    """
    return Populations(threads=threads, chunk=chunk)(task, space, replicates, settings, **options)


@dataclass
class Populations:
    """Trains replicates many at a time; implements ``contract.TrainingMethod``.

    Where a chunk runs out of memory, or anything else is raised in it, its halves are tried; what fails
    alone, or has an optimiser without a batched form, is trained by ``train_plain``. Results are the same
    to the last bit by however many processes.

    Args:
        threads: of the arithmetic; None takes what torch has.
        group: what trains beside this process once that pays, or instead of it.
        sizer: how many replicates are trained together.
        chunk: that number, instead.
        work: replicates of the whole study, by which it is seen what pays.
        preflight: what was found before.
    """

    threads: int | None = None
    group: Executor | None = None
    sizer: ChunkSizer = field(default_factory=ChunkSizer)
    chunk: int | None = None
    work: int = 0
    preflight: Preflight | None = None
    compile_failed: bool = False

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
        call = replace(self._call(task, space, replicates, settings), **options)
        if self.compile_failed:
            settings = replace(settings, compile=False)
        parts = chunks(call, settings, replicates, lambda whole: self._most(call, whole))
        group = self.group
        if group is not None and group.trains_here and device_of(settings).type != "cpu":
            group = None
        if group is not None and group.busy:
            # a trial that is tried again while the round that it failed in is under way
            group = None
        call.observer.cut_by(lambda n: self._pieces(call, parts[0], n))
        waiting, left = deque(replicates), Counter(replicates)
        found: dict[Replicate, ReplicateResult] = {}
        for results in _Round(self, call, parts, group):
            found.update(results)
            self.work -= len(results)
            while waiting and waiting[0] in found:
                replicate = waiting.popleft()
                left[replicate] -= 1
                yield found[replicate] if left[replicate] else found.pop(replicate)

    def _call(
        self, task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings
    ) -> TrainingCall:
        found = known_or_checked(self.preflight, task, space, replicates, settings)
        return TrainingCall(task, space, found.random, threads=self.threads)

    def _most(self, call: TrainingCall, whole: Chunk, replicates: int | None = None) -> int:
        return self.sizer.most(call, whole, replicates) if self.chunk is None else self.chunk

    def _pieces(self, call: TrainingCall, like: Chunk, replicates: int) -> int:
        """Return in how many chunks so many replicates are trained, which are like those of one."""
        return pieces(replicates / len(like.seeds), len(like.seeds), self._most(call, like, replicates))

    def parts(
        self, task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings
    ) -> list[Chunk]:
        """Return the chunks in which these would be trained. Nothing is trained."""
        call = self._call(task, space, replicates, settings)
        return chunks(call, settings, replicates, lambda whole: self._most(call, whole))

    def memory(self, task: Task, space: Space, part: Chunk) -> int | None:
        """Return the bytes that training a chunk takes, None where that cannot be found out."""
        found = self.sizer.footprint(self._call(task, space, part.replicates, part.settings), part)
        return None if found is None else found.of(len(part.seeds), len(part))


class _Round:
    """The chunks of one call, trained here and by workers; gives each chunk's results as they are there."""

    def __init__(
        self, method: Populations, call: TrainingCall, parts: Sequence[Chunk], group: Executor | None
    ) -> None:
        self.method, self.group = method, group
        self.here = group is None or group.trains_here
        self.stop = call.stop
        self.call = replace(call, stop=self._after_batch)
        self.todo = deque(parts)
        self.local: deque[Chunk] = deque()
        """Chunks that are not to be sent to a worker: one was lost with its process."""
        self.alone: deque[tuple[Chunk, str]] = deque()
        """Single trials that failed as a population, to be trained one by one, and how they failed."""
        self.sent: dict[int, tuple[Chunk, str]] = {}
        """By job: a chunk, and how it failed as a population where it did."""
        self.lost: Counter[tuple[Replicate, ...]] = Counter()
        """How often a chunk was lost with its process."""
        self.together = 1
        """How many replicates of the chunk under way here are trained together."""
        self.arrived: list[Results] = []
        self.jobs = 0
        self.job_settings: JobSettings | None = None
        self.throughput = Throughput(max(method.work, sum(map(len, parts))))
        self.next_poll = 0.0

    def __iter__(self) -> Iterator[Results]:
        try:
            while self.todo or self.local or self.alone or self.sent:
                if self.here and (self.todo or self.local or self.alone):
                    if not self._train():
                        return
                else:
                    self._poll()
                    if self.stop():
                        return
                while self.arrived:
                    yield self.arrived.pop(0)
        finally:
            if self.group is not None:
                self.group.abandon()

    def _train(self) -> bool:
        """Train a chunk in this process; return whether it was not told to stop."""
        part, why = self.alone.popleft() if self.alone else ((self.local or self.todo).popleft(), "")
        self.throughput.begin(self.call.task, part)
        singly = bool(why) or self._one_by_one(part)
        self.together = 1 if singly else len(part)
        self.call.observer.begun(None, len(part), self.together, mean_epochs(part))
        try:
            if singly:
                found = train_one_by_one(self.call, part)
            else:
                found = train_together(self.call, part, self._block(part))
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises, its parts are tried
            free_memory(error)
            reason = f"{type(error).__name__}: {first_sentence(error)}"
            self.call.observer.ended(None, None)
            self._divide(part, reason, memory=out_of_memory(error))
            return True
        if found is None:
            return False
        self.throughput.done(len(found))
        self.call.observer.ended(None, sum(r.seconds for r in found.values()))
        self._arrive(found, why)
        return True

    def _one_by_one(self, part: Chunk) -> bool:
        """Return whether the optimiser of a chunk has no batched form."""
        settings = part.settings
        return self.call.task.module is None and not supported(settings.optimizer, settings.options)

    def _arrive(self, found: Results, why: str) -> None:
        """Take results, of what failed as a population before where ``why`` says how."""
        if why and any(r.outcome is not Outcome.FAILED for r in found.values()):
            self.method.sizer.note_once(f"Trained one by one, for as a population it fails: {why}.")
        self.arrived.append(found)

    def _block(self, part: Chunk) -> int | None:
        return self.method.sizer.block(self.call, part) if self.method.chunk is None else None

    def _divide(self, part: Chunk, why: str, *, memory: bool) -> None:
        """Divide a chunk that failed, the others too where memory ran out; but first do without compiling."""
        if part.settings.compile and not memory:
            self.method.sizer.note_once(f"Trained without compiling, for compiled it fails: {why}.")
            self.method.compile_failed = True
            plainly = (replace(c, settings=replace(c.settings, compile=False)) for c in (part, *self.todo))
            self.todo = deque(plainly)
            self.job_settings = None
            return
        if len(part.configurations) == 1:
            self.alone.append((part, why))
            return
        self.todo = deque(divided(part, self.todo, memory=memory))
        if memory:
            self.method.sizer.cap = len(self.todo[0])

    def _after_batch(self) -> bool:
        """Look after the workers now and then; return whether to stop."""
        self.throughput.step()
        self.call.observer.trained(self.together, self.throughput.epochs_a_step)
        if self.group is not None and time.perf_counter() > self.next_poll:
            self._poll(0.0)
            self.next_poll = time.perf_counter() + POLL_SECONDS
        return self.stop()

    def _poll(self, seconds: float = POLL_SECONDS) -> None:
        """Take what workers send within so many seconds, and give the idle ones more to do."""
        if self.group is None or not self.group.usable:
            return
        try:
            self._start_workers(self.group)
            self.call.observer.shared_by(self.group.started + self.here, self.group.start_up)
            for end in self.group.receive(self.call.task, seconds):
                self._take(end)
            self.group.assign(self._next_jobs())
        except WorkersUnavailableError as reason:
            self.group.disable(str(reason))
            self.local.extend(part for part, _ in self.sent.values())
            for job in self.sent:
                self.call.observer.ended(job, None)
            self.sent.clear()
            self.call.observer.shared_by(1, 0.0)

    def _start_workers(self, group: Executor) -> None:
        """Have as many workers as there is work for, if they pay."""
        wanted = min(group.size - self.here, len(self.todo) + len(self.sent))
        if wanted <= group.started or not self.todo:
            return
        if group.start_up:
            ahead = self.throughput.seconds_left()
            if ahead * (1 - 1 / (wanted + 1)) < group.start_up:
                return
        group.check()
        if self._job_settings() is not None:
            group.start(wanted)

    def _job_settings(self) -> JobSettings | None:
        """Return how workers are to train, None where this round cannot be sent to another process.

        Raises:
            WorkersUnavailableError: a loss cannot be found by another process.
        """
        if self.job_settings is None:
            call, part = self.call, self.todo[0]
            try:
                ForkingPickler.dumps(call.prune)
            except Exception as error:
                if not self.here:
                    raise WorkersUnavailableError(f"the pruner cannot be sent to them ({error})") from error
                # a rule that lives in this process alone is asked here
                self.group = None
                return None
            points = {c.point.pair: c.point for chunk in self.todo for c in chunk.configurations}
            losses = references(map(call.pair, points.values()), call.task)
            self.job_settings = JobSettings(
                part.settings, losses, call.random, call.keep_weights, call.threads
            )
        return self.job_settings

    def _next_jobs(self) -> Iterator[tuple[int, ChunkJob]]:
        """Give what is next to be done, as it is taken."""
        while (self.todo or self._alone_elsewhere()) and (how := self._job_settings()) is not None:
            part, why = self.alone.popleft() if self._alone_elsewhere() else (self.todo.popleft(), "")
            self.jobs += 1
            self.sent[self.jobs] = part, why
            values = [(c.point.as_json(), c.until) for c in part.configurations]
            own = replace(how, settings=part.settings)
            singly = bool(why) or self._one_by_one(part)
            self.call.observer.begun(self.jobs, len(part), 1 if singly else len(part), mean_epochs(part))
            yield self.jobs, ChunkJob(values, part.seeds, own, self.call.prune, self._block(part), singly)

    def _alone_elsewhere(self) -> bool:
        """Return whether there are trials to be trained one by one, and not by this process."""
        return bool(self.alone) and not self.here

    def _take(self, end: JobEnd) -> None:
        """Take what a worker has sent, or note that its chunk is lost."""
        response, (part, why) = end.response, self.sent.pop(end.job)
        seconds: float | None = None
        if response is None:
            seconds = None if self._lose(part, why, end.death) else 0.0
        elif response.error:
            self._divide(part, response.error, memory=response.out_of_memory)
        else:
            results, seconds = response.restored(part.replicates), response.seconds
            self.throughput.left -= len(results)
            self._arrive({r.replicate: r for r in results}, why)
        self.call.observer.ended(end.job, seconds)

    def _lose(self, part: Chunk, why: str, death: str) -> bool:
        """Have a chunk trained that was lost with its process: here, or again, then in halves, elsewhere.

        Return whether it is, and not given up.
        """
        if self.here:
            self.local.append(part)
            return True
        self.lost[tuple(part.replicates)] += 1
        if self.lost[tuple(part.replicates)] < ATTEMPTS:
            if why:
                self.alone.appendleft((part, why))
            else:
                self.todo.appendleft(part)
        elif len(part.configurations) > 1:
            self.todo.extendleft(divided(part, (), memory=False))
        else:
            reason = f"its process {death}, {ATTEMPTS} times"
            self.arrived.append({r: failed(r, reason) for r in part.replicates})
            return False
        return True

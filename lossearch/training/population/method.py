"""A way of training: replicates as populations, in chunks that fit, on as many processes as pays."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.reduction import ForkingPickler

from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import Outcome, Prune, Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain.train import free_memory, out_of_memory, preflight
from lossearch.training.population.batchable_losses import first_sentence
from lossearch.training.population.batched_optimizers import supported
from lossearch.training.population.chunk_size import MOST, Sizing
from lossearch.training.population.chunks import Chunk, chunks, divided
from lossearch.training.population.results import Results
from lossearch.training.population.throughput import Pace
from lossearch.training.population.train_chunk import Run
from lossearch.training.trainer import device_of
from lossearch.training.workers.group import Crew, Heard, references
from lossearch.training.workers.process import UnableError
from lossearch.training.workers.worker import ChunkJob, Terms

LOOK_SECONDS = 0.05
"""How often workers are looked after while this process trains."""


def train_population(
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    stop: Callable[[], bool] = lambda: False,
    keep_weights: bool = False,
    prune: Prune | None = None,
    chunk: int = MOST,
    threads: int | None = None,
) -> Iterator[ReplicateResult]:
    """Train replicates in this process, at most ``chunk`` together, and give their results in order.

    See ``training.contract``, and :class:`Populations`, which chooses how many itself.
    """
    way = Populations(threads=threads, chunk=chunk)
    yield from way(task, space, replicates, settings, stop=stop, keep_weights=keep_weights, prune=prune)


@dataclass
class Populations:
    """Trains replicates many at a time; implements ``contract.Trains``.

    Where a chunk runs out of memory, or anything else is raised in it, its halves are tried; what fails
    alone, or has an optimiser without a batched form, is trained by ``train_plain``. Results are the same
    to the last bit by however many processes.

    Args:
        threads: of the arithmetic; None takes what torch has.
        crew: other processes, asked to help once that pays.
        sizing: how many replicates are trained together.
        chunk: that number, instead.
        work: replicates of the whole study, by which it is seen what pays.
    """

    threads: int | None = None
    crew: Crew | None = None
    sizing: Sizing = field(default_factory=Sizing)
    chunk: int | None = None
    work: int = 0
    uncompiled: bool = False
    """Whether compiling was asked for and has failed."""

    def __call__(
        self,
        task: Task,
        space: Space,
        replicates: Sequence[Replicate],
        settings: TrainSettings,
        *,
        stop: Callable[[], bool] = lambda: False,
        keep_weights: bool = False,
        prune: Prune | None = None,
    ) -> Iterator[ReplicateResult]:
        """Train each replicate and give its result, in order. See ``training.contract``."""
        if not replicates:
            return
        random = preflight(task, replicates, settings)
        if self.uncompiled:
            settings = replace(settings, compile=False)
        run = Run(task, space, random, stop, keep_weights, prune, self.threads)
        parts = chunks(replicates, settings, lambda whole: self._most(run, whole))
        crew = self.crew if device_of(settings).type == "cpu" else None
        if crew is not None and crew.busy:
            # a trial that is tried again while the round that it failed in is under way
            crew = None
        waiting, left = deque(replicates), Counter(replicates)
        found: dict[Replicate, ReplicateResult] = {}
        for results in _Round(self, run, parts, crew):
            found.update(results)
            self.work -= len(results)
            while waiting and waiting[0] in found:
                replicate = waiting.popleft()
                left[replicate] -= 1
                yield found[replicate] if left[replicate] else found.pop(replicate)

    def _most(self, run: Run, whole: Chunk) -> int:
        return self.sizing.most(run, whole) if self.chunk is None else self.chunk

    def parts(
        self, task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings
    ) -> list[Chunk]:
        """Return the chunks in which these would be trained. Nothing is trained."""
        run = self._dry(task, space, replicates, settings)
        return chunks(replicates, settings, lambda whole: self._most(run, whole))

    def memory(self, task: Task, space: Space, part: Chunk) -> int | None:
        """Return the bytes that training a chunk takes, None where that cannot be found out."""
        found = self.sizing.footprint(self._dry(task, space, part.replicates, part.settings), part)
        return None if found is None else found.of(len(part.seeds), len(part))

    def _dry(self, task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings) -> Run:
        random = preflight(task, replicates, settings)
        return Run(task, space, random, lambda: True, keep_weights=False, prune=None, threads=self.threads)


class _Round:
    """The chunks of one call, trained here and by workers; gives each chunk's results as they are there."""

    def __init__(self, way: Populations, run: Run, parts: Sequence[Chunk], crew: Crew | None) -> None:
        self.way, self.crew = way, crew
        self.asked = run.stop
        self.run = run.stopped_by(self._glance)
        self.todo = deque(parts)
        self.here: deque[Chunk] = deque()
        """Chunks that are not to be sent away: one was lost with its process."""
        self.alone: deque[tuple[Chunk, str]] = deque()
        """Single trials that failed as a population, to be trained one by one, and how they failed."""
        self.away: dict[int, Chunk] = {}
        self.arrived: list[Results] = []
        self.sent = 0
        self.terms: Terms | None = None
        self.pace = Pace(sum(map(len, parts)))
        self.next_look = 0.0

    def __iter__(self) -> Iterator[Results]:
        try:
            while self.todo or self.here or self.alone or self.away:
                if self.todo or self.here or self.alone:
                    if not self._train():
                        return
                else:
                    self._look()
                    if self.asked():
                        return
                while self.arrived:
                    yield self.arrived.pop(0)
        finally:
            if self.crew is not None:
                self.crew.dismiss(self.crew.busy)

    def _train(self) -> bool:
        """Train a chunk in this process; return whether it was not told to stop."""
        part, why = self.alone.popleft() if self.alone else ((self.here or self.todo).popleft(), "")
        self.pace.begin(self.run.task, part)
        try:
            fits = not why and supported(part.settings.optimizer, part.settings.options)
            found = self.run.together(part, self._block(part)) if fits else self.run.alone(part)
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises, its parts are tried
            free_memory()
            self._failed(
                part, f"{type(error).__name__}: {first_sentence(error)}", memory=out_of_memory(error)
            )
            return True
        if found is None:
            return False
        if why and any(r.outcome is not Outcome.FAILED for r in found.values()):
            self.way.sizing.say(f"Trained one by one, for as a population it fails: {why}.")
        self.pace.done(len(found))
        self.arrived.append(found)
        return True

    def _block(self, part: Chunk) -> int | None:
        return self.way.sizing.block(self.run, part) if self.way.chunk is None else None

    def _failed(self, part: Chunk, why: str, *, memory: bool) -> None:
        """Divide a chunk that failed, the others too where memory ran out; but first do without compiling."""
        if part.settings.compile and not memory:
            self.way.sizing.say(f"Trained without compiling, for compiled it fails: {why}.")
            self.way.uncompiled = True
            plainly = (replace(c, settings=replace(c.settings, compile=False)) for c in (part, *self.todo))
            self.todo = deque(plainly)
            self.terms = None
            return
        if len(part.arms) == 1:
            self.alone.append((part, why))
            return
        self.todo = deque(divided(part, self.todo, memory=memory))
        if memory:
            self.way.sizing.cap = len(self.todo[0])

    def _glance(self) -> bool:
        """Look after the workers now and then; return whether to stop. Asked after every batch."""
        self.pace.step()
        if self.crew is not None and time.perf_counter() > self.next_look:
            self._look(0.0)
            self.next_look = time.perf_counter() + LOOK_SECONDS
        return self.asked()

    def _look(self, seconds: float = LOOK_SECONDS) -> None:
        """Hear what workers say within so many seconds, and give the idle ones more to do."""
        if self.crew is None or not self.crew.able:
            return
        try:
            self._hire(self.crew)
            for heard in self.crew.heard(self.run.task, seconds):
                self._take(heard)
            self.crew.hand_out(self._jobs())
        except UnableError as reason:
            self.crew.decline(str(reason))
            self.here.extend(self.away.values())
            self.away.clear()

    def _hire(self, crew: Crew) -> None:
        """Have as many workers as there is work for, if they pay."""
        wanted = min(crew.size - 1, len(self.todo) + len(self.away))
        if wanted <= len(crew.workers) or not self.todo:
            return
        ahead = self.pace.ahead(self.way.work)
        if crew.start_up and ahead * (1 - 1 / (wanted + 1)) < crew.start_up:
            return
        crew.check()
        if self._terms() is not None:
            crew.staff(wanted)

    def _terms(self) -> Terms | None:
        """Return how workers are to train, None where this round cannot be told to another process.

        Raises:
            UnableError: a loss cannot be found by another process.
        """
        if self.terms is None:
            run, part = self.run, self.todo[0]
            try:
                ForkingPickler.dumps(run.prune)
            except Exception:  # noqa: BLE001 - a rule that lives in this process alone is asked here
                self.crew = None
                return None
            known = {a.point.pair: a.point for c in self.todo for a in c.arms}
            pairs = [p.definition or run.space[p.pair] for p in known.values()]
            losses = references(pairs, run.task)
            self.terms = Terms(part.settings, losses, run.random, run.keep_weights, run.threads)
        return self.terms

    def _jobs(self) -> Iterator[tuple[int, ChunkJob]]:
        """Give what is next to be done, as it is taken."""
        while self.todo and (terms := self._terms()) is not None:
            part = self.todo.popleft()
            self.sent += 1
            self.away[self.sent] = part
            arms = [(a.point.as_json(), a.until) for a in part.arms]
            own = terms.under(part.settings)
            yield self.sent, ChunkJob(arms, part.seeds, own, self.run.prune, self._block(part))

    def _take(self, heard: Heard) -> None:
        """Take what a worker has brought, or note that it is lost."""
        answer = heard.answer
        if answer is not None and answer.cannot:
            raise UnableError(answer.cannot)
        part = self.away.pop(heard.work)
        if answer is None:
            self.here.append(part)
        elif answer.error:
            self._failed(part, answer.error, memory=answer.memory)
        else:
            results = answer.restored(part.replicates)
            self.pace.helped(len(results))
            self.arrived.append({r.replicate: r for r in results})

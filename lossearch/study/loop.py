"""The loop: take the next round, train it, judge each trial, write it down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from lossearch._text import duration
from lossearch.errors import RunFailedError
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import constant_score
from lossearch.records.trial import TrialRecord, best_of
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.pruning import Pruning
from lossearch.study.schedule import History, Next, earlier_rounds, next_round
from lossearch.study.trial_value import Attempt, Objective, counted, summarise
from lossearch.tasks.task import Fold, Task
from lossearch.training.contract import Outcome, Prune, Replicate, ReplicateResult, TrainingMethod

GIVE_UP = 3
"""Trials in a row that fail in one way before the study stops: the fault is not the trial's."""


class Book(Protocol):
    """Where finished trials are written, and read from on resume."""

    def records(self) -> list[TrialRecord]:
        """Return every trial, failed attempts included."""
        ...

    def next_number(self) -> int:
        """Return the number that the next trial will have."""
        ...

    def add(self, record: TrialRecord, results: Sequence[ReplicateResult]) -> None:
        """Write a trial down for good."""
        ...


@dataclass
class Constants:
    """What a constant predictor scores under each seed, worked out once; by the judge unless another is given."""

    task: Task
    metric: Metric | None = None
    known: dict[int, float] = field(default_factory=dict)

    def __call__(self, seeds: Sequence[int]) -> dict[int, float]:
        """Return score by seed."""
        for seed in seeds:
            if seed not in self.known:
                self.known[seed] = self._score(self.task.fold(seed))
        return {seed: self.known[seed] for seed in seeds}

    def _score(self, fold: Fold) -> float:
        task = self.task
        return constant_score(
            self.metric or task.metric, task.kind, fold.train.y, fold.validation.y, task.n_out
        )


def by_pair(records: Sequence[TrialRecord]) -> History:
    """Return counted trials by pair, in order of their place."""
    found: dict[str, list[TrialRecord]] = {}
    for record in counted(records):
        found.setdefault(record.point.pair, []).append(record)
    return {pair: sorted(rs, key=lambda r: r.index) for pair, rs in found.items()}


def _trials(
    plan: Plan, train: TrainingMethod, batch: Sequence[Next], stop: Callable[[], bool], prune: Prune | None
) -> Iterator[tuple[Next, list[ReplicateResult], float]]:
    """Train a batch and give each trial's results with its start, as each is done."""
    seeds = plan.budget.seeds
    replicates = [Replicate(n.point, seed) for n in batch for seed in seeds]
    results = train(plan.task, plan.space, replicates, plan.settings, stop=stop, prune=prune)
    for item in batch:
        group = list(islice(results, len(seeds)))
        if len(group) < len(seeds):
            return
        yield item, group, time.time() - sum(r.seconds for r in group)


@dataclass
class Search:
    """One run of a study's search."""

    plan: Plan
    train: TrainingMethod
    book: Book
    listener: Listener

    def __post_init__(self) -> None:
        task = self.plan.task
        self.constants = Constants(task)
        self.second = None if task.second is None else Constants(task, task.second)
        self.records = self.book.records()
        self.streak: list[str] = []

    def __call__(self) -> str:
        """Train until the budget is spent; return why it ended.

        Raises:
            RunFailedError: trials fail one after another in the same way.
        """
        seconds = self.plan.budget.seconds
        deadline = None if seconds is None else time.monotonic() + seconds

        def late() -> bool:
            return deadline is not None and time.monotonic() > deadline

        task = self.plan.task
        self.listener.started(self.plan.total, len(counted(self.records)))
        while not late():
            history = by_pair(self.records)
            batch = next_round(
                self.plan.space, self.plan.budget, history, task.metric.direction, second=task.second
            )
            if not batch:
                return "all trials done"
            prune = self._pruning()
            for item, results, started in _trials(self.plan, self.train, batch, late, prune):
                self._settle(item, results, started, late, prune)
        return f"time is up ({duration(seconds or 0.0)})"

    def _pruning(self) -> Prune | None:
        """Return what decides, in the next round, which trials are given up."""
        plan = self.plan
        if not plan.budget.prune:
            return None
        earlier = earlier_rounds(plan.space, plan.budget, by_pair(self.records))
        return Pruning(earlier, plan.task.metric.direction, plan.settings)

    def _settle(
        self,
        item: Next,
        results: list[ReplicateResult],
        started: float,
        late: Callable[[], bool],
        prune: Prune | None,
    ) -> None:
        record = self._record(item, results, started)
        if record.outcome is Outcome.FAILED:
            again = next(_trials(self.plan, self.train, [item], late, prune), None)
            if again is not None:
                record = self._record(*again)
        self._count_failures(record)

    def _record(self, item: Next, results: list[ReplicateResult], started: float) -> TrialRecord:
        plan = self.plan
        attempt = Attempt(
            number=self.book.next_number(),
            stage=item.stage,
            index=item.index,
            point=item.point,
            encoding=plan.space[item.pair].encoding.name,
            started=started,
        )
        record = summarise(
            attempt,
            results,
            metric=plan.task.metric,
            constants=self.constants(plan.budget.seeds),
            epochs=plan.settings.of(item.point).epochs,
            policy=plan.settings.epoch,
            second=self._second(),
        )
        self.book.add(record, results)
        self.records.append(record)
        done = counted(self.records)
        failed = sum(r.outcome in {Outcome.FAILED, Outcome.DIVERGED} for r in done)
        self.listener.trial_done(record, len(done), plan.total, best_of(done, plan.task.metric.sign), failed)
        return record

    def _second(self) -> Objective | None:
        metric = self.plan.task.second
        if metric is None or self.second is None:
            return None
        return Objective(metric, self.second(self.plan.budget.seeds))

    def _count_failures(self, record: TrialRecord) -> None:
        if record.outcome is not Outcome.FAILED:
            self.streak = []
            return
        self.streak.append(record.reason)
        if len(self.streak) >= GIVE_UP and len(set(self.streak[-GIVE_UP:])) == 1:
            raise RunFailedError(
                f"{GIVE_UP} trials in a row failed in the same way, each twice: {record.reason} "
                "What was done before is kept; the same command goes on from there."
            )

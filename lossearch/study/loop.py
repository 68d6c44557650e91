"""The loop: take the next round, train it, judge each trial, write it down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean

from lossearch._text import duration
from lossearch.errors import RunFailedError
from lossearch.records.trial import TrialRecord
from lossearch.study.history import Progress, by_pair
from lossearch.study.pace import Training
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.pruning import Pruning
from lossearch.study.quick_look import GivesUp, next_look, points_to_look_at
from lossearch.study.recorder import StudyRecorder
from lossearch.study.schedule import Proposal
from lossearch.study.time_left import TimeLeft
from lossearch.study.trial_value import ConstantScores, Objective, summarise
from lossearch.training.contract import (
    Observer,
    Outcome,
    Prune,
    Replicate,
    ReplicateResult,
    TrainingMethod,
)

GIVE_UP = 3
"""Trials in a row that fail in one way before the study stops: the fault is not the trial's."""


def _trials(
    plan: Plan,
    train: TrainingMethod,
    batch: Sequence[Proposal],
    stop: Callable[[], bool],
    prune: Prune | None,
    observer: Observer,
) -> Iterator[tuple[Proposal, list[ReplicateResult], float]]:
    """Train a batch and give each trial's results with its start, as each is done."""
    seeds = plan.budget.seeds
    replicates = [Replicate(item.point, seed) for item in batch for seed in seeds]
    results = train(
        plan.task, plan.space, replicates, plan.settings, stop=stop, prune=prune, observer=observer
    )
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
    recorder: StudyRecorder
    listener: Listener
    time_left: TimeLeft = field(default_factory=TimeLeft)

    def __post_init__(self) -> None:
        task = self.plan.task
        self.objectives = [Objective(metric, ConstantScores(task, metric)) for metric in task.objectives]
        self.records = self.recorder.records()
        self.progress = Progress.of(self.records, task.metric.sign)
        self.streak: list[str] = []

    def __call__(self) -> str:
        """Train until the budget is spent; return why it ended.

        Raises:
            RunFailedError: trials fail one after another in the same way.
        """
        seconds = self.plan.budget.seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        self.time_left.deadline = deadline

        def late() -> bool:
            return deadline is not None and time.monotonic() > deadline

        looks = (
            points_to_look_at(self.plan.schedule, self.plan.conventional) if self.plan.budget.quick else ()
        )
        self.total = sum(map(len, looks)) if looks else self.plan.total
        self.listener.started(self.total, self.progress.done)
        for record in self.progress.best_of_pairs.values():
            self.listener.improved(record)
        if looks and deadline is not None:
            return self._look(looks, deadline)
        while not late():
            batch = self.plan.schedule.next_round(by_pair(self.records))
            if not batch:
                return "all trials done"
            prune = None
            if self.plan.budget.prune:
                earlier = self.plan.schedule.whole_rounds(by_pair(self.records))
                prune = Pruning(earlier, self.plan.task.metric.direction, self.plan.settings)
            self.time_left.search(self._ahead(batch))
            trials = _trials(self.plan, self.train, batch, late, prune, self.time_left)
            for item, results, started in trials:
                self._settle(item, results, started, late, prune)
        return f"time is up ({duration(seconds or 0.0)})"

    def _look(self, looks: Sequence[Sequence[Proposal]], deadline: float) -> str:
        """Train what a quick look has time for; return why it ended."""
        seeds, epochs = len(self.plan.budget.seeds), int(self.plan.settings.epochs)
        while (left := deadline - time.monotonic()) > 0:
            done = {(r.point.pair, r.index) for r in self.records}
            batch = next_look(looks, done, self.time_left.pace, seeds, epochs, left)
            if not batch:
                break
            self.time_left.search([Training(len(batch) * seeds, epochs)])
            stop = GivesUp(self.time_left, deadline)
            trials = _trials(self.plan, self.train, batch, stop, None, self.time_left)
            before = self.progress.done
            for item, results, started in trials:
                self._settle(item, results, started, stop, None)
            if len(batch) <= 2 and self.progress.done == before:
                break
        return f"quick look done: {self.progress.done} of the study's {self.plan.total} trials"

    def _ahead(self, batch: Sequence[Proposal]) -> list[Training]:
        """Return what is to be trained: this round, then those that follow as far as they are known."""
        epochs = fmean(int(self.plan.settings.of(item.point).epochs) for item in batch)
        _, *later = self.plan.schedule.rounds_left(by_pair(self.records))
        return [Training(n * len(self.plan.budget.seeds), epochs) for n in (len(batch), *later)]

    def _settle(
        self,
        item: Proposal,
        results: list[ReplicateResult],
        started: float,
        late: Callable[[], bool],
        prune: Prune | None,
    ) -> None:
        record = self._record(item, results, started)
        if record.outcome is Outcome.FAILED:
            again = next(_trials(self.plan, self.train, [item], late, prune, self.time_left), None)
            if again is not None:
                record = self._record(*again)
        self._count_failures(record)

    def _record(self, item: Proposal, results: list[ReplicateResult], started: float) -> TrialRecord:
        plan = self.plan
        begun = TrialRecord(
            number=self.recorder.next_number(),
            stage=item.stage,
            index=item.index,
            point=item.point,
            encoding=plan.space[item.point.pair].encoding.name,
            started=started,
        )
        record = summarise(
            begun,
            results,
            self.objectives,
            epochs=plan.settings.of(item.point).epochs,
            policy=plan.settings.epoch,
        )
        begun_writing = time.monotonic()
        self.recorder.add(record, results)
        self.time_left.recorded(time.monotonic() - begun_writing)
        self.records.append(record)
        self.progress.add(record)
        so_far = self.progress
        if so_far.best_of_pairs.get(record.point.pair) is record:
            self.listener.improved(record)
        self.listener.trial_done(
            record, so_far.done, max(self.total, so_far.done), so_far.best, so_far.failed
        )
        return record

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

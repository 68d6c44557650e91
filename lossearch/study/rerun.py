"""A recorded trial trained again, and whether it comes to the recorded value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossearch._options import either, option
from lossearch.errors import InputError, RunFailedError
from lossearch.records.environment import versions
from lossearch.records.trial import Stage, TrialRecord
from lossearch.study.fitting import with_definition
from lossearch.study.history import by_pair
from lossearch.study.plan import Plan
from lossearch.study.trial_value import ConstantScores, Objective, summarise
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingMethod

NEAR = 1e-6
"""A difference from the recorded value that rounding may make, relative to the larger of it and 1."""

MATTERS = ("lossearch", "torch", "pytorch-lightning", "scikit-learn", "numpy", "python", "platform")
"""Versions that may change a value."""


@dataclass(frozen=True)
class Rerun:
    """What a trial came to when it was trained again.

    ``value`` and ``epoch`` are what was found, ``recorded`` what the records say; ``curves`` is the largest
    difference of the judge's curve over all replicates and epochs, None where no curve was recorded;
    ``changed`` names versions that are not those of the study.
    """

    trial: str
    metric: str
    recorded: float
    value: float | None
    recorded_epoch: int
    epoch: int | None
    outcome: Outcome
    curves: float | None = None
    reason: str = ""
    changed: tuple[str, ...] = ()

    @property
    def exactly(self) -> bool:
        """Whether the value is the recorded one to the last bit."""
        return self.value == self.recorded

    @property
    def reproduced(self) -> bool:
        """Whether the value is the recorded one but for rounding."""
        return self.value is not None and abs(self.value - self.recorded) <= NEAR * max(
            1.0, abs(self.recorded)
        )

    def __str__(self) -> str:
        found = "no value" if self.value is None else f"{self.value:.10g} (epoch {self.epoch})"
        head = f"Trial {self.trial}: recorded {self.metric} {self.recorded:.10g} (epoch {self.recorded_epoch}), now {found}"
        if self.reproduced:
            how = "exactly" if self.exactly else f"within {NEAR:g}"
            apart = self.curves is not None and self.curves > NEAR * max(1.0, abs(self.recorded))
            more = f", but the curves differ by up to {self.curves:.3g}" if apart else ""
            return f"{head}: reproduced {how}{more}."
        why = f" {self.reason}" if self.reason else ""
        since = f" Changed since: {', '.join(self.changed)}." if self.changed else ""
        return f"{head}: NOT reproduced.{why}{since}"

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "trial": self.trial,
            "metric": self.metric,
            "recorded": self.recorded,
            "value": self.value,
            "recorded_epoch": self.recorded_epoch,
            "epoch": self.epoch,
            "exactly": self.exactly,
            "reproduced": self.reproduced,
            "largest_curve_difference": self.curves,
            "outcome": str(self.outcome),
            "reason": self.reason,
            "changed": list(self.changed),
        }


def keeping_weights(study: str, number: int) -> str:
    """Return how whoever asked has a trial of a study trained again with its weights kept."""
    return either(
        f"lossearch.load({study!r}).rerun({number}, keep_weights=True)",
        f"lossearch rerun {study} {number} {option('keep_weights', True)}",
    )


def rerun(
    plan: Plan,
    train: TrainingMethod,
    record: TrialRecord,
    *,
    curves: Mapping[int, Sequence[float]] | None = None,
    ran_under: Mapping[str, str] | None = None,
    beside: Sequence[TrialRecord] = (),
) -> tuple[Rerun, list[ReplicateResult]]:
    """Train a trial again, and return how it compares and its replicates, with their weights.

    Neighbours in a population change a replicate's last bits at most. Where training is chaotic, as at a
    learning rate far too high, that is enough for another score: then only its round gives the very bits.
    ``curves``: seed -> the recorded curve of the judge on validation rows; ``ran_under`` are the versions
    that the study was recorded with; ``beside`` are all trials of its round, in the order in which they
    were asked for, to be trained with it.

    Raises:
        InputError: the trial has no value to compare with.
        RunFailedError: training failed.
    """
    _recorded(plan, record)
    until = _until(record, curves)
    results = trained_again(plan, train, beside or (record,), {record.number: until})[record.number]
    return compared(plan, record, results, until=until, curves=curves, ran_under=ran_under), results


def trained_again(
    plan: Plan,
    train: TrainingMethod,
    trials: Sequence[TrialRecord],
    until: Mapping[int, int | None] | None = None,
) -> dict[int, list[ReplicateResult]]:
    """Train trials again together, and return the replicates of each, by its number, with their weights.

    ``until``: number of a trial -> the epoch to which it is trained, None for the last.
    """
    asked = {
        t.number: [
            Replicate(with_definition(t.point, plan), seed, (until or {}).get(t.number)) for seed in t.seeds
        ]
        for t in trials
    }
    every = [replicate for own in asked.values() for replicate in own]
    found = {r.replicate: r for r in train(plan.task, plan.space, every, plan.settings, keep_weights=True)}
    return {number: [found[replicate] for replicate in own] for number, own in asked.items()}


def compared(
    plan: Plan,
    record: TrialRecord,
    results: Sequence[ReplicateResult],
    *,
    until: int | None = None,
    curves: Mapping[int, Sequence[float]] | None = None,
    ran_under: Mapping[str, str] | None = None,
) -> Rerun:
    """Return how a trial compares to what its replicates came to when they were trained again, as :func:`rerun` does.

    Raises:
        InputError: the trial has no value to compare with.
        RunFailedError: training failed.
    """
    key = f"val_{plan.task.metric.name}"
    value, epoch = _recorded(plan, record)
    found = _judged(plan, record, results, until)
    if found.outcome is Outcome.FAILED:
        raise RunFailedError(f"Trial {_name(record)} could not be trained again: {found.reason}")
    now, before = versions(), ran_under or {}
    return Rerun(
        trial=_name(record),
        metric=plan.task.metric.name,
        recorded=value,
        value=found.scores.get(key, found.value),
        recorded_epoch=epoch,
        epoch=found.epoch,
        outcome=found.outcome,
        curves=_largest_difference(key, results, curves),
        reason=found.reason,
        changed=tuple(
            f"{k} {before[k]} -> {now.get(k, 'none')}"
            for k in MATTERS
            if k in before and before[k] != now.get(k)
        ),
    )


def round_of(plan: Plan, trials: Sequence[TrialRecord], record: TrialRecord) -> list[TrialRecord]:
    """Return the trials of a search trial's round, itself among them; none of a confirmation."""
    if record.stage == Stage.CONFIRM:
        return []
    found = plan.schedule.round_of(by_pair(trials), record)
    return found if any(r.number == record.number for r in found) else []


def _name(record: TrialRecord) -> str:
    return f"{Stage.CONFIRM}:{record.point.pair}" if record.stage == Stage.CONFIRM else str(record.number)


def _recorded(plan: Plan, record: TrialRecord) -> tuple[float, int]:
    """Return the value of a trial that is to be reproduced, and its epoch."""
    value = record.scores.get(f"val_{plan.task.metric.name}", record.value)
    if value is None or record.epoch is None:
        raise InputError(
            f"Trial {_name(record)} has no value to reproduce: it ended as {record.outcome}. {record.reason}"
        )
    return value, record.epoch


def _until(record: TrialRecord, curves: Mapping[int, Sequence[float]] | None) -> int | None:
    """Return the epoch to which a trial was trained, None for the last."""
    if record.stage == Stage.CONFIRM:
        return record.epoch
    if record.outcome is Outcome.PRUNED and curves:
        return max(map(len, curves.values()))
    return None


def _judged(
    plan: Plan, record: TrialRecord, results: Sequence[ReplicateResult], until: int | None
) -> TrialRecord:
    own = plan.settings.of(record.point)
    begun = TrialRecord(record.number, record.stage, record.point, record.encoding, started=record.started)
    metric = plan.task.metric
    return summarise(
        begun,
        results,
        [Objective(metric, ConstantScores(plan.task, metric))],
        epochs=until or own.epochs,
        policy="last" if record.stage == Stage.CONFIRM else plan.settings.epoch,
    )


def _largest_difference(
    key: str, results: Sequence[ReplicateResult], curves: Mapping[int, Sequence[float]] | None
) -> float | None:
    gaps = []
    for result in results:
        before = np.asarray((curves or {}).get(result.replicate.seed, ()), dtype=np.float64)
        after = result.curves.get(key, np.empty(0))
        n = min(len(before), len(after))
        gap = np.abs(before[:n] - after[:n])
        gaps += [float(gap[np.isfinite(gap)].max())] if np.isfinite(gap).any() else []
    return max(gaps, default=None)

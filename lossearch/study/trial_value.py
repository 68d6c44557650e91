"""How a trial's value is computed: the mean over its replicates at one common epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lossearch._epochs import thin
from lossearch.metrics.metric import Metric
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.records.trial import TrialRecord
from lossearch.tasks.task import Task
from lossearch.training.contract import SCORED_EPOCHS, Outcome, ReplicateResult

Curve = NDArray[np.float64]


class ConstantScores(dict[int, float]):
    """What a constant predictor scores by a metric under each seed, worked out when it is first asked for."""

    def __init__(self, task: Task, metric: Metric) -> None:
        super().__init__()
        self._task, self._metric = task, metric

    def __missing__(self, seed: int) -> float:
        self[seed] = self._task.constant(self._metric, seed)
        return self[seed]


@dataclass(frozen=True)
class Objective:
    """A metric, and what a constant predictor scores by it under each seed."""

    metric: Metric
    constants: Mapping[int, float]

    @property
    def key(self) -> str:
        """The name of its curve, and of its score in a record."""
        return f"val_{self.metric.name}"


def judged_curves(results: Sequence[ReplicateResult], objective: Objective, epochs: int) -> Curve:
    """Return the (S, E) curves of an objective, a diverged replicate scoring as a constant predictor does.

    A single non-finite value is replaced likewise.
    """
    rows = np.empty((len(results), epochs))
    for row, result in zip(rows, results, strict=True):
        row[:] = objective.constants[result.replicate.seed]
        if result.outcome in {Outcome.COMPLETED, Outcome.PRUNED}:
            curve = result.curves[objective.key]
            finite = np.isfinite(curve)
            row[: len(curve)][finite] = curve[finite]
    return rows


def _mean_and_sd(
    results: Sequence[ReplicateResult], column: int
) -> tuple[dict[str, float], dict[str, float]]:
    mean: dict[str, float] = {}
    spread: dict[str, float] = {}
    names = dict.fromkeys(name for r in results for name in r.curves if name not in BEHAVIOUR)
    for name in names:
        values = np.array(
            [r.curves[name][column] for r in results if name in r.curves and len(r.curves[name]) > column]
        )
        values = values[np.isfinite(values)]
        if len(values):
            mean[name] = float(values.mean())
            spread[name] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return mean, spread


def summarise(
    begun: TrialRecord,
    results: Sequence[ReplicateResult],
    objectives: Sequence[Objective],
    *,
    epochs: int,
    policy: str,
) -> TrialRecord:
    """Return the record of a trial, of which only the beginning is known, from the results of its replicates.

    Replicates that were trained until an epoch are judged at it, whatever the policy. The first objective
    chooses the epoch, at which the others are scored too.
    """
    first = objectives[0]
    ended = replace(
        begun,
        seeds=tuple(r.replicate.seed for r in results),
        n_diverged=sum(r.outcome is Outcome.DIVERGED for r in results),
        seconds=sum(r.seconds for r in results),
    )
    failed = [r for r in results if r.outcome is Outcome.FAILED]
    if failed:
        reason = f"{len(failed)} of {len(results)} replicates failed: {failed[0].reason}"
        return replace(ended, reason=reason)
    pruned = [r for r in results if r.outcome is Outcome.PRUNED]
    done = max((len(r.curves[first.key]) for r in pruned), default=results[0].replicate.until)
    curves = judged_curves(results, first, done or epochs)
    mean, last = curves.mean(axis=0), policy == "last" or done is not None
    # the best of the mean, the first of equals, or the last
    column = len(mean) - 1 if last else int(np.argmax(first.metric.sign * mean))
    sound = [r for r in results if r.outcome in {Outcome.COMPLETED, Outcome.PRUNED}]
    scores, spread = _mean_and_sd(sound, column)
    diverged = [r for r in results if r.outcome is Outcome.DIVERGED]
    reason = ""
    if pruned:
        reason = f"{pruned[0].reason}, where it was worse than the median of the pair's earlier trials"
    elif diverged:
        reason = f"{len(diverged)} of {len(results)} replicates diverged: {diverged[0].reason}"
    for objective in objectives:
        values = judged_curves(results, objective, curves.shape[1])[:, column]
        scores[objective.key] = float(values.mean())
        spread[objective.key] = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return replace(
        ended,
        outcome=Outcome.PRUNED if pruned else Outcome.COMPLETED if sound else Outcome.DIVERGED,
        value=None if pruned else scores[first.key],
        epoch=column + 1,
        reason=reason,
        scores=scores,
        spread=spread,
        median=float(np.median(curves[:, column])),
        intermediate_values={e: float(mean[e - 1]) for e in thin(epochs, SCORED_EPOCHS) if e <= len(mean)},
    )


def objective_values(record: TrialRecord, objectives: Sequence[Metric] = ()) -> tuple[float, ...] | None:
    """Return what a model is told of a trial under each objective, None where there is nothing to tell.

    Of a pruned trial that is the first objective's last intermediate value: worse than it might have become,
    but a trial of which a model knows nothing would be asked for again.
    """
    first, seen = record.value, record.intermediate_values
    if record.outcome is Outcome.PRUNED and seen:
        first = seen[max(seen)]
    return None if first is None else (first, *(record.scores[f"val_{m.name}"] for m in objectives[1:]))

"""What a trial is worth: the mean over its replicates at one common epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossearch._epochs import thin
from lossearch.metrics.metric import Metric
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import SCORED_EPOCHS, Outcome, ReplicateResult

Curve = NDArray[np.float64]


@dataclass(frozen=True)
class Attempt:
    """A point on its way to a trial: its number, stage, place within the pair, and start (unix seconds)."""

    number: int
    stage: str
    index: int
    point: Point
    encoding: str
    started: float


@dataclass(frozen=True)
class Objective:
    """A metric, and what a constant predictor scores by it under each seed."""

    metric: Metric
    constants: Mapping[int, float]


def common_epoch(curves: Curve, sign: int, policy: str) -> int:
    """Return the column of (S, E) curves at which the trial is judged: the best of the mean, or the last.

    Of equal epochs the first counts.
    """
    if policy == "last":
        return int(curves.shape[1]) - 1
    return int(np.argmax(sign * curves.mean(axis=0)))


def judged_curves(
    results: Sequence[ReplicateResult], metric: Metric, constants: Mapping[int, float], epochs: int
) -> Curve:
    """Return the (S, E) curves of the metric, a diverged replicate scoring as a constant predictor does.

    ``constants`` holds that score by seed. A single non-finite value is replaced likewise.
    """
    rows = np.empty((len(results), epochs))
    for row, result in zip(rows, results, strict=True):
        row[:] = constants[result.replicate.seed]
        if result.outcome in {Outcome.COMPLETED, Outcome.PRUNED}:
            curve = result.curves[f"val_{metric.name}"]
            finite = np.isfinite(curve)
            row[: len(curve)][finite] = curve[finite]
    return rows


def _mean_and_sd(
    results: Sequence[ReplicateResult], column: int
) -> tuple[dict[str, float], dict[str, float]]:
    mean: dict[str, float] = {}
    spread: dict[str, float] = {}
    names = dict.fromkeys(name for r in results for name in r.curves)
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
    attempt: Attempt,
    results: Sequence[ReplicateResult],
    *,
    metric: Metric,
    constants: Mapping[int, float],
    epochs: int,
    policy: str,
    second: Objective | None = None,
) -> TrialRecord:
    """Return the record of a trial from the results of its replicates.

    Replicates that were trained until an epoch are judged at it, whatever the policy. The ``second``
    objective is scored at the epoch that the first has chosen, diverged replicates likewise as a constant
    predictor.
    """
    seeds = tuple(r.replicate.seed for r in results)
    seconds = sum(r.seconds for r in results)
    failed = [r for r in results if r.outcome is Outcome.FAILED]
    diverged = [r for r in results if r.outcome is Outcome.DIVERGED]
    common = {
        "number": attempt.number,
        "stage": attempt.stage,
        "index": attempt.index,
        "point": attempt.point,
        "encoding": attempt.encoding,
        "seeds": seeds,
        "n_diverged": len(diverged),
        "seconds": seconds,
        "started": attempt.started,
    }
    if failed:
        reason = f"{len(failed)} of {len(results)} replicates failed: {failed[0].reason}"
        return TrialRecord(**common, outcome=Outcome.FAILED, value=None, epoch=None, reason=reason)  # type: ignore[arg-type]
    pruned = [r for r in results if r.outcome is Outcome.PRUNED]
    done = max((len(r.curves[f"val_{metric.name}"]) for r in pruned), default=results[0].replicate.until)
    curves = judged_curves(results, metric, constants, done or epochs)
    column = common_epoch(curves, metric.sign, policy if done is None else "last")
    at_epoch = curves[:, column]
    sound = [r for r in results if r.outcome in {Outcome.COMPLETED, Outcome.PRUNED}]
    scores, spread = _mean_and_sd(sound, column)
    key = f"val_{metric.name}"
    scores[key], spread[key] = _of_seeds(at_epoch)
    if second is not None:
        other = judged_curves(results, second.metric, second.constants, curves.shape[1])[:, column]
        scores[f"val_{second.metric.name}"], spread[f"val_{second.metric.name}"] = _of_seeds(other)
    mean = curves.mean(axis=0)
    return TrialRecord(
        **common,  # type: ignore[arg-type]
        outcome=Outcome.PRUNED if pruned else Outcome.COMPLETED if sound else Outcome.DIVERGED,
        value=None if pruned else scores[key],
        epoch=column + 1,
        reason=_reason(results, pruned, diverged),
        scores=scores,
        spread=spread,
        median=float(np.median(at_epoch)),
        intermediate_values={e: float(mean[e - 1]) for e in thin(epochs, SCORED_EPOCHS) if e <= len(mean)},
    )


def _of_seeds(values: Curve) -> tuple[float, float]:
    """Return mean and sd over seeds, 0 of a single one."""
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def _reason(
    results: Sequence[ReplicateResult],
    pruned: Sequence[ReplicateResult],
    diverged: Sequence[ReplicateResult],
) -> str:
    if pruned:
        return f"{pruned[0].reason}, where it was worse than the median of the pair's earlier trials"
    return f"{len(diverged)} of {len(results)} replicates diverged: {diverged[0].reason}" if diverged else ""


def told(record: TrialRecord) -> float | None:
    """Return what a model is told of a trial: its value, or of a pruned one what it was worth at its end.

    That is worse than it might have become, but a trial of which a model knows nothing would be asked for
    again.
    """
    if record.outcome is Outcome.PRUNED and record.intermediate_values:
        return record.intermediate_values[max(record.intermediate_values)]
    return record.value


def worth(record: TrialRecord, second: Metric | None = None) -> tuple[float, ...] | None:
    """Return what a model is told of a trial under each objective, None where there is nothing to tell."""
    first = told(record)
    if first is None or second is None:
        return None if first is None else (first,)
    return first, record.scores[f"val_{second.name}"]


def counted(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that count against the budget: the last attempt at each place of each pair."""
    last: dict[tuple[str, int], TrialRecord] = {}
    for record in records:
        last[record.point.pair, record.index] = record
    return sorted(last.values(), key=lambda r: r.number)

"""One trial as it is recorded: a point over S seeds, its value, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lossearch.space import Point
from lossearch.training.contract import Outcome


@dataclass(frozen=True)
class TrialRecord:
    """What is known of a finished trial. Curves are kept apart, in Parquet.

    ``value`` is what Optuna was told: the mean over replicates of the task's metric on validation rows at
    ``epoch`` (counted from 1), the common epoch of all replicates. ``scores`` and ``spread`` are mean and sd
    over seeds at that epoch of every curve (``val_accuracy``, ``train_loss``, ...); non-finite ones are left out.
    ``index`` is its place within its pair, from 0: a repeated attempt has the index of the first.
    ``course`` is what it would have been worth at each of the epochs that a plot can show, so that another
    trial can be judged against it before its end. A pruned trial has no value, and ``epoch`` is its last.
    """

    number: int
    stage: str
    point: Point
    encoding: str
    seeds: tuple[int, ...]
    outcome: Outcome
    value: float | None
    epoch: int | None
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    median: float | None = None
    n_diverged: int = 0
    seconds: float = 0.0
    started: float = 0.0
    run_id: str | None = None
    index: int = 0
    course: Mapping[int, float] = field(default_factory=dict)


def best_of(records: Sequence[TrialRecord], sign: int) -> TrialRecord | None:
    """Return the trial of best value, the earliest of equals; None where none has a value."""
    valued = [r for r in records if r.value is not None]
    return max(valued, key=lambda r: (sign * (r.value or 0.0), -r.number), default=None)

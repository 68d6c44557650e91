"""One trial as it is recorded, and how it goes into the attributes of its Optuna trial and comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from lossearch._json import to_jsonable
from lossearch.errors import StoreError
from lossearch.space import Point
from lossearch.training.contract import Outcome

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

POINT = "point"
RECORD = "record"
_KEPT_APART = ("number", "point", "intermediate_values")


class Stage(StrEnum):
    """What a trial was trained for: how its point was chosen, or that it confirms one."""

    INITIAL_DESIGN = "cover"
    EXTENSION = "extension"
    SEARCH = "search"
    CONFIRM = "confirm"


@dataclass(frozen=True)
class TrialRecord:
    """What is known of a finished trial, and of one under way how it began. Curves are kept apart, in Parquet.

    ``value`` is what Optuna was told: the mean over replicates of the task's metric on validation rows at
    ``epoch`` (counted from 1), the common epoch of all replicates. ``scores`` and ``spread`` are mean and sd
    over seeds at that epoch of every curve (``val_accuracy``, ``train_loss``, ...); non-finite ones are left out.
    ``index`` is its place within its pair, from 0: a repeated attempt has the index of the first.
    ``intermediate_values`` is the mean over replicates at each of the epochs that a plot can show, so that
    another trial can be judged against it before its end. A pruned trial has no value, and ``epoch`` is its
    last.
    """

    number: int
    stage: str
    point: Point
    encoding: str
    seeds: tuple[int, ...] = ()
    outcome: Outcome = Outcome.FAILED
    value: float | None = None
    epoch: int | None = None
    reason: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    spread: Mapping[str, float] = field(default_factory=dict)
    median: float | None = None
    n_diverged: int = 0
    seconds: float = 0.0
    started: float = 0.0
    index: int = 0
    intermediate_values: Mapping[int, float] = field(default_factory=dict)


def best_of(records: Sequence[TrialRecord], sign: int) -> TrialRecord | None:
    """Return the trial of best value, the earliest of equals; None where none has a value."""
    valued = [r for r in records if r.value is not None]
    return max(valued, key=lambda r: (sign * (r.value or 0.0), -r.number), default=None)


def ought_to_have_curves(record: TrialRecord) -> bool:
    """Whether curves of a trial were written: where all replicates diverged, perhaps in their first epoch, there may be none."""
    return record.value is not None and record.n_diverged < len(record.seeds)


def to_attrs(record: TrialRecord) -> dict[str, Any]:
    """Return what an Optuna trial does not hold of a record by itself, as JSON-safe system attributes."""
    rest = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in _KEPT_APART}
    rest |= {"scores": _finite(record.scores), "spread": _finite(record.spread)}
    return {POINT: to_jsonable(record.point.as_json()), RECORD: to_jsonable(rest)}


def shown_attrs(record: TrialRecord, metric: str) -> dict[str, Any]:
    """Return what people are to see of a record beside parameters and value, as user attributes: a word or a number each."""
    seen: dict[str, Any] = {
        "stage": str(record.stage),
        "outcome": str(record.outcome),
        "reason": record.reason or None,
        "epoch": record.epoch,
        "sd": record.spread.get(f"val_{metric}") if len(record.seeds) > 1 else None,
        "seeds": len(record.seeds),
        "diverged seeds": record.n_diverged,
        "seconds": round(record.seconds, 3),
    }
    return {k: plain for k, v in seen.items() if (plain := to_jsonable(v)) is not None}


def from_frozen(trial: FrozenTrial) -> TrialRecord:
    """Return the record of a finished trial.

    Raises:
        StoreError: the trial is not finished, or was not written by lossearch.
    """
    from optuna.trial import TrialState

    if not trial.state.is_finished():
        raise StoreError(f"Trial {trial.number} is {trial.state.name}; only a finished trial has a record.")
    # releases up to study.json 2 had it among those that people see
    attrs = {**trial.user_attrs, **trial.system_attrs}
    if not {POINT, RECORD} <= attrs.keys():
        raise StoreError(
            f"Trial {trial.number} has no recorded point: something other than lossearch wrote it. "
            "Use a study name, or a storage, of its own for each."
        )
    known = {f.name for f in fields(TrialRecord)}
    kept: dict[str, Any] = {k: v for k, v in attrs[RECORD].items() if k in known}
    kept |= {"seeds": tuple(kept["seeds"]), "outcome": Outcome(kept["outcome"])}
    if trial.state is TrialState.COMPLETE:
        kept["value"] = trial.values[0]
    return TrialRecord(
        number=trial.number,
        point=Point.from_json(attrs[POINT]),
        intermediate_values=dict(sorted(trial.intermediate_values.items())),
        **kept,
    )


def finished(trials: Iterable[FrozenTrial]) -> tuple[TrialRecord, ...]:
    """Return the records of those trials that are finished, by number."""
    done = (from_frozen(t) for t in trials if t.state.is_finished())
    return tuple(sorted(done, key=lambda r: r.number))


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in ((k, to_jsonable(v)) for k, v in values.items()) if v is not None}

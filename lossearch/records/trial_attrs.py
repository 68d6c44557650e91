"""A trial's record to and from the user attributes of its Optuna trial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lossearch._json import to_jsonable
from lossearch.errors import StoreError
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

POINT = "point"
RECORD = "record"
INTERRUPTED = "interrupted"
"""First word of the reason of a trial that the user or the machine ended."""

LOST = f"{INTERRUPTED}: the process that ran it ended before it did"
_KEPT_APART = ("number", "point", "course")


def to_attrs(record: TrialRecord) -> dict[str, Any]:
    """Return a record as JSON-safe user attributes, to be set before the trial is told."""
    rest = {f.name: getattr(record, f.name) for f in fields(record) if f.name not in _KEPT_APART}
    rest["scores"], rest["spread"] = _finite(record.scores), _finite(record.spread)
    return {**point_attrs(record.point), RECORD: to_jsonable(rest)}


def point_attrs(point: Point) -> dict[str, Any]:
    """Return the attribute that holds a point, to be set as soon as a trial is asked."""
    return {POINT: to_jsonable(point.as_json())}


def point_of(trial: FrozenTrial) -> Point:
    """Return the point of a trial, finished or not.

    Raises:
        StoreError: the trial carries none, so something else wrote it.
    """
    if POINT not in trial.user_attrs:
        raise StoreError(
            f"Trial {trial.number} has no recorded point: something other than lossearch wrote it. "
            "Use a study name, or a storage, of its own for each."
        )
    return Point.from_json(trial.user_attrs[POINT])


def from_frozen(trial: FrozenTrial) -> TrialRecord:
    """Return the record of a finished trial.

    A trial that ended without one, because its process was killed, is FAILED with the reason ``LOST``.

    Raises:
        StoreError: the trial is not finished, or was not written by lossearch.
    """
    if not trial.state.is_finished():
        raise StoreError(f"Trial {trial.number} is {trial.state.name}; only a finished trial has a record.")
    point = point_of(trial)
    found = trial.user_attrs.get(RECORD)
    if found is None:
        return _lost(trial, point)
    known = {f.name for f in fields(TrialRecord)}
    kept: dict[str, Any] = {k: v for k, v in found.items() if k in known}
    kept |= {"seeds": tuple(kept["seeds"]), "outcome": Outcome(kept["outcome"])}
    if trial.state is TrialState.COMPLETE:
        kept["value"] = trial.values[0]
    return TrialRecord(
        number=trial.number, point=point, course=dict(sorted(trial.intermediate_values.items())), **kept
    )


def finished(trials: Iterable[FrozenTrial]) -> tuple[TrialRecord, ...]:
    """Return the records of those trials that are finished, by number."""
    done = (from_frozen(t) for t in trials if t.state.is_finished())
    return tuple(sorted(done, key=lambda r: r.number))


def _lost(trial: FrozenTrial, point: Point) -> TrialRecord:
    return TrialRecord(
        number=trial.number,
        stage="search",
        point=point,
        encoding="",
        seeds=(),
        outcome=Outcome.FAILED,
        value=None,
        epoch=None,
        reason=LOST,
        started=trial.datetime_start.timestamp() if trial.datetime_start else 0.0,
        seconds=trial.duration.total_seconds() if trial.duration else 0.0,
    )


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    plain = to_jsonable(values)
    return {k: v for k, v in plain.items() if v is not None} if isinstance(plain, dict) else {}

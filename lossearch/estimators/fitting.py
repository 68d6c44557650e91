"""One fit: the search, in the user's store or in one of its own, and of what it found all that is kept."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lossearch.api import search
from lossearch.api.result import Result
from lossearch.data.sources import from_arrays
from lossearch.data.splits import VALIDATION_SHARE
from lossearch.errors import InputError, StudyMismatchError, StudyRunningError
from lossearch.estimators.answer import Answer, answer_of
from lossearch.estimators.checks import Targets
from lossearch.kinds import KINDS
from lossearch.metrics.metric import SIGN
from lossearch.model import FittedModel
from lossearch.records.curves import mean_curves_of
from lossearch.records.trial import best_of
from lossearch.space import Point, Space
from lossearch.study.progress import Listener

MOST_EPOCHS = 30
"""Passes over the rows, unless more are asked for: what is fitted again and again is to take seconds."""


@dataclass(frozen=True)
class Records:
    """Where a fit is recorded, and under which name; no ``store`` for a directory that is gone after the fit.

    ``settings`` tell it from others of the same name.
    """

    store: str | Path | None
    name: str
    mlflow: bool | None
    settings: Sequence[str] = ()

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Give the options of ``search`` for it."""
        if self.store is not None:
            yield {"store": self.store, "mlflow": True if self.mlflow is None else self.mlflow}
            return
        with TemporaryDirectory(prefix="lossearch-") as store:
            yield {"store": store, "mlflow": bool(self.mlflow)}


@dataclass(frozen=True, eq=False)
class Found:
    """What a fit found; ``history`` holds the curves of the winner's trial, a mapping an epoch."""

    result: Result
    model: FittedModel
    history: list[dict[str, float]]
    with_probabilities: tuple[str, ...]


def find(
    x: Any,
    targets: Targets,
    options: Mapping[str, Any],
    records: Records,
    *,
    epochs: int | None,
    **sides: Any,
) -> Found:
    """Search, and fit the point to use, of the pairs asked for, on all rows but those of a test part.

    Args:
        x: checked rows.
        targets: what they are to give.
        options: of ``search``.
        records: where it is recorded.
        epochs: passes over the rows; None for what suits their number.
        sides: what rows have beside X and y, and ``listener``.
    """
    share = options.get("validation", VALIDATION_SHARE)
    scarcity = "" if sides.get("groups") is not None else targets.scarcity(share)
    if scarcity:
        warnings.warn(
            f"{scarcity} So all rows train and validate alike, and the choice of the point rests on the rows it was "
            "fitted on.",
            stacklevel=5,
        )
    known = {
        **options,
        **{name: value for name, value in sides.items() if value is not None or name == "listener"},
        "task": targets.kind,
        "validation": (x, targets.given) if scarcity else share,
        "epochs": epochs or min(MOST_EPOCHS, KINDS[targets.kind].budget(len(targets.codes))[0]),
    }
    with records.opened() as place:
        result = _searched(x, targets.given, {**known, **place}, records)
        space = _space(result)
        model = result.fit("train" if scarcity else "train+validation", pairs=space.asked)
        kept = answer_of(result) if records.store is not None else Answer.of(result)
        with_probabilities = tuple(pair.name for pair in space.pairs if pair.gives("probability"))
        return Found(kept, model, _history(result, model.point), with_probabilities)


def _searched(x: Any, y: Any, options: Mapping[str, Any], records: Records) -> Result:
    """Search under a name, or under one of its own where other data or settings have that name already."""
    try:
        return search(x, y, name=records.name, **options)
    except (StudyMismatchError, StudyRunningError):
        groups, weights = options.get("groups"), options.get("sample_weight")
        data = from_arrays(x, y, groups=groups, sample_weight=weights).digest
        own = hashlib.blake2b("\n".join([data, *records.settings]).encode(), digest_size=4).hexdigest()
        return search(x, y, name=f"{records.name}-{own}", **options)


def _space(result: Result) -> Space:
    """Return what a study that was run here has searched.

    Raises:
        InputError: it searched no pair that was asked for, with the reasons.
    """
    assert result.prepared is not None  # noqa: S101 - it was run
    space = result.prepared.plan.space
    if not space.asked:
        reasons = " ".join(map(str, space.rejections))
        raise InputError(
            f"No pair that was asked for can be trained on these data: name other losses. {reasons}"
        )
    return space


def _history(result: Result, point: Point) -> list[dict[str, float]]:
    sign = SIGN[result.declared.task.direction]
    trial = best_of([r for r in result.trials if r.point == point], sign)
    if trial is None:
        return []
    curves = {
        name: curve.mean.tolist() for name, curve in mean_curves_of(result.curves, trial.number).items()
    }
    epochs = max(map(len, curves.values()), default=0)
    return [
        {"epoch": e + 1, **{name: values[e] for name, values in curves.items() if e < len(values)}}
        for e in range(epochs)
    ]


def listener_of(verbose: int) -> Listener | None:
    """Return what hears of the progress: None has ``search`` print it."""
    return None if verbose else Listener()

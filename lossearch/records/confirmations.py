"""The confirmation of a study, as ``confirm.json`` keeps it: one record a pair.

The file is written last, after the predictions and the curves it speaks of: what it does not name, of
either, is what a killed process left, and is not read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lossearch._json import to_jsonable, write_json
from lossearch.errors import StoreError
from lossearch.records.damage import damaged, read_record
from lossearch.records.trial import Stage, TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

FILE = "confirm.json"
FORMAT = 1
PREFIX = {"test": "test_", "validation": "val_"}
"""Part of the data -> how the names of its scores begin."""


@dataclass(frozen=True)
class Confirmation:
    """What the best point of a pair came to on fresh seeds.

    ``trial`` is the search's trial it was chosen from, ``search`` that trial's value, ``epoch`` the common
    epoch to which every replicate was trained. ``outcomes`` and each of ``values`` have one entry a seed:
    ``values`` are scores at that epoch (``test_accuracy``, ``val_accuracy``, ``train_loss``, ...), a diverged
    replicate's metrics being a constant predictor's; NaN where there is none. ``fields`` are what the
    pair's predictions hold, ``codes`` the two numbers a binary pair trains on, ``family`` the family of what
    distributions it predicts. ``judged`` names the score that counts.
    """

    point: Point
    encoding: str
    trial: int
    search: float
    epoch: int
    judged: str
    seeds: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    values: Mapping[str, tuple[float, ...]]
    fields: tuple[str, ...]
    codes: tuple[float, float] | None = None
    family: str | None = None
    reason: str = ""
    seconds: float = 0.0
    started: float = 0.0

    @property
    def n_diverged(self) -> int:
        """How many replicates diverged."""
        return self.outcomes.count(Outcome.DIVERGED)

    @cached_property
    def scores(self) -> dict[str, float]:
        """The mean over seeds of every score."""
        return {name: float(np.mean(v)) for name, v in self._finite.items()}

    @cached_property
    def spread(self) -> dict[str, float]:
        """The standard deviation over seeds of every score; 0 of a single one."""
        return {n: float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for n, v in self._finite.items()}

    @cached_property
    def _finite(self) -> dict[str, list[float]]:
        finite = {name: [v for v in values if math.isfinite(v)] for name, values in self.values.items()}
        return {name: values for name, values in finite.items() if values}

    def record(self) -> TrialRecord:
        """Return this as the record of a trial of stage "confirm", numbered like the search's trial."""
        judged = [v for v in self.values[self.judged] if math.isfinite(v)]
        return TrialRecord(
            number=self.trial,
            stage=Stage.CONFIRM,
            point=self.point,
            encoding=self.encoding,
            seeds=self.seeds,
            outcome=Outcome.DIVERGED if self.n_diverged == len(self.seeds) else Outcome.COMPLETED,
            value=self.scores.get(self.judged),
            epoch=self.epoch,
            reason=self.reason,
            scores=self.scores,
            spread=self.spread,
            median=float(np.median(judged)) if judged else None,
            n_diverged=self.n_diverged,
            seconds=self.seconds,
            started=self.started,
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        plain = {f.name: to_jsonable(getattr(self, f.name)) for f in fields(self) if f.name != "point"}
        summary = {"mean": self.scores, "sd": self.spread}
        return {"pair": self.point.pair, "point": self.point.as_json(), **plain, **summary}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Confirmation:
        """Return the confirmation that :meth:`as_json` described."""
        # records of before there were distributions have no family
        stored = {f.name: values[f.name] for f in fields(cls) if f.name in values or f.name != "family"}
        codes = values["codes"]
        return cls(
            **{
                **stored,
                "point": Point.from_json(values["point"]),
                "seeds": tuple(values["seeds"]),
                "outcomes": tuple(map(Outcome, values["outcomes"])),
                "values": {
                    name: tuple(map(_number, of_seeds)) for name, of_seeds in values["values"].items()
                },
                "fields": tuple(values["fields"]),
                "codes": None if codes is None else tuple(codes),
            }
        )


@dataclass(frozen=True)
class BaselineScores:
    """What a simple model, for which nothing was searched, scores on the rows that the pairs are judged on.

    ``values`` are as those of a :class:`Confirmation`, one entry a seed: the seed's training rows are what it is fitted on.
    ``key`` names it in MLflow. ``interval`` is that of the mean judged score over seeds and rows, None where it is not known.
    """

    name: str
    key: str
    seeds: tuple[int, ...]
    values: Mapping[str, tuple[float, ...]]
    interval: tuple[float, float] | None = None

    @property
    def scores(self) -> dict[str, float]:
        """The mean over seeds of every score."""
        return {name: float(np.mean(v)) for name, v in self.values.items()}

    @property
    def spread(self) -> dict[str, float]:
        """The standard deviation over seeds of every score; 0 of a single one."""
        return {name: float(np.std(v, ddof=1)) if len(v) > 1 else 0.0 for name, v in self.values.items()}

    def as_json(self) -> dict[str, Any]:
        """Return plain values, the inverse of :meth:`from_json`."""
        return {f.name: to_jsonable(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> BaselineScores:
        """Return the scores that :meth:`as_json` described."""
        values = {name: tuple(map(_number, of_seeds)) for name, of_seeds in plain["values"].items()}
        interval = plain.get("interval")  # records of earlier releases have none, nor a key
        key = plain.get("key", plain["name"].replace(" ", "_"))
        return cls(plain["name"], key, tuple(plain["seeds"]), values, interval and tuple(interval))


@dataclass(frozen=True)
class EarlyStopping:
    """How far a confirmation with early stopping has come.

    ``analyses`` are the numbers of seeds after which pairs are to be compared, none without early stopping;
    ``at`` is how many seeds the pairs that are left have been given. ``dropped``: pair -> after how many seeds.
    """

    analyses: tuple[int, ...] = ()
    at: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def past(self) -> tuple[int, ...]:
        """The analyses up to now."""
        return tuple(n for n in self.analyses if n <= self.at)


@dataclass(frozen=True)
class Confirmed:
    """The confirmation of a study.

    ``trials`` is how many trials the search had when its best were chosen. ``part`` holds the rows that count: "test", or "validation" where there is no test part. ``constants``
    are what a constant predictor scores: part -> metric -> one number a seed. ``left_out`` says of each
    pair that is not confirmed why. With early stopping a pair may have fewer than all ``seeds``, but the first of them. ``baselines`` are
    simple models on the same rows; records of earlier releases have none.
    """

    part: str
    metric: str
    seeds: tuple[int, ...]
    constants: Mapping[str, Mapping[str, tuple[float, ...]]]
    confirmations: tuple[Confirmation, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    baselines: tuple[BaselineScores, ...] = ()

    def __getitem__(self, pair: str) -> Confirmation:
        return {c.point.pair: c for c in self.confirmations}[pair]

    @property
    def pairs(self) -> tuple[str, ...]:
        """The confirmed pairs."""
        return tuple(c.point.pair for c in self.confirmations)


def write_confirmed(folder: Path, confirmed: Confirmed) -> Path:
    """Write ``confirm.json``, whole or not at all; curves and predictions must be there already."""
    plain = {
        "format": FORMAT,
        "part": confirmed.part,
        "metric": confirmed.metric,
        "seeds": confirmed.seeds,
        "constants": confirmed.constants,
        "left_out": confirmed.left_out,
        "trials": confirmed.trials,
        "raced": {
            "looks": confirmed.stopping.analyses,
            "at": confirmed.stopping.at,
            "dropped": confirmed.stopping.dropped,
        },
        "baselines": [b.as_json() for b in confirmed.baselines],
        "confirmations": [c.as_json() for c in confirmed.confirmations],
    }
    return write_json(folder / FILE, plain)


def read_confirmed(folder: Path) -> Confirmed | None:
    """Return the confirmation in a study's directory, None where there is none.

    Raises:
        StoreError: the file is damaged, or of a later lossearch.
    """
    path = folder / FILE
    if not path.exists():
        return None

    def made(found: dict[str, Any]) -> Confirmed:
        if not isinstance(found["format"], int):
            raise damaged(path, f"its format is {found['format']!r}")
        if found["format"] != FORMAT:
            raise StoreError(
                f"{path} has format {found['format']}; this lossearch reads {FORMAT}. Upgrade lossearch, "
                "or move the file away and run the study again: it is confirmed anew."
            )
        return _confirmed(found)

    return read_record(path, made)


def _confirmed(found: Mapping[str, Any]) -> Confirmed:
    return Confirmed(
        part=found["part"],
        metric=found["metric"],
        seeds=tuple(found["seeds"]),
        constants={
            part: {name: tuple(map(_number, values)) for name, values in of_part.items()}
            for part, of_part in found["constants"].items()
        },
        confirmations=tuple(Confirmation.from_json(c) for c in found["confirmations"]),
        left_out=dict(found["left_out"]),
        trials=int(found.get("trials", 0)),
        stopping=_stopping(found.get("raced", {})),
        baselines=tuple(map(BaselineScores.from_json, found.get("baselines", ()))),
    )


def _stopping(values: Mapping[str, Any]) -> EarlyStopping:
    return EarlyStopping(tuple(values.get("looks", ())), values.get("at", 0), dict(values.get("dropped", {})))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)

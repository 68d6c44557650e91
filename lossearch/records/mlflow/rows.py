"""What an MLflow run says of a trial: parameters, tags, metrics and thinned curves, as plain values."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lossearch._colours import colour
from lossearch._epochs import thin
from lossearch._json import dumps, to_jsonable
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.records.curves import MeanCurves
from lossearch.records.study import StudyRecord
from lossearch.records.trial import Stage, TrialRecord
from lossearch.training.contract import SCORED_EPOCHS, Outcome

TRIAL, CONFIRMATION = "trial", "confirmation"
"""Roles of a study's child runs. Views of the trials show no confirmation."""

PARAM_LENGTH = 500
"""Longer values are cut, as older servers would; the whole is in the run's params.json."""

TAG_LENGTH = 5000
NAME_LENGTH = 250
EPOCHS = SCORED_EPOCHS
CURVES = 6
SPREADS = 2
"""How many of them, the first, are given with their spread, at every other epoch shown."""
VALUES = 80
"""Curve values a run: what a plot can show, and 7 ms on sqlite."""


@dataclass(frozen=True)
class Value:
    """One metric value at one step."""

    name: str
    value: float
    step: int


@dataclass(frozen=True)
class Row:
    """One trial as an MLflow run. Times in seconds since 1970; ``long`` holds the parameters that were cut."""

    name: str
    status: str
    start: float
    end: float
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: tuple[Value, ...]
    long: Mapping[str, str]

    @property
    def start_ms(self) -> int:
        """When it began, in whole milliseconds as MLflow counts."""
        return round(1000 * self.start)

    @property
    def end_ms(self) -> int:
        """When it ended, likewise."""
        return round(1000 * self.end)


def trial_row(study: StudyRecord, record: TrialRecord, curves: MeanCurves | None) -> Row:
    """Return the run of a trial: final values by plain names, curves as ``curve/NAME``, the first with ``spread/NAME``."""
    params = _trial_params(record)
    names = safe_names(params)
    long = {k: v for k, v in params.items() if len(v) > PARAM_LENGTH}
    return Row(
        name=run_name(record),
        status="FAILED" if record.outcome is Outcome.FAILED else "FINISHED",
        start=record.started,
        end=record.started + record.seconds,
        params={names[k]: cut(v, PARAM_LENGTH) for k, v in params.items()},
        tags={k: cut(v, TAG_LENGTH) for k, v in trial_tags(study, record).items()},
        metrics=(*_final_values(record), *_curve_values(study, record, curves or {})),
        long=long,
    )


def run_name(record: TrialRecord) -> str:
    """Return "lr 0.03 hinge/tanh #12", or "lr 0.03 hinge/tanh confirmed" for what is no Optuna trial.

    What tells apart most stands first: the UI shows some twenty characters on a laptop.
    """
    tail = "confirmed" if record.stage == Stage.CONFIRM else f"#{record.number}"
    return f"lr {record.point.lr:.2g} {record.point.pair} {tail}"


def trial_tags(study: StudyRecord, record: TrialRecord) -> dict[str, str]:
    """Return the tags by which trials are filtered and grouped: few, since the UI fetches those of every run it lists."""
    return {
        "lossearch.study": study.name,
        "lossearch.role": CONFIRMATION if record.stage == Stage.CONFIRM else TRIAL,
        "lossearch.trial": str(record.number),
        "lossearch.stage": str(record.stage),
        "lossearch.state": str(record.outcome),
        **({"lossearch.reason": record.reason} if record.reason else {}),
        "lossearch.pair": record.point.pair,
        # the UI's own choice has one colour for several pairs
        "mlflow.runColor": _colour(study, record.point.pair),
    }


def _colour(study: StudyRecord, pair: str) -> str:
    """Return the colour of a pair's runs, the same in every chart."""
    pairs = [*study.space.pairs]
    return colour(pairs.index(pair) if pair in pairs else len(pairs))


def study_params(study: StudyRecord) -> dict[str, str]:
    """Return the parameters of a study's own run."""
    values: dict[str, object] = {
        "task": study.task.name,
        "kind": study.task.kind,
        "metric": study.task.metric,
        "direction": study.task.direction,
    }
    values |= {f"rows_{part}": size for part, size in study.task.rows.items()}
    params = {k: _text(v) for k, v in {**values, **_settings(study)}.items()}
    names = safe_names(params)
    return {names[k]: cut(v, PARAM_LENGTH) for k, v in params.items()}


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name MLflow allows for each: letters, digits and ``_-. :/``, at most 250.

    Two names that would become one are kept apart by a short hash of the original.
    """
    originals = list(dict.fromkeys(names))
    plain = {name: _plain_name(name) for name in originals}
    taken = [plain[name] for name in originals]
    return {
        name: plain[name]
        if plain[name] == name or taken.count(plain[name]) == 1
        else f"{plain[name][: NAME_LENGTH - 9]}-{_short_hash(name)}"
        for name in originals
    }


def cut(text: str, length: int) -> str:
    """Return a text, its end replaced by "..." if it is longer than ``length``."""
    return text if len(text) <= length else text[: length - 3] + "..."


@lru_cache(4096)
def _plain_name(name: str) -> str:
    fit = re.sub(r"[^A-Za-z0-9_\-. :/]", "_", name)
    # MLflow reads a name as a relative path, which must be in its simplest form
    fit = "/".join(part if part.strip(".") else "_" * len(part) for part in fit.split("/") if part) or "_"
    return fit if len(fit) <= NAME_LENGTH else f"{fit[: NAME_LENGTH - 9]}-{_short_hash(name)}"


def _short_hash(name: str) -> str:
    return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _trial_params(record: TrialRecord) -> dict[str, str]:
    """Return what a trial has of its own; what all share are parameters of the study's run."""
    point = record.point
    values = {
        **{k: v for k, v in point.settings.items() if v is not None},
        "pair": point.pair,
        "loss": point.loss,
        "activation": point.activation,
        "encoding": record.encoding,
        "lr": point.lr,
        **{f"{point.loss}.{k}": v for k, v in point.params.items()},
        "seeds": ", ".join(map(str, record.seeds)),
        "n_seeds": len(record.seeds),
    }
    return {k: _text(v) for k, v in values.items()}


def _settings(study: StudyRecord) -> dict[str, object]:
    """Return how a study trains, the optimiser's options as ``optimizer.NAME``."""
    train = vars(study.train)
    options = {f"optimizer.{k}": v for k, v in study.train.options.items()}
    plain = {k: v for k, v in train.items() if k != "options"}
    return {**plain, **options, "accelerator": study.accelerator}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    plain = to_jsonable(value)
    return repr(plain) if isinstance(plain, float) else str(plain) if isinstance(plain, int) else dumps(plain)


def _final_values(record: TrialRecord) -> list[Value]:
    named = {
        **record.scores,
        **{f"{k}_sd": v for k, v in record.spread.items() if _judges(k)},
        "score": record.value,
        "score_median": record.median,
        "lr": record.point.lr,
        # the UI has no logarithmic axis for a scatter
        "lr_log10": math.log10(record.point.lr),
        "epoch": record.epoch,
        "n_diverged": record.n_diverged,
        "seconds": record.seconds,
    }
    names = safe_names(named)
    # all at step 0: the UI draws values of different steps as a line of one point each
    return [Value(names[k], float(v), 0) for k, v in named.items() if v is not None and math.isfinite(v)]


def _judges(curve: str) -> bool:
    """Whether a curve is one of scores on other rows than those trained on, and not of a loss."""
    part, _, name = curve.partition("_")
    return part != "train" and name != "loss"


def _curve_values(study: StudyRecord, record: TrialRecord, curves: MeanCurves) -> list[Value]:
    main = main_curves(study, curves)
    most = min(EPOCHS, max(2, int(VALUES / max(1, len(main) + len(main[:SPREADS]) / 2))))
    names = safe_names(main)
    found = []
    for name in main:
        length = len(curves[name].mean)
        whole = max(length, int(record.point.settings.get("epochs", study.train.epochs)))
        epochs = [e for e in _shown(whole, most) if e <= length]
        found += _curve(f"curve/{names[name]}", curves[name].mean, epochs)
        if name in main[:SPREADS]:
            found += _curve(f"spread/{names[name]}", curves[name].sd, epochs[:-1:2] + epochs[-1:])
    return found


def _shown(epochs: int, most: int) -> list[int]:
    """Return epochs at which every curve is scored; the same in all trials, whose averages would else zig-zag."""
    scored = thin(epochs, SCORED_EPOCHS)
    return [scored[place - 1] for place in thin(len(scored), most)]


def main_curves(study: StudyRecord, names: Collection[str]) -> list[str]:
    """Return which of a trial's curves its run shows: few, the objective's first."""
    # first those whose spread is shown
    objective = [f"val_{study.task.metric}", "val_loss", f"train_{study.task.metric}", "train_loss"]
    others = [f"val_{metric}" for metric in study.metrics]
    scores = [name for name in names if name not in BEHAVIOUR]
    return [name for name in dict.fromkeys([*objective, *others, *scores]) if name in names][:CURVES]


def _curve(name: str, values: NDArray[np.float64], epochs: list[int]) -> list[Value]:
    shown = ((epoch, float(values[epoch - 1])) for epoch in epochs)
    return [Value(name, value, epoch) for epoch, value in shown if math.isfinite(value)]

"""The tables of a study file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lossearch.config.fields import (
    Count,
    Duration,
    LearningRate,
    MetricNames,
    Names,
    NotNegative,
    Number,
    Options,
    PairName,
    PairNames,
    Positive,
    Ranges,
    RowRange,
    Share,
    Size,
    SomeNames,
    StudyName,
    Switch,
    TestShare,
    Text,
    Whole,
    is_number,
    parse_duration,
    parse_rows,
    parse_size,
)
from lossearch.config.words import shown
from lossearch.kinds import KINDS

_WHOLE_SETTINGS = ("batch_size", "epochs")


FEWEST_TO_RACE = 10
"""With fewer fresh seeds there is nothing to save."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Rows(_Table):
    """Given parts of the data, each a range of rows "from:to", the end not included."""

    train: RowRange
    validation: RowRange
    test: RowRange | None = None

    @model_validator(mode="after")
    def _apart(self) -> Self:
        spans = {name: span for name, text in self if text and (span := parse_rows(text))}
        in_order = sorted(
            (start, math.inf if end is None else end, name) for name, (start, end) in spans.items()
        )
        for (_, end, a), (start, _, b) in pairwise(in_order):
            if start < end:
                raise ValueError(f"must not overlap; {a} and {b} share rows")
        return self


if TYPE_CHECKING:
    KindName = str
else:
    KindName = Literal[*KINDS]


class TaskTable(_Table):
    """What is predicted, from which data, and how it is judged.

    ``data`` is a built-in name, the path of a .csv or .parquet file, "openml:NUMBER" or
    "module:function"; None where arrays are given in Python. ``test``: None draws 20 %, False none.
    ``metric``: what judges; of two the first, and the second is an objective beside it.
    ``stream``: whether training rows are read batch by batch, None where they are too large to be held; then
    ``held_rows`` of each part at most are held to be scored, and ``readers`` processes read ahead.
    """

    data: Text | None = None
    data_options: Options = {}
    target: Text | None = None
    kind: KindName | None = None
    metric: MetricNames = None
    metrics: Names = ()
    model: Text = "mlp"
    hidden: tuple[Count, ...] | None = None
    init: Literal["torch", "he_uniform"] = "torch"
    scale: Switch = True
    standardize_target: Switch = True
    rows: Rows | None = None
    test: TestShare = None
    validation: Share = None
    groups: Text | None = None
    time: Text | None = None
    stream: Switch | None = None
    held_rows: Count | None = None
    readers: Whole = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.rows is not None and self.validation is not None:
            raise ValueError("gives both rows and validation: the rows already say which part validates")
        if self.rows is not None and self.rows.test is not None and self.test is not None:
            raise ValueError("gives both rows.test and test: the rows already say which part tests")
        if self.groups is not None and self.time is not None:
            raise ValueError("gives both groups and time: split by one of them")
        return self


class SearchRange(_Table):
    """One searched training setting: from ``low`` to ``high``, or one of ``choices``."""

    low: Number | None = None
    high: Number | None = None
    log: Switch = False
    integer: Switch = False
    choices: tuple[Any, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            if len(value) != 2 or not all(map(is_number, value)):
                raise ValueError(f"must be [low, high] or {{choices = [...]}}; got {shown(value)}")
            return {"low": value[0], "high": value[1]}
        if not isinstance(value, Mapping | SearchRange):
            raise ValueError(  # noqa: TRY004 - pydantic reads ValueError
                f"must be [low, high] or {{choices = [...]}}; got {shown(value)}. A fixed value belongs in [train]"
            )
        return value

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError("must have either low and high, or choices")
        if self.choices and not all(isinstance(c, str) or is_number(c) for c in self.choices):
            raise ValueError("choices must be numbers or text")
        if not self.choices and (self.low is None or self.high is None):
            raise ValueError("must have both low and high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"must go from low to high; got {self.low:g} to {self.high:g}")
        if self.log and self.low is not None and self.low <= 0:
            raise ValueError(f"must be above 0 to be searched on a log scale; got {self.low:g}")
        return self


class SpaceTable(_Table):
    """What is searched. None takes every usual loss and activation of the task."""

    losses: SomeNames = None
    activations: SomeNames = None
    pairs: PairNames = None
    lr: LearningRate = None
    extend: Switch = True
    params: Ranges = {}
    settings: dict[str, SearchRange] = {}

    @model_validator(mode="before")
    @classmethod
    def _whole_settings(cls, value: Any) -> Any:
        settings = value.get("settings") if isinstance(value, Mapping) else None
        if not isinstance(settings, Mapping):
            return value
        whole = {k: _whole(v) if k in _WHOLE_SETTINGS else v for k, v in settings.items()}
        return {**value, "settings": whole}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.pairs is not None and (self.losses is not None or self.activations is not None):
            raise ValueError(
                "gives pairs beside losses or activations: give the pairs alone, or leave them out"
            )
        bare = [name for name in self.params if not all(name.partition("."))]
        if bare:
            raise ValueError(f"params are named loss.parameter, as in focal.gamma; got {shown(bare[0])}")
        if "lr" in self.settings:
            raise ValueError("settings cannot hold lr: write lr = [low, high] in [space] itself")
        return self


def _whole(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(is_number, value)):
        value = {"low": value[0], "high": value[1]}
    if isinstance(value, Mapping) and "low" in value:
        return {**value, "integer": True}
    return value


class BudgetTable(_Table):
    """How much is spent. ``trials`` counts all pairs together; None takes the protocol's default.

    ``confirm_seeds`` 0 gives no verdict. Differences up to ``rope`` are equal for practical purposes, None
    takes what suits the metric. In a ``race`` pairs that are told worse after some of the seeds get no more.
    """

    trials: Count | None = None
    seeds: Count = 5
    confirm_seeds: Whole = Field(default=20, ge=0)
    rope: NotNegative | None = None
    race: Switch = False
    time: Duration = None
    mode: Literal["equal", "adaptive"] = "equal"
    sampler: Literal["tpe", "gp", "random", "qmc", "grid", "brute"] = "tpe"
    seed: Whole = Field(default=0, ge=0)
    prune: Switch | None = None

    @model_validator(mode="after")
    def _enough_to_judge(self) -> Self:
        if self.confirm_seeds == 1:
            raise ValueError(
                "confirm_seeds is 1, and one seed does not tell how results vary: give 2 or more, or 0 for no verdict"
            )
        return self

    @model_validator(mode="after")
    def _something_to_race(self) -> Self:
        if self.race and self.mode != "equal":
            raise ValueError(
                "race = true needs mode = 'equal': in mode 'adaptive' one point alone is confirmed. Leave race out"
            )
        if self.race and self.confirm_seeds < FEWEST_TO_RACE:
            raise ValueError(
                f"race = true needs confirm_seeds of at least {FEWEST_TO_RACE}: pairs are first told apart after 8. "
                "Raise confirm_seeds, or leave race out"
            )
        return self

    @model_validator(mode="after")
    def _no_unequal_training(self) -> Self:
        if self.prune and self.mode == "equal":
            raise ValueError(
                "prune = true needs mode = 'adaptive': in mode 'equal' pairs are compared, and every trial is "
                "trained in full so that none loses one that starts slowly"
            )
        return self

    @property
    def prunes(self) -> bool:
        """Whether trials that lag behind are given up: by default where pairs are not compared."""
        return self.mode == "adaptive" if self.prune is None else self.prune

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds."""
        return None if self.time is None else parse_duration(self.time)


class TrainTable(_Table):
    """How every replicate is trained. None takes what suits the number of rows.

    ``options`` are the optimiser's own arguments. Up to ``workers`` processes train at once, by default one a
    core, where that pays; together they use at most ``memory``, by default half of what is free.
    ``compile`` compiles all losses of a population as one function, and small networks whole (two layers, at
    most 8 inputs and 4 outputs), where it takes 10 000 steps or more: fewer do not repay the ten seconds that
    compiling takes. Needs a C++ compiler.
    """

    epochs: Count | None = None
    batch_size: Count | None = None
    optimizer: Text = "adam"
    options: Options = {}
    schedule: Literal["constant", "step", "cosine", "linear", "warmup", "warmup_cosine"] = "constant"
    clip: Positive | None = None
    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    precision: Literal["32-true", "64-true", "bf16-mixed"] = "32-true"
    epoch: Literal["best", "last"] = "best"
    workers: Count | None = None
    memory: Size | None = None
    compile: bool = False

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes."""
        return None if self.memory is None else parse_size(self.memory)

    @model_validator(mode="after")
    def _no_lr(self) -> Self:
        if "lr" in self.options:
            raise ValueError("options cannot hold lr: write lr in [space], a number to fix it or [low, high]")
        return self


class RecordsTable(_Table):
    """Where the records go, and whose weights are among them.

    ``weights``: "best" keeps those of every pair's best trial, "all" of as many trials as fit into
    ``weights_limit``. Weights that are not kept are made again by training the trial again.
    """

    store: Text = "mlruns"
    storage: Text | None = None
    tracking_uri: Text | None = None
    mlflow: Switch = True
    name: StudyName = None
    weights: Literal["best", "all", "none"] = "best"
    weights_limit: Size = "512MiB"

    @property
    def weights_bytes(self) -> int:
        """The limit in bytes."""
        return parse_size(self.weights_limit)


class PublishedRow(_Table):
    """A published figure, shown beside ours: which pair, by which metric, and what was printed."""

    pair: PairName
    label: Text
    metric: Text
    train: Number | None = None
    test: Number | None = None
    note: str = Field(default="", strict=True)


class StudyConfig(_Table):
    """A whole study file."""

    task: TaskTable = TaskTable()
    space: SpaceTable = SpaceTable()
    budget: BudgetTable = BudgetTable()
    train: TrainTable = TrainTable()
    records: RecordsTable = RecordsTable()
    published: tuple[PublishedRow, ...] = ()

    @property
    def name(self) -> str:
        """The study's name: as given, else from its data."""
        return self.records.name or name_of(self.task.data)


def name_of(data: str | None) -> str:
    """Return the name a study has from its data, fit for a directory."""
    if data is None:
        return "study"
    source = data if data.startswith("openml:") else data.rpartition(":")[2]
    stem = Path(source).stem if Path(source).suffix in (".csv", ".parquet") else source
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:100].rstrip(".") or "study"

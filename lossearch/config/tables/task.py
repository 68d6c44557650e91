"""[task]: what is predicted, from which data, and how it is judged."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, model_validator

from lossearch.config.fields import (
    Count,
    FilePath,
    MetricNames,
    Names,
    Options,
    RowRange,
    Share,
    Switch,
    Table,
    TestShare,
    Text,
    Whole,
    parse_rows,
)
from lossearch.config.option import Option
from lossearch.kinds import KINDS


class Rows(Table):
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


class TaskTable(Table):
    """What is predicted, from which data, and how it is judged."""

    data: Annotated[
        FilePath | None,
        Option(
            "CSV or Parquet file, directory of images, built-in name, openml:ID or module:function.",
            "DATA",
            code=True,
        ),
    ] = None
    data_options: Annotated[
        Options, Option("Arguments of a built-in problem or of module:function; image_size of images.")
    ] = Field(default_factory=dict)
    target: Annotated[Text | None, Option("Column to predict.", "COLUMN")] = None
    kind: Annotated[
        KindName | None,
        Option("Kind of task; inferred from the target unless given.", flag="--task", parameter="task"),
    ] = None
    metric: Annotated[
        MetricNames,
        Option("What judges a trial; a second one is an objective too.", "NAME[,NAME]", code=True),
    ] = None
    metrics: Annotated[Names, Option("Metrics recorded beside the usual ones.", "A,B", code=True)] = ()
    model: Annotated[
        Text | None,
        Option(
            "Network: mlp, cnn, fcn, autoencoder or module:function; by default what is usual for the kind of task.",
            "NAME",
            code=True,
        ),
    ] = None
    module: Annotated[
        Text | None,
        Option(
            "A LightningModule of your own, as module:Class, which is trained as it is.",
            "MODULE:CLASS",
            code=True,
        ),
    ] = None
    module_args: Annotated[Options, Option("Arguments of that module.")] = Field(default_factory=dict)
    datamodule: Annotated[
        Text | None,
        Option("The LightningDataModule that the module trains on, likewise.", "MODULE:CLASS", code=True),
    ] = None
    datamodule_args: Annotated[Options, Option("Arguments of the data module.")] = Field(default_factory=dict)
    criterion: Annotated[
        Text | None,
        Option(
            "What the module calls its loss, an argument or an attribute; criterion, loss_fn, ...", "NAME"
        ),
    ] = None
    lr_name: Annotated[
        Text | None, Option("What the module calls its learning rate; lr or learning_rate.", "NAME")
    ] = None
    direction: Annotated[
        Literal["maximize", "minimize"] | None,
        Option("Whether more or less is better, of a metric of your own that does not say it."),
    ] = None
    hidden: Annotated[
        Annotated[tuple[Count, ...], Field(max_length=100)] | None,
        Option(
            "Widths of an mlp's hidden layers, channels of a cnn's or fcn's; by default by rows.", "[N,N]"
        ),
    ] = None
    init: Annotated[Text, Option("Initial weights of an mlp: torch, or he_uniform as in Keras.", "NAME")] = (
        "torch"
    )
    scale: Annotated[Switch, Option("Scale inputs by mean and deviation of the training rows.")] = True
    standardize_target: Annotated[Switch, Option("Scale a real target so too.")] = True
    rows: Annotated[
        Rows | None, Option('Given parts, as {train = "0:500", validation = "500:600", test = "600:"}.')
    ] = None
    test: Annotated[
        TestShare, Option("Share of test rows, or false for none; a fifth by default.", "SHARE")
    ] = None
    validation: Annotated[Share, Option("Share of validation rows in those that are not test.", "SHARE")] = (
        None
    )
    groups: Annotated[
        Text | None, Option("Column of groups; rows of one group stay in one part.", "COLUMN")
    ] = None
    time: Annotated[
        Text | None,
        Option("Column of time, by which parts follow each other.", "COLUMN", flag="--time-column"),
    ] = None
    sample_weight: Annotated[
        Text | None, Option("Column of what each row weighs in the loss; not a feature.", "COLUMN")
    ] = None
    split: Annotated[
        Text | None,
        Option(
            "Column that says which part a row is in: train, validation or test; not a feature.", "COLUMN"
        ),
    ] = None
    stream: Annotated[
        Switch | None, Option("Read training rows batch by batch; by default where they are too many.")
    ] = None
    held_rows: Annotated[
        Count | None, Option("Of streamed data, most rows of a part that are held to be scored.", "N")
    ] = None
    readers: Annotated[Whole, Field(le=1024), Option("Of streamed data, processes that read ahead.", "N")] = 0

    @model_validator(mode="after")
    def _one_split(self) -> Self:
        if self.rows is not None and self.validation is not None:
            raise ValueError("gives both rows and validation: the rows already say which part validates")
        if self.rows is not None and self.rows.test is not None and self.test is not None:
            raise ValueError("gives both rows.test and test: the rows already say which part tests")
        if self.groups is not None and self.time is not None:
            raise ValueError("gives both groups and time: split by one of them")
        if self.split is not None and (self.rows is not None or self.time is not None):
            raise ValueError(
                "gives both split and another division of the rows (rows or time): give one of them"
            )
        return self

    @model_validator(mode="after")
    def _module_alone(self) -> Self:
        if self.module is None:
            with_it = ("module_args", "datamodule", "datamodule_args", "criterion", "lr_name")
            given = [name for name in with_it if getattr(self, name)]
            if given:
                raise ValueError(f"gives {given[0]}, which goes with module")
            return self
        instead = (
            "data",
            "model",
            "hidden",
            "rows",
            "validation",
            "groups",
            "time",
            "sample_weight",
            "split",
            "stream",
            "held_rows",
        )
        given = [name for name in instead if getattr(self, name)]
        if given:
            raise ValueError(
                f"gives both module and {given[0]}: a module brings its own network, and its data module the data"
            )
        return self


class TaskOptions(TypedDict, total=False):
    """The same keys, for those who read the call of ``lossearch.search``, but for those that take objects too."""

    task: str | None
    data_options: Mapping[str, Any] | None
    target: str | None
    metrics: Sequence[str] | None
    module_args: Mapping[str, Any] | None
    datamodule_args: Mapping[str, Any] | None
    criterion: str | None
    lr_name: str | None
    direction: str | None
    hidden: Sequence[int] | None
    init: str | None
    scale: bool | None
    standardize_target: bool | None
    rows: Mapping[str, str] | None
    stream: bool | None
    held_rows: int | None
    readers: int | None

"""[train]: how every replicate is trained."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import AfterValidator, Field, model_validator

from lossearch.config.fields import (
    ClassWeight,
    Count,
    Options,
    Positive,
    PosWeight,
    Size,
    Switch,
    Table,
    Text,
    parse_size,
)
from lossearch.config.option import Option

_DEVICE = re.compile(r"auto|cpu|mps|(?:gpu|cuda)(?::\d{1,3})?")


def _engine(given: str) -> str:
    """Return what trains, where it names an engine."""
    if given in ("local", "ray", "slurm") or given.removeprefix("ray://") not in ("", given):
        return given
    raise ValueError(f"must be local, ray, ray://HOST:10001 or slurm; got {given!r}")


def _device(given: str) -> str:
    """Return what trains, where it names a device."""
    if _DEVICE.fullmatch(given):
        return given
    raise ValueError(f"must be auto, cpu, gpu, cuda, cuda:NUMBER or mps; got {given!r}")


class TrainTable(Table):
    """How every replicate is trained."""

    epochs: Annotated[
        Count | None,
        Field(le=100_000),
        Option("Passes over the training rows; by default what suits their number.", "N", searchable=True),
    ] = None
    batch_size: Annotated[
        Count | None,
        Field(le=10_000_000),
        Option("Rows of a training step; by default what suits their number.", "N", searchable=True),
    ] = None
    optimizer: Annotated[Text, Option("sgd, adam, adamw, rmsprop, ...", "NAME")] = "adam"
    options: Annotated[Options, Option("The optimiser's own arguments, such as momentum.")] = Field(
        default_factory=dict
    )
    schedule: Annotated[
        Text,
        Option("The learning rate over time: constant, step, cosine, linear, warmup, warmup_cosine.", "NAME"),
    ] = "constant"
    clip: Annotated[
        Positive | None, Option("Gradients longer than this are cut to it.", "NORM", searchable=True)
    ] = None
    class_weight: Annotated[
        ClassWeight,
        Option(
            "Weight of each class's rows in the loss: none, balanced or {label = weight}; several in a list are "
            "searched.",
            "W[,W]",
            searchable=True,
        ),
    ] = "none"
    pos_weight: Annotated[
        PosWeight,
        Option(
            "Weight of class 1, or of each label where it is there: none, balanced, or numbers; several names in a "
            "list are searched.",
            "W[,W]",
            searchable=True,
        ),
    ] = "none"
    device: Annotated[
        Text,
        AfterValidator(_device),
        Option("What trains: auto, cpu, gpu, cuda, cuda:1 or mps.", "DEVICE", also="accelerator"),
    ] = "auto"
    precision: Annotated[Text, Option("32-true, 64-true or bf16-mixed.", "NAME")] = "32-true"
    epoch: Annotated[Literal["best", "last"], Option("Which epoch of a trial gives its value.")] = "best"
    trainer: Annotated[
        Options, Option("Arguments of the Trainer of a module of your own.", parameter="trainer_kwargs")
    ] = Field(default_factory=dict)
    workers: Annotated[
        Count | None,
        Field(le=1024),
        Option("Processes that train at once, where that pays; by default one a core.", "N"),
    ] = None
    on: Annotated[
        Text,
        AfterValidator(_engine),
        Option(
            "What trains: local (processes of this machine), ray (a cluster; ray://HOST:PORT one elsewhere) or slurm.",
            "ENGINE",
        ),
    ] = "local"
    on_options: Annotated[
        Options, Option("Options of Ray's tasks or of submitit, such as slurm_partition or timeout_min.")
    ] = Field(default_factory=dict)
    memory: Annotated[
        Size | None, Option("What training may use together; by default half of what is free.", "4GiB")
    ] = None
    compile: Annotated[
        Switch,
        Option("Compile losses and small networks where 10 000 steps repay it; needs a C++ compiler."),
    ] = False

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes."""
        return None if self.memory is None else parse_size(self.memory)

    @model_validator(mode="after")
    def _weighted_once(self) -> Self:
        if self.class_weight != "none" and self.pos_weight != "none":
            raise ValueError("gives both class_weight and pos_weight: weight the classes by one of them")
        return self

    @model_validator(mode="after")
    def _no_lr(self) -> Self:
        if "lr" in self.options:
            raise ValueError("options cannot hold lr: write lr in [space], a number to fix it or [low, high]")
        return self


class TrainOptions(TypedDict, total=False):
    """The same keys, for those who read the call of ``lossearch.search``."""

    epochs: int | None
    batch_size: int | None
    optimizer: str | None
    options: Mapping[str, Any] | None
    schedule: str | None
    clip: float | None
    class_weight: (
        str | Sequence[str] | Mapping[Any, float] | Sequence[str | Mapping[Any, float] | None] | None
    )
    pos_weight: str | Sequence[str] | float | Sequence[float | str | None] | None
    device: str | None
    accelerator: str | None
    precision: str | None
    epoch: str | None
    workers: int | None
    on: str | None
    on_options: Mapping[str, Any] | None
    memory: str | None
    compile: bool | None

"""[train]: how every replicate is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypedDict

from pydantic import Field, model_validator

from lossearch.config.fields import Count, Options, Positive, Size, Switch, Table, Text, parse_size
from lossearch.config.option import Option


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
    accelerator: Annotated[Literal["auto", "cpu", "gpu", "mps"], Option("What trains.")] = "auto"
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
    accelerator: str | None
    precision: str | None
    epoch: str | None
    workers: int | None
    memory: str | None
    compile: bool | None

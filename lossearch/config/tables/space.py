"""[space]: what is searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self, TypedDict

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lossearch.config.fields import (
    LearningRate,
    Number,
    PairNames,
    Ranges,
    SomeNames,
    Switch,
    Table,
    is_number,
)
from lossearch.config.option import Key, Option, keys_of
from lossearch.config.tables.train import TrainTable
from lossearch.config.words import predicate, shown

SEARCHABLE: Mapping[str, Key] = {k.name: k for k in keys_of({"train": TrainTable}) if k.option.searchable}
"""Keys of [train] that may be searched, beside the optimiser's own options."""


class SearchRange(Table):
    """One searched training setting: from ``low`` to ``high``, or one of ``choices``."""

    low: Number | None = None
    high: Number | None = None
    log: Switch = False
    integer: Switch = False
    choices: Annotated[tuple[Any, ...], Field(max_length=1000)] | None = None

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

    @property
    def ends(self) -> tuple[Any, ...]:
        """The choices, or low and high."""
        return self.choices or (self.low, self.high)


def _whole_numbers(settings: dict[str, SearchRange]) -> dict[str, SearchRange]:
    """Mark the ranges of what [train] takes whole numbers for."""
    whole = {
        k for k, v in settings.items() if k in SEARCHABLE and int in SEARCHABLE[k].kinds and not v.choices
    }
    return {k: v.model_copy(update={"integer": True}) if k in whole else v for k, v in settings.items()}


class SpaceTable(Table):
    """What is searched; by default every usual loss and activation of the task."""

    losses: Annotated[
        SomeNames,
        Option(
            "Losses to search, families of losses, or all; one of your own as module:function.",
            "A,B",
            code=True,
        ),
    ] = None
    activations: Annotated[
        SomeNames, Option("Output activations that the losses meet, where legal.", "A,B")
    ] = None
    pairs: Annotated[PairNames, Option("Exactly these pairs, as loss/activation.", "A/B,C/D", code=True)] = (
        None
    )
    lr: Annotated[
        LearningRate, Option("Learning rates to search, or one to fix; by default by optimiser.", "LOW:HIGH")
    ] = None
    extend: Annotated[
        Switch,
        Option(
            "Widen the learning rates once where the best of a pair's first 7 trials lies at an end; needs 8 a pair."
        ),
    ] = True
    params: Annotated[Ranges, Option("Ranges or values of the losses' own parameters, as focal.gamma.")] = (
        Field(default_factory=dict)
    )
    settings: Annotated[
        dict[str, SearchRange],
        Field(max_length=100),
        AfterValidator(_whole_numbers),
        Option("Training settings searched too, as {batch_size = [16, 64]}."),
    ] = Field(default_factory=dict)

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
        for name in SEARCHABLE.keys() & self.settings.keys():
            _require_possible(name, self.settings[name])
        return self


def _require_possible(name: str, given: SearchRange) -> None:
    """Refuse to search what [train] would refuse as a value."""
    whole = int in SEARCHABLE[name].kinds
    for end in given.ends:
        value = int(end) if whole and isinstance(end, float) and end.is_integer() else end
        try:
            TrainTable.model_validate({name: value})
        except ValidationError as error:
            raise ValueError(
                f"settings.{name} {predicate(dict(error.errors()[0]))}; got {shown(end)}"
            ) from None


class SpaceOptions(TypedDict, total=False):
    """The same keys, for those who read the call of ``lossearch.search``."""

    activations: Sequence[str] | None
    pairs: Sequence[str] | None
    lr: float | tuple[float, float] | None
    extend: bool | None
    params: Mapping[str, Any] | None
    settings: Mapping[str, Any] | None

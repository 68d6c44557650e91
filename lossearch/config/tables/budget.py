"""[budget]: how much is spent."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypedDict

from pydantic import Field, model_validator

from lossearch.config.fields import Count, Duration, NotNegative, Switch, Table, Text, Whole, parse_duration
from lossearch.config.option import Option

FEWEST_TO_RACE = 10
"""With fewer fresh seeds there is nothing to save."""


class BudgetTable(Table):
    """How much is spent, and on which points."""

    trials: Annotated[
        Count | None,
        Field(le=100_000),
        Option("Search trials of all pairs together; 16 a pair by default.", "N"),
    ] = None
    seeds: Annotated[Count, Field(le=200), Option("Replicates of every trial.", "N")] = 5
    confirm_seeds: Annotated[
        Whole,
        Field(le=1000),
        Option("Fresh seeds for the best of every pair; 0 gives no verdict.", "N"),
    ] = 20
    rope: Annotated[
        NotNegative | None,
        Option("Differences up to this are equal in practice; by default what suits the metric.", "X"),
    ] = None
    race: Annotated[
        Switch, Option("Give pairs that are told worse after some of the fresh seeds no more of them.")
    ] = False
    time: Annotated[Duration, Option("Stop between rounds after this time.", "10m", parameter="timeout")] = (
        None
    )
    quick: Annotated[
        Switch,
        Option(
            "A first look in about half a minute: the middle learning rates of each pair and no fresh seeds, so no "
            "verdict. The same study without it goes on from there."
        ),
    ] = False
    mode: Annotated[
        Literal["equal", "adaptive"],
        Option("The same number of points for every pair, or whatever finds one good point."),
    ] = "equal"
    sampler: Annotated[
        Text, Option("What chooses points after the first: tpe, gp, random; or qmc, grid, brute.", "NAME")
    ] = "tpe"
    seed: Annotated[Whole, Option("Of splits, replicates and samplers.", "N")] = 0
    prune: Annotated[
        Switch | None,
        Option("Give up trials that lag behind; by default where mode is adaptive."),
    ] = None

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
    def confirming_seeds(self) -> int:
        """Fresh seeds that a run has: none in a quick look."""
        return 0 if self.quick else self.confirm_seeds

    @property
    def seconds(self) -> float | None:
        """The time limit in seconds."""
        return None if self.time is None else parse_duration(self.time)


class BudgetOptions(TypedDict, total=False):
    """The same keys, for those who read the call of ``lossearch.search``."""

    trials: int | None
    seeds: int | None
    confirm_seeds: int | None
    rope: float | None
    race: bool | None
    timeout: str | None
    quick: bool | None
    mode: str | None
    seed: int | None
    prune: bool | None

"""How much a study trains: points a pair, seeds, and how the points are chosen."""

from __future__ import annotations

from dataclasses import dataclass

from lossearch.study.own_sampler import OwnSampler
from lossearch.study.samplers import learns

INITIAL_POINTS = 7
"""Points a pair has before a model is asked, where its budget allows."""
MINIMUM = 5
"""Fewest trials a pair is judged on."""


@dataclass(frozen=True)
class Budget:
    """How much is trained: points a pair, seeds, and how the points are chosen.

    ``mode`` "equal" gives every pair the same number of points, each from a model of its own trials;
    "adaptive" leaves the sampler free after the initial design.
    """

    per_pair: int
    seeds: tuple[int, ...]
    mode: str = "equal"
    sampler: str = "tpe"
    seed: int = 0
    extend: bool = True
    seconds: float | None = None
    quick: bool = False
    """Whether a few points of the initial design are all that is trained."""
    total: int | None = None
    """Trials in all, where the sampler is free after the initial design (mode "adaptive")."""
    prune: bool = False
    """Whether trials that lag behind earlier ones of their pair are given up."""
    own: OwnSampler | None = None
    """The user's own sampler, where ``sampler`` is the name of one."""

    @property
    def initial(self) -> int:
        """Points of the initial design; all of them where no model is asked."""
        return min(self.per_pair, INITIAL_POINTS) if learns(self.sampler) else self.per_pair

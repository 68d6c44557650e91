"""What weighting the classes did to the best point of each pair, where that was searched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lossearch.kinds import NONE
from lossearch.metrics.metric import SIGN
from lossearch.records.trial import TrialRecord, best_of
from lossearch.space import Point
from lossearch.training.contract import WEIGHTINGS, TrainingRecipe


@dataclass(frozen=True)
class WeightingEffect:
    """The best trials of a pair without weights and with those that served it best, each with its trials.

    ``gain`` is in metric units, positive where weights are better; ``sd`` the larger of the two over seeds, NaN where
    it is not known.
    """

    pair: str
    setting: str
    weighting: str
    without: float
    weighted: float
    gain: float
    sd: float
    trials: tuple[int, int]

    @property
    def clear(self) -> bool:
        """Whether the difference is more than the spread over seeds."""
        return abs(self.gain) > self.sd


def weighting_effects(
    records: Iterable[TrialRecord], searched: Mapping[str, Mapping[str, Any]], *, metric: str, direction: str
) -> tuple[WeightingEffect, ...]:
    """Return the effect of each pair that was tried without weights and with some.

    Args:
        records: the trials of the search.
        searched: pair -> what was searched, by name.
        metric: the metric that judges.
        direction: "maximize" or "minimize".
    """
    by_pair: dict[str, list[TrialRecord]] = {pair: [] for pair in searched}
    for record in records:
        by_pair.setdefault(record.point.pair, []).append(record)
    found = (
        _effect(pair, setting, own, metric, SIGN[direction])
        for pair, own in by_pair.items()
        for setting in WEIGHTINGS
        if setting in searched.get(pair, {})
    )
    return tuple(effect for effect in found if effect is not None)


def _effect(
    pair: str, setting: str, records: list[TrialRecord], metric: str, sign: int
) -> WeightingEffect | None:
    plain = [r for r in records if r.point.settings.get(setting) == NONE]
    others = [r for r in records if r.point.settings.get(setting) != NONE]
    without, weighted = best_of(plain, sign), best_of(others, sign)
    if without is None or weighted is None or without.value is None or weighted.value is None:
        return None
    weighting = str(weighted.point.settings[setting])
    spreads = [r.spread.get(f"val_{metric}", math.nan) for r in (without, weighted)]
    same = sum(str(r.point.settings.get(setting)) == weighting for r in others)
    return WeightingEffect(
        pair,
        setting,
        weighting,
        without.value,
        weighted.value,
        sign * (weighted.value - without.value),
        max(spreads) if all(map(math.isfinite, spreads)) else math.nan,
        (len(plain), same),
    )


def is_weighted(point: Point, train: TrainingRecipe) -> bool:
    """Return whether a point was trained with weights of classes."""
    return any(point.settings.get(name, getattr(train, name)) != NONE for name in WEIGHTINGS)

"""What each pair was given and how it used it: trials, learning rates, divergence, sensitivity, cost."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossearch.metrics.metric import SIGN
from lossearch.records.trial import Stage, TrialRecord, best_of
from lossearch.training.contract import Outcome

STEP = 3.0
"""The factor by which a learning rate is missed, when sensitivity to it is measured."""
_EDGE = 0.02


@dataclass(frozen=True)
class SearchSummary:
    """What one pair was given in the search, and what became of it.

    Shares are 0 to 1. ``coverage`` is the part of the learning rates' log range between the lowest and
    the highest tried. ``best_at`` is where the best rate lies in
    that range, 0 at its low end. ``diverged`` counts replicates, ``pruned`` trials. ``searched`` is how
    many numbers were searched besides the pair. ``default_score`` is the best value among the trials whose
    own parameters lie near their defaults. ``sensitivity`` is what is lost
    when the rate is missed, in the metric's units (see :func:`sensitivity`). ``seconds`` is the median
    training time of a replicate. None where there is nothing to say it from.
    """

    pair: str
    trials: int
    searched: int
    coverage: float | None
    best_lr: float | None
    best_at: float | None
    at_edge: bool
    diverged: float
    pruned: float
    score: float | None
    default_score: float | None
    sensitivity: float | None
    seconds: float | None


@dataclass(frozen=True)
class OwnRange:
    """The range over which one of a loss's own parameters was searched, and its default."""

    name: str
    low: float
    high: float
    default: float
    log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies in the range, on its own scale."""
        if self.low == self.high:
            return 0.0
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


NEAR = 0.15
"""Own parameters within this share of their range around the default count as the default."""


def search_summaries(
    records: Sequence[TrialRecord],
    *,
    direction: str,
    lr: tuple[float, float],
    pairs: Sequence[str],
    own: Mapping[str, Sequence[OwnRange]] | None = None,
    settings: Collection[str] = (),
) -> tuple[SearchSummary, ...]:
    """Return one row a pair.

    ``lr`` is the declared range, which trials of the extension widen for every pair; ``own`` are the
    searched parameters of each pair, ``settings`` names of training settings searched beside them.
    """
    groups: dict[str, list[TrialRecord]] = {pair: [] for pair in pairs}
    for record in records:
        groups.setdefault(record.point.pair, []).append(record)
    outside = [r.point.lr for r in records if r.stage == Stage.EXTENSION]
    within = (min([lr[0], *outside]), max([lr[1], *outside]))
    return tuple(
        _summary(pair, group, direction, within, (own or {}).get(pair, ()), len(settings))
        for pair, group in groups.items()
    )


def _summary(
    pair: str,
    group: Sequence[TrialRecord],
    direction: str,
    within: tuple[float, float],
    own: Sequence[OwnRange],
    settings: int,
) -> SearchSummary:
    sign = SIGN[direction]
    done = [r for r in group if r.outcome is not Outcome.FAILED]
    best = best_of(done, sign)
    usual = [r for r in done if _near_default(r, own)]
    usual_best = best_of(usual, sign)
    replicates = sum(len(r.seeds) for r in done)
    at = None if best is None else _share(best.point.lr, within)
    tried = [s for r in done if (s := _share(r.point.lr, within)) is not None]
    times = [r.seconds / len(r.seeds) for r in done if r.seeds and r.seconds > 0]
    return SearchSummary(
        pair=pair,
        trials=len(done),
        searched=(within[0] < within[1]) + len(own) + settings,
        coverage=max(tried) - min(tried) if tried else None,
        best_lr=None if best is None else best.point.lr,
        best_at=at,
        at_edge=at is not None and not _EDGE < at < 1 - _EDGE,
        diverged=sum(r.n_diverged for r in done) / replicates if replicates else 0.0,
        pruned=sum(r.outcome is Outcome.PRUNED for r in done) / len(done) if done else 0.0,
        score=None if best is None else best.value,
        default_score=None if usual_best is None else usual_best.value,
        sensitivity=sensitivity(done, direction=direction),
        seconds=float(np.median(times)) if times else None,
    )


def sensitivity(records: Sequence[TrialRecord], *, direction: str) -> float | None:
    """Return how much worse a pair scores when its learning rate is a factor of 3 off, mean of both sides.

    In the metric's units, 0 or more; lower is less sensitive. The score at a rate is that of the best
    trial there or further from the best rate: it is taken not to rise again with distance, so that a bad
    own parameter at a good rate is not counted against the rate. Between tried rates it is interpolated
    on the log scale; a side where none was tried a factor of 3 away is left out. Divergence counts, for a
    diverged trial scores what a constant predictor does. The best trial's own luck is in it, for every
    pair alike. None where no side can be said.
    """
    sign = SIGN[direction]
    valued = [r for r in records if r.value is not None and r.point.lr > 0]
    best = best_of(valued, sign)
    if best is None or best.value is None:
        return None
    drops = []
    for side in (-1, 1):
        away = np.array([side * math.log(r.point.lr / best.point.lr) for r in valued])
        worth = np.array([sign * (r.value or 0.0) for r in valued])
        # of trials at one rate the best comes last, which is the one read
        order = np.lexsort((worth, away))
        away, worth = away[order], worth[order]
        if away[-1] < math.log(STEP) - 1e-9:
            continue
        envelope = np.maximum.accumulate(worth[::-1])[::-1]
        beside = away >= 0
        there = float(np.interp(math.log(STEP), away[beside], envelope[beside]))
        drops.append(sign * best.value - there)
    return float(np.mean(drops)) if drops else None


def _share(lr: float, within: tuple[float, float]) -> float | None:
    low, high = within
    if not 0 < low < high:
        return None
    return min(max(math.log(lr / low) / math.log(high / low), 0.0), 1.0)


def _near_default(record: TrialRecord, own: Sequence[OwnRange]) -> bool:
    values = record.point.params
    return all(abs(o.share(values.get(o.name, o.default)) - o.share(o.default)) <= NEAR for o in own)

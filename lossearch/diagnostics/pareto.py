"""What two metrics cannot have together: the trials and the confirmed pairs that nothing else beats in both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossearch._lazy import pd
from lossearch.errors import InputError
from lossearch.metrics.metric import SIGN
from lossearch.metrics.registry import METRICS, metrics_for
from lossearch.records.confirmations import PREFIX, Confirmed
from lossearch.records.evidence import Evidence
from lossearch.records.trial import TrialRecord
from lossearch.verdict.bootstrap import resample
from lossearch.verdict.intervals import score_intervals
from lossearch.verdict.multiple_testing import means

LEVEL = 0.05
DRAWS = 1000
"""Draws of seeds and rows behind each interval."""


@dataclass(frozen=True)
class Objectives:
    """Two metrics and their directions, the judge first; ``sought``: whether the search was for both."""

    metrics: tuple[str, str]
    directions: tuple[str, str]
    sought: bool = True

    def __str__(self) -> str:
        return " and ".join(self.metrics)


@dataclass(frozen=True)
class Interval:
    """A mean over fresh seeds, and its interval over seeds and rows."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Pareto:
    """Trials and confirmed pairs under two metrics, each as the table that :func:`points` gives.

    ``intervals`` has, for each of the metrics in turn, pair -> its mean and interval, where one is known.
    """

    objectives: Objectives
    trials: pd.DataFrame
    confirmed: pd.DataFrame
    part: str = "test"
    intervals: tuple[Mapping[str, Interval], Mapping[str, Interval]] = field(default=({}, {}))


def objectives(
    judge: str, direction: str, kind: str, declared: Mapping[str, str] | None
) -> Objectives | None:
    """Return the two metrics of a study, or of a study of one the judge and one of another nature beside it.

    Of another nature is what reads probabilities where the judge reads classes or their order, and the
    other way round. None where there is no such metric, as in regression. ``declared`` has the directions
    of both, where the study has two.
    """
    if declared:
        (other,) = set(declared) - {judge}
        return Objectives((judge, other), (direction, declared[other]))
    if judge not in METRICS:
        return None
    wanted = "label" if METRICS[judge].needs == "probability" else "probability"
    found = next((m for m in metrics_for(kind) if m.needs == wanted), None)
    return (
        None if found is None else Objectives((judge, found.name), (direction, found.direction), sought=False)
    )


def searched(records: Sequence[TrialRecord], two: Objectives) -> pd.DataFrame:
    """Return the trials that have both scores, as :func:`points` does; optimistic, on rows that chose them."""
    rows = [
        (r.point.pair, r.number, r.point.lr, *(r.scores.get(f"val_{m}", math.nan) for m in two.metrics))
        for r in records
        if r.value is not None
    ]
    return points("search", rows, two)


def confirmed_pairs(confirmed: Confirmed | None, two: Objectives) -> pd.DataFrame:
    """Return each confirmed pair's means over its fresh seeds, as :func:`points` does; none where there are none."""
    prefix = PREFIX[confirmed.part] if confirmed else ""
    rows = [
        (c.point.pair, c.trial, c.point.lr, *(c.scores.get(prefix + m, math.nan) for m in two.metrics))
        for c in (confirmed.confirmations if confirmed else ())
    ]
    return points("confirm", rows, two)


def points(stage: str, rows: Sequence[tuple[object, ...]], two: Objectives) -> pd.DataFrame:
    """Return one row a point: stage, pair, trial, lr, both scores, and whether it is on the front.

    A point without either score is left out. The front comes first, best by the first metric at the top.
    ``rows`` hold pair, trial, learning rate and both scores.
    """
    table = pd.DataFrame(rows, columns=["pair", "trial", "lr", *two.metrics])
    table.insert(0, "stage", stage)
    table = table.dropna(subset=list(two.metrics)).reset_index(drop=True)
    best = front(table, two)
    table["front"] = table.index.isin(best)
    rest = [i for i in table.index if i not in set(best)]
    return table.loc[[*best, *rest]].reset_index(drop=True)


def front(table: pd.DataFrame, two: Objectives) -> list[int]:
    """Return the places of the rows that nothing else in a table beats under both metrics, best first by the first.

    A row without either score is not in it; equal rows are all in it.
    """
    worth = table[list(two.metrics)].to_numpy(np.float64) * [SIGN[d] for d in two.directions]
    kept = np.flatnonzero(nondominated(worth)).tolist()
    return sorted(kept, key=lambda i: (-worth[i, 0], -worth[i, 1], i))


def nondominated(worth: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows no other row equals or beats in every column and beats in one (is Pareto-efficient); more is better.

    A row that is not finite throughout is not among them.
    """
    rows = np.asarray(worth, dtype=np.float64)
    finite = np.isfinite(rows).all(axis=1)
    others = rows[finite]
    beaten = np.array(
        [bool(((others >= row).all(axis=1) & (others > row).any(axis=1)).any()) for row in rows],
        dtype=np.bool_,
    )
    return np.asarray(finite & ~beaten)


def intervals(evidence: Evidence, seed: int = 0) -> dict[str, Interval]:
    """Return each pair's mean score and its interval over seeds and rows; none where these are too few.

    Each interval holds alone. What tells pairs apart are paired differences, which are narrower.
    """
    try:
        found = means(drawn := resample(evidence, DRAWS, seed))
    except InputError:
        return {}
    low, high = score_intervals(found, drawn, LEVEL)
    return {
        pair: Interval(float(mean), float(start), float(end))
        for pair, mean, start, end in zip(drawn.pairs, found.value, low, high, strict=True)
    }


def front_sentence(trials: pd.DataFrame, confirmed: pd.DataFrame, two: Objectives) -> str:
    """Return who is on the front in one sentence: the confirmed pairs, or the search's trials where there are none."""
    if len(confirmed):
        named = list(confirmed["pair"][confirmed["front"]])
        return f"On the front of {two}: {', '.join(named)}."
    best = trials[trials["front"]]
    if best.empty:
        return f"No trial has both {two}."
    each = [
        f"{pair} (trial{'s' if len(own) > 1 else ''} {', '.join(map(str, own['trial']))})"
        for pair, own in best.groupby("pair", sort=False)
    ]
    return f"On the front of {two}, by the search's own scores: {', '.join(each)}."

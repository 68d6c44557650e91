"""Data sets counted once: a task that is there twice is no second witness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from lossearch._text import listed
from lossearch.data.sketch import common_rows
from lossearch.verdict.across_tasks.comparison import StudyScores

MOSTLY = 0.5
"""Tasks that have more of their rows in common are said to be near-copies."""


def merged(studies: Sequence[StudyScores]) -> tuple[list[StudyScores], list[str]]:
    """Return one study a data set, by the mean scores of all its studies, and a sentence for each that had several.

    Studies whose data nobody knows are taken to be of data sets of their own. Of several metrics the first study's
    counts, as scores in other units have no mean.
    """
    by_data: dict[str, list[StudyScores]] = {}
    for study in studies:
        by_data.setdefault(f"data {study.data}" if study.data else f"study {study.name}", []).append(study)
    several = [group for group in by_data.values() if len(group) > 1]
    notes = [
        f"{listed([s.name for s in group])} are of one data set, which counts once, by {_how(group)}."
        for group in several
    ]
    return [_merged(group) for group in by_data.values()], notes


def near_copies(studies: Sequence[StudyScores]) -> list[str]:
    """Return a sentence for every two studies of different data sets that have most of their rows in common."""
    return [
        f"{a.name} and {b.name} share about {share:.0%} of their rows, so they are hardly two tasks: what is said here "
        "is surer than it should be."
        for a, b in combinations(studies, 2)
        if (share := common_rows(a.rows, b.rows)) > MOSTLY
    ]


def _how(group: Sequence[StudyScores]) -> str:
    if _one_metric(group):
        return "the mean of their scores"
    return f"the scores of {group[0].name}, as their metrics differ"


def _one_metric(group: Sequence[StudyScores]) -> bool:
    return len({s.metric for s in group}) == 1


def _merged(group: Sequence[StudyScores]) -> StudyScores:
    first = group[0]
    if len(group) == 1:
        return first
    alike = group if _one_metric(group) else [first]
    scores = {pair: [s.scores.get(pair, np.nan) for s in alike] for s in alike for pair in s.scores}
    parts = [s.part for s in alike]
    return replace(
        first,
        name=" = ".join(s.name for s in group),
        optimizer=", ".join(dict.fromkeys(s.optimizer for s in group)),
        part="search" if "search" in parts else "validation" if "validation" in parts else first.part,
        scores={pair: float(np.mean(found)) for pair, found in scores.items()},
    )

"""Pairs compared over several tasks: average ranks, tests, and probabilities of practical difference.

Tasks are the sample. Whether one pair beats another is asked of these two alone, by Wilcoxon's signed ranks
with Holm's correction (Benavoli, Corani & Mangili 2016), so that a third pair in the pool cannot turn the
answer round; average ranks and the critical difference (Demsar 2006) depend on the pool, and are the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import pd, stats
from lossearch._options import option
from lossearch._text import listed
from lossearch.errors import InputError, refuse
from lossearch.verdict.across_tasks.comparison import (
    ROPE,
    SURE,
    PairwiseComparison,
    StudyScores,
    TaskComparison,
)
from lossearch.verdict.across_tasks.distinct import merged, near_copies
from lossearch.verdict.across_tasks.rank_tests import (
    critical_difference,
    friedman_p,
    holm,
    practical,
    rank_sum,
    wilcoxon_p,
)
from lossearch.verdict.scale import Scale, merit, scale_of
from lossearch.verdict.verdict import Relation


def compare_studies(
    studies: Sequence[StudyScores], *, level: float = 0.05, rope: float = ROPE
) -> tuple[tuple[TaskComparison, ...], tuple[str, ...]]:
    """Return one comparison a kind of task, and a sentence for each study that nothing can be compared with.

    Args:
        studies: two or more; those of one data set count once.
        level: chance of calling any two pairs different that are not.
        rope: differences below it are none in practice: in the score's unit, or a share of the error.

    Raises:
        InputError: fewer than two studies, or one twice; no two data sets of one kind; too few pairs in
            common; or scores that cannot be set against each other.
    """
    _check(studies, level, rope)
    kinds: dict[str, list[StudyScores]] = {}
    for study in studies:
        kinds.setdefault(study.kind, []).append(study)
    distinct = {kind: merged(group) for kind, group in kinds.items()}
    alone = tuple(
        _alone(kind, kinds[kind], notes) for kind, (group, notes) in distinct.items() if len(group) == 1
    )
    groups = [(group, notes) for group, notes in distinct.values() if len(group) > 1]
    if not groups and len(kinds) < len(studies):
        raise InputError(f"{' '.join(alone)} Name studies of at least two data sets of one kind of task.")
    if not groups:
        named = ", ".join(f"{s.name} ({s.kind})" for s in studies)
        raise InputError(
            f"No two of these studies are of one kind of task: {named}. Pairs differ between kinds, so name at "
            "least two of a kind."
        )
    problems = [p for group, _ in groups for p in _incomparable(group)]
    refuse(problems)
    return tuple(_compare(group, notes, level, rope) for group, notes in groups), alone


def _alone(kind: str, studies: Sequence[StudyScores], notes: Sequence[str]) -> str:
    """Return why the studies of a kind of task are not compared: there is one, or all are of one data set."""
    if notes:
        names = listed([s.name for s in studies])
        return f"{names} are left out: all are of one data set, and tasks are the sample here."
    return (
        f"{studies[0].name} is left out: it is the only {kind} study, and pairs differ between kinds of task."
    )


def _check(studies: Sequence[StudyScores], level: float, rope: float) -> None:
    problems = []
    names = [s.name for s in studies]
    if len(names) < 2:
        problems.append(f"A comparison needs at least two studies; got {', '.join(names) or 'none'}.")
    problems += [f"Study {name!r} is named twice." for name in dict.fromkeys(names) if names.count(name) > 1]
    if not 0 < level < 1:
        problems.append(f"level must lie between 0 and 1; got {level:g}.")
    if not (rope >= 0 and math.isfinite(rope)):
        problems.append(f"rope must be a number from 0 up; got {rope:g}.")
    refuse(problems)


def _common(group: Sequence[StudyScores]) -> list[str]:
    return [p for p in group[0].scores if all(p in _judged(s) for s in group)]


def _judged(study: StudyScores) -> list[str]:
    return [pair for pair, score in study.scores.items() if math.isfinite(score)]


def _incomparable(group: Sequence[StudyScores]) -> list[str]:
    problems = []
    common = _common(group)
    if len(common) < 2:
        shared = f"only {common[0]}" if common else "no pair"
        each = "; ".join(f"{s.name}: {', '.join(_judged(s)) or 'no pair with a score'}" for s in group)
        problems.append(
            f"The {group[0].kind} studies have {shared} in common, so there is nothing to compare ({each}). "
            "Leave out the study that differs, or run it with the others' pairs."
        )
    if len({s.direction for s in group}) > 1:
        each = ", ".join(f"{s.name}: {s.metric}" for s in group)
        problems.append(
            f"Some of the {group[0].kind} studies are judged by a score and some by an error ({each}); these "
            f"have no common unit. Name one metric for all with {option('metric')}."
        )
    return problems


def _compare(
    group: Sequence[StudyScores], merging: Sequence[str], level: float, rope: float
) -> TaskComparison:
    common = _common(group)
    direction = group[0].direction
    table = pd.DataFrame(
        [[s.scores[p] for p in common] for s in group],
        index=pd.Index([s.name for s in group], name="study"),
        columns=common,
    )
    scale = scale_of(direction, table.to_numpy())
    worth = np.round(merit(table.to_numpy(), direction, scale), 12)
    average = stats.rankdata(-worth, axis=1).mean(axis=0)
    order = np.argsort(average, kind="stable")
    pairs, n, k = [common[i] for i in order], len(group), len(common)
    tests = k * (k - 1) // 2
    return TaskComparison(
        kind=group[0].kind,
        studies=tuple(group),
        scores=table[pairs],
        ranks={common[i]: float(average[i]) for i in order},
        scale=scale,
        friedman=friedman_p(worth),
        critical=critical_difference(k, n, level),
        pairwise=_pairwise(pairs, worth[:, order], level, rope),
        level=level,
        rope=rope,
        needed=math.ceil(math.log2(tests / level)) + 1,
        left_out=_left_out(group, common),
        notes=(*merging, *near_copies(group), *_notes(group, direction, scale)),
    )


def _pairwise(
    pairs: Sequence[str], worth: NDArray[np.float64], level: float, rope: float
) -> tuple[PairwiseComparison, ...]:
    couples = list(combinations(range(len(pairs)), 2))
    p = [wilcoxon_p(worth[:, i] - worth[:, j]) for i, j in couples]
    return tuple(
        _compared(pairs[i], pairs[j], worth[:, i], worth[:, j], found, adjusted, level, rope)
        for (i, j), found, adjusted in zip(couples, p, holm(p), strict=True)
    )


def _compared(
    a: str,
    b: str,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    p: float,
    adjusted: float,
    level: float,
    rope: float,
) -> PairwiseComparison:
    difference = float(np.median(first - second))
    probabilities = practical(first, second, rope)
    if adjusted <= level:
        ahead = rank_sum(first - second) > 0
        relation = Relation.BETTER if ahead else Relation.WORSE
    elif probabilities is not None and probabilities[1] >= SURE:
        relation = Relation.EQUAL
    else:
        relation = Relation.UNDECIDED
    return PairwiseComparison(
        a=a,
        b=b,
        wins=int((first > second).sum()),
        ties=int((first == second).sum()),
        losses=int((first < second).sum()),
        difference=difference,
        p=p,
        adjusted=adjusted,
        better=None if probabilities is None else probabilities[0],
        equal=None if probabilities is None else probabilities[1],
        worse=None if probabilities is None else probabilities[2],
        relation=relation,
    )


def _left_out(group: Sequence[StudyScores], common: Sequence[str]) -> dict[str, tuple[str, ...]]:
    every = dict.fromkeys(p for s in group for p in s.scores)
    return {p: tuple(s.name for s in group if p not in _judged(s)) for p in every if p not in common}


def _notes(group: Sequence[StudyScores], direction: str, scale: Scale) -> tuple[str, ...]:
    notes = []
    unconfirmed = [s.name for s in group if s.part == "search"]
    if unconfirmed:
        notes.append(
            f"Not confirmed: {', '.join(unconfirmed)}. There the search's own scores stand in; they are "
            "optimistic, the more the more was searched."
        )
    on_validation = [s.name for s in group if s.part == "validation"]
    if on_validation:
        notes.append(f"Confirmed on validation rows, without a test part: {', '.join(on_validation)}.")
    metrics = {s.metric for s in group}
    if len(metrics) > 1:
        notes.append(
            f"Tasks are judged by different metrics: {', '.join(f'{s.name} {s.metric}' for s in group)}."
        )
    optimizers = {s.optimizer for s in group}
    if len(optimizers) > 1:
        each = ", ".join(f"{s.name} {s.optimizer}" for s in group)
        notes.append(f"Studies differ in more than the task: optimisers {each}.")
    if direction == "minimize" and scale is Scale.DIFFERENCE:
        notes.append("An error of 0 has no ratio: errors are subtracted, though their units may differ.")
    return tuple(notes)

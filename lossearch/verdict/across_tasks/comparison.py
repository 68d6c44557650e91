"""What a comparison over tasks says: average ranks, every two pairs against each other, a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossearch._lazy import pd
from lossearch._text import listed
from lossearch.verdict.scale import Scale
from lossearch.verdict.verdict import Relation

ROPE = 0.01
"""Scores that differ by less are equal in practice: a hundredth of a score, or one per cent of an error."""
EXTRA = "pip install 'lossearch[stats]'"
"""Installs the libraries of some of the tests and of their diagram."""
SURE = 0.95
"""Probability from which equality in practice is a finding."""


@dataclass(frozen=True)
class StudyScores:
    """What one study says of its pairs, on its task.

    A score that is not finite counts as none. ``part`` is "test" or "validation" where the pairs were
    confirmed on fresh seeds, "search" where all there is are the search's own scores. ``data`` is the data set's
    digest and ``rows`` the sketch of its rows, '' where they are not known.
    """

    name: str
    kind: str
    metric: str
    direction: str
    optimizer: str
    part: str
    scores: Mapping[str, float]
    data: str = ""
    rows: str = ""


@dataclass(frozen=True)
class PairwiseComparison:
    """Pair ``a`` against pair ``b`` over the tasks.

    ``wins``, ``ties`` and ``losses`` count tasks, ties to the last digit. ``difference`` is the median by
    which ``a`` is better (of errors, the median relative gain as a difference of logarithms). ``p`` is
    Wilcoxon's, ``adjusted`` Holm's for the whole family. ``better``, ``equal`` and ``worse`` are
    probabilities against the region of practical equivalence, None without baycomp.
    """

    a: str
    b: str
    wins: int
    ties: int
    losses: int
    difference: float
    p: float
    adjusted: float
    better: float | None
    equal: float | None
    worse: float | None
    relation: Relation


@dataclass(frozen=True)
class TaskComparison:
    """Studies of one kind of task, over the pairs they have in common.

    ``scores`` has one row a study and one column a pair, best average rank first. ``friedman`` is the
    chance of ranks so different where pairs do not matter; ``critical`` the smallest difference of average
    ranks that Nemenyi's test tells apart. ``needed`` is the number of tasks from which Wilcoxon's test
    with Holm's correction can find any two of these pairs significantly different. ``left_out`` says of each other pair
    which studies lack it.
    """

    kind: str
    studies: tuple[StudyScores, ...]
    scores: pd.DataFrame
    ranks: Mapping[str, float]
    scale: Scale
    friedman: float
    critical: float
    pairwise: tuple[PairwiseComparison, ...]
    level: float
    rope: float
    needed: int
    left_out: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]

    @property
    def pairs(self) -> tuple[str, ...]:
        """The compared pairs, best average rank first."""
        return tuple(self.ranks)

    @property
    def direction(self) -> str:
        """What is better, the same in all studies: "maximize" or "minimize"."""
        return self.studies[0].direction

    @property
    def tasks(self) -> int:
        """How many tasks are compared, each a data set of its own."""
        return len(self.studies)

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": self.kind,
            "studies": [
                {**{k: getattr(s, k) for k in ("name", "metric", "direction", "optimizer", "part")}}
                for s in self.studies
            ],
            "pairs": list(self.pairs),
            "scores": {
                str(s): {str(p): float(v) for p, v in row.items()} for s, row in self.scores.iterrows()
            },
            "average_ranks": dict(self.ranks),
            "scale": str(self.scale),
            "friedman_p": self.friedman,
            "critical_difference": self.critical,
            "level": self.level,
            "rope": self.rope,
            "tasks_needed": self.needed,
            "pairwise": [{**vars(d), "relation": str(d.relation)} for d in self.pairwise],
            "left_out": {pair: list(names) for pair, names in self.left_out.items()},
            "notes": list(self.notes),
            "sentence": sentence(self),
        }


def sentence(comparison: TaskComparison) -> str:
    """Return what the tasks say of the pairs of best average rank."""
    c = comparison
    best = min(c.ranks.values())
    leaders = [pair for pair, rank in c.ranks.items() if rank == best]
    have = "has the best average rank" if len(leaders) == 1 else "share the best average rank"
    head = f"Over {c.tasks} {c.kind} tasks {listed(leaders)} {have} ({best:.2f} of {len(c.ranks)})"
    beaten = [loser for d in c.pairwise if (loser := _beaten_by(d, leaders)) is not None]
    if beaten:
        verb = "beats" if len(leaders) == 1 else "beat between them"
        return f"{head} and {verb} {listed(list(dict.fromkeys(beaten)))} (signed ranks, Holm)."
    if all(_equal_to(c, leaders[0], pair) for pair in c.pairs if pair != leaders[0]):
        return (
            f"Over {c.tasks} {c.kind} tasks the {len(c.ranks)} pairs are equal in practice: none is "
            f"{c.rope:g} or more{' of the error' if c.scale is Scale.RATIO else ''} away from {leaders[0]}, with "
            f"probability at least {SURE:g} each."
        )
    if c.tasks < c.needed:
        return (
            f"{head}, which is a description and no finding: with {len(c.ranks)} pairs at least {c.needed} tasks are "
            f"needed before signed ranks can find any two significantly different."
        )
    return f"{head}; no pair differs significantly from {'it' if len(leaders) == 1 else 'them'} (signed ranks, Holm)."


def _equal_to(comparison: TaskComparison, a: str, b: str) -> bool:
    return any(d.relation is Relation.EQUAL for d in comparison.pairwise if {d.a, d.b} == {a, b})


def _beaten_by(compared: PairwiseComparison, leaders: Sequence[str]) -> str | None:
    if compared.relation is Relation.BETTER and compared.a in leaders:
        return compared.b
    return compared.a if compared.relation is Relation.WORSE and compared.b in leaders else None

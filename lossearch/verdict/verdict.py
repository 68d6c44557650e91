"""What a verdict says: ranked pairs, every comparison, the tied set, and the advice."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from markupsafe import Markup

from lossearch._json import to_jsonable

T = TypeVar("T")


class Relation(StrEnum):
    """How one pair stands to another, by an interval that holds for all comparisons at once.

    It is equal where the interval lies within the region of practical equivalence, better or worse where it leaves out 0,
    and undecided otherwise. Of two pairs looked at alone, equal may be nearly sure all the same: that is what the
    probabilities of a comparison say.
    """

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    UNDECIDED = "undecided"


class Rule(StrEnum):
    """What decided which of the tied pairs to take."""

    ALONE = "nothing ties with it"
    CONVENTIONAL = "the conventional pair"
    SENSITIVITY = "the least sensitive to the learning rate"
    COST = "the cheapest to train"
    SCORE = "the best mean"


@dataclass(frozen=True)
class Comparison:
    """Pair ``a`` against pair ``b``, over the same seeds and rows.

    ``difference`` is how much better ``a`` is, in the metric's units: positive is better whatever the
    metric's direction. ``low`` and ``high`` hold for all comparisons at once, as ``p`` does.
    An interval leaves out 0 exactly where p is at most the level. ``effect`` is the difference over its
    standard deviation across seeds, NaN where it is the same under every seed. ``better``, ``equal`` and
    ``worse`` are probabilities against the region of practical equivalence, of this comparison alone; ``relation`` is by
    the interval.
    """

    a: str
    b: str
    difference: float
    low: float
    high: float
    p: float
    effect: float
    better: float
    equal: float
    worse: float
    relation: Relation

    def turned(self) -> Comparison:
        """Return the same comparison, of b against a."""
        turned = {Relation.BETTER: Relation.WORSE, Relation.WORSE: Relation.BETTER}
        return replace(
            self,
            a=self.b,
            b=self.a,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            effect=-self.effect,
            better=self.worse,
            worse=self.better,
            relation=turned.get(self.relation, self.relation),
        )


@dataclass(frozen=True)
class Ranked:
    """One pair in the ranking: mean score on the judged rows with its interval, and how it got there.

    ``search`` is the score it was chosen by, ``validation`` the fresh seeds' score on validation rows at
    the same epoch, ``score`` the judged one. ``gain`` is over the conventional pair, positive is better.
    ``dropped`` says after how many seeds the pair was dropped, None where it has all of them. ``learned``
    says whether it is measurably better than a constant predictor, None where that was not asked; ``one_label``
    under how many seeds it predicts the same label of every row.
    """

    pair: str
    rank: int
    score: float
    low: float
    high: float
    sd: float
    tied: bool
    diverged: int
    search: float | None = None
    validation: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    dropped: int | None = None
    learned: bool | None = None
    one_label: int = 0


@dataclass(frozen=True)
class Verdict:
    """The answer of a study: which pairs fit the task, how sure, and what to take.

    ``rule`` says what decided between tied pairs. ``detectable`` is the smallest difference from the leader
    that these seeds and rows would probably (80 %) have shown, NaN where there is none, infinite where even
    the largest would not. ``optimism`` is how
    much better the leader scored in the search than on fresh seeds, on validation rows. ``constant`` is
    what a constant predictor scores.
    """

    metric: str
    direction: str
    part: str
    seeds: int
    rows: int
    level: float
    rope: float
    draws: int
    ranking: tuple[Ranked, ...]
    comparisons: tuple[Comparison, ...]
    tied: tuple[str, ...]
    leader: str
    recommended: str
    rule: Rule
    conventional: str | None
    detectable: float
    optimism: float | None
    sentences: tuple[str, ...]
    constant: float | None = None

    def __str__(self) -> str:
        return "\n".join(filter(None, self.sentences))

    def _repr_html_(self) -> str:
        lines = (
            Markup('<p style="margin:.3em 0;max-width:60em">{}</p>').format(s) for s in self.sentences if s
        )
        return Markup().join(lines)

    @property
    def nothing_learned(self) -> bool:
        """Whether no pair is measurably better than a constant predictor."""
        return all(r.learned is False for r in self.ranking)

    @property
    def recommended_learned(self) -> bool:
        """Whether the pair to take is not among those that are not measurably better than a constant predictor."""
        return all(r.learned is not False for r in self.ranking if r.pair == self.recommended)

    @property
    def confidence(self) -> str:
        """What the intervals hold with, as "95 %"."""
        return f"{100 * (1 - self.level):g} %"

    def between(self, a: str, b: str) -> Comparison:
        """Return the comparison of pair ``a`` against pair ``b``, whichever way round it was made.

        Raises:
            KeyError: one of them was not judged, or they are the same.
        """
        for c in self.comparisons:
            if (c.a, c.b) == (a, b):
                return c
            if (c.a, c.b) == (b, a):
                return c.turned()
        raise KeyError((a, b))

    def as_json(self) -> dict[str, Any]:
        """Return plain values, for a JSON file; a number that is none becomes None."""
        return {f.name: to_jsonable(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Verdict:
        """Return the verdict that ``as_json`` gave these values of."""
        return _built(
            cls,
            {
                **plain,
                "rule": Rule(plain["rule"]),
                "ranking": tuple(_built(Ranked, r) for r in plain["ranking"]),
                "comparisons": tuple(
                    _built(Comparison, {**c, "relation": Relation(c["relation"])})
                    for c in plain["comparisons"]
                ),
                "tied": tuple(plain["tied"]),
                "sentences": tuple(plain["sentences"]),
            },
        )


def _built(cls: type[T], plain: Mapping[str, Any]) -> T:
    """Return an object of its fields, NaN where a number is None; what an older file lacks has its default."""
    hints = get_type_hints(cls)
    names = [f.name for f in fields(cls) if f.name in plain]  # type: ignore[arg-type]
    return cls(**{n: math.nan if hints[n] is float and plain[n] is None else plain[n] for n in names})

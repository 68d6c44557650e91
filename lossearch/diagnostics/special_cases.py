"""A loss must not do worse than its own special case: where it does, the search was too small to find it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossearch.losses import Contained, losses_for
from lossearch.metrics.metric import SIGN
from lossearch.records.trial import TrialRecord
from lossearch.verdict.verdict import Comparison, Relation

_ERRORS = 2.0
"""Standard errors of a difference that a search score must be behind by."""


@dataclass(frozen=True)
class SpecialCase:
    """A searched pair, ``special``, that another, ``general``, becomes at some values inside its searched ranges."""

    general: str
    special: str
    params: Mapping[str, float]
    alike: tuple[tuple[str, ...], ...] = ()
    """Parameters that are equal there beside, as the special case has one where the general one has several."""

    @property
    def where(self) -> str:
        """The values, as ``gamma = 0``."""
        values = [f"{name} = {value:g}" for name, value in self.params.items()]
        return ", ".join([*values, *(" = ".join(names) for names in self.alike)])


@dataclass(frozen=True)
class Shortfall:
    """A pair that did worse than a special case of its own; ``by`` is positive, in the metric's units."""

    case: SpecialCase
    by: float
    confirmed: bool

    def __str__(self) -> str:
        c = self.case
        seen = "on fresh seeds" if self.confirmed else "in the search"
        names = ", ".join(f"{c.general.partition('/')[0]}.{name}" for name in c.params)
        return (
            f"{c.general} becomes {c.special} at {c.where}, yet is {self.by:.3g} worse {seen}: its search was too "
            f"small. Give more trials, or narrow the range of {names}."
        )


def special_cases(kind: str, ranges: Mapping[str, Mapping[str, Any]]) -> tuple[SpecialCase, ...]:
    """Return which searched pairs are special cases of which others, by what their losses declare.

    There is none where a study has narrowed the range past the limit, does not search the parameter, or has another one
    elsewhere than at its default.
    Losses that are not in the catalogue (a user's own) are passed over. ``ranges``: pair -> searched
    dimension ("focal.gamma") -> its declared "low" and "high".
    """
    known = losses_for(kind)
    found = []
    for pair, dimensions in ranges.items():
        loss, _, activation = pair.partition("/")
        for inner in known[loss].contains if loss in known else ():
            special = inner.of(activation)
            searched = ((dimensions.get(f"{loss}.{name}", {}), at) for name, at in inner.params.items())
            reached = all("low" in d and d["low"] <= at <= d["high"] for d, at in searched)
            # what is said of some parameters holds where the others are at their defaults
            named = {f"{loss}.{name}" for name in (*inner.params, *inner.shared)}
            others = {f"{loss}.{p.name}" for p in known[loss].params} - named
            if special in ranges and reached and not others & dimensions.keys():
                found.append(SpecialCase(pair, special, dict(inner.params), _alike(inner)))
    return tuple(found)


def _alike(inner: Contained) -> tuple[tuple[str, ...], ...]:
    """Return the family's parameters that stand for one of the member's, where there are several."""
    of_member: dict[str, list[str]] = {}
    for own, theirs in inner.shared.items():
        of_member.setdefault(theirs, []).append(own)
    return tuple(tuple(names) for names in of_member.values() if len(names) > 1)


def confirmed_shortfalls(
    cases: Iterable[SpecialCase], comparisons: Iterable[Comparison]
) -> tuple[Shortfall, ...]:
    """Return the pairs that a verdict calls worse than a special case of their own."""
    worse = {}
    for c in comparisons:
        if c.relation is Relation.WORSE:
            worse[c.a, c.b] = -c.difference
        elif c.relation is Relation.BETTER:
            worse[c.b, c.a] = c.difference
    return tuple(
        Shortfall(c, worse[c.general, c.special], confirmed=True)
        for c in cases
        if (c.general, c.special) in worse
    )


def searched_shortfalls(
    cases: Iterable[SpecialCase], best: Mapping[str, TrialRecord], *, direction: str, metric: str
) -> tuple[Shortfall, ...]:
    """Return the pairs whose best trial is behind that of a special case by more than two standard errors.

    ``best`` has each pair's best trial.
    """
    sign = SIGN[direction]
    found = []
    for c in cases:
        general, special = best.get(c.general), best.get(c.special)
        if general is None or special is None or general.value is None or special.value is None:
            continue
        by = sign * (special.value - general.value)
        if by > _ERRORS * _standard_error((general, special), f"val_{metric}"):
            found.append(Shortfall(c, by, confirmed=False))
    return tuple(found)


def _standard_error(records: Sequence[TrialRecord], name: str) -> float:
    """Return that of a difference of means; seeds are shared, so this is rather too large."""
    return math.sqrt(sum(r.spread.get(name, 0.0) ** 2 / max(len(r.seeds), 1) for r in records))

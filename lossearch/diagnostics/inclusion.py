"""A family must not lose to its own member: where it does, the search was too small to find it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossearch.losses import losses_for
from lossearch.metrics.metric import SIGN
from lossearch.records.trial import TrialRecord
from lossearch.verdict.verdict import Comparison, Relation

_ERRORS = 2.0
"""Standard errors of a difference that a search score must be behind by."""


@dataclass(frozen=True)
class Containment:
    """A searched pair that becomes another searched pair at some values inside its searched ranges."""

    family: str
    member: str
    params: Mapping[str, float]

    @property
    def where(self) -> str:
        """The values, as ``gamma = 0``."""
        return ", ".join(f"{name} = {value:g}" for name, value in self.params.items())


@dataclass(frozen=True)
class Shortfall:
    """A family that did worse than a member of its own; ``by`` is positive, in the metric's units."""

    containment: Containment
    by: float
    confirmed: bool

    def __str__(self) -> str:
        c = self.containment
        seen = "on fresh seeds" if self.confirmed else "in the search"
        names = ", ".join(f"{c.family.partition('/')[0]}.{name}" for name in c.params)
        return (
            f"{c.family} becomes {c.member} at {c.where}, yet is {self.by:.3g} worse {seen}: its search was too "
            f"small. Give more --trials, or narrow the range of {names}."
        )


def containments(kind: str, ranges: Mapping[str, Mapping[str, Any]]) -> tuple[Containment, ...]:
    """Return which searched pairs contain which others, by what their losses declare.

    A range that a study has narrowed past the limit contains nothing, nor does a parameter that it does
    not search. Losses that are not in the catalogue (a user's own) are passed over.

    Args:
        kind: the kind of task.
        ranges: pair -> searched dimension ("focal.gamma") -> its declared "low" and "high", as
            ``Space.as_json()["pairs"]`` has them.
    """
    known = losses_for(kind)
    found = []
    for pair, dimensions in ranges.items():
        loss, _, activation = pair.partition("/")
        for inner in known[loss].contains if loss in known else ():
            member = f"{inner.loss}/{activation}"
            reached = all(
                _holds(dimensions.get(f"{loss}.{name}"), value) for name, value in inner.params.items()
            )
            if member in ranges and reached:
                found.append(Containment(pair, member, dict(inner.params)))
    return tuple(found)


def _holds(dimension: Mapping[str, Any] | None, value: float) -> bool:
    return dimension is not None and "low" in dimension and dimension["low"] <= value <= dimension["high"]


def confirmed_shortfalls(
    contained: Iterable[Containment], comparisons: Iterable[Comparison]
) -> tuple[Shortfall, ...]:
    """Return the families that a verdict calls worse than a member of their own."""
    worse = {}
    for c in comparisons:
        if c.relation is Relation.WORSE:
            worse[c.a, c.b] = -c.difference
        elif c.relation is Relation.BETTER:
            worse[c.b, c.a] = c.difference
    return tuple(
        Shortfall(c, worse[c.family, c.member], confirmed=True)
        for c in contained
        if (c.family, c.member) in worse
    )


def searched_shortfalls(
    contained: Iterable[Containment], best: Mapping[str, TrialRecord], *, direction: str, metric: str
) -> tuple[Shortfall, ...]:
    """Return the families whose best trial is behind a member's by more than two standard errors.

    Args:
        contained: what contains what.
        best: each pair's best trial.
        direction: "maximize" or "minimize".
        metric: the metric that judged.
    """
    sign = SIGN[direction]
    found = []
    for c in contained:
        family, member = best.get(c.family), best.get(c.member)
        if family is None or member is None or family.value is None or member.value is None:
            continue
        by = sign * (member.value - family.value)
        if by > _ERRORS * _standard_error((family, member), f"val_{metric}"):
            found.append(Shortfall(c, by, confirmed=False))
    return tuple(found)


def _standard_error(records: Sequence[TrialRecord], name: str) -> float:
    """Return that of a difference of means; seeds are shared, so this is rather too large."""
    return math.sqrt(sum(r.spread.get(name, 0.0) ** 2 / max(len(r.seeds), 1) for r in records))

"""What the parameters bring that one loss has beyond another: losses that contain others are the rungs of a ladder.

A rung is judged by the confirmation alone, on the same fresh seeds and rows for both: in the search the loss with more
parameters has had more to choose the best of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from lossearch.diagnostics.special_cases import SpecialCase
from lossearch.verdict.verdict import Comparison, Relation, Verdict


class Use(StrEnum):
    """What the added parameters of a loss are good for."""

    HELPS = "helps"
    USELESS = "makes no difference that matters"
    WORSE = "does worse (too few trials to find the simpler loss)"
    UNKNOWN = "cannot be said"


_USES = {Relation.BETTER: Use.HELPS, Relation.EQUAL: Use.USELESS, Relation.WORSE: Use.WORSE}


@dataclass(frozen=True)
class Rung:
    """A loss, the simpler one it contains, and what its added parameters bring.

    ``seen`` compares it with the simpler one, positive where it is better; None where they were not both confirmed.
    """

    case: SpecialCase
    seen: Comparison | None

    @property
    def added(self) -> tuple[str, ...]:
        """The parameters that the simpler loss does not have."""
        return (*self.case.params, *(name for names in self.case.alike for name in names[1:]))

    @property
    def use(self) -> Use:
        """What they are good for."""
        return Use.UNKNOWN if self.seen is None else _USES.get(self.seen.relation, Use.UNKNOWN)

    @property
    def why(self) -> str:
        """What cannot be said, and why; '' where it can."""
        if self.use is not Use.UNKNOWN:
            return ""
        if self.seen is None:
            return "not both were confirmed on fresh seeds"
        return f"these seeds and rows leave open {self.seen.low:.3g} to {self.seen.high:.3g}"

    def __str__(self) -> str:
        names, c = " and ".join(self.added), self.case
        if self.use is Use.UNKNOWN:
            return f"Whether {names} of {c.general} helps over {c.special} cannot be said: {self.why}."
        if len(self.added) > 1:
            names += " together"
        by = (
            ""
            if self.seen is None
            else f"{self.seen.difference:+.3g} ({self.seen.low:.3g} to {self.seen.high:.3g})"
        )
        return f"{names} of {c.general} {self.use.value}: {by} over {c.special}, which it is at {c.where}."


def direct(cases: Sequence[SpecialCase]) -> list[SpecialCase]:
    """Return the cases without another between them: of bce, focal and asl not that from bce to asl."""
    known = {(c.general, c.special) for c in cases}

    def between(c: SpecialCase) -> bool:
        return any(m.general == c.general and (m.special, c.special) in known for m in cases)

    return [c for c in cases if not between(c)]


def rungs(cases: Sequence[SpecialCase], verdict: Verdict | None) -> tuple[Rung, ...]:
    """Return what each loss that contains a simpler one brings over it.

    Args:
        cases: which searched pairs contain which, as ``special_cases`` gives them.
        verdict: of the study; None where it has none.
    """
    judged = set() if verdict is None else {r.pair for r in verdict.ranking}
    found = []
    for case in direct(cases):
        both = verdict is not None and {case.general, case.special} <= judged
        seen = verdict.between(case.general, case.special) if both and verdict is not None else None
        found.append(Rung(case, seen))
    return tuple(found)

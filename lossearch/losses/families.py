"""What losses are for, by which several can be named at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar


class _Member(Protocol):
    @property
    def families(self) -> tuple[str, ...]: ...


M = TypeVar("M", bound=_Member)
N = TypeVar("N")

ALL = "all"
"""Names every loss of a kind of task."""
FAMILIES: Mapping[str, str] = {
    "margin": "read how far a score is on the right side: hinges and their kin",
    "robust": "heed large errors less than their square does",
    "noisy_labels": "bear labels that are wrong",
    "imbalance": "look more at classes, or rows, that others drown",
    "sparse": "predictions may give a class exactly nothing",
    "quantiles": "are least where a chosen share of the targets lies below",
    "probabilistic": "predict a distribution, and with it how sure a value is",
    "overlap": "measure how far what is predicted and what is there overlap, over a batch",
    "ranking": "put labels that are there above those that are not",
    "likelihood": "minus the logarithm of a distribution's likelihood",
}
"""Name of a family -> what its losses do."""


def by_family(named: Sequence[N], losses: Mapping[str, M]) -> tuple[list[tuple[M, ...]], list[N]]:
    """Return the losses of each family that is named, "all" among them, and what else is named."""
    found = {i: group for i, x in enumerate(named) if isinstance(x, str) and (group := members(x, losses))}
    return list(found.values()), [x for i, x in enumerate(named) if i not in found]


def members(name: str, losses: Mapping[str, M]) -> tuple[M, ...]:
    """Return the losses that the name of a family, or "all", stands for; none where it is no such name."""
    if name != ALL and name not in FAMILIES:
        return ()
    return tuple(loss for loss in losses.values() if name == ALL or name in loss.families)

"""What losses are, as their declarations say, by which they can be listed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lossearch.losses.declaration import Loss


@dataclass(frozen=True)
class Property:
    """What some losses are: in words, and of which it holds."""

    words: str
    holds: Callable[[Loss], bool]


PROPERTIES: Mapping[str, Property] = {
    "proper": Property("gives probabilities that minimise its expectation", lambda x: bool(x.probability)),
    "distribution": Property("predicts a distribution", lambda x: x.distribution is not None),
    "batch": Property("one number of the whole batch", lambda x: x.gathers or x.after_mean is not None),
    "joint": Property("reads all targets of a row together", lambda x: x.joint),
    "head": Property("needs another end of the network", lambda x: x.head is not None),
    "counts": Property(
        "reads how many training rows each class has", lambda x: "class_counts" in x.statistics
    ),
    "parameters": Property(
        "has parameters of its own that are searched", lambda x: any(p.search for p in x.params)
    ),
    "ladder": Property("contains a simpler loss", lambda x: bool(x.contains)),
}
"""Name of a property -> what it is."""


def properties(loss: Loss) -> list[str]:
    """Return the names of the properties that a loss has."""
    return [name for name, p in PROPERTIES.items() if p.holds(loss)]

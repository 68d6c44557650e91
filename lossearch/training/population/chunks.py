"""Replicates cut into what is trained together: whole trials of the same settings, seeds and size."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.population.results import Arm


@dataclass(frozen=True)
class Chunk:
    """Arms that are trained together under all seeds, with the settings they share."""

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    settings: TrainSettings

    @property
    def replicates(self) -> list[Replicate]:
        """Every arm under every seed."""
        return [Replicate(a.point, s, a.until) for a in self.arms for s in self.seeds]

    def __len__(self) -> int:
        return len(self.arms) * len(self.seeds)

    def cut(self, most: int) -> Iterator[Chunk]:
        """Give parts of at most so many replicates, one arm at least, that are as equal as can be."""
        pieces = -(-len(self.arms) // max(1, most // len(self.seeds)))
        size, longer = divmod(len(self.arms), pieces)
        start = 0
        for i in range(pieces):
            end = start + size + (i < longer)
            yield replace(self, arms=self.arms[start:end])
            start = end


def chunks(
    replicates: Sequence[Replicate], settings: TrainSettings, most: Callable[[Chunk], int]
) -> list[Chunk]:
    """Return replicates as chunks of whole trials, by the order of their first; a trial's seeds stay together.

    Args:
        replicates: what is trained.
        settings: how, but for what points set themselves.
        most: how many replicates to train together at most, given all that could be.
    """
    seeds: dict[Arm, list[int]] = {}
    for replicate in dict.fromkeys(replicates):
        seeds.setdefault(Arm(replicate.point, replicate.until), []).append(replicate.seed)
    groups: dict[tuple[object, ...], list[Arm]] = {}
    for arm, own in seeds.items():
        groups.setdefault((tuple(sorted(own)), arm.point.other), []).append(arm)
    found: list[Chunk] = []
    for group in groups.values():
        # arms that end together fill a chunk to its end
        arms = sorted(group, key=lambda a: math.inf if a.until is None else a.until)
        whole = Chunk(tuple(arms), tuple(seeds[group[0]]), settings.of(group[0].point))
        found += whole.cut(most(whole))
    place = {arm: i for i, arm in enumerate(seeds)}
    return sorted(found, key=lambda c: min(place[a] for a in c.arms))


def divided(part: Chunk, others: Iterable[Chunk], *, memory: bool) -> Iterator[Chunk]:
    """Give a chunk's halves, then the others, cut to the same size where memory ran out."""
    # by pair: most errors are one pair's
    whole = replace(part, arms=tuple(sorted(part.arms, key=lambda a: a.point.pair)))
    size = (len(whole.arms) + 1) // 2
    yield from whole.cut(size * len(whole.seeds))
    for other in others:
        yield from other.cut(min(size, len(other.arms)) * len(other.seeds) if memory else len(other))

"""Chunks: replicates that are trained together, as many as fit into memory and the cache likes.

Whole trials of the same settings, seeds, size and end of the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

from lossearch._text import size
from lossearch.space import Point
from lossearch.training.batches import batch_sizes
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.own_module.footprint import module_footprint
from lossearch.training.population.memory import BLOCK_BYTES, Footprint, available, footprint
from lossearch.training.trainer import device_of, free_memory

CACHE_BYTES = 32 * 2**20
"""What all replicates together use in a step where the arithmetic is fastest: it stays near the processor."""
FEWEST = 64
"""Replicates below which a chunk is not cut for the cache's sake: calls would cost more than is won."""
MOST = 768
"""Replicates trained together on a processor: more gain nothing."""
MOST_GPU = 4096
LONG_SECONDS = 20.0
"""Work of a whole study from which on its rounds are cut finer, for several processes."""
BYTES_A_SECOND = 2e9
"""What a step uses, in bytes, by the seconds it takes: rough, but the same on every machine."""
PIECES = 4
"""Parts that a round of a long study is cut into, so that processes end together."""
PIECE, PIECE_BYTES = 256, 16 * 2**20
"""Replicates, and what they use in a step, below which such a part costs clearly more a replicate."""


class Configuration(NamedTuple):
    """A point that is trained under several seeds, and the epoch it is trained until where that is not the last."""

    point: Point
    until: int | None = None


@dataclass(frozen=True)
class Chunk:
    """Configurations that are trained together under all seeds, with the settings they share."""

    configurations: tuple[Configuration, ...]
    seeds: tuple[int, ...]
    settings: TrainSettings

    @property
    def replicates(self) -> list[Replicate]:
        """Every configuration under every seed."""
        return [Replicate(c.point, s, c.until) for c in self.configurations for s in self.seeds]

    def __len__(self) -> int:
        return len(self.configurations) * len(self.seeds)

    def cut(self, most: int) -> Iterator[Chunk]:
        """Give parts of at most so many replicates, one configuration at least, that are as equal as can be."""
        number = pieces(len(self.configurations), len(self.seeds), most)
        size, longer = divmod(len(self.configurations), number)
        start = 0
        for i in range(number):
            end = start + size + (i < longer)
            yield replace(self, configurations=self.configurations[start:end])
            start = end


def pieces(configurations: float, seeds: int, most: int) -> int:
    """Return in how many chunks of at most so many replicates configurations are trained under all seeds."""
    return math.ceil(configurations / max(1, most // seeds))


def chunks(
    call: TrainingCall, settings: TrainSettings, replicates: Sequence[Replicate], most: Callable[[Chunk], int]
) -> list[Chunk]:
    """Return replicates as chunks of whole trials, by the order of their first; a trial's seeds stay together.

    ``most`` says how many to train together at most, given all that could be.
    """
    seeds: dict[Configuration, list[int]] = {}
    for replicate in dict.fromkeys(replicates):
        seeds.setdefault(Configuration(replicate.point, replicate.until), []).append(replicate.seed)
    groups: dict[tuple[object, ...], list[Configuration]] = {}
    for configuration, own in seeds.items():
        point = configuration.point
        key = (tuple(sorted(own)), point.other, call.pair(point).loss.head)
        groups.setdefault(key, []).append(configuration)
    found: list[Chunk] = []
    for group in groups.values():
        # those that end together fill a chunk to its end
        together = sorted(group, key=lambda c: math.inf if c.until is None else c.until)
        whole = Chunk(tuple(together), tuple(seeds[group[0]]), settings.of(group[0].point))
        found += whole.cut(most(whole))
    place = {configuration: i for i, configuration in enumerate(seeds)}
    return sorted(found, key=lambda c: min(place[own] for own in c.configurations))


def divided(part: Chunk, others: Iterable[Chunk], *, memory: bool) -> Iterator[Chunk]:
    """Give a chunk's halves, then the others, cut to the same size where memory ran out."""
    # by pair: most errors are one pair's
    whole = replace(part, configurations=tuple(sorted(part.configurations, key=lambda c: c.point.pair)))
    size = (len(whole.configurations) + 1) // 2
    yield from whole.cut(size * len(whole.seeds))
    for other in others:
        yield from other.cut(
            min(size, len(other.configurations)) * len(other.seeds) if memory else len(other)
        )


@dataclass
class ChunkSizer:
    """Chooses the size of chunks by what a dry run finds, once for each training setting.

    Args:
        memory: bytes that may be used; None takes a share of what is free.
        processes: how many share the memory.
        work: replicates of the whole study.
        note: takes one line where replicates cannot be trained together.
    """

    memory: int | None = None
    processes: int = 1
    work: int = 0
    note: Callable[[str], None] = lambda _: None
    cap: int | None = None
    """Replicates together at most, once memory has run out."""
    noted: set[str] = field(default_factory=set)
    known: dict[tuple[object, ...], Footprint | None] = field(default_factory=dict)

    def footprint(self, call: TrainingCall, chunk: Chunk) -> Footprint | None:
        """Return what a population of a chunk's settings takes, None where that cannot be found out."""
        key = (
            call.task.digest,
            call.task.name,
            chunk.configurations[0].point.other,
            call.pair(chunk.configurations[0].point).loss.head,
            len(chunk.seeds),
            call.keep_weights,
        )
        if key not in self.known:
            points = [c.point for c in chunk.configurations]
            find = footprint if call.task.module is None else module_footprint
            try:
                self.known[key] = find(call, points, chunk.seeds, chunk.settings)
            except Exception as error:  # noqa: BLE001 - whatever is raised is raised again, and dealt with, in training
                free_memory(error)
                self.known[key] = None
        return self.known[key]

    def most(self, call: TrainingCall, whole: Chunk, replicates: int | None = None) -> int:
        """Return how many of these replicates, or of so many like them, to train together at most."""
        found, device = self.footprint(call, whole), device_of(whole.settings)
        many = len(whole) if replicates is None else replicates
        best = MOST if device.type == "cpu" else MOST_GPU
        if self.cap is not None:
            best = min(best, self.cap)
        if found is None:
            return best
        if device.type == "cpu":
            best = min(best, max(FEWEST, CACHE_BYTES // max(1, found.step)))
            if self._long(call, whole, found, many):
                least = max(FEWEST, min(PIECE, PIECE_BYTES // max(1, found.step)))
                best = min(best, max(least, -(-many // PIECES)))
        return min(best, self._fitting(found, whole, device))

    def _long(self, call: TrainingCall, whole: Chunk, found: Footprint, replicates: int) -> bool:
        """Return whether the study is long enough for several processes, by no clock: sizes decide last bits."""
        settings = whole.settings
        rows = call.task.fold(whole.seeds[0]).train_rows
        steps = int(settings.epochs) * len(batch_sizes(rows, int(settings.batch_size)))
        return max(self.work, replicates) * steps * found.step > LONG_SECONDS * BYTES_A_SECOND

    def _fitting(self, found: Footprint, whole: Chunk, device: torch.device) -> int:
        seeds = len(whole.seeds)
        processes = self.processes if device.type == "cpu" else 1
        memory = (available(device) if self.memory is None else self.memory) // processes
        fitting = found.most(memory, seeds)
        if fitting < seeds:
            self.note_once(
                f"One trial of {seeds} replicates takes about {size(found.of(seeds, seeds))}, more than the "
                f"{size(memory)} there are for it; one is trained at a time. Fewer seeds, smaller batches or a "
                "smaller network take less."
            )
        return fitting

    def note_once(self, line: str) -> None:
        """Note a line the first time it is given."""
        if line not in self.noted:
            self.note(line)
        self.noted.add(line)

    def block(self, call: TrainingCall, chunk: Chunk) -> int | None:
        """Return how many replicates times rows are scored at a time, None for all."""
        found = self.footprint(call, chunk)
        if found is None:
            return None
        return max(1, BLOCK_BYTES // max(1, found.row))

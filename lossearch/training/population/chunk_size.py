"""How many replicates are trained together: what fits into memory, and what the cache likes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from lossearch._text import size
from lossearch.training.batches import batch_sizes
from lossearch.training.plain.train import free_memory
from lossearch.training.population.chunks import Chunk
from lossearch.training.population.memory import BLOCK_BYTES, Footprint, available, footprint
from lossearch.training.population.train_chunk import Run
from lossearch.training.trainer import device_of

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


@dataclass
class Sizing:
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
    said: set[str] = field(default_factory=set)
    known: dict[tuple[object, ...], Footprint | None] = field(default_factory=dict)

    def footprint(self, run: Run, chunk: Chunk) -> Footprint | None:
        """Return what a population of a chunk's settings takes, None where that cannot be found out."""
        key = (run.task.digest, run.task.name, chunk.arms[0].point.other, len(chunk.seeds), run.keep_weights)
        if key not in self.known:
            points = [a.point for a in chunk.arms]
            try:
                self.known[key] = footprint(
                    run.task,
                    run.space,
                    points,
                    chunk.seeds,
                    chunk.settings,
                    random=run.random,
                    keep_weights=run.keep_weights,
                )
            except Exception:  # noqa: BLE001 - whatever is raised is raised again, and dealt with, in training
                free_memory()
                self.known[key] = None
        return self.known[key]

    def most(self, run: Run, whole: Chunk) -> int:
        """Return how many of these replicates to train together at most."""
        found, device = self.footprint(run, whole), device_of(whole.settings)
        best = MOST if device.type == "cpu" else MOST_GPU
        if self.cap is not None:
            best = min(best, self.cap)
        if found is None:
            return best
        if device.type == "cpu":
            best = min(best, max(FEWEST, CACHE_BYTES // max(1, found.step)))
            if self._long(run, whole, found):
                least = max(FEWEST, min(PIECE, PIECE_BYTES // max(1, found.step)))
                best = min(best, max(least, -(-len(whole) // PIECES)))
        return min(best, self._fitting(found, whole, device))

    def _long(self, run: Run, whole: Chunk, found: Footprint) -> bool:
        """Return whether the study is long enough for several processes, by no clock: sizes decide last bits."""
        settings = whole.settings
        rows = run.task.fold(whole.seeds[0]).train_rows
        steps = int(settings.epochs) * len(batch_sizes(rows, int(settings.batch_size)))
        return max(self.work, len(whole)) * steps * found.step > LONG_SECONDS * BYTES_A_SECOND

    def _fitting(self, found: Footprint, whole: Chunk, device: torch.device) -> int:
        seeds = len(whole.seeds)
        processes = self.processes if device.type == "cpu" else 1
        memory = (available(device) if self.memory is None else self.memory) // processes
        fitting = found.most(memory, seeds)
        if fitting < seeds:
            self.say(
                f"One trial of {seeds} replicates takes about {size(found.of(seeds, seeds))}, more than the "
                f"{size(memory)} there are for it; one is trained at a time. Fewer seeds, smaller batches or a "
                "smaller network take less."
            )
        return fitting

    def say(self, line: str) -> None:
        """Note a line, once however often it is said."""
        if line not in self.said:
            self.note(line)
        self.said.add(line)

    def block(self, run: Run, chunk: Chunk) -> int | None:
        """Return how many replicates times rows are scored at a time, None for all."""
        found = self.footprint(run, chunk)
        if found is None:
            return None
        return max(1, BLOCK_BYTES // max(1, found.row))

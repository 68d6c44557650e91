"""The rows of a population, and its mini-batches: each seed's rows in its own order, or one stream for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch.tasks.task import Stream
from lossearch.training.batches import row_order

Step = tuple[Tensor, Mapping[str, Tensor]]
"""A batch of every seed: inputs in the network's layout, and targets by encoding, (S, 1, B[, T]), weights among them."""
MiniBatches = Callable[[int], Iterator[Step]]
"""Gives the batches of an epoch, from 0, of the same sizes for every seed."""
GATHER_BYTES = 64 * 2**20
"""Bytes copied at a time into batch order."""


@dataclass(frozen=True)
class PartTensors:
    """One part of every seed's data: inputs in the network's layout, canonical and encoded targets.

    ``y`` is (S, N[, T]); ``encoded[name]`` is (S, 1, N[, T]), and what rows weigh, where they do, (S, 1, N, K) beside
    them, see ``criteria.WEIGHTS``.
    """

    x: Tensor
    y: Tensor
    encoded: Mapping[str, Tensor]

    @property
    def rows(self) -> int:
        """How many rows a seed has."""
        return self.y.shape[1]


def stacked(parts: Sequence[Tensor], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return one part a seed as (S, ...), floating numbers as ``dtype``; what all seeds share is held once."""
    shared = all(part is parts[0] for part in parts)
    rows = (parts[0] if shared else torch.stack(list(parts))).to(device)
    rows = rows.to(dtype) if dtype is not None and rows.is_floating_point() else rows
    return rows.expand(len(parts), *rows.shape) if shared else rows


@dataclass(frozen=True)
class InMemoryMiniBatches:
    """Rows in memory, drawn by index: each seed sees its own in its own order.

    ``x`` and ``encoded`` hold all training rows; rows are on ``axis`` of ``x``.
    """

    x: Tensor
    encoded: Mapping[str, Tensor]
    axis: int
    seeds: Sequence[int]
    sizes: Sequence[int]

    def __call__(self, epoch: int) -> Iterator[Step]:
        """Give the batches of an epoch, copied into their order as many at a time as memory allows."""
        rows, device = sum(self.sizes), self.x.device
        orders = torch.stack([row_order(seed, epoch, rows) for seed in self.seeds]).to(device)
        by_seed = torch.arange(len(self.seeds), device=device)[:, None]
        row_bytes = max(1, self.x.numel() // rows * self.x.itemsize)
        together = max(1, GATHER_BYTES // (row_bytes * self.sizes[0]))
        start = 0
        for first in range(0, len(self.sizes), together):
            sizes = list(self.sizes[first : first + together])
            index = orders[:, start : start + sum(sizes)]
            start += sum(sizes)
            own = (seed.index_select(self.axis - 1, i) for seed, i in zip(self.x, index, strict=True))
            x = torch.stack(list(own)).split(sizes, self.axis)
            parts = {n: e[by_seed, 0, index].unsqueeze(1).split(sizes, 2) for n, e in self.encoded.items()}
            for i, batch in enumerate(x):
                yield batch, {n: e[i] for n, e in parts.items()}


@dataclass(frozen=True)
class StreamedMiniBatches:
    """Rows read from a stream: every batch is read once, and shared by all seeds.

    ``rows`` brings inputs (1, B, ...) into the network's layout; ``encode`` gives targets (S, B[, T]) in
    each encoding, and weights with what rows weigh by themselves, (S, B).
    """

    stream: Stream
    seeds: int
    sizes: Sequence[int]
    rows: Callable[[Tensor], Tensor]
    encode: Callable[[Tensor, Tensor | None], Mapping[str, Tensor]]
    device: torch.device
    dtype: torch.dtype

    def __call__(self, epoch: int) -> Iterator[Step]:
        """Give the batches of an epoch as they are read."""
        for part in self.stream.batches(epoch, self.sizes):
            x = part.x.to(self.device, self.dtype) if part.x.is_floating_point() else part.x.to(self.device)
            y, own = part.y.to(self.device), part.sample_weight
            shared = self.rows(x.unsqueeze(0))
            yield (
                shared.expand(self.seeds, *shared.shape[1:]),
                self.encode(
                    y.expand(self.seeds, *y.shape), None if own is None else own.expand(self.seeds, -1)
                ),
            )

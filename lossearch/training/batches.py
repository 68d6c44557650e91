"""What a replicate starts from and sees: its first weights, its rows, and their order.

Random streams of a replicate (``lossearch._random``), all from its seed: ``weights`` (initial weights,
drawn in the default type and cast), ``batches`` and the epoch from 0 (row order), ``step`` and the global
step from 0 (random layers; set only where the network draws at all).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lossearch._random import generator, seeded_build
from lossearch.pairs import Criterion
from lossearch.tasks.task import Part, Stream, Task

Batch = tuple[Tensor, Tensor, Tensor | None]
"""Inputs, encoded targets, and what the rows weigh where they are weighted."""
_GATHER = 2**22
"""Numbers copied at a time into batch order: bounds the extra memory."""


def initial_network(task: Task, seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the network of a task as every replicate of this seed starts from it."""
    return seeded_build(task.build, seed).to(dtype)


@dataclass(frozen=True)
class Rows:
    """One part of the data: inputs (N, ...), canonical targets for metrics, encoded ones for the loss, and its weights.

    ``weight`` is (N, 1), or (N, L) of labels; None where rows are not weighted.
    """

    x: Tensor
    y: Tensor
    encoded: Tensor
    weight: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


def _cast(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)


def prepare(part: Part, criterion: Criterion, n_out: int, dtype: torch.dtype, device: torch.device) -> Rows:
    """Return a part's rows with targets encoded once, all on ``device`` (the criterion's too)."""
    y, own = part.y.to(device), part.sample_weight
    weight = criterion.row_weights(y, n_out, own if own is None else own.to(device), dtype)
    return Rows(_cast(part.x, dtype, device), y, criterion.encode(y, n_out, dtype), weight)


def batch_sizes(rows: int, batch_size: int) -> list[int]:
    """Return the sizes of an epoch's batches.

    A last batch of one row joins the one before it, for every network: batch normalisation cannot
    train on one row, and a rule that depended on the network would change the batches with it.
    """
    full, rest = divmod(rows, batch_size)
    sizes = [batch_size] * full + ([rest] if rest else [])
    if rest == 1 and full:
        sizes[-2:] = [batch_size + 1]
    return sizes


def row_order(seed: int, epoch: int, rows: int) -> Tensor:
    """Return the order in which a replicate of this seed sees its training rows in an epoch (from 0)."""
    return torch.randperm(rows, generator=generator(seed, "batches", epoch))


class Batches:
    """An epoch's mini-batches of (inputs, encoded target, weights), sliced from memory.

    What is served depends on seed, epoch and number of rows alone, so it is the same for every pair.
    """

    def __init__(self, rows: Rows, seed: int, batch_size: int, epoch: Callable[[], int]) -> None:
        self.rows = rows
        self.seed = seed
        self.sizes = batch_sizes(len(rows), batch_size)
        self.epoch = epoch
        row_numel = max(1, rows.x.numel() // max(1, len(rows)))
        self._together = max(1, _GATHER // (row_numel * batch_size))

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        order = row_order(self.seed, self.epoch(), len(self.rows)).to(self.rows.x.device)
        start = 0
        for first in range(0, len(self.sizes), self._together):
            sizes = self.sizes[first : first + self._together]
            index = order[start : start + sum(sizes)]
            start += len(index)
            x: tuple[Tensor, ...] = torch.split(self.rows.x[index], sizes)
            encoded: tuple[Tensor, ...] = torch.split(self.rows.encoded[index], sizes)
            weight = self.rows.weight
            weights: Sequence[Tensor | None] = (
                [None] * len(sizes) if weight is None else torch.split(weight[index], sizes)
            )
            yield from zip(x, encoded, weights, strict=True)


class StreamedBatches:
    """An epoch's mini-batches of (inputs, encoded target, weights), read from a stream.

    ``ready`` makes a part's rows ready, as :func:`prepare` does.
    """

    def __init__(
        self, stream: Stream, ready: Callable[[Part], Rows], batch_size: int, epoch: Callable[[], int]
    ) -> None:
        self.stream = stream
        self.ready = ready
        self.sizes = batch_sizes(len(stream), batch_size)
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        for part in self.stream.batches(self.epoch(), self.sizes):
            rows = self.ready(part)
            yield rows.x, rows.encoded, rows.weight


class SingleBatch:
    """A loader of one batch: the whole validation part."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        yield self.batch

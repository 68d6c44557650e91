"""Rows ready for one replicate, and the order in which it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lossearch._random import generator
from lossearch.errors import refuse
from lossearch.pairs import Criterion
from lossearch.tasks.task import Fold, Part, Stream

Batch = tuple[Tensor, Tensor]
_GATHER = 2**22
"""Numbers copied at a time into batch order: bounds the extra memory."""


@dataclass(frozen=True)
class Rows:
    """One part of the data: inputs (N, ...), canonical targets for metrics, encoded ones for the loss."""

    x: Tensor
    y: Tensor
    encoded: Tensor

    def __len__(self) -> int:
        return len(self.x)


def _cast(tensor: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    return tensor.to(device, dtype) if tensor.is_floating_point() else tensor.to(device)


def prepare(part: Part, criterion: Criterion, n_out: int, dtype: torch.dtype, device: torch.device) -> Rows:
    """Return a part's rows with targets encoded once, all on ``device`` (the criterion's too)."""
    y = part.y.to(device)
    return Rows(_cast(part.x, dtype, device), y, _cast(criterion.encode(y, n_out), dtype, device))


def check_finite(fold: Fold) -> None:
    """Refuse a fold that holds NaN or infinite numbers.

    Raises:
        InputError: it does; the message says where and in how many rows.
    """
    problems = []
    for words, part in (("training", fold.train), ("validation", fold.validation)):
        if len(part) == 0:
            problems.append(f"The {words} part has no rows; give more data or other shares.")
        for name, tensor in (("features", part.x), ("targets", part.y)):
            bad = int((~torch.isfinite(tensor.reshape(len(part), -1))).any(dim=1).sum()) if len(part) else 0
            if bad:
                problems.append(
                    f"{bad} of {len(part)} {words} rows hold NaN or infinite {name}; "
                    "fill them in or leave these rows out."
                )
    refuse(problems)


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
    """An epoch's mini-batches of (inputs, encoded target), sliced from memory.

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
            yield from zip(x, encoded, strict=True)


class StreamedBatches:
    """An epoch's mini-batches of (inputs, encoded target), read from a stream.

    ``encode`` is the criterion's, from canonical targets.
    """

    def __init__(
        self,
        stream: Stream,
        encode: Callable[[Tensor], Tensor],
        batch_size: int,
        epoch: Callable[[], int],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.stream = stream
        self.encode = encode
        self.sizes = batch_sizes(len(stream), batch_size)
        self.epoch = epoch
        self.dtype, self.device = dtype, device

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[Batch]:
        for part in self.stream.batches(self.epoch(), self.sizes):
            encoded = self.encode(part.y.to(self.device))
            yield _cast(part.x, self.dtype, self.device), _cast(encoded, self.dtype, self.device)


class Once:
    """A loader of one batch: the whole validation part."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Batch]:
        yield self.batch

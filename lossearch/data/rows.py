"""Features that are read where they lie, some rows at a time, because memory does not hold them all.

A source of rows has them under numbers from 0, gives any of them at once, and gives a whole part of them
in pieces, in an order that an epoch's draw fixes: whoever asks for the same epoch gets the same pieces.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from lossearch._random import generator, isolated, stream

Array = NDArray[Any]
Ids = NDArray[np.int64]
Features = pd.DataFrame | Array
Piece = tuple[Features, Ids]
"""Some rows, and their numbers."""

PIECE_BYTES = 4 * 2**20
"""Bytes read at a time where any rows can be read at once."""
SHUFFLE_BYTES = 64 * 2**20
"""Bytes among which rows are shuffled, where only rows that lie together can be read at once."""
_END = object()


@dataclass(frozen=True)
class Draw:
    """The random draws of one pass over rows: of an epoch from 0, under the study's seed.

    ``readers`` processes read ahead; 0 reads in this one.
    """

    seed: int
    epoch: int
    readers: int = 0

    def order(self, n: int, *names: str | int) -> Ids:
        """Return the numbers below ``n`` in an order of their own."""
        draw = generator(self.seed, "rows", self.epoch, *names)
        return np.asarray(torch.randperm(n, generator=draw).numpy())


@runtime_checkable
class RowSource(Protocol):
    """Where the features of rows are read from."""

    def __len__(self) -> int:
        """Return how many rows there are."""
        ...

    def digest(self) -> bytes:
        """Return a hash of all that is in it."""
        ...

    def read(self, rows: Ids) -> Features:
        """Return some rows, in the order asked, as a cleaned table or an array (N, ...) of numbers."""
        ...

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give each of ``rows`` once, in an order that the draw fixes."""
        ...


def take(x: Features, rows: Ids) -> Features:
    """Return some rows of a table or an array."""
    return x.iloc[rows] if isinstance(x, pd.DataFrame) else x[rows]


def join(parts: Sequence[Features]) -> Features:
    """Return rows one after another, all tables or all arrays."""
    if len(parts) == 1:
        return parts[0]
    tables = [p for p in parts if isinstance(p, pd.DataFrame)]
    if tables:
        return pd.concat(tables, ignore_index=True)
    return np.concatenate(parts)


def size_of(x: Features) -> int:
    """Return the bytes of some rows; text counts as much as a number."""
    return 8 * x.size if isinstance(x, pd.DataFrame) else x.nbytes


def hash_of(values: Features) -> bytes:
    """Return a hash of a table or an array: of names, types, shapes and all cells."""
    found = hashlib.blake2b(digest_size=16)
    if isinstance(values, pd.DataFrame):
        found.update("\x1f".join(map(str, values.columns)).encode())
        for name in values.columns:
            found.update(hash_of(values[name].to_numpy()))
    elif values.dtype.kind in "OU":
        found.update("\x1f".join(map(str, values.flat)).encode())
    else:
        found.update(f"{values.dtype.str}{values.shape}".encode())
        found.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return found.digest()


@dataclass(frozen=True)
class _Called:
    """A function as a data set, whose k-th item of a pass draws the same in whatever process it is made."""

    fetch: Callable[[Any], Any]
    draw: Draw

    def __getitem__(self, numbered: tuple[int, Any]) -> Any:
        k, index = numbered
        with isolated(stream(self.draw.seed, "reading", self.draw.epoch, k)):
            return self.fetch(index)


def loaded(fetch: Callable[[Any], Any], order: Sequence[Any], draw: Draw) -> Iterator[Any]:
    """Give ``fetch(index)`` for each index, by a DataLoader with the draw's readers."""
    loader: DataLoader[Any] = DataLoader(
        _Called(fetch, draw),  # type: ignore[arg-type]  # whatever has __getitem__ will do
        batch_size=None,
        sampler=list(enumerate(order)),
        num_workers=draw.readers,
        collate_fn=_as_it_is,
        generator=generator(draw.seed, "readers", draw.epoch),
    )
    return iter(loader)


def _as_it_is(item: Any) -> Any:
    return item


def reproducible(items: Iterable[Any], draw: Draw) -> Iterator[Any]:
    """Give items whose making may draw at random: the k-th of an epoch always draws the same."""
    with isolated(stream(draw.seed, "reading", draw.epoch)):
        iterator = iter(items)
    for k in count():
        with isolated(stream(draw.seed, "reading", draw.epoch, k)):
            item = next(iterator, _END)
        if item is _END:
            return
        yield item


def shuffled(pieces: Iterator[Piece], draw: Draw) -> Iterator[Piece]:
    """Give the rows of pieces that follow each other in blocks, each in an order of its own."""
    waiting: list[Piece] = []
    size = 0

    def block(k: int) -> Piece:
        x, ids = join([p[0] for p in waiting]), np.concatenate([p[1] for p in waiting])
        order = draw.order(len(ids), "block", k)
        return take(x, order), ids[order]

    done = 0
    for piece in pieces:
        waiting.append(piece)
        size += size_of(piece[0])
        if size >= SHUFFLE_BYTES:
            yield block(done)
            waiting.clear()
            size, done = 0, done + 1
    if waiting:
        yield block(done)


@dataclass(frozen=True, eq=False)
class HeldRows:
    """Rows of an array or a table at hand; of a memory-mapped array only what is asked for is read."""

    values: Features

    def __len__(self) -> int:
        return len(self.values)

    def __getstate__(self) -> dict[str, Any]:
        x = self.values
        if isinstance(x, np.memmap) and isinstance(x.base, mmap.mmap):
            order = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
            return {"mapped": (x.filename, x.dtype, "r", x.offset, x.shape, order)}
        return {"values": x}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = np.memmap(*state["mapped"]) if "mapped" in state else state["values"]
        object.__setattr__(self, "values", values)

    def digest(self) -> bytes:
        """Return a hash of all rows."""
        return hash_of(self.values)

    def read(self, rows: Ids) -> Features:
        """Return some rows."""
        found = take(self.values, rows)
        return np.asarray(found) if isinstance(found, np.ndarray) else found

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give rows in a drawn order, whatever their place."""
        at_once = rows_of(PIECE_BYTES, self.read(rows[:1]))
        return in_pieces(rows[draw.order(len(rows))], at_once, self.read, draw)


def rows_of(room: int, row: Features) -> int:
    """Return how many rows like this one fit into so many bytes, 1 at least."""
    return max(1, room // max(1, size_of(row)))


def in_pieces(rows: Ids, at_once: int, fetch: Callable[[Ids], Features], draw: Draw) -> Iterator[Piece]:
    """Give pieces of so many rows, in this order, with their numbers."""
    lists = [rows[i : i + at_once] for i in range(0, len(rows), at_once)]
    yield from zip(loaded(fetch, lists, draw), lists, strict=True)


@dataclass(frozen=True, eq=False)
class ConcatRows:
    """The rows of several sources, one after another: parts that came apart."""

    sources: tuple[RowSource, ...]

    @property
    def starts(self) -> list[int]:
        """The number of each source's first row, and how many rows there are."""
        return [0, *np.cumsum([len(s) for s in self.sources]).tolist()]

    def __len__(self) -> int:
        return self.starts[-1]

    def digest(self) -> bytes:
        """Return a hash of all sources."""
        return hashlib.blake2b(b"".join(s.digest() for s in self.sources), digest_size=16).digest()

    def _own(self, rows: Ids) -> Iterator[tuple[RowSource, int, Ids]]:
        """Give sources that hold any of these rows, with their first row's number and the places asked for."""
        for source, (start, end) in zip(self.sources, pairwise(self.starts), strict=True):
            at = np.flatnonzero((rows >= start) & (rows < end))
            if len(at):
                yield source, start, at

    def read(self, rows: Ids) -> Features:
        """Return some rows, in the order asked."""
        found = [(source.read(rows[at] - start), at) for source, start, at in self._own(rows)]
        back = np.argsort(np.concatenate([at for _, at in found]), kind="stable")
        return take(join([x for x, _ in found]), back)

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give the rows of one source after those of another."""
        for source, start, at in self._own(rows):
            for x, ids in source.pieces(rows[at] - start, draw):
                yield x, ids + start

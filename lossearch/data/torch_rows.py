"""Torch data sets as sources of rows, which are read and not held."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    default_collate,
)

from lossearch._random import generator
from lossearch.data.arrays import features
from lossearch.data.containers import plain
from lossearch.data.rows import (
    PIECE_BYTES,
    Array,
    Draw,
    Features,
    Ids,
    Piece,
    in_pieces,
    join,
    reproducible,
    shuffled,
    take,
)
from lossearch.errors import InputError, LossearchError

Collate = Callable[[list[Any]], Any]
FIRST_PASS = Draw(0, 0)
_ITEMS_AT_ONCE = 64
"""Items read at a time before their size is known."""
_MOST_ITEMS = 1024
"""Items read at a time, however small they are."""


def _pair(batch: Any, name: str) -> tuple[Any, Any]:
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return batch[0], batch[1]
    found = f"{len(batch)} things" if isinstance(batch, (tuple, list)) else type(batch).__name__
    raise InputError(f"{name} gives items of {found}; each must be (inputs, target).")


def _inputs(x: Any) -> Array:
    numbers = features(x).x
    if not isinstance(numbers, np.ndarray):
        raise InputError(f"inputs come as {type(x).__name__}; give one tensor of numbers.")
    return numbers


@dataclass(frozen=True, eq=False)
class DatasetRows:
    """The items of a torch data set that has a length and gives any item at once, ``at_once`` at a time."""

    data: Any
    name: str
    collate: Collate = default_collate
    readers: int = 0
    at_once: int = _ITEMS_AT_ONCE
    hashed: bytes = b""

    def seen(self, y: Array, size: int, hashed: bytes) -> DatasetRows:
        """Return this source after its first pass, which gave these targets, and inputs of ``size`` bytes."""
        at_once = min(_MOST_ITEMS, max(1, PIECE_BYTES * len(y) // max(1, size)))
        return replace(self, at_once=at_once, hashed=hashed)

    def digest(self) -> bytes:
        """Return a hash of all that the first pass gave."""
        return self.hashed

    def __len__(self) -> int:
        return len(self.data)

    def items(self, rows: Ids) -> tuple[Any, Any]:
        """Return inputs and targets of some rows."""
        many = getattr(self.data, "__getitems__", None)
        wanted = rows.tolist()
        return _pair(
            self.collate(many(wanted) if many is not None else [self.data[i] for i in wanted]), self.name
        )

    def _fetch(self, rows: Ids) -> Array:
        return _inputs(self.items(rows)[0])

    def read(self, rows: Ids) -> Features:
        """Return some rows, in the order asked."""
        lists = [rows[i : i + self.at_once] for i in range(0, len(rows), self.at_once)]
        return join(list(reproducible(map(self._fetch, lists), FIRST_PASS)))

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give rows in a drawn order, whatever their place."""
        draw = replace(draw, readers=draw.readers or self.readers)
        return in_pieces(rows[draw.order(len(rows))], self.at_once, self._fetch, draw)

    def everything(self) -> Iterator[tuple[Any, Any]]:
        """Give inputs and targets of all rows in their order."""
        ends = range(self.at_once, len(self) + self.at_once, self.at_once)
        lists = (np.arange(end - self.at_once, min(end, len(self))) for end in ends)
        yield from reproducible(map(self.items, lists), FIRST_PASS)


@dataclass(frozen=True, eq=False)
class IterableRows:
    """The items of a torch IterableDataset, which must give the same rows in the same order at each pass.

    ``readers`` processes read it, each its own share, as the data set arranges. ``targets`` are the raw
    targets of the first pass, by which later ones are known again.
    """

    data: IterableDataset[Any]
    name: str
    collate: Collate = default_collate
    batched: bool = False
    readers: int = 0
    targets: Array | None = None
    hashed: bytes = b""

    def seen(self, y: Array, size: int, hashed: bytes) -> IterableRows:  # noqa: ARG002 - for others
        """Return this source after its first pass, which gave these targets, and inputs of ``size`` bytes."""
        return replace(self, targets=y, hashed=hashed)

    def digest(self) -> bytes:
        """Return a hash of all that the first pass gave."""
        return self.hashed

    def __len__(self) -> int:
        return 0 if self.targets is None else len(self.targets)

    def everything(self) -> Iterator[tuple[Any, Any]]:
        """Give inputs and targets of all rows in their order."""
        loader: DataLoader[Any] = DataLoader(
            self.data,
            batch_size=None if self.batched else _ITEMS_AT_ONCE,
            collate_fn=None if self.batched else self.collate,
            num_workers=self.readers,
            generator=generator(0, "readers"),
        )
        for batch in reproducible(loader, FIRST_PASS):
            yield _pair(batch, self.name)

    def _known(self) -> Iterator[Piece]:
        start = 0
        for x, y in self.everything():
            ids = np.arange(start, start + len(y))
            start += len(y)
            if self.targets is not None and not np.array_equal(self.targets[ids[0] : start], plain(y)):
                raise InputError(
                    f"{self.name} gave other rows, or another order, than in its first pass. It must give the same "
                    "rows each time; they are shuffled here."
                )
            yield _inputs(x), ids
        if start != len(self):
            raise InputError(f"{self.name} gave {start} rows, and {len(self)} in its first pass.")

    def read(self, rows: Ids) -> Features:
        """Return some rows, in the order asked, from one pass over all."""
        wanted, back = np.unique(rows, return_inverse=True)
        found = [take(x, np.flatnonzero(np.isin(ids, wanted))) for x, ids in self._known()]
        return take(join(found), back)

    def pieces(self, rows: Ids, draw: Draw) -> Iterator[Piece]:
        """Give rows as they come, shuffled within blocks."""
        wanted = np.zeros(len(self), dtype=bool)
        wanted[rows] = True
        own = ((take(x, np.flatnonzero(wanted[ids])), ids[wanted[ids]]) for x, ids in self._known())
        yield from shuffled(own, draw)


TorchRows = DatasetRows | IterableRows


def first_pass(source: TorchRows) -> tuple[TorchRows, Array]:
    """Return a source that knows what it holds, and its raw targets: it is read once.

    Raises:
        InputError: it gives no rows, or what is no pair of numbers.
    """
    hashed = hashlib.blake2b(digest_size=16)
    kept: list[Array] = []
    size = start = 0
    shapes: set[tuple[int, ...]] = set()
    for given, y in _read(source):
        try:
            x, own = _inputs(given), np.asarray(plain(y, "y"))
        except InputError as error:
            raise InputError(f"{source.name}, counted from row {start}: {error}") from error
        start += len(x)
        if np.shape(own)[:1] != (len(x),):
            raise InputError(f"{source.name} gives {len(x)} inputs with targets of shape {np.shape(own)}.")
        shapes.add(x.shape[1:])
        if len(shapes) > 1 or (kept and own.shape[1:] != kept[0].shape[1:]):
            raise InputError(
                f"{source.name} gives rows of different shapes, at row {start - len(x)} or soon after: inputs "
                f"{' and '.join(map(str, shapes))}. Cut or fill them up to one shape."
            )
        size += x.nbytes
        hashed.update(np.ascontiguousarray(x).data)
        hashed.update(str(own.tolist()).encode())
        kept.append(own)
    if not kept:
        raise InputError(f"{source.name} gives no rows.")
    y = np.concatenate(kept)
    return source.seen(y, size, hashed.digest()), y


def _read(source: TorchRows) -> Iterator[tuple[Any, Any]]:
    """Give what a source gives; whatever its code raises is told by the source's name.

    Raises:
        InputError: it cannot be read to its end.
    """
    try:
        yield from source.everything()
    except LossearchError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{source.name} cannot be read: {type(error).__name__}: {error}. It must give (inputs, target), all of "
            "one shape."
        ) from error


def torch_rows(
    data: Any, name: str, collate: Collate | None = None, *, batched: bool = False, readers: int = 0
) -> TorchRows:
    """Return a torch data set as a source of rows.

    Args:
        data: a data set whose items are (inputs, target).
        name: what to call it in messages.
        collate: makes a batch of items; torch's own by default.
        batched: whether an IterableDataset gives batches rather than items.
        readers: processes that read it.

    Raises:
        InputError: it has neither length nor order.
    """
    if isinstance(data, IterableDataset):
        return IterableRows(data, name, collate or default_collate, batched, readers)
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise InputError(
            f"{name} is a {type(data).__name__}; give a torch Dataset with a length, or an IterableDataset."
        )
    return DatasetRows(data, name, collate or default_collate, readers)

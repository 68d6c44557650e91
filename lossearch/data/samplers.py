"""Which rows of its data set a DataLoader's sampler draws, and how often one beside another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from lossearch._random import isolated, stream
from lossearch.data.rows import Array, Ids
from lossearch.errors import InputError

_EVERY_ROW = (RandomSampler, SequentialSampler, DistributedSampler)
_MOST_PASSES = 10
"""Passes over the data set after which a sampler is taken for endless."""


@dataclass(frozen=True)
class Drawn:
    """The rows that a loader draws, None for all; what each weighs, None where all are drawn alike; and a note."""

    rows: Ids | None = None
    weights: Array | None = None
    note: str = ""


def drawn_by(loader: DataLoader[Any]) -> Drawn:
    """Return what a loader draws of its data set; each row of that is read once an epoch.

    Raises:
        InputError: its sampler fails, or draws no rows.
    """
    n = len(loader.dataset)  # type: ignore[arg-type]  # it has a length
    sampler: Any = loader.batch_sampler or loader.sampler
    while type(sampler) is BatchSampler:
        sampler = sampler.sampler
    if type(sampler) in _EVERY_ROW:
        return Drawn()
    if type(sampler) is SubsetRandomSampler:
        return _only(np.asarray(sampler.indices, dtype=np.int64), n)
    if type(sampler) is WeightedRandomSampler:
        weights = np.asarray(sampler.weights, dtype=np.float64)
        return _weighing(np.arange(len(weights), dtype=np.int64), weights, n)
    first, second = (_pass(sampler, n, k) for k in range(2))
    if first is None or second is None or not np.array_equal(first, second):
        return Drawn(note="the loader's own sampler is not used; every row is read once an epoch")
    return _only(first, n)


def _indices(sampler: Iterable[Any]) -> Iterator[int]:
    """Give the rows that a sampler draws, one by one or in batches."""
    for drawn in sampler:
        yield from np.atleast_1d(np.asarray(drawn)).tolist()


def _pass(sampler: Iterable[Any], n: int, k: int) -> Ids | None:
    """Return which rows a pass over a sampler draws, in ascending order; None of an endless one."""
    most = _MOST_PASSES * n
    with isolated(stream(0, "sampler", k)):
        try:
            found = np.fromiter(islice(_indices(sampler), most + 1), dtype=np.int64)
        except Exception as error:
            raise InputError(f"The loader's sampler failed: {type(error).__name__}: {error}") from error
    return np.sort(found) if len(found) <= most else None


def _only(rows: Ids, n: int) -> Drawn:
    """Return that these rows are drawn; those that are drawn more often weigh more."""
    drawn, times = np.unique(np.where(rows < 0, rows + n, rows), return_counts=True)
    if not len(drawn):
        raise InputError("The loader's sampler draws no rows.")
    return _weighing(drawn, times.astype(np.float64), n)


def _weighing(rows: Ids, weights: Array, n: int) -> Drawn:
    some = len(rows) < n
    note = f"of {n} rows the {len(rows)} that the loader's sampler draws are used" if some else ""
    return Drawn(rows if some else None, weights if np.ptp(weights) > 0 else None, note)

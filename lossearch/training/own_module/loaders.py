"""Loaders of the user's, read in an order that the replicate's seed alone fixes."""

from __future__ import annotations

import copy
import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves, tree_map

from lossearch._random import isolated, stream
from lossearch.training.own_module.packages import overrides

PARTS = ("train", "val", "test")


class _Draws:
    """The state of torch's, numpy's and Python's generators that one loader draws from, apart from all others."""

    def __init__(self, seed: int) -> None:
        with isolated(seed):
            self._keep()

    def _keep(self) -> None:
        self._state = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002

    @staticmethod
    def _set(state: Any) -> None:
        random.setstate(state[0])
        np.random.set_state(state[1])  # noqa: NPY002 - a user's data set may draw from it
        torch.set_rng_state(state[2])

    @contextmanager
    def used(self) -> Iterator[None]:
        """Draw from these inside; go on with the caller's afterwards."""
        before = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
        self._set(self._state)
        try:
            yield
        finally:
            self._keep()
            self._set(before)


class SeededLoader:
    """A loader whose k-th pass draws what ``seed(k)`` says, whatever else is drawn meanwhile.

    Order, augmentation and workers' seeds then depend on the replicate's seed and the epoch alone. Everything
    else is the loader's own.
    """

    def __init__(self, loader: Any, seed: Callable[[], int]) -> None:
        self.loader, self.seed = loader, seed

    def __getattr__(self, name: str) -> Any:
        if name in ("loader", "seed") or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        seed = self.seed()
        draws = _Draws(seed)
        for source in (self.loader, getattr(self.loader, "sampler", None)):
            own = getattr(source, "generator", None)
            if isinstance(own, torch.Generator):
                own.manual_seed(seed)
        with draws.used():
            batches = iter(self.loader)
        while True:
            with draws.used():
                try:
                    batch = next(batches)
                except StopIteration:
                    return
            yield batch


def _each(loaders: Any, change: Callable[[Any, int], Any]) -> Any:
    """Return loaders, in whatever collection Lightning takes, each changed, by its number too."""
    number = iter(range(10**6))

    def changed(found: Any) -> Any:
        if isinstance(found, Mapping):
            return {k: changed(v) for k, v in found.items()}
        if isinstance(found, (list, tuple)):
            return [changed(v) for v in found]
        if type(found).__name__ == "CombinedLoader":
            return type(found)(changed(found.iterables), mode=found._mode)  # noqa: SLF001 - it has no other name
        return change(found, next(number))

    return changed(loaders)


class _Seeded:
    """A user's data module that has been set up, and whose loaders are seeded. Made by :func:`seeded`."""

    _epoch: Callable[[], int]
    _seed: int
    _held: str

    def prepare_data(self) -> None:
        """Do nothing: it was done once."""

    def setup(self, stage: str | None = None) -> None:
        """Do nothing: it was done once."""

    def teardown(self, stage: str | None = None) -> None:
        """Do nothing: another replicate comes."""

    def _loaders(self, part: str) -> Any:
        part = self._held if part == "val" else part
        found = getattr(super(), f"{part}_dataloader")()
        # what is only scored is read in one order by everybody
        trains = part == "train"
        return _each(
            found,
            lambda loader, i: SeededLoader(
                loader,
                lambda: stream(self._seed, "batches", i, self._epoch()) if trains else stream(0, part, i),
            ),
        )


def _loading(part: str) -> Callable[[Any], Any]:
    def load(self: Any) -> Any:
        return self._loaders(part)

    load.__name__ = f"{part}_dataloader"
    return load


def seeded(
    data: Any, package: Any, *, seed: int, epoch: Callable[[], int] = lambda: 0, held: str = "val"
) -> Any:
    """Return a copy of a data module that was set up, read in the order of a replicate.

    Args:
        data: the data module.
        package: its Lightning package.
        seed: the replicate's.
        epoch: tells the epoch, from 0.
        held: the part that is validated on, "val" or "test".
    """
    of = type(data)
    found = copy.copy(data)
    parts = [p for p in PARTS if has_part(data, p, package)]
    names = {"__module__": of.__module__, **{f"{p}_dataloader": _loading(p) for p in parts}}
    found.__class__ = type(of.__name__, (_Seeded, of), names)
    found._epoch, found._seed, found._held = epoch, seed, held  # noqa: SLF001 - of our class
    return found


def has_part(data: Any, part: str, package: Any) -> bool:
    """Return whether a data module has a loader of its own for a part."""
    return overrides(data, f"{part}_dataloader", package.LightningDataModule)


def rows_of(batch: Any, axis: int = 0) -> int:
    """Return how many rows a batch has."""
    shaped = (
        leaf.shape for leaf in tree_leaves(batch) if isinstance(leaf, torch.Tensor) and leaf.ndim > axis
    )
    return next((shape[axis] for shape in shaped), 1)


def first_of(loaders: Any) -> Any:
    """Return the loader that counts of whatever collection of them a part has."""
    if isinstance(loaders, Mapping):
        loaders = list(loaders.values())
    return loaders[0] if isinstance(loaders, (list, tuple)) else loaders


def loaded_rows(loader: Any) -> int:
    """Return how many rows a loader gives.

    Raises:
        TypeError: it cannot say, as one of a data set without length.
        AttributeError: likewise.
    """
    drawn = len(loader.sampler)
    return drawn - drawn % loader.batch_size if loader.drop_last else drawn


def moved(batch: Any, dtype: torch.dtype, device: torch.device | None = None) -> Any:
    """Return a batch on a device, its real numbers as ``dtype``."""

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.to(device, dtype) if leaf.is_floating_point() else leaf.to(device)

    return tree_map(one, batch)


def step_arguments(step: Any, batch: Any, index: int) -> tuple[Any, ...]:
    """Return what a step is called with: the batch, and its number where it takes one."""
    takes = len(inspect.signature(step).parameters)
    return (batch, index) if takes > 1 else (batch,)

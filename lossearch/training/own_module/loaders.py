"""The user's data modules: set up once a process, and read in an order that the replicate's seed alone fixes."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from lossearch._random import isolated, stream
from lossearch.errors import InputError, LossearchError, refuse
from lossearch.training.own_module.packages import hooked
from lossearch.training.own_module.slots import arguments

PARTS = ("train", "val", "test")
_GIVEN = ("the loaders of the training, validation and test part", "(train, validation[, test])")


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
    name = f"{part}_dataloader"
    return getattr(type(data), name, None) is not getattr(package.LightningDataModule, name)


class LoadersData:
    """Loaders that were given as a data module. Joined with a package's LightningDataModule."""

    def __init__(self, loaders: Mapping[str, Any]) -> None:
        super().__init__()
        self.loaders = dict(loaders)

    def train_dataloader(self) -> Any:
        """Return the training part."""
        return self.loaders["train"]

    def val_dataloader(self) -> Any:
        """Return the validation part."""
        return self.loaders["val"]


class TestedLoadersData(LoadersData):
    """Such with a test part."""

    def test_dataloader(self) -> Any:
        """Return the test part."""
        return self.loaders["test"]


class _ModulesOwn:
    """The loaders that a module has itself, as a data module. Joined with a package's LightningDataModule."""

    trainer: Any

    def train_dataloader(self) -> Any:
        """Return the training part."""
        return self.trainer.lightning_module.train_dataloader()

    def val_dataloader(self) -> Any:
        """Return the validation part."""
        return self.trainer.lightning_module.val_dataloader()


class _TestedModulesOwn(_ModulesOwn):
    """Such with a test part."""

    def test_dataloader(self) -> Any:
        """Return the test part."""
        return self.trainer.lightning_module.test_dataloader()


def own_loaders(module: Any, package: Any, title: str) -> Any:
    """Return a function that makes a data module of the loaders that a module has itself.

    Raises:
        InputError: it has none.
    """
    has = {
        p: getattr(type(module), f"{p}_dataloader") is not getattr(package.LightningModule, f"{p}_dataloader")
        for p in PARTS
    }
    if not has["train"]:
        raise InputError(
            f"{title} has no data: give datamodule=, a LightningDataModule, its class, or {_GIVEN[0]} as {_GIVEN[1]}."
        )
    return hooked(_TestedModulesOwn if has["test"] else _ModulesOwn, package.LightningDataModule)


def refuse_without_validation(data: Any, package: Any) -> None:
    """Refuse a data module with which nothing can be judged.

    Raises:
        InputError: it has no training or no validation part.
    """
    refuse(
        [
            f"The data module {type(data).__name__} has no {part}_dataloader: {why}."
            for part, why in (("train", "there is nothing to train on"), ("val", "nothing could be judged"))
            if not has_part(data, part, package)
        ]
    )


def _from_loaders(loaders: Any, package: Any) -> Any:
    if not isinstance(loaders, Mapping):
        loaders = dict(zip(PARTS, loaders, strict=False))
    loaders = {"val" if k == "validation" else k: v for k, v in loaders.items()}
    if not {"train", "val"} <= loaders.keys() <= set(PARTS):
        raise InputError(
            f"datamodule gives {', '.join(loaders) or 'no loaders'}; give {_GIVEN[0]}, as {_GIVEN[1]}."
        )
    of = TestedLoadersData if "test" in loaders else LoadersData
    return hooked(of, package.LightningDataModule)(loaders)


@dataclass(eq=False)
class OwnDataModules:
    """Data modules by their searched settings, each set up once a process, under one seed.

    Args:
        source: a LightningDataModule, its class, a function that returns one, or loaders.
        args: what class or function are called with.
        package: the Lightning package of the module.
        seed: the study's: a split that is drawn in ``setup`` is the same for every replicate.
    """

    source: Any
    args: Mapping[str, Any]
    package: Any
    seed: int

    def __post_init__(self) -> None:
        self._ready: dict[Any, Any] = {}
        self._tested: set[Any] = set()

    @property
    def takes(self) -> frozenset[str]:
        """The names of settings that may be searched: arguments, or of a given data module its batch size."""
        if self.made:
            return frozenset(arguments(self.source))
        return frozenset(["batch_size"] if hasattr(self.source, "batch_size") else [])

    @property
    def made(self) -> bool:
        """Whether data modules are made here, and not given."""
        return callable(self.source) and not isinstance(self.source, self.package.LightningDataModule)

    def __call__(self, settings: Mapping[str, Any]) -> Any:
        """Return a data module that is ready for training.

        Raises:
            InputError: it is no data module, or its own code raised.
        """
        key = tuple(sorted(settings.items()))
        if key not in self._ready:
            data = self._made(settings)
            self._asked(data, "prepare_data")
            self._asked(data, "setup", "fit")
            self._ready[key] = data
        return self._ready[key]

    def with_test(self, settings: Mapping[str, Any]) -> Any:
        """Return a data module that is ready for its test part."""
        data, key = self(settings), tuple(sorted(settings.items()))
        if key not in self._tested:
            self._asked(data, "setup", "test")
            self._tested.add(key)
        return data

    def _made(self, settings: Mapping[str, Any]) -> Any:
        if self.made:
            found = self._guarded(lambda: self.source(**{**self.args, **settings}), "making the data module")
        elif isinstance(self.source, self.package.LightningDataModule):
            found = copy.copy(self.source)
            for name, value in settings.items():
                setattr(found, name, value)
        else:
            return _from_loaders(self.source, self.package)
        if not isinstance(found, self.package.LightningDataModule):
            raise InputError(
                f"datamodule gives a {type(found).__name__}, which is no LightningDataModule of "
                f"{self.package.__name__}, where the module is from. Give one, its class, or {_GIVEN[0]}."
            )
        return found

    def _asked(self, data: Any, hook: str, *arguments: str) -> None:
        self._guarded(lambda: getattr(data, hook)(*arguments), f"{hook} of the data module")

    def _guarded(self, call: Callable[[], Any], what: str) -> Any:
        try:
            with isolated(stream(self.seed, "data")):
                return call()
        except LossearchError:
            raise
        except (Exception, SystemExit) as error:
            raise InputError(f"{what} failed: {type(error).__name__}: {error}") from error


def rows_of(batch: Any, axis: int = 0) -> int:
    """Return how many rows a batch has."""
    shaped = (
        leaf.shape for leaf in tree_leaves(batch) if isinstance(leaf, torch.Tensor) and leaf.ndim > axis
    )
    return next((shape[axis] for shape in shaped), 1)

"""The user's data modules, each set up once a process; loaders that are given, or a module's own, as such."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lossearch._imports import joined
from lossearch._random import isolated, stream
from lossearch.errors import InputError, LossearchError, refuse
from lossearch.training.own_module.loaders import PARTS, has_part
from lossearch.training.own_module.packages import overrides
from lossearch.training.own_module.slots import arguments

_GIVEN = ("the loaders of the training, validation and test part", "(train, validation[, test])")


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
    has = {p: overrides(module, f"{p}_dataloader", package.LightningModule) for p in PARTS}
    if not has["train"]:
        raise InputError(
            f"{title} has no data: give datamodule=, a LightningDataModule, its class, or {_GIVEN[0]} as {_GIVEN[1]}."
        )
    return joined(_TestedModulesOwn if has["test"] else _ModulesOwn, (package.LightningDataModule,))


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
    return joined(of, (package.LightningDataModule,))(loaders)


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

"""The Lightning package that a user's module comes from: its Trainer trains it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Hashable
from typing import Any, cast

from lossearch._imports import LIGHTNING
from lossearch.errors import InputError


def package_of(module: Any, name: str) -> Any:
    """Return the Lightning package, ``pytorch_lightning`` or ``lightning.pytorch``, of a module or a class of such.

    Raises:
        InputError: it is no LightningModule.
    """
    of = module if isinstance(module, type) else type(module)
    for package in LIGHTNING:
        if package in sys.modules and issubclass(of, sys.modules[package].LightningModule):
            return sys.modules[package]
    raise InputError(
        f"module {name} gives a {of.__name__}, which is no LightningModule. Give the class of one, or a function "
        "that returns one; a network alone goes to model=."
    )


def hooked(cls: Any, base: type) -> Any:
    """Return ``cls`` as a class that also is a ``base``, such as one package's Callback."""
    return _joined(cast("Hashable", cls), base)


@functools.cache
def _joined(cls: Any, base: type) -> Any:
    names = {"__module__": cls.__module__, "__doc__": cls.__doc__}
    return cls if issubclass(cls, base) else type(cls.__name__, (cls, base), names)

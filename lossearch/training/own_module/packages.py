"""The Lightning package that a user's module comes from: its Trainer trains it."""

from __future__ import annotations

import sys
from typing import Any

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


def overrides(found: Any, name: str, base: type) -> bool:
    """Return whether an object's class has a method of its own in place of that of a Lightning base."""
    return getattr(type(found), name, None) is not getattr(base, name)

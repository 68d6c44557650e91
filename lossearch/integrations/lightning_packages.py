"""The two Lightning packages a user's Trainer may come from: ``pytorch_lightning`` and ``lightning``."""

from __future__ import annotations

import sys
from typing import TypeVar

from lossearch._imports import LIGHTNING, joined, lightning_classes

T = TypeVar("T")


def logger_types() -> tuple[type, ...]:
    """Return the ``MLFlowLogger`` class of each Lightning package that is imported."""
    return lightning_classes("loggers.MLFlowLogger")


def callback_types() -> tuple[type, ...]:
    """Return the ``Callback`` class of each Lightning package that is imported.

    Where there is none yet, ``pytorch_lightning``, which is a dependency, is imported.
    """
    if not any(p in sys.modules for p in LIGHTNING):
        import pytorch_lightning  # noqa: F401
    return lightning_classes("Callback")


def bare(cls: type[T]) -> T:
    """Return an instance before its ``__init__``, a Callback of each package that is imported."""
    return object.__new__(joined(cls, callback_types()))


def declared(cls: type[T]) -> type[T]:
    """Return the class that :func:`joined` made this one of: another process finds it by its name."""
    found: type[T] = vars(cls).get("_declared", cls)
    return found

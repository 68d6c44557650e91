"""The two Lightning packages a user's Trainer may come from: ``pytorch_lightning`` and ``lightning``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Hashable
from typing import Any, TypeVar, cast

from lossearch._imports import LIGHTNING, lightning_classes

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


def attachable(cls: type[T], callbacks: tuple[type, ...]) -> type[T]:
    """Return ``cls`` as a Callback of each of these packages, so that either's Trainer knows it."""
    missing = tuple(c for c in callbacks if not issubclass(cls, c))
    return _subclass(cast("Hashable", cls), missing) if missing else cls


def bare(cls: type[T]) -> T:
    """Return an instance before its ``__init__``, a Callback of each package that is imported."""
    return object.__new__(attachable(cls, callback_types()))


def declared(cls: type[T]) -> type[T]:
    """Return the class that :func:`attachable` made this one of: another process finds it by its name."""
    found: type[T] = vars(cls).get("_declared", cls)
    return found


@functools.cache
def _subclass(cls: Any, callbacks: tuple[type, ...]) -> Any:
    known = {"__module__": cls.__module__, "__doc__": cls.__doc__, "_declared": cls}
    return type(cls.__name__, (cls, *callbacks), known)

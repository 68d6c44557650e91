"""The two Lightning packages a user's Trainer may come from: ``pytorch_lightning`` and ``lightning``."""

from __future__ import annotations

import functools
import sys
from collections.abc import Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")

PACKAGES = ("pytorch_lightning", "lightning.pytorch")


def logger_types() -> tuple[type, ...]:
    """Return the ``MLFlowLogger`` class of each Lightning package that is imported."""
    return tuple(sys.modules[p].loggers.MLFlowLogger for p in PACKAGES if p in sys.modules)


def callback_types() -> tuple[type, ...]:
    """Return the ``Callback`` class of each Lightning package that is imported.

    Where there is none yet, ``pytorch_lightning``, which is a dependency, is imported.
    """
    if not any(p in sys.modules for p in PACKAGES):
        import pytorch_lightning  # noqa: F401
    return tuple(sys.modules[p].Callback for p in PACKAGES if p in sys.modules)


def attachable(cls: type[T], callbacks: tuple[type, ...]) -> type[T]:
    """Return ``cls`` as a Callback of each of these packages, so that either's Trainer knows it."""
    missing = tuple(c for c in callbacks if not issubclass(cls, c))
    return _subclass(cast("Hashable", cls), missing) if missing else cls


@functools.cache
def _subclass(cls: Any, callbacks: tuple[type, ...]) -> Any:
    return type(cls.__name__, (cls, *callbacks), {"__module__": cls.__module__, "__doc__": cls.__doc__})

"""What is imported when something of it is first used: libraries, and what the door of a part gives by name.

Libraries take from a fifth of a second to three, torch one and Lightning most, and much that is declared beside functions of tensors
is read without computing: what a loss, a kind of task or a metric is called, and what it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lossearch._process import left_as_it_was


class LazyModule(ModuleType):
    """A module that is imported when something of it is first asked for.

    Unlike one of ``importlib.util.LazyLoader`` it is not in ``sys.modules``, where scipy looks for torch and uses it.
    """

    def __getattr__(self, name: str) -> Any:
        with left_as_it_was():
            found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package whose names are imported when they are first asked for.

    Args:
        package: the package's name.
        homes: name -> the module that has it, relative to the package as in ``.module``; where it has another name
            there, ``module:name``.
    """

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, there = homes[name].partition(":")
        return getattr(import_module(module, package), there or name)

    return attribute


if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc
    import pytorch_lightning as pl
    import sqlalchemy
    import torch
    from scipy import special, stats
    from torch.nn import functional
else:
    pa = LazyModule("pyarrow")
    pc = LazyModule("pyarrow.compute")
    pd = LazyModule("pandas")
    pl = LazyModule("pytorch_lightning")
    sqlalchemy = LazyModule("sqlalchemy")
    torch = LazyModule("torch")
    functional = LazyModule("torch.nn.functional")
    special = LazyModule("scipy.special")
    stats = LazyModule("scipy.stats")

__all__ = ["attributes", "functional", "pa", "pc", "pd", "pl", "special", "sqlalchemy", "stats", "torch"]

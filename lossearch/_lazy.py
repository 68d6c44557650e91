"""Libraries that are imported when something of them is first used.

They take from a fifth of a second to one, torch the longest, and much that is declared beside functions of tensors is
read without computing: what a loss, a kind of task or a metric is called, and what it takes.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any


class LazyModule(ModuleType):
    """A module that is imported when something of it is first asked for.

    Unlike one of ``importlib.util.LazyLoader`` it is not in ``sys.modules``, where scipy looks for torch and uses it.
    """

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self.__name__), name)
        setattr(self, name, found)
        return found


if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc
    import torch
    from scipy import special, stats
    from torch.nn import functional
else:
    pa = LazyModule("pyarrow")
    pc = LazyModule("pyarrow.compute")
    pd = LazyModule("pandas")
    torch = LazyModule("torch")
    functional = LazyModule("torch.nn.functional")
    special = LazyModule("scipy.special")
    stats = LazyModule("scipy.stats")

__all__ = ["functional", "pa", "pc", "pd", "special", "stats", "torch"]

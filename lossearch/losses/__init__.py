"""The catalogue: every loss, by kind of task; and each loss as an ``nn.Module``, as ``lossearch.losses.Focal``."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from lossearch._registry import Registry
from lossearch.kinds import KINDS
from lossearch.losses.activations import ACTIVATIONS, Activation
from lossearch.losses.declaration import Loss, loss
from lossearch.losses.encodings import ENCODINGS, Encoding
from lossearch.losses.families import ALL, FAMILIES, by_family, members
from lossearch.losses.heads import Head
from lossearch.losses.own import as_loss, assumptions, own_loss, reference_of
from lossearch.losses.parameter import Parameter
from lossearch.losses.plugins import load, merged
from lossearch.losses.ranges import RANGES, Range
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from lossearch.pairs.modules import *  # noqa: F403 - every class that __getattr__ gives


def _built_in() -> tuple[Loss, ...]:
    """Return the losses of every file here that has some."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__))  # noqa: F405
    return tuple(loss for module in modules for loss in getattr(module, "LOSSES", ()))


BUILT_IN = _built_in()
"""The losses of this package."""


class _Catalogue(Mapping[str, Registry[Loss]]):
    """Kind of task -> its losses, plug-ins included; those are loaded at the first look, not at import."""

    @cached_property
    def _tables(self) -> dict[str, Registry[Loss]]:
        return {kind: Registry(f"{kind} loss", losses) for kind, losses in merged(BUILT_IN, load()).items()}

    def __getitem__(self, kind: str) -> Registry[Loss]:
        return self._tables[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


CATALOGUE = _Catalogue()


def losses_for(kind: str) -> Registry[Loss]:
    """Return the losses of one kind of task.

    Raises:
        UnknownNameError: there is no such kind.
        InputError: an installed plug-in takes the name of another loss.
    """
    return CATALOGUE[KINDS[kind].name]


def __getattr__(name: str) -> Any:
    """Return the class of a loss, which is made where pairs are known, a layer above this one."""
    if not name[:1].isupper():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lossearch.pairs import modules

    return getattr(modules, name)


def __dir__() -> list[str]:
    from lossearch.pairs import modules

    return sorted({*__all__, *dir(modules)})


__all__ = [
    "ACTIVATIONS",
    "ALL",
    "BUILT_IN",
    "CATALOGUE",
    "ENCODINGS",
    "FAMILIES",
    "RANGES",
    "Activation",
    "Contained",
    "Encoding",
    "Equivalent",
    "Head",
    "Loss",
    "Parameter",
    "Range",
    "as_loss",
    "assumptions",
    "by_family",
    "loss",
    "losses_for",
    "members",
    "own_loss",
    "reference_of",
]

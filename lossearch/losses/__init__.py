"""The catalogue: every loss, by kind of task."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules

from lossearch._registry import Registry
from lossearch.kinds import KINDS
from lossearch.losses.activations import ACTIVATIONS, Activation
from lossearch.losses.declaration import Contained, Equivalent, Loss, Parameter, loss
from lossearch.losses.encodings import ENCODINGS, Encoding
from lossearch.losses.heads import Head
from lossearch.losses.plugins import load, merged
from lossearch.losses.ranges import RANGES, Range


def _built_in() -> tuple[Loss, ...]:
    """Return the losses of every file here that has some."""
    modules = (import_module(f"{__name__}.{m.name}") for m in iter_modules(__path__))
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


__all__ = [
    "ACTIVATIONS",
    "BUILT_IN",
    "CATALOGUE",
    "ENCODINGS",
    "RANGES",
    "Activation",
    "Contained",
    "Encoding",
    "Equivalent",
    "Head",
    "Loss",
    "Parameter",
    "Range",
    "loss",
    "losses_for",
]

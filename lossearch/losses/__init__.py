"""The catalogue: every loss, by kind of task; and each loss as an ``nn.Module``, as ``lossearch.losses.Focal``."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from lossearch._registry import Registry
from lossearch.kinds import KINDS
from lossearch.losses.activations import ACTIVATIONS, Activation
from lossearch.losses.composed import composed, is_expression
from lossearch.losses.declaration import Loss, loss
from lossearch.losses.encodings import ENCODINGS, Encoding
from lossearch.losses.expression import UnreadableError
from lossearch.losses.families import ALL, FAMILIES, by_family, members
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.own import (
    as_loss,
    assumptions,
    for_other_tasks,
    loss_of_sum,
    own_loss,
    own_places,
    parts_of,
    place_of,
    reference_of,
)
from lossearch.losses.parameter import Parameter
from lossearch.losses.plugins import load, merged
from lossearch.losses.ranges import RANGES, Range
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from lossearch.pairs.modules import *  # noqa: F403 - every class that __getattr__ gives


def _built_in() -> tuple[Loss, ...]:
    """Return the losses of every file here that has some; none has whose name begins with an underscore."""
    names = (m.name for m in iter_modules(__path__) if not m.name.startswith("_"))  # noqa: F405
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return tuple(loss for module in modules for loss in getattr(module, "LOSSES", ()))


BUILT_IN = _built_in()
"""The losses of this package."""


class _Losses(Registry[Loss]):
    """The losses of a kind of task, which also answers to expressions of them: ``bce + 0.5*dice``."""

    def __init__(self, what: str, items: Iterable[Loss]) -> None:
        super().__init__(what, items)
        self._composed: dict[str, Loss] = {}

    def __getitem__(self, name: str) -> Loss:
        if not is_expression(name):
            return super().__getitem__(name)
        if name not in self._composed:
            made = composed(name, self)
            self._composed[name] = self._composed.setdefault(made.name, made)
        return self._composed[name]


class _Catalogue(Mapping[str, Registry[Loss]]):
    """Kind of task -> its losses, plug-ins included; those are loaded at the first look, not at import."""

    @cached_property
    def _tables(self) -> dict[str, Registry[Loss]]:
        return {kind: _Losses(f"{kind} loss", losses) for kind, losses in merged(BUILT_IN, load()).items()}

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


def is_searched(loss: Loss, kind: str) -> bool:
    """Return whether a loss is searched on a kind of task unless others are named."""
    of = KINDS[kind]
    borrowed = of.usual is not None and of.like in loss.kinds
    return loss.name in (of.usual or ()) if borrowed else not loss.waits(kind)


def searched_losses(kind: str) -> tuple[Loss, ...]:
    """Return the losses that are searched on a kind of task unless others are named.

    Raises:
        UnknownNameError: there is no such kind.
    """
    return tuple(loss for loss in losses_for(kind).values() if is_searched(loss, kind))


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
    "Distributed",
    "Encoding",
    "Equivalent",
    "Head",
    "Loss",
    "Parameter",
    "Range",
    "UnreadableError",
    "as_loss",
    "assumptions",
    "by_family",
    "for_other_tasks",
    "is_expression",
    "is_searched",
    "loss",
    "loss_of_sum",
    "losses_for",
    "members",
    "own_loss",
    "own_places",
    "parts_of",
    "place_of",
    "reference_of",
    "searched_losses",
]

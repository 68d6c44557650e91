"""The catalogue: every loss, by kind of task."""

from collections.abc import Iterator, Mapping
from functools import cached_property

from lossearch._registry import Registry, unknown_name
from lossearch.errors import UnknownNameError
from lossearch.kinds import KINDS
from lossearch.losses import binary, multiclass, regression
from lossearch.losses.activations import ACTIVATIONS, Activation
from lossearch.losses.declaration import Contained, Equivalent, Loss, Parameter, loss
from lossearch.losses.encodings import ENCODINGS, Encoding, TargetFacts, TargetStatistics
from lossearch.losses.plugins import load, merged
from lossearch.losses.ranges import RANGES, Range

BUILT_IN: dict[str, tuple[Loss, ...]] = {
    "regression": regression.LOSSES,
    "binary": binary.LOSSES,
    "multiclass": multiclass.LOSSES,
}
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
    if kind not in KINDS:
        raise UnknownNameError(unknown_name("kind of task", kind, KINDS))
    return CATALOGUE[kind]


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
    "Loss",
    "Parameter",
    "Range",
    "TargetFacts",
    "TargetStatistics",
    "loss",
    "losses_for",
]

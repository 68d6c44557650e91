"""The catalogue: every loss, by kind of task."""

from lossearch._registry import Registry, unknown_name
from lossearch.errors import UnknownNameError
from lossearch.losses import binary, multiclass, regression
from lossearch.losses.activations import ACTIVATIONS, Activation
from lossearch.losses.declaration import KINDS, Equivalent, Loss, Parameter, loss
from lossearch.losses.encodings import ENCODINGS, Encoding, TargetFacts, TargetStatistics
from lossearch.losses.ranges import RANGES, Range

CATALOGUE: dict[str, Registry[Loss]] = {
    "regression": Registry("regression loss", regression.LOSSES),
    "binary": Registry("binary loss", binary.LOSSES),
    "multiclass": Registry("multiclass loss", multiclass.LOSSES),
}


def losses_for(kind: str) -> Registry[Loss]:
    """Return the losses of one kind of task.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if kind not in CATALOGUE:
        raise UnknownNameError(unknown_name("kind of task", kind, KINDS))
    return CATALOGUE[kind]


__all__ = [
    "ACTIVATIONS",
    "CATALOGUE",
    "ENCODINGS",
    "KINDS",
    "RANGES",
    "Activation",
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

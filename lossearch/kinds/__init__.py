"""The kinds of task: one file each, found by being here.

Files whose names begin with an underscore hold what kinds share. Nothing heavy is imported before a kind is
looked up, so that the command line can list them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from lossearch._lazy import attributes
from lossearch._registry import unknown_name
from lossearch.errors import UnknownNameError

if TYPE_CHECKING:
    from lossearch.kinds._baselines import Baseline
    from lossearch.kinds._class_weights import (
        BALANCED,
        NONE,
        Table,
        class_weight_text,
        class_weights_given,
        pos_weight_text,
        pos_weights_given,
        shifts_probabilities,
        weights_of_rows,
    )
    from lossearch.kinds._facts import MOST_ROUNDING, TargetFacts, TargetForm, TargetStatistics
    from lossearch.kinds._kind import Kind, Readout
    from lossearch.kinds._predictions import EVERY_FIELD, STEPS, Predictions, with_long_label
    from lossearch.kinds._real import quantile_constant
    from lossearch.kinds._target import (
        Target,
        class_name,
        infer_kind,
        is_text,
        read_target,
        refuse_constant,
        some_rows,
    )

_HOMES = {
    "BALANCED": "._class_weights",
    "Baseline": "._baselines",
    "EVERY_FIELD": "._predictions",
    "Kind": "._kind",
    "MOST_ROUNDING": "._facts",
    "NONE": "._class_weights",
    "Predictions": "._predictions",
    "Readout": "._kind",
    "STEPS": "._predictions",
    "Table": "._class_weights",
    "Target": "._target",
    "TargetFacts": "._facts",
    "TargetForm": "._facts",
    "TargetStatistics": "._facts",
    "class_name": "._target",
    "class_weight_text": "._class_weights",
    "class_weights_given": "._class_weights",
    "infer_kind": "._target",
    "is_text": "._target",
    "pos_weight_text": "._class_weights",
    "pos_weights_given": "._class_weights",
    "quantile_constant": "._real",
    "read_target": "._target",
    "refuse_constant": "._target",
    "shifts_probabilities": "._class_weights",
    "some_rows": "._target",
    "weights_of_rows": "._class_weights",
    "with_long_label": "._predictions",
}

__all__ = [
    "BALANCED",
    "EVERY_FIELD",
    "KINDS",
    "MOST_ROUNDING",
    "NONE",
    "STEPS",
    "Baseline",
    "Kind",
    "Predictions",
    "Readout",
    "Table",
    "Target",
    "TargetFacts",
    "TargetForm",
    "TargetStatistics",
    "class_name",
    "class_weight_text",
    "class_weights_given",
    "infer_kind",
    "is_text",
    "pos_weight_text",
    "pos_weights_given",
    "quantile_constant",
    "read_target",
    "refuse_constant",
    "served",
    "shifts_probabilities",
    "some_rows",
    "weights_of_rows",
    "with_long_label",
]


class _Kinds(Mapping[str, "Kind"]):
    """Name -> kind of task, each imported when it is first looked up."""

    def __init__(self) -> None:
        self._names = tuple(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))

    def __getitem__(self, name: str) -> Kind:
        if name not in self._names:
            raise UnknownNameError(unknown_name("kind of task", name, self._names))
        found: Kind = import_module(f"{__name__}.{name}").KIND
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


KINDS: Mapping[str, Kind] = _Kinds()
"""Every kind of task, by name."""


def served(kinds: Iterable[str], *, by_number: bool = False) -> tuple[str, ...]:
    """Return these kinds of task, and those that take the losses and metrics of one of them.

    Args:
        kinds: names of kinds.
        by_number: whether what serves them is a loss that goes number by number, which some take alone.
    """
    named = tuple(kinds)
    others = (n for n, kind in KINDS.items() if kind.like in named and (by_number or not kind.like_by_number))
    return tuple(dict.fromkeys((*named, *others)))


__getattr__ = attributes(__name__, _HOMES)

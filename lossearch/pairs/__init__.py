"""Which loss may meet which activation, and the pair made callable: criterion and prediction.

What is a module of torch, a criterion, is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import attributes
from lossearch.pairs.legality import (
    Rejection,
    find_loss,
    find_pair,
    infer_kind,
    legal_pairs,
    pair_up,
)
from lossearch.pairs.pair import Pair
from lossearch.pairs.shapes import canonical
from lossearch.pairs.written import write_criterion

if TYPE_CHECKING:
    from lossearch.pairs.criterion import Criterion
    from lossearch.pairs.module_classes import class_names, module_class

_HOMES = {
    "Criterion": ".criterion",
    "class_names": ".module_classes",
    "module_class": ".module_classes",
}

__all__ = [
    "Criterion",
    "Pair",
    "Rejection",
    "canonical",
    "class_names",
    "find_loss",
    "find_pair",
    "infer_kind",
    "legal_pairs",
    "module_class",
    "pair_up",
    "write_criterion",
]


__getattr__ = attributes(__name__, _HOMES)

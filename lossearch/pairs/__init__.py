"""Which loss may meet which activation, and the pair made callable: criterion and prediction."""

from lossearch.pairs.criterion import Criterion
from lossearch.pairs.legality import (
    Rejection,
    find_loss,
    find_pair,
    infer_kind,
    legal_pairs,
    pair_up,
)
from lossearch.pairs.making import criterion
from lossearch.pairs.module_classes import class_names, module_class
from lossearch.pairs.pair import Pair
from lossearch.pairs.shapes import canonical
from lossearch.pairs.written import write_criterion

__all__ = [
    "Criterion",
    "Pair",
    "Rejection",
    "canonical",
    "class_names",
    "criterion",
    "find_loss",
    "find_pair",
    "infer_kind",
    "legal_pairs",
    "module_class",
    "pair_up",
    "write_criterion",
]

"""Which loss may meet which activation, and the pair made callable: criterion and prediction."""

from lossearch.pairs.criterion import Criterion, criterion
from lossearch.pairs.legality import (
    CONVENTIONAL,
    EVERY_FIELD,
    Pair,
    Predictions,
    Rejection,
    find_pair,
    infer_kind,
    legal_pairs,
    pair_up,
    with_long_label,
)
from lossearch.pairs.shapes import canonical, canonical_target

__all__ = [
    "CONVENTIONAL",
    "EVERY_FIELD",
    "Criterion",
    "Pair",
    "Predictions",
    "Rejection",
    "canonical",
    "canonical_target",
    "criterion",
    "find_pair",
    "infer_kind",
    "legal_pairs",
    "pair_up",
    "with_long_label",
]

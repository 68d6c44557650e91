"""Which loss may meet which activation, and the pair made callable: criterion and prediction."""

from lossearch.pairs.criterion import Criterion, criterion
from lossearch.pairs.legality import Rejection, find_pair, infer_kind, legal_pairs, pair_up
from lossearch.pairs.pair import Pair
from lossearch.pairs.shapes import canonical

__all__ = [
    "Criterion",
    "Pair",
    "Rejection",
    "canonical",
    "criterion",
    "find_pair",
    "infer_kind",
    "legal_pairs",
    "pair_up",
]

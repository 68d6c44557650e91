"""Scores of a binary task's class 1, the later of its two classes in sorted order, for a stack of models at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.metrics.classification import confusion, ratio
from lossearch.metrics.definedness import of_class_one
from lossearch.metrics.leverage import rarest_row
from lossearch.metrics.metric import MAXIMIZE, Metric
from lossearch.metrics.scoring import summarised

if TYPE_CHECKING:
    from torch import Tensor


def _of_one(top: Tensor, bottom: Tensor, counts: Tensor) -> Tensor:
    """Divide, with 0 for 0/0 and NaN where no row is of class 1."""
    return ratio(top, bottom).masked_fill(counts[:, 1].sum(dim=-1) == 0, torch.nan)


@summarised("score", confusion)
def precision(counts: Tensor) -> Tensor:
    """Share of the rows taken for class 1 that are; 0 where none is taken for it."""
    return _of_one(counts[:, 1, 1], counts[:, :, 1].sum(dim=-1), counts)


@summarised("score", confusion)
def recall(counts: Tensor) -> Tensor:
    """Share of the rows of class 1 that are taken for it."""
    return _of_one(counts[:, 1, 1], counts[:, 1].sum(dim=-1), counts)


@summarised("score", confusion)
def f1(counts: Tensor) -> Tensor:
    """Harmonic mean of precision and recall of class 1."""
    both = counts[:, 1].sum(dim=-1) + counts[:, :, 1].sum(dim=-1)
    return _of_one(2 * counts[:, 1, 1], both, counts)


METRICS = (
    Metric(
        "precision", ("binary",), MAXIMIZE, precision, "label", "majority", "precision of class 1",
        on_request=True, aliases=("binary_precision", "precision_score"), low=0, high=1,
        leverage=rarest_row, undefined=of_class_one, of_class=1,
    ),
    Metric(
        "recall", ("binary",), MAXIMIZE, recall, "label", "majority", "recall of class 1",
        on_request=True, aliases=("binary_recall", "recall_score", "sensitivity"), low=0, high=1,
        leverage=rarest_row, undefined=of_class_one, of_class=1,
    ),
    Metric(
        "f1", ("binary",), MAXIMIZE, f1, "label", "majority", "F1 of class 1", on_request=True,
        aliases=("binary_f1", "f1_binary", "f1_score"), low=0, high=1, leverage=rarest_row, undefined=of_class_one,
        of_class=1,
    ),
)  # fmt: skip

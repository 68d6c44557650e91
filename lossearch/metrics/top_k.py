"""How often the true class is among the k of highest score, for a stack of models at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.metric import MAXIMIZE, Metric
from lossearch.metrics.scoring import read

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TopK:
    """The share of rows whose true class is among the ``k`` of highest score, of equal ones the first; (K,) float64."""

    k: int

    def __call__(self, predictions: Predictions, target: Tensor) -> Tensor:
        """Return the score, NaN for a model with a score that is not finite."""
        score, true = read(predictions, "score"), target.reshape(-1, 1).long()
        best = score.argsort(dim=-1, descending=True, stable=True)[..., : self.k]
        share = (best == true).any(dim=-1).double().mean(dim=-1)
        return share.masked_fill(~torch.isfinite(score).flatten(1).all(dim=1), torch.nan)


@dataclass(frozen=True)
class OfMoreClasses:
    """What targets lack that have no more than ``k`` classes, so that every model is right; '' where they have."""

    k: int

    def __call__(self, target: Tensor) -> str:
        """Return the end of a sentence on them."""
        classes = len(torch.unique(target))
        return "" if classes > self.k else f"it holds {classes} classes, all of which are among any {self.k}"


METRICS = tuple(
    Metric(
        f"top_{k}", ("multiclass",), MAXIMIZE, TopK(k), "score", "prior",
        f"share of rows whose class is among the {k} of highest score",
        aliases=(f"top{k}", f"top_{k}_accuracy", f"top{k}_accuracy"), on_request=True, by_row=True, low=0, high=1,
        undefined=OfMoreClasses(k),
    )
    for k in (2, 3, 5)
)  # fmt: skip

"""Metrics: what judges a model, whatever loss it was trained with.

Every metric works on a stack: predictions (K, N, ...) and targets (N, ...) give K scores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from lossearch._registry import Registry
from lossearch.pairs import Predictions


@dataclass(frozen=True)
class Metric:
    """A score of whole-set predictions, loss-independent.

    ``fn(predictions, target)`` has leading axis K and gives (K,) float64. ``needs`` names the field of
    Predictions it reads; where a pair has none (no probabilities), the metric is not given.
    ``constant`` says which constant predictor stands for a diverged replicate: "prior" (class shares),
    "majority", "mean" or "median".
    """

    name: str
    kinds: tuple[str, ...]
    direction: str
    fn: Callable[[Predictions, Tensor], Tensor]
    needs: str
    constant: str
    words: str = ""
    on_request: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.direction == "maximize" else -1


METRICS: Registry[Metric] = Registry("metric", [])

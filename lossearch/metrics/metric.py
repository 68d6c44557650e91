"""A metric: what judges a model, whatever loss it was trained with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossearch.kinds import Predictions
from lossearch.metrics.definedness import everywhere
from lossearch.metrics.leverage import every_row

if TYPE_CHECKING:
    from torch import Tensor

MAXIMIZE, MINIMIZE = "maximize", "minimize"
SIGN = {MAXIMIZE: 1, MINIMIZE: -1}
"""Direction -> what a score is multiplied by so that more is better."""

LOGGED = "logged"
"""What a metric needs that the user's own module computes and logs: no field of predictions."""


@dataclass(frozen=True)
class Metric:
    """A score of whole-set predictions, loss-independent.

    ``fn(predictions, target)`` has leading axis K and gives (K,) float64. ``needs`` names the field of
    Predictions it reads; where a pair has none (no probabilities), the metric is not given.
    ``constant`` says which constant predictor stands for a diverged replicate: "prior" (class shares),
    "majority", "mean", "median", or a quantile, see ``kinds.quantile_constant``. ``by_row`` says whether the score is the mean of what single rows score; None where that is not known.
    ``low`` and ``high`` are the ends of its range, and ``leverage(target)`` says how much of it each row
    alone may change, (N,) float64: by these, intervals stay in the range and few rows are known for few.
    ``of_class`` is the one class whose predictions it judges, None where all of them count.
    ``undefined(target)`` says what rows lack to be scored, '' where they can be: it judges on no others.
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
    by_row: bool | None = False
    low: float = -math.inf
    high: float = math.inf
    leverage: Callable[[Tensor], Tensor] = every_row
    undefined: Callable[[Tensor], str] = everywhere
    of_class: int | None = None

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return SIGN[self.direction]

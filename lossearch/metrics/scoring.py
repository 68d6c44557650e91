"""Functions that score a stack of predictions, sharing what several of them compute first."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from lossearch._lazy import torch
from lossearch.kinds import Predictions

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Summary: TypeAlias = "Callable[[Predictions, Tensor], T]"


def read(predictions: Predictions, name: str) -> Tensor:
    """Return a field of the predictions that the caller knows to be there."""
    values: Tensor | None = getattr(predictions, name)
    if values is None:
        raise ValueError(f"these predictions have no {name}")
    return values


@dataclass(frozen=True)
class Score:
    """A score (K,) of predictions with leading axis K: NaN for the models whose ``field`` is not finite.

    ``fn`` takes predictions and target, or what ``summary`` makes of them.
    """

    field: str
    fn: Callable[..., Tensor]
    summary: Summary[Any] | None = None

    def __reduce__(self) -> tuple[Callable[[str, str], Any], tuple[str, str]]:
        # by its name, which now means the score and no longer the function
        return _named, (self.fn.__module__, self.fn.__qualname__)

    def __call__(self, predictions: Predictions, target: Tensor) -> Tensor:
        """Return the score."""
        return self.sharing({}, predictions, target)

    def sharing(self, kept: dict[Hashable, Any], predictions: Predictions, target: Tensor) -> Tensor:
        """Return the score, with what other scores of the same predictions and target have kept."""
        if self.summary is None:
            found = self.fn(predictions, target)
        else:
            if self.summary not in kept:
                kept[self.summary] = self.summary(predictions, target)
            found = self.fn(kept[self.summary])
        if self.field not in kept:
            kept[self.field] = _finite(getattr(predictions, self.field))
        finite = kept[self.field]
        return found if finite is None else found.masked_fill(~finite, torch.nan)


def _finite(values: Tensor | None) -> Tensor | None:
    """Return for which models all values are finite, (K,), None where they are for all."""
    # a sum is finite only if every term is, and cheaper than asking each
    if values is None or not values.is_floating_point() or math.isfinite(float(values.sum())):
        return None
    return torch.isfinite(values).flatten(1).all(dim=1)


def _named(module: str, name: str) -> Any:
    return getattr(import_module(module), name)


def finite_only(field: str) -> Callable[[Callable[[Predictions, Tensor], Tensor]], Score]:
    """Give NaN for the models whose field is not finite."""
    return lambda fn: Score(field, fn)


def summarised(field: str, summary: Summary[T]) -> Callable[[Callable[[T], Tensor]], Score]:
    """Score from a summary of the predictions, with NaN for the models whose field is not finite."""
    return lambda fn: Score(field, fn, summary)

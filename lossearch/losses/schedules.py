"""How a weight or a parameter of a loss changes over training: ``anneal(0, 1, 0.5)``, ``switch(0, 1, 0.8)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Number: TypeAlias = "float | Tensor"


@dataclass(frozen=True)
class Schedule:
    """A change from one value to another over the epochs of a training.

    ``share(progress, when)`` says how much of the change is done, from 0 to 1, where so much of the training is:
    0 in its first epoch and 1 in its last.
    """

    name: str
    share: Callable[[Tensor, Number], Tensor]
    moment: str
    """What its third number is called: a share of the training."""
    default: float | None
    """That number where it is not given; None where it must be."""
    words: str

    def value(self, progress: Number, start: Number, end: Number, when: Number) -> Tensor:
        """Return the value where so much of the training is done."""
        done = progress if isinstance(progress, torch.Tensor) else torch.tensor(progress, dtype=torch.float64)
        return start + (end - start) * self.share(done, when)


def _annealed(progress: Tensor, until: Number) -> Tensor:
    return (progress / until).clamp(max=1)


def _switched(progress: Tensor, at: Number) -> Tensor:
    return (progress >= at).to(progress.dtype)


_EVERY = (
    Schedule("anneal", _annealed, "until", 1.0, "straight from the first value to the second"),
    Schedule("switch", _switched, "at", None, "the first value before, the second from then on"),
)
SCHEDULES: Mapping[str, Schedule] = MappingProxyType({s.name: s for s in _EVERY})
"""Name -> schedule: the annealing of Bowman et al. 2016 and the deferred re-weighting of Cao et al. 2019."""


def share_done(epoch: int, epochs: int) -> float:
    """Return how much of a training is done in an epoch, counted from 0: 0 in the first, 1 in the last."""
    return min(epoch / (epochs - 1), 1.0) if epochs > 1 else 1.0

"""How much of a score's range one row alone may change: what is known from few rows has its limit there.

Every function takes the target of N rows and gives (N,) float64, each between 0 and 1. A mean over rows gives each of
them the same; where every class counts alike, rows of a rare class weigh more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def _shares(target: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's class, counted from 0 among those there are, and the rows of each."""
    _, place, count = torch.unique(target.flatten().long(), return_inverse=True, return_counts=True)
    return place, count.double()


def every_row(target: Tensor) -> Tensor:
    """Return the share of each row where all rows count alike."""
    return torch.full((len(target),), 1 / len(target), dtype=torch.double)


def whole_range(target: Tensor) -> Tensor:
    """Return 1 for each row, where one alone may make the score, as the largest error does."""
    return torch.ones(len(target), dtype=torch.double)


def own_class(target: Tensor) -> Tensor:
    """Return the share of each row in a mean over classes of means over their rows."""
    place, count = _shares(target)
    return 1 / count[place] / len(count)


def ranked_class(target: Tensor) -> Tensor:
    """Return the same where each class is ranked against the rest, mean over classes."""
    place, count = _shares(target)
    against = 1 / (len(target) - count).clamp(min=1)
    return ((1 / count[place] + against.sum() - against[place]) / len(count)).clamp(max=1)


def any_class(target: Tensor) -> Tensor:
    """Return the same where a row of one class may be taken for the rarest, as in precision and F1."""
    place, count = _shares(target)
    return ((1 / count[place] + 1 / count.min()) / len(count)).clamp(max=1)


def rarest_row(target: Tensor) -> Tensor:
    """Return the share of a row of class 1, for which any row may be taken, as in its precision and F1."""
    return (1 / _positives(target)).reshape(-1)[:1].expand(len(target)).clone()


def own_label(target: Tensor) -> Tensor:
    """Return the share of each row in a mean over labels of what their rows say, targets (N, L)."""
    return (1 / _positives(target)).mean().expand(len(target)).clone()


def ranked_label(target: Tensor) -> Tensor:
    """Return the same where rows with a label are ranked against those without."""
    count = _positives(target)
    return torch.where(target == 1, 1 / count, 1 / (len(target) - count).clamp(min=1)).mean(dim=-1)


def any_label(target: Tensor) -> Tensor:
    """Return the share of each row in all labels together."""
    labels = target.double().sum(dim=-1)
    return ((labels + labels.mean()) / labels.sum().clamp(min=1)).clamp(max=1)


def _positives(target: Tensor) -> Tensor:
    return target.double().sum(dim=0).clamp(min=1)


def far_level(target: Tensor) -> Tensor:
    """Return the same where a row's error costs its square, over what chance would cost: levels (N,).

    A row may be taken for the level furthest from its own; by chance that costs twice the variance.
    """
    level = target.flatten().double()
    furthest = torch.maximum(level - level.min(), level.max() - level).square()
    by_chance = 2 * (level - level.mean()).square().sum().clamp(min=0.5)
    # of a range from -1 to 1
    return (furthest / by_chance / 2).clamp(max=1)

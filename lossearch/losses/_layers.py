"""Layers with the learnable numbers of losses, which follow a network; apart, since only training needs them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Biases(nn.Module):
    """One score, (..., 1), and a bias of its own for each level but the highest: logits of "above", (..., K - 1)."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        # in their order from the first step on, as in the authors' code
        self.bias = nn.Parameter(torch.arange(levels - 1, 0, -1) / (levels - 1))

    def forward(self, score: Tensor) -> Tensor:
        """Return the logits."""
        return score + self.bias


class Thresholds(nn.Module):
    """One score, (..., 1), against thresholds that stay in order, (..., K - 1): see :func:`lossearch.losses._levels.ordered`.

    ``first`` is what is added to the score to be above level 0, minus the lowest threshold; ``gaps``, after softplus, are
    how far each threshold lies above the one before.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        # a distance of 1 between thresholds, the middle of them at 0
        self.first = nn.Parameter(torch.tensor([(levels - 2) / 2]))
        self.gaps = nn.Parameter(torch.full((levels - 2,), 1.0).expm1().log())

    def forward(self, score: Tensor) -> Tensor:
        """Return the score over the first threshold, and the distances, as the loss reads them."""
        rest = self.gaps.expand(*score.shape[:-1], len(self.gaps))
        return torch.cat([score + self.first, rest], dim=-1)


class Repeated(nn.Module):
    """One score, (..., 1), for each step from a level to the next, (..., K - 1)."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.steps = levels - 1

    def forward(self, score: Tensor) -> Tensor:
        """Return the score K - 1 times."""
        return score.expand(*score.shape[:-1], self.steps)


class Spread(nn.Module):
    """One learnable spread for each of n_out outputs beside their places, 1 at first; it is the same for all rows."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((n_out,), math.log(math.expm1(1.0))))

    def forward(self, place: Tensor) -> Tensor:
        """Return places and spreads, (..., 2 n_out)."""
        return torch.cat([place, self.raw.expand_as(place)], dim=-1)

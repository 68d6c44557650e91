"""Ensembles: several numbers, each as likely as the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._family import Family

if TYPE_CHECKING:
    from torch import Tensor


class Ensemble(Family):
    """The empirical distribution of the M numbers that are its parameters, in any order. It has no density."""

    name: ClassVar[str] = "ensemble"
    has_density: ClassVar[bool] = False

    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the share of the numbers that are y or less."""
        return (params <= y.unsqueeze(-1)).to(params.dtype).mean(dim=-1)

    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the least numbers, (..., L), that are above or at shares ``levels``, (L,), of them."""
        m = params.shape[-1]
        # a level that is a whole number of members may be rounded up from it
        place = (levels * m - 1e-6).ceil().long().clamp(1, m) - 1
        return params.sort(dim=-1).values[..., place]

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean."""
        return params.mean(dim=-1)

    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score: E|X - y| - E|X - X'| / 2 (Gneiting & Raftery 2007)."""
        m = params.shape[-1]
        ranks = torch.arange(1 - m, m, 2, dtype=params.dtype, device=params.device)
        spread = (ranks * params.sort(dim=-1).values).sum(dim=-1) / m**2
        return (params - y.unsqueeze(-1)).abs().mean(dim=-1) - spread

    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``."""
        return params * scale.unsqueeze(-1) + shift.unsqueeze(-1)


FAMILY = Ensemble()

"""Quantiles at fixed levels: straight lines between them, and nothing beyond the outer two, which hold what is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._family import Family
from lossearch.distributions._piecewise import crps_between, interpolated

if TYPE_CHECKING:
    from torch import Tensor

LEVELS = (0.025, *(round(0.05 * i, 2) for i in range(1, 20)), 0.975)
"""Shares of the targets that lie below the quantiles."""


def own_levels(like: Tensor) -> Tensor:
    """Return the levels of the parameters, (L,)."""
    return torch.tensor(LEVELS, dtype=like.dtype, device=like.device)


class QuantileFunction(Family):
    """Values at :data:`LEVELS`, in ascending order. It has no density."""

    name: ClassVar[str] = "quantile_function"
    has_density: ClassVar[bool] = False

    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the probability of y or less."""
        inner = interpolated(y.unsqueeze(-1), params, own_levels(params)).squeeze(-1)
        beyond = (y >= params[..., -1]).to(inner.dtype)
        return torch.where((y < params[..., 0]) | (y >= params[..., -1]), beyond, inner)

    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the values, (..., L), below which lie shares ``levels``, (L,)."""
        return interpolated(levels, own_levels(params), params)

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean."""
        own = own_levels(params)
        steps = own[1:] - own[:-1]
        between = ((params[..., 1:] + params[..., :-1]) / 2 * steps).sum(dim=-1)
        return between + own[0] * params[..., 0] + (1 - own[-1]) * params[..., -1]

    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score."""
        outside = (params[..., 0] - y).clamp(min=0) + (y - params[..., -1]).clamp(min=0)
        return outside + crps_between(params, own_levels(params), y)

    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``."""
        return params * scale.unsqueeze(-1) + shift.unsqueeze(-1)


FAMILY = QuantileFunction()

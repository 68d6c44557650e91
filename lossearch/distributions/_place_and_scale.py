"""What families have in common that are one standard distribution, moved and stretched."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.distributions._family import Family

if TYPE_CHECKING:
    from torch import Tensor


class PlaceAndScale(Family):
    """A family of a place and a scale above 0, and of numbers for its shape after them where it has any.

    The standard distribution is symmetric about 0; ``shape`` is (..., P - 2).
    """

    @abstractmethod
    def standard_log_density(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the logarithm of the standard density."""

    @abstractmethod
    def standard_cdf(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the standard distribution function."""

    @abstractmethod
    def standard_quantile(self, levels: Tensor, shape: Tensor) -> Tensor:
        """Return the standard quantiles of levels (L,), of the shape (..., L) or (L,)."""

    @abstractmethod
    def standard_crps(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the score of the standard distribution."""

    def log_density(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the logarithm of the density at y."""
        z, scale = _standardised(params, y)
        return self.standard_log_density(z, params[..., 2:]) - scale.log()

    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the probability of y or less."""
        return self.standard_cdf(_standardised(params, y)[0], params[..., 2:])

    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the values, (..., L), below which lie shares ``levels``, (L,)."""
        standard = self.standard_quantile(levels, params[..., 2:])
        return params[..., :1] + params[..., 1:2] * standard

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean, which is the place."""
        return params[..., 0]

    def median(self, params: Tensor) -> Tensor:
        """Return the median, which is the place."""
        return params[..., 0]

    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score."""
        z, scale = _standardised(params, y)
        return scale * self.standard_crps(z, params[..., 2:])

    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``."""
        place = params[..., 0] * scale + shift
        wide = params[..., 2:].expand(*place.shape, -1)
        return torch.cat([torch.stack([place, params[..., 1] * scale], dim=-1), wide], dim=-1)


def _standardised(params: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    scale = params[..., 1]
    return (y - params[..., 0]) / scale, scale

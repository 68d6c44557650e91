"""The normal distribution: mean and standard deviation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._place_and_scale import PlaceAndScale

if TYPE_CHECKING:
    from torch import Tensor


def log_density(z: Tensor) -> Tensor:
    """Return the logarithm of the standard normal density."""
    return -z.square() / 2 - math.log(2 * math.pi) / 2


class Normal(PlaceAndScale):
    """The normal distribution."""

    name: ClassVar[str] = "normal"

    def standard_log_density(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002 - it has one shape
        """Return the logarithm of the standard density."""
        return log_density(z)

    def standard_cdf(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard distribution function."""
        found: Tensor = torch.special.ndtr(z)
        return found

    def standard_quantile(self, levels: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard quantiles."""
        found: Tensor = torch.special.ndtri(levels)
        return found

    def standard_crps(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the score of the standard distribution (Gneiting et al. 2005)."""
        density = torch.exp(-z.square() / 2) * math.sqrt(2 / math.pi)
        return z * torch.erf(z / math.sqrt(2)) + density - 1 / math.sqrt(math.pi)


FAMILY = Normal()

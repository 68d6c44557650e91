"""The Laplace distribution: median and scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._place_and_scale import PlaceAndScale

if TYPE_CHECKING:
    from torch import Tensor


class Laplace(PlaceAndScale):
    """The Laplace distribution."""

    name: ClassVar[str] = "laplace"

    def standard_log_density(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002 - it has one shape
        """Return the logarithm of the standard density."""
        return -z.abs() - math.log(2)

    def standard_cdf(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard distribution function."""
        beyond = torch.exp(-z.abs()) / 2
        return torch.where(z < 0, beyond, 1 - beyond)

    def standard_quantile(self, levels: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard quantiles."""
        below, above = torch.log(2 * levels), -torch.log(2 * (1 - levels))
        return torch.where(levels < 0.5, below, above)

    def standard_crps(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the score of the standard distribution (Jordan, Krüger & Lerch 2019)."""
        far = z.abs()
        return far + torch.exp(-far) - 0.75


FAMILY = Laplace()

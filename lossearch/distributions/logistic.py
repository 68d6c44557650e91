"""The logistic distribution: mean and scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import functional, torch
from lossearch.distributions._place_and_scale import PlaceAndScale

if TYPE_CHECKING:
    from torch import Tensor


class Logistic(PlaceAndScale):
    """The logistic distribution."""

    name: ClassVar[str] = "logistic"

    def standard_log_density(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002 - it has one shape
        """Return the logarithm of the standard density."""
        far = z.abs()
        return -far - 2 * functional.softplus(-far)

    def standard_cdf(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard distribution function."""
        return torch.sigmoid(z)

    def standard_quantile(self, levels: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the standard quantiles."""
        return torch.logit(levels)

    def standard_crps(self, z: Tensor, shape: Tensor) -> Tensor:  # noqa: ARG002
        """Return the score of the standard distribution (Taillardat et al. 2016)."""
        far = z.abs()
        return far + 2 * functional.softplus(-far) - 1


FAMILY = Logistic()

"""Student's t distribution: place, scale and degrees of freedom."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import special, torch
from lossearch.distributions._place_and_scale import PlaceAndScale

if TYPE_CHECKING:
    from torch import Tensor


class StudentT(PlaceAndScale):
    """Student's t distribution. Its distribution function is scipy's, as torch has none: it has no gradient."""

    name: ClassVar[str] = "student_t"

    def standard_log_density(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the logarithm of the standard density."""
        df = shape[..., 0]
        constant = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - (df * math.pi).log() / 2
        return constant - (df + 1) / 2 * torch.log1p(z.square() / df)

    def standard_cdf(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the standard distribution function."""
        found = special.stdtr(shape[..., 0].numpy(force=True), z.numpy(force=True))
        return torch.as_tensor(np.asarray(found), dtype=z.dtype, device=z.device)

    def standard_quantile(self, levels: Tensor, shape: Tensor) -> Tensor:
        """Return the standard quantiles, (..., L)."""
        # slow, and a model has the same degrees of freedom everywhere
        df, places = shape[..., 0].unique(return_inverse=True)
        found = special.stdtrit(df.numpy(force=True)[:, None], levels.numpy(force=True))
        return torch.as_tensor(found, dtype=levels.dtype, device=levels.device)[places]

    def standard_crps(self, z: Tensor, shape: Tensor) -> Tensor:
        """Return the score of the standard distribution, infinite up to one degree of freedom (Jordan et al. 2019)."""
        df = shape[..., 0]
        density = torch.exp(self.standard_log_density(z, shape))
        free = df.numpy(force=True)
        with np.errstate(invalid="ignore"):
            ratio = np.exp(special.betaln(0.5, free - 0.5) - 2 * special.betaln(0.5, free / 2))
        expected = torch.as_tensor(np.sqrt(free) * ratio, dtype=z.dtype, device=z.device)
        spread = 2 / (df - 1) * (density * (df + z.square()) - expected)
        found = z * (2 * self.standard_cdf(z, shape) - 1) + spread
        return torch.where(df > 1, found, math.inf)


FAMILY = StudentT()

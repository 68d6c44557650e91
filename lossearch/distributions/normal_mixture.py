"""Mixtures of M normal distributions: M log-weights, M means and M standard deviations."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._family import Family
from lossearch.distributions.normal import log_density

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 100
"""Of Newton and bisection, at most; bisection alone needs about 60 for all digits of a float64."""
CLOSE = 1e-12
"""How far the share below a quantile may be from its level."""


class NormalMixture(Family):
    """Mixtures of normal distributions."""

    name: ClassVar[str] = "normal_mixture"

    def log_density(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the logarithm of the density at y."""
        logs, means, spreads = _components(params)
        each = log_density((y.unsqueeze(-1) - means) / spreads) - spreads.log()
        return torch.logsumexp(logs + each, dim=-1)

    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the probability of y or less."""
        logs, means, spreads = _components(params)
        below: Tensor = torch.special.ndtr((y.unsqueeze(-1) - means) / spreads)
        return (logs.exp() * below).sum(dim=-1)

    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the values, (..., L), below which lie shares ``levels``, (L,), by Newton's method kept in a bracket."""
        shape = (*params.shape[:-1], len(levels))
        wide = params.unsqueeze(-2).expand(*shape, -1).reshape(-1, params.shape[-1])
        asked = levels.expand(shape).reshape(-1)
        _, means, spreads = _components(wide)
        # a mixture's quantile lies between those of its components
        ends = means + spreads * torch.special.ndtri(asked).unsqueeze(-1)
        low, high = ends.amin(dim=-1), ends.amax(dim=-1)
        found = (low + high) / 2
        left = torch.arange(len(found), device=found.device)
        for _ in range(STEPS):
            at, own = found[left], wide[left]
            missing = asked[left] - self.cdf(own, at)
            low[left] = torch.where(missing > 0, at, low[left])
            high[left] = torch.where(missing < 0, at, high[left])
            newton = at + missing / self.log_density(own, at).exp()
            inside = (newton >= low[left]) & (newton <= high[left])
            found[left] = torch.where(inside, newton, (low[left] + high[left]) / 2)
            left = left[(missing.abs() > CLOSE) & (found[left] != at)]
            if not len(left):
                break
        return torch.reshape(found, shape)

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean."""
        logs, means, _ = _components(params)
        return (logs.exp() * means).sum(dim=-1)

    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score (Grimit et al. 2006)."""
        logs, means, spreads = _components(params)
        weights = logs.exp()
        from_y = (weights * _expected_distance(y.unsqueeze(-1) - means, spreads)).sum(dim=-1)
        both = torch.hypot(spreads.unsqueeze(-1), spreads.unsqueeze(-2))
        between = _expected_distance(means.unsqueeze(-1) - means.unsqueeze(-2), both)
        of_two = weights.unsqueeze(-1) * weights.unsqueeze(-2)
        return from_y - (of_two * between).sum(dim=(-2, -1)) / 2

    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``."""
        logs, means, spreads = _components(params)
        own, by = scale.unsqueeze(-1), shift.unsqueeze(-1)
        place = means * own + by
        return torch.cat([logs.expand_as(place), place, spreads * own], dim=-1)


def _components(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    logs, means, spreads = params.unflatten(-1, (3, -1)).unbind(dim=-2)
    return logs, means, spreads


def _expected_distance(from_mean: Tensor, spread: Tensor) -> Tensor:
    """Return how far from 0 a normal number is on average."""
    z = from_mean / spread
    return from_mean * torch.erf(z / math.sqrt(2)) + 2 * spread * log_density(z).exp()


FAMILY = NormalMixture()

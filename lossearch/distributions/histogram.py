"""Histograms: the log-shares of B bins of equal width, and the lower and upper end of their range.

Numbers are spread evenly within a bin. The outer bins hold what is beyond, too: there density falls off exponentially
from the inner edge, by so much that their means are at the bins' centres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.distributions._family import Family
from lossearch.distributions._piecewise import crps_between, interpolated

if TYPE_CHECKING:
    from torch import Tensor


class Histogram(Family):
    """Shares of equal bins, with exponential tails."""

    name: ClassVar[str] = "histogram"

    def log_density(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the logarithm of the density at y."""
        logs, low, width = _parts(params)
        bins = logs.shape[-1]
        place = ((y - low) / width).floor().clamp(0, bins - 1).long()
        inside = torch.broadcast_to(logs, (*place.shape, bins)).gather(-1, place.unsqueeze(-1)).squeeze(-1)
        first, last, tail = low + width, low + (bins - 1) * width, width / 2
        beyond = torch.maximum(first - y, y - last).clamp(min=0)
        outer = inside - tail.log() - beyond / tail
        return torch.where((place == 0) | (place == bins - 1), outer, inside - width.log())

    def cdf(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the probability of y or less."""
        edges, levels, tail = _inner(params)
        below = levels[..., 0] * torch.exp((y - edges[..., 0]).clamp(max=0) / tail)
        above = 1 - (1 - levels[..., -1]) * torch.exp((edges[..., -1] - y).clamp(max=0) / tail)
        inner = interpolated(y.unsqueeze(-1), edges, levels).squeeze(-1)
        return torch.where(y < edges[..., 0], below, torch.where(y > edges[..., -1], above, inner))

    def quantile(self, params: Tensor, levels: Tensor) -> Tensor:
        """Return the values, (..., L), below which lie shares ``levels``, (L,)."""
        edges, own, tail = _inner(params)
        first, last, tail = own[..., :1], own[..., -1:], tail.unsqueeze(-1)
        below = edges[..., :1] + tail * torch.log(levels / first)
        above = edges[..., -1:] - tail * torch.log((1 - levels) / (1 - last))
        inner = interpolated(levels, own, edges)
        return torch.where(levels < first, below, torch.where(levels > last, above, inner))

    def mean(self, params: Tensor) -> Tensor:
        """Return the mean."""
        logs, low, width = _parts(params)
        centres = torch.arange(logs.shape[-1], dtype=logs.dtype, device=logs.device) + 0.5
        return low + width * (logs.exp() * centres).sum(dim=-1)

    def crps(self, params: Tensor, y: Tensor) -> Tensor:
        """Return the continuous ranked probability score."""
        edges, levels, tail = _inner(params)
        below = _crps_of_tail(edges[..., 0] - y, levels[..., 0], tail)
        above = _crps_of_tail(y - edges[..., -1], 1 - levels[..., -1], tail)
        return below + crps_between(edges, levels, y) + above

    def moved(self, params: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        """Return the parameters of ``scale`` times y plus ``shift``."""
        ends = params[..., -2:] * scale.unsqueeze(-1) + shift.unsqueeze(-1)
        return torch.cat([params[..., :-2].expand(*ends.shape[:-1], -1), ends], dim=-1)


def _parts(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-shares, lower end and width of a bin."""
    logs, low, high = params[..., :-2], params[..., -2], params[..., -1]
    return logs, low, (high - low) / logs.shape[-1]


def _inner(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the edges between bins, (..., B - 1), the shares below them, and the scale of the tails."""
    logs, low, width = _parts(params)
    places = torch.arange(1, logs.shape[-1], dtype=logs.dtype, device=logs.device)
    return low.unsqueeze(-1) + width.unsqueeze(-1) * places, logs.exp().cumsum(dim=-1)[..., :-1], width / 2


def _crps_of_tail(beyond: Tensor, share: Tensor, scale: Tensor) -> Tensor:
    """Return the integral of a score over an exponential tail of a share, y being so far out in it, or before it."""
    beyond = beyond.clamp(min=0)
    farther = share * torch.exp(-beyond / scale)
    return beyond - 2 * scale * (share - farther) + scale * share.square() / 2


FAMILY = Histogram()

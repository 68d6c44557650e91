"""Distribution functions that are linear between knots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def interpolated(x: Tensor, xs: Tensor, ys: Tensor) -> Tensor:
    """Return what lies over x on the lines between points, the outermost beyond them.

    Args:
        x: (..., M).
        xs: (..., L), not decreasing.
        ys: (..., L).
    """
    shape = torch.broadcast_shapes(x.shape[:-1], xs.shape[:-1], ys.shape[:-1])
    x, xs, ys = (t.expand(*shape, t.shape[-1]).contiguous() for t in (x, xs, ys))
    right = torch.searchsorted(xs, x).clamp(1, xs.shape[-1] - 1)
    left = right - 1
    start, length = xs.gather(-1, left), xs.gather(-1, right) - xs.gather(-1, left)
    share = torch.where(length > 0, (x - start) / length, (x > start).to(x.dtype)).clamp(0, 1)
    return torch.lerp(ys.gather(-1, left), ys.gather(-1, right), share)


def crps_between(knots: Tensor, levels: Tensor, y: Tensor) -> Tensor:
    """Return the part of a continuous ranked probability score that lies between the outer knots.

    It is the integral of (F(x) - 1{y <= x})^2, F going straight from level to level between knots.

    Args:
        knots: (..., L), not decreasing.
        levels: (..., L).
        y: (...).
    """
    start, end = knots[..., :-1], knots[..., 1:]
    low, high = levels[..., :-1], levels[..., 1:]
    at = torch.maximum(torch.minimum(y.unsqueeze(-1), end), start)
    length = end - start
    share = torch.where(length > 0, (at - start) / length, torch.zeros_like(at))
    level = low + (high - low) * share
    below = (at - start) * _mean_square(low, level)
    above = (end - at) * _mean_square(1 - level, 1 - high)
    return (below + above).sum(dim=-1)


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean of x^2 on the way from a to b."""
    return (a.square() + a * b + b.square()) / 3

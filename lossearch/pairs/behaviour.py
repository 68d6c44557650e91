"""What a loss makes of a network's outputs, in numbers that mean the same for every pair."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lossearch.losses import Activation

NEAR = 1e-3
"""An activated output within this of an end of the activation's range is saturated."""
_ROWS = (-2, -1)


def logit_scale(raw: Tensor) -> Tensor:
    """Return the mean size of raw outputs (..., N, n_out), (...)."""
    return raw.abs().mean(_ROWS)


def logit_sd(raw: Tensor) -> Tensor:
    """Return the standard deviation of raw outputs (..., N, n_out), (...)."""
    return raw.std(_ROWS, correction=0)


def saturation(activation: Activation, raw: Tensor) -> Tensor:
    """Return the share of activated outputs near an end of the activation's range, (...); 0 where it has none."""
    low, high = activation.range.low, activation.range.high
    output = activation(raw)
    near = torch.zeros_like(output, dtype=torch.bool)
    if math.isfinite(low):
        near = near | (output <= low + NEAR)
    if math.isfinite(high):
        near = near | (output >= high - NEAR)
    return near.to(raw.dtype).mean(_ROWS)


def zero_gradient(gradient: Tensor) -> Tensor:
    """Return the share of rows whose loss has no gradient in the output, (...), from that gradient (..., N, n_out)."""
    return (gradient == 0).all(dim=-1).to(gradient.dtype).mean(-1)

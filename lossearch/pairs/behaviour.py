"""What a loss makes of a network's outputs, in numbers that mean the same for every pair."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses import Activation

if TYPE_CHECKING:
    from torch import Tensor

MEASURES = ("output_gradient", "zero_gradient", "logit_scale", "logit_sd", "saturation")
"""What is measured on the validation part."""
BEHAVIOUR = tuple(f"val_{name}" for name in MEASURES)
"""Names of the curves, which are no scores."""
NEAR = 1e-3
"""An activated output within this of an end of the activation's range is saturated."""


def saturated(activation: Activation, raw: Tensor) -> Tensor:
    """Return which outputs, once activated, lie near an end of the activation's range; none where it has no end."""
    low, high = activation.range.low, activation.range.high
    output = activation(raw)
    near = torch.zeros_like(output, dtype=torch.bool)
    if math.isfinite(low):
        near = near | (output <= low + NEAR)
    if math.isfinite(high):
        near = near | (output >= high - NEAR)
    return near


def without_gradient(gradient: Tensor) -> Tensor:
    """Return which rows have no gradient in any output, (...), from gradients (..., n_out)."""
    return (gradient == 0).all(dim=-1)

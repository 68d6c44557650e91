"""Helpers of losses that read classes along the last axis."""

from __future__ import annotations

import torch
from torch import Tensor


def over_classes(param: float | Tensor) -> float | Tensor:
    """Return a parameter in the shape that broadcasts with (..., N, C)."""
    return param.unsqueeze(-1) if isinstance(param, Tensor) else param


def true_class(output: Tensor, target: Tensor) -> Tensor:
    """Return the output of the true class, (..., N)."""
    return output.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def is_true(output: Tensor, target: Tensor) -> Tensor:
    """Return the mask of the true class, (..., N, C)."""
    return torch.arange(output.shape[-1], device=output.device) == target.unsqueeze(-1)

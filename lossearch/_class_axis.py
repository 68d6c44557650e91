"""Helpers of losses that read classes along the last axis.

A population's outputs lie class by class in memory, rows innermost. torch copies such a tensor to reduce
over its last axis, and goes through short rows slowly: along memory it takes a tenth of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


def over_classes(param: float | Tensor) -> float | Tensor:
    """Return a parameter in the shape that broadcasts with (..., N, C)."""
    return param.unsqueeze(-1) if isinstance(param, torch.Tensor) else param


def true_class(output: Tensor, target: Tensor) -> Tensor:
    """Return the output of the true class, (..., N)."""
    return output.gather(-1, target.unsqueeze(-1)).squeeze(-1)


def is_true(output: Tensor, target: Tensor) -> Tensor:
    """Return the mask of the true class, (..., N, C)."""
    return torch.arange(output.shape[-1], device=output.device) == target.unsqueeze(-1)


def plus_true_class(output: Tensor, target: Tensor, amount: float | Tensor) -> Tensor:
    """Return ``output``, (..., N, C), with an amount (broadcasting with (..., N)) added at the true class."""
    added = torch.as_tensor(amount, dtype=output.dtype, device=output.device).expand(target.shape)
    return output.scatter_add(-1, target.unsqueeze(-1), added.unsqueeze(-1))


def softmax(raw: Tensor) -> Tensor:
    """Return the softmax over classes, (..., N, C)."""
    if _by_class(raw):
        return torch.softmax(raw.transpose(-1, -2), dim=-2).transpose(-1, -2)
    return torch.softmax(raw, dim=-1)


def log_softmax(raw: Tensor) -> Tensor:
    """Return the logarithm of the softmax over classes, (..., N, C)."""
    if _by_class(raw):
        return torch.log_softmax(raw.transpose(-1, -2), dim=-2).transpose(-1, -2)
    return torch.log_softmax(raw, dim=-1)


def likeliest(raw: Tensor) -> Tensor:
    """Return the class of the highest score, the first of equals, (..., N)."""
    return raw.max(dim=-1).indices if _by_class(raw) else raw.argmax(dim=-1)


def _by_class(raw: Tensor) -> bool:
    return raw.ndim > 2 and raw.stride(-1) != 1

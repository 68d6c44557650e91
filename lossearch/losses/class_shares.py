"""What losses make of how many training rows each class has, and their parameters.

Counts are (..., C), of one output's classes or (..., L, 2) of labels. A class without rows counts one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

TAU = Parameter(
    "tau", 1.0, 0.0, 2.0, words="how much of the classes' shares is made up for", valid=(0.0, 10.0)
)
VOLUME = Parameter(
    "volume",
    1000.0,
    1.0,
    100_000.0,
    log=True,
    words="rows after which more of a class count little; at 1 classes weigh the same, far above the rows by inverse frequency",
    valid=(1.0, 1e9),
)
MAX_MARGIN = Parameter(
    "max_margin", 0.5, 0.1, 10.0, log=True, words="margin of the rarest class", valid=(0.0, 1e3)
)
SCALE = Parameter(
    "scale",
    1.0,
    1.0,
    64.0,
    log=True,
    search=False,
    words="what scores are multiplied by; 30 in the paper, whose scores are cosines",
    valid=(1e-3, 1e3),
)
GAMMA = Parameter(
    "gamma", 0.3, 0.0, 0.5, words="how much less steep scores of rare classes are", valid=(0.0, 10.0)
)
UNNORMALISED = "made for scores that are cosines: those of an ordinary last layer may outgrow the margins."


def log_shares(class_counts: Tensor) -> Tensor:
    """Return the logarithms of the classes' shares of the rows, (..., C)."""
    counts = class_counts.clamp(min=1)
    return counts.log() - counts.sum(dim=-1, keepdim=True).log()


def class_balance(class_counts: Tensor, volume: float | Tensor) -> Tensor:
    """Return what each class weighs, (..., C), the inverse of its effective number of rows, 1 on average over classes.

    Args:
        class_counts: (..., C).
        volume: a number, or with an axis for the classes.
    """
    size = torch.as_tensor(volume, dtype=class_counts.dtype, device=class_counts.device)
    effective = -size * torch.expm1(class_counts.clamp(min=1) * torch.log1p(-1 / size))
    weights = 1 / effective
    return weights / weights.mean(dim=-1, keepdim=True)


def margins(class_counts: Tensor, max_margin: float | Tensor) -> Tensor:
    """Return the margin of each class, (..., C), in proportion to the fourth root of its rarity."""
    counts = class_counts.clamp(min=1)
    return max_margin * (counts.amin(dim=-1, keepdim=True) / counts) ** 0.25


def steepness(class_counts: Tensor, gamma: float | Tensor) -> Tensor:
    """Return what scores of each class are multiplied by, (..., C): 1 for the most frequent, less for others."""
    counts = class_counts.clamp(min=1)
    return (counts / counts.amax(dim=-1, keepdim=True)) ** gamma

"""Angles in radians, of which those a whole turn apart are one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

TURN = 2 * math.pi


def wrapped(angle: Tensor) -> Tensor:
    """Return angles above -pi and up to pi; those there already keep every digit."""
    near = angle - TURN * torch.round(angle / TURN)
    return torch.where(near <= -math.pi, near + TURN, near)

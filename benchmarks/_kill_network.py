"""A network that no population can hold, so that its replicates are trained one by one, and by workers."""

from __future__ import annotations

import torch
from torch import nn


class Recurrent(nn.Module):
    """Reads a batch of rows as a sequence."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(n_in, 8)
        self.head = nn.Linear(8, n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the raw output of every row."""
        out: torch.Tensor = self.head(self.layer(x)[0])
        return out

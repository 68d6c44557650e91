"""Networks rebuilt by hand, to hold what is recorded against."""

from __future__ import annotations

import torch
from torch import nn


def plain_mlp(state: dict[str, torch.Tensor]) -> nn.Module:
    """Build the default network from the shapes of its weights alone."""
    layers: list[nn.Module] = []
    for name, w in state.items():
        if name.endswith("weight"):
            layers += [nn.Linear(w.shape[1], w.shape[0]), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    network.load_state_dict(state)
    return network

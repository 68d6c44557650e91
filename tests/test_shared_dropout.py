"""Dropout under vmap is drawn outside it, once, by the kernel that a replicate alone is drawn by."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from lossearch._random import seed_draws
from lossearch.training.population.dropout import SharedDropout

X = torch.linspace(-2, 2, 60, dtype=torch.float64).view(12, 5)
WEIGHTS = torch.tensor([0.5, -1.0, 3.0], dtype=torch.float64)
NETWORKS = {
    "of what is batched": lambda x, w: functional.dropout(x * w, 0.3),
    "of what all share": lambda x, w: functional.dropout(x, 0.3) * w,
    "in place": lambda x, w: nn.Dropout(0.3, inplace=True)(x * w),
    "transposed": lambda x, w: functional.dropout((x * w).t(), 0.3),
    "two": lambda x, w: functional.dropout(torch.tanh(functional.dropout(x * w, 0.2)), 0.5),
    "all": lambda x, w: functional.dropout(x * w, 1.0),
    "none": lambda x, w: functional.dropout(x * w, 0.0),
    "evaluated": lambda x, w: functional.dropout(x * w, 0.5, training=False),
}


@pytest.mark.parametrize("network", NETWORKS)
def test_a_mask_is_the_one_drawn_alone(network):
    def shared(w):
        with SharedDropout(w):
            return NETWORKS[network](X, w)

    weights = WEIGHTS.clone().requires_grad_()
    seed_draws(3)
    # whatever is drawn under vmap is refused
    found = torch.vmap(shared, randomness="error")(weights)
    found.square().sum().backward()
    for i, w in enumerate(WEIGHTS):
        alone = w.clone().requires_grad_()
        seed_draws(3)
        expected = NETWORKS[network](X, alone)
        torch.testing.assert_close(found[i], expected, rtol=1e-12, atol=0)
        expected.square().sum().backward()
        torch.testing.assert_close(weights.grad[i], alone.grad, rtol=1e-12, atol=0)

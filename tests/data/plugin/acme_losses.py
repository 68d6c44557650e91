"""Losses of another package, found by its entry point."""

import torch
from torch import Tensor

from lossearch.losses import Loss, Parameter, loss


@loss(
    task="binary",
    encoding="plus_minus_one",
    domain="margins",
    source="Acme 2026",
    formula="max(0, 1 - s f)^power",
    params=(Parameter("power", 1.5, 1.1, 3.0, words="1 is hinge, 2 squared_hinge", valid=(1.0, 10.0)),),
    on_request=True,
    example=(0.75, 1.0, 0.125),
)
def acme_hinge(output: Tensor, target: Tensor, *, power: float | Tensor) -> Tensor:
    """Return a power of how far the score falls short of the margin."""
    return (1 - target * output).clamp(min=0) ** power


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Acme 2026",
    formula="(1 - p_y) / log n_y, n_y training rows of class y",
    statistics=("class_counts",),
    on_request=True,
    example=([[0.2, 0.3, 0.5]], [2], 0.16690410034766703),
)
def acme_counted(output: Tensor, target: Tensor, *, class_counts: Tensor) -> Tensor:
    """Return how much the true class lacks, over the logarithm of how many rows it has."""
    right = torch.gather(output, -1, target.unsqueeze(-1)).squeeze(-1)
    rows = class_counts.expand(output.shape).gather(-1, target.unsqueeze(-1)).squeeze(-1)
    return (1 - right) / rows.clamp(min=2).log()


LOSSES: tuple[Loss, ...] = (acme_hinge, acme_counted)

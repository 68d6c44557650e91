"""Where a replicate left the finite numbers."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def first_non_finite(tensors: Iterable[Tensor]) -> float | None:
    """Return the first number that is not finite, None where all are."""
    for tensor in tensors:
        bad = tensor[~torch.isfinite(tensor)]
        if bad.numel():
            return float(bad[0])
    return None


def first_cause(
    weights: Iterable[Tensor], gradients: Iterable[Tensor], output: Tensor, loss: float
) -> tuple[str, float]:
    """Return what stopped being finite first, and its value, once a loss or an output is not.

    To be called before gradients are cleared: those of the last step are then still at hand, so a loss
    that is NaN because the step before it had an infinite gradient is reported as that gradient.
    """
    bad_weight = first_non_finite(weights)
    if bad_weight is not None:
        gradient = first_non_finite(gradients)
        return ("weights", bad_weight) if gradient is None else ("gradient", gradient)
    bad_output = first_non_finite([output])
    return ("loss", loss) if bad_output is None else ("output", bad_output)

"""Losses for real targets. ``output`` and ``target`` are of one shape, in the encoding's units."""

from __future__ import annotations

from torch import Tensor

from lossearch.losses.declaration import loss


@loss(
    task="regression",
    encoding=("standardised", "nonnegative", "unit", "symmetric_unit"),
    source="Legendre 1805; Gauss 1809",
    formula="(f - y)^2",
    aliases=("mean_squared_error", "mse_loss", "l2", "MSE", "MeanSquaredError", "MSELoss", "squared_error"),
    usual=("identity",),
    proper=True,
    example=(0.5, 2.0, 2.25),
)
def mse(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square()


LOSSES = (mse,)

"""Losses for counts. ``output`` and ``target`` are in units of the mean training count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss

if TYPE_CHECKING:
    from torch import Tensor

_SMALL = -18.0
"""Raw output below which softplus is exp but for what no float64 holds."""


def log_softplus(raw: Tensor) -> Tensor:
    """Return the logarithm of softplus, exact too where that is small."""
    near = functional.softplus(raw.clamp(min=_SMALL)).log()
    return torch.where(raw < _SMALL, raw - raw.clamp(max=0).exp() / 2, near)


def _of_exp(raw: Tensor, target: Tensor) -> Tensor:
    return torch.exp(raw) - target * raw


def _of_softplus(raw: Tensor, target: Tensor) -> Tensor:
    return functional.softplus(raw) - target * log_softplus(raw)


def _derivative_of_exp(raw: Tensor, target: Tensor) -> Tensor:
    return torch.exp(raw) - target


def _derivative_of_softplus(raw: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(raw) - target * torch.exp(functional.logsigmoid(raw) - log_softplus(raw))


@loss(
    task="count",
    encoding="nonnegative",
    domain="nonnegative",
    targets="nonnegative",
    cure="Use mse or mae, which take any number, or kind = 'regression'.",
    families=("likelihood",),
    source="Nelder & Wedderburn 1972; McCullagh & Nelder 1989",
    formula="f - y log f",
    aliases=("poisson", "poisson_loss", "poisson_nll_loss", "Poisson", "PoissonNLLLoss", "poisson_deviance"),
    fused={"exp": _of_exp, "softplus": _of_softplus},
    fused_derivative={"exp": _derivative_of_exp, "softplus": _derivative_of_softplus},
    example=(2.0, 3.0, -0.07944154167983575),
)
def poisson_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of a Poisson count but for what the output has no part in.

    Dividing counts and means by one number scales it and adds a constant: gradients keep their direction.
    """
    return output - torch.xlogy(target, output)


LOSSES = (poisson_nll,)

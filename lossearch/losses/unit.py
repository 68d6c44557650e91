"""Losses of real targets that lie between 0 and 1 as they come: shares, and the pixels of heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

_CURE = "Divide the targets by what they can be at most, or use mse, mae or huber."
_STEEPNESS = 14.0
"""What Wang, Bo & Fuxin 2019 multiply by; no more than a learning rate."""
_LEAST = 1e-3
"""Of a beta distribution's parameters; and targets are as far from 0 and 1 as those of 500 rows (Smithson & Verkuilen 2006)."""


def _adaptive_wing_derivative(
    output: Tensor,
    target: Tensor,
    *,
    theta: float | Tensor,
    epsilon: float | Tensor,
    alpha: float | Tensor,
) -> Tensor:
    error = output - target
    power = alpha - target
    near = error.abs().minimum(torch.as_tensor(theta, dtype=error.dtype, device=error.device)) / epsilon
    slope = power * near ** (power - 1) / (1 + near**power) / epsilon
    return _STEEPNESS * slope * error.sign()


@loss(
    task="regression",
    encoding="unit",
    targets="unit",
    cure=_CURE,
    families=("robust",),
    source="Wang, Bo & Fuxin 2019",
    formula="14 log(1 + |e / epsilon|^(alpha - y)) where |e| < theta, and on as a line",
    aliases=("adaptive_wing_loss", "AdaptiveWingLoss", "awing"),
    params=(
        Parameter("theta", 0.5, 0.1, 0.9, words="error from which it is a line", valid=(1e-6, 1e6)),
        Parameter("epsilon", 1.0, 0.1, 2.0, log=True, words="how pointed it is at 0", valid=(1e-6, 1e6)),
        Parameter(
            "alpha",
            2.1,
            2.01,
            3.0,
            search=False,
            words="exponent of small errors where the target is 0; where it is 1, one less",
            valid=(2.0, 10.0),
        ),
    ),
    usual=("identity", "sigmoid"),
    derivative=_adaptive_wing_derivative,
    on_request=True,
    example=(0.5, 0.75, 2.003980826312209),
)
def adaptive_wing(
    output: Tensor,
    target: Tensor,
    *,
    theta: float | Tensor,
    epsilon: float | Tensor,
    alpha: float | Tensor,
) -> Tensor:
    """Return a loss for heat maps, which stresses small errors where the target is high."""
    error = (output - target).abs()
    power = alpha - target
    near = error.minimum(torch.as_tensor(theta, dtype=error.dtype, device=error.device))
    slope = power * (theta / epsilon) ** (power - 1) / (1 + (theta / epsilon) ** power) / epsilon
    return _STEEPNESS * (torch.log1p((near / epsilon) ** power) + slope * (error - near))


def _beta(output: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parameters of beta distributions, of a predicted mean and sum."""
    logit, raw = output.chunk(2, dim=-1)
    total = functional.softplus(raw)
    return total * torch.sigmoid(logit) + _LEAST, total * torch.sigmoid(-logit) + _LEAST


def _mean_of_beta(raw: Tensor, n_out: int) -> Tensor:  # noqa: ARG001 - half of the output
    one, zero = _beta(raw)
    return one / (one + zero)


@loss(
    task="regression",
    encoding="unit",
    head=Head("mean and precision of a beta distribution", lambda n: 2 * n, _mean_of_beta),
    targets="unit",
    cure=_CURE,
    families=("likelihood", "probabilistic"),
    source="Ferrari & Cribari-Neto 2004; Smithson & Verkuilen 2006",
    class_name="BetaDistributionNLL",
    formula="log B(a, b) - (a - 1) log y' - (b - 1) log(1 - y'), a = k m, b = k (1 - m), y' = 0.998 y + 0.001",
    aliases=("beta_regression", "beta_nll_dist"),
    usual=("identity",),
    on_request=True,
    example=([0.0, 0.0], [0.5], 0.7123588088183203),
)
def beta_distribution_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a beta distribution of predicted mean and precision."""
    one, zero = _beta(output)
    # of later rows some may lie outside
    y = target.clamp(0, 1) * (1 - 2 * _LEAST) + _LEAST
    norm = torch.lgamma(one) + torch.lgamma(zero) - torch.lgamma(one + zero)
    return norm - (one - 1) * y.log() - (zero - 1) * torch.log1p(-y)


LOSSES = (adaptive_wing, beta_distribution_nll)

"""Losses for counts and for numbers above 0, by their distribution. ``output`` and ``target`` are in units of the mean target.

Values are minus the log-likelihood but for what the output has no part in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.losses.count import log_softplus
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = -30.0
"""The least logarithm of a mean, in units of the mean target, that is told from smaller ones."""
_CURE = "Use mse, mae or huber; or shift the targets."


def _by_log_mean(values: Callable[..., Tensor]) -> dict[str, Callable[..., Tensor]]:
    """Return the forms on raw output of a loss given by the logarithm of the mean."""

    def of_exp(raw: Tensor, target: Tensor, **params: float | Tensor) -> Tensor:
        return values(raw, target, **params)

    def of_softplus(raw: Tensor, target: Tensor, **params: float | Tensor) -> Tensor:
        return values(log_softplus(raw), target, **params)

    return {"exp": of_exp, "softplus": of_softplus}


def _negative_binomial(
    log_mean: Tensor, target: Tensor, *, alpha: float | Tensor, scale: float | Tensor
) -> Tensor:
    unit = torch.as_tensor(scale, dtype=log_mean.dtype, device=log_mean.device)
    odds = torch.as_tensor(alpha, dtype=log_mean.dtype, device=log_mean.device) * unit
    spread = torch.nn.functional.softplus(log_mean + odds.log())
    return (target + 1 / odds) * spread - target * (log_mean + unit.log())


def _negative_binomial_derivative(
    raw: Tensor, target: Tensor, *, alpha: float | Tensor, scale: float | Tensor
) -> Tensor:
    odds = alpha * torch.as_tensor(scale, dtype=raw.dtype, device=raw.device)
    return (target + 1 / odds) * torch.sigmoid(raw + odds.log()) - target


@loss(
    task="count",
    encoding="nonnegative",
    domain="nonnegative",
    targets="nonnegative",
    cure="Use mse or mae, which take any number, or kind = 'regression'.",
    families=("likelihood",),
    source="Lawless 1987; Hilbe 2011",
    class_name="NegBinomialNLL",
    formula="(y + 1 / alpha) log(1 + alpha f) - y log f, in counts",
    aliases=("negative_binomial", "nb2"),
    params=(
        Parameter(
            "alpha", 0.1, 0.001, 10.0, log=True, words="spread beyond Poisson's: variance is mean + alpha mean^2",
            valid=(1e-6, 1e6),
        ),
    ),
    statistics=("scale",),
    fused=_by_log_mean(_negative_binomial),
    fused_derivative={"exp": _negative_binomial_derivative},
    on_request=True,
    example=(2.0, 3.0, 0.29073869664157526),
)  # fmt: skip
def neg_binomial_nll(
    output: Tensor, target: Tensor, *, alpha: float | Tensor, scale: float | Tensor
) -> Tensor:
    """Return minus the log-likelihood of a negative binomial count (NB2) of given spread, divided by the mean count."""
    return _negative_binomial(output.log(), target, alpha=alpha, scale=scale)


def _tweedie(log_mean: Tensor, target: Tensor, *, power: float | Tensor) -> Tensor:
    known = log_mean.clamp(min=_LEAST)
    return torch.exp((2 - power) * known) / (2 - power) - target * torch.exp((1 - power) * known) / (
        1 - power
    )


@loss(
    task=("count", "regression"),
    encoding="nonnegative",
    domain="nonnegative",
    targets="nonnegative",
    cure=_CURE,
    families=("likelihood",),
    source="Jørgensen 1987; Dunn & Smyth 2005",
    class_name="TweedieNLL",
    formula="f^(2 - power) / (2 - power) - y f^(1 - power) / (1 - power)",
    aliases=("tweedie", "tweedie_deviance"),
    params=(
        Parameter(
            "power", 1.5, 1.05, 1.95, words="variance is in proportion to mean^power", valid=(1.001, 1.999)
        ),
    ),
    fused=_by_log_mean(_tweedie),
    on_request=True,
    example=(2.0, 3.0, 7.0710678118654755),
)
def tweedie_nll(output: Tensor, target: Tensor, *, power: float | Tensor) -> Tensor:
    """Return minus the log-likelihood of a compound Poisson-gamma number, which may be 0."""
    return _tweedie(output.log(), target, power=power)


def _gamma(log_mean: Tensor, target: Tensor) -> Tensor:
    known = log_mean.clamp(min=_LEAST)
    return known + target * torch.exp(-known)


def _gamma_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return (1 - target * torch.exp(-raw.clamp(min=_LEAST))) * (raw >= _LEAST)


@loss(
    task="regression",
    encoding="nonnegative",
    domain="nonnegative",
    targets="positive",
    cure=_CURE,
    families=("likelihood",),
    source="McCullagh & Nelder 1989",
    class_name="GammaNLL",
    formula="log f + y / f",
    aliases=("gamma", "gamma_deviance", "exponential_nll"),
    fused=_by_log_mean(_gamma),
    fused_derivative={"exp": _gamma_derivative},
    on_request=True,
    example=(2.0, 3.0, 2.1931471805599454),
)
def gamma_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of a gamma-distributed number but for its shape, which changes nothing."""
    return _gamma(output.log(), target)


def _inverse_gaussian(log_mean: Tensor, target: Tensor) -> Tensor:
    return (target * torch.exp(-log_mean.clamp(min=_LEAST)) - 1).square() / target


@loss(
    task="regression",
    encoding="nonnegative",
    domain="nonnegative",
    targets="positive",
    cure=_CURE,
    families=("likelihood",),
    source="Tweedie 1957",
    class_name="InverseGaussianNLL",
    formula="(y - f)^2 / (f^2 y)",
    aliases=("inverse_gaussian", "inverse_gaussian_deviance"),
    fused=_by_log_mean(_inverse_gaussian),
    on_request=True,
    example=(2.0, 3.0, 0.08333333333333333),
)
def inverse_gaussian_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of an inverse Gaussian number but for its shape, which changes nothing."""
    return _inverse_gaussian(output.log(), target)


LOSSES = (neg_binomial_nll, tweedie_nll, gamma_nll, inverse_gaussian_nll)

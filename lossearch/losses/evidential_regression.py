"""The evidential loss of real targets: outputs are a distribution of means and variances, normal-inverse-gamma."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.distributions import DISTRIBUTIONS
from lossearch.losses.declaration import loss
from lossearch.losses.distributions import LEAST_SPREAD
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

_STUDENT_T = DISTRIBUTIONS["student_t"]


def _evidence(output: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return mean, evidence for it, evidence for the variance, and scale of the variance, each (..., n_out)."""
    gamma, *raw = output.chunk(4, dim=-1)
    nu, alpha, beta = (functional.softplus(r) + LEAST_SPREAD for r in raw)
    return gamma, nu, alpha + 1, beta


def _predictive(output: Tensor, n_out: int, **_: object) -> Tensor:  # noqa: ARG001 - a quarter of the output
    """Return place, scale and degrees of freedom of the predictive distribution, (..., n_out, 3)."""
    gamma, nu, alpha, beta = _evidence(output)
    return torch.stack([gamma, (beta * (1 + nu) / (nu * alpha)).sqrt(), 2 * alpha], dim=-1)


def _mean(raw: Tensor, n_out: int) -> Tensor:
    return raw[..., :n_out]


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=Head("normal-inverse-gamma distribution", lambda n: 4 * n, _mean),
    distribution=Distributed(_STUDENT_T, _predictive),
    families=("probabilistic", "robust"),
    source="Amini, Schwarting, Soleimany & Rus 2020",
    class_name="EvidentialNIG",
    formula="-log t(y; 2 a, g, (b (1 + v) / (v a))^(1/2)) + strength |y - g| (2 v + a), with v, a - 1 and b = log(1 + exp f)",
    aliases=("evidential_regression",),
    params=(
        Parameter(
            "strength",
            0.01,
            1e-4,
            1.0,
            log=True,
            words="what evidence costs where the value is wrong",
            valid=(1e-9, 1e3),
        ),
    ),
    usual=("identity",),
    caution={
        "identity": "its evidence tells one cause of doubt from another by the penalty alone (Meinert et al. 2023): judge "
        "the distribution that is predicted."
    },
    on_request=True,
    example=([0.5, 0.0, 0.0, 0.0], [1.0], 1.163351836264654),
)
def evidential_nig(output: Tensor, target: Tensor, *, strength: float | Tensor) -> Tensor:
    """Return minus the log-density of the predictive t distribution, and what evidence costs at a distance."""
    gamma, nu, alpha, _ = _evidence(output)
    density = _STUDENT_T.log_density(_predictive(output, target.shape[-1]), target)
    return strength * (target - gamma).abs() * (2 * nu + alpha) - density


LOSSES = (evidential_nig,)

"""Losses of real targets for networks that predict a distribution by a place and a spread.

Targets are standardised. A spread is softplus of what the network gives, and at least a thousandth. Each loss is minus the
logarithm of the density, or the continuous ranked probability score (Gneiting & Raftery 2007) in units of the target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.distributions import DISTRIBUTIONS
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor, nn

LEAST_SPREAD = 1e-3
"""In units of the standardised target; without it a row that is met exactly is worth any price."""

_NORMAL, _LAPLACE, _LOGISTIC = DISTRIBUTIONS["normal"], DISTRIBUTIONS["laplace"], DISTRIBUTIONS["logistic"]
_STUDENT_T = DISTRIBUTIONS["student_t"]
_IN_REGRESSION = ("regression",)
"""Where a value is asked for, a distribution is more than that, and searched on request."""


def _place(raw: Tensor, n_out: int) -> Tensor:
    return raw[..., :n_out]


PLACE_AND_SPREAD = Head("place and a spread", lambda n: 2 * n, _place)


def place_and_spread(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return place and spread of output (..., 2 n_out), (..., n_out, 2)."""
    place, spread = output[..., :n_out], output[..., n_out:]
    return torch.stack([place, functional.softplus(spread) + LEAST_SPREAD], dim=-1)


def _student_t(output: Tensor, n_out: int, *, df: float | Tensor, **_: object) -> Tensor:
    """Return place, spread and degrees of freedom, (..., n_out, 3)."""
    found = place_and_spread(output, n_out)
    free = torch.as_tensor(df, dtype=output.dtype, device=output.device).expand_as(found[..., 0])
    return torch.cat([found, free.unsqueeze(-1)], dim=-1)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_NORMAL, place_and_spread),
    families=("likelihood", "probabilistic"),
    source="Nix & Weigend 1994",
    class_name="GaussianNLL",
    formula="log s + ((y - m) / s)^2 / 2 + log(2 pi) / 2",
    aliases=("gaussian_nll_loss", "GaussianNLLLoss", "heteroscedastic"),
    usual=("identity",),
    on_request=_IN_REGRESSION,
    example=([0.5, 0.0], [1.0], 0.8132893168451553),
)
def gaussian_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a normal distribution of predicted mean and standard deviation."""
    params = place_and_spread(output, target.shape[-1])
    return -_NORMAL.log_density(params, target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_NORMAL, place_and_spread),
    families=("likelihood", "probabilistic"),
    source="Seitzer, Tavakoli, Antic & Martius 2022",
    class_name="BetaNLL",
    formula="s^(2 beta) gaussian_nll, s^(2 beta) taken for constant",
    params=(
        Parameter(
            "beta",
            0.5,
            0.0,
            1.0,
            search=False,
            words="at 1 gradients in the mean are those of mse, at 0 all are those of gaussian_nll",
            valid=(0.0, 1.0),
        ),
    ),
    contains=(Contained("gaussian_nll", {"beta": 0.0}),),
    part_constant=True,
    usual=("identity",),
    on_request=_IN_REGRESSION,
    example=([0.5, 0.0], [1.0], 0.5645424862675885),
)
def beta_nll(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    """Return gaussian_nll times a power of the predicted variance, so that rows of little spread do not outweigh all."""
    params = place_and_spread(output, target.shape[-1])
    weight = params[..., 1].detach() ** (2 * beta)
    return -weight * _NORMAL.log_density(params, target)


def _one_spread(n_out: int) -> nn.Module:
    from lossearch.losses._layers import Spread

    return Spread(n_out)


@loss(
    task="probabilistic",
    encoding="standardised",
    head=Head(
        "place and one spread for all rows", lambda n: 2 * n, _place, layer=_one_spread, inner=lambda n: n
    ),
    distribution=Distributed(_NORMAL, place_and_spread),
    families=("likelihood", "probabilistic"),
    source="Gauss 1809",
    class_name="HomoscedasticNLL",
    formula="log s + ((y - m) / s)^2 / 2 + log(2 pi) / 2, one s for all rows",
    aliases=("constant_spread",),
    usual=("identity",),
    example=([0.5, 0.0], [1.0], 0.8132893168451553),
)
def homoscedastic_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a normal distribution of predicted mean; its spread is learned, and not predicted."""
    return -_NORMAL.log_density(place_and_spread(output, target.shape[-1]), target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_LAPLACE, place_and_spread),
    families=("likelihood", "probabilistic", "robust"),
    source="Laplace 1774",
    class_name="LaplaceNLL",
    formula="log(2 b) + |y - m| / b",
    usual=("identity",),
    kinks=(0.0,),
    on_request=True,
    example=([0.5, 0.0], [1.0], 1.0483842505159293),
)
def laplace_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a Laplace distribution of predicted median and scale."""
    params = place_and_spread(output, target.shape[-1])
    return -_LAPLACE.log_density(params, target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_LOGISTIC, place_and_spread),
    families=("likelihood", "probabilistic", "robust"),
    source="Balakrishnan 1992",
    class_name="LogisticNLL",
    formula="r + 2 log(1 + exp(-r)) + log s, r = |y - m| / s",
    usual=("identity",),
    on_request=True,
    example=([0.5, 0.0], [1.0], 1.1482232913013144),
)
def logistic_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a logistic distribution of predicted mean and scale."""
    params = place_and_spread(output, target.shape[-1])
    return -_LOGISTIC.log_density(params, target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_STUDENT_T, _student_t),
    families=("likelihood", "probabilistic", "robust"),
    source="Lange, Little & Taylor 1989",
    class_name="StudentTNLL",
    formula="log s + (df + 1) / 2 log(1 + ((y - m) / s)^2 / df), and what df adds",
    params=(
        Parameter(
            "df",
            4.0,
            2.1,
            100.0,
            log=True,
            words="degrees of freedom: fewer expect larger errors",
            valid=(1e-3, 1e6),
        ),
    ),
    usual=("identity",),
    on_request=_IN_REGRESSION,
    example=([0.5, 0.0], [1.0], 0.9206626613595498),
)
def student_t_nll(output: Tensor, target: Tensor, *, df: float | Tensor) -> Tensor:
    """Return minus the log-density of Student's t of predicted place and scale."""
    return -_STUDENT_T.log_density(_student_t(output, target.shape[-1], df=df), target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_NORMAL, place_and_spread),
    families=("probabilistic", "robust"),
    source="Matheson & Winkler 1976; Gneiting & Raftery 2007",
    class_name="CRPSGaussian",
    formula="s (w (2 Phi(w) - 1) + 2 phi(w) - 1 / sqrt(pi)), w = (y - m) / s",
    aliases=("crps_normal",),
    usual=("identity",),
    on_request=_IN_REGRESSION,
    example=([0.5, 0.0], [1.0], 0.2999950827882496),
)
def crps_gaussian(output: Tensor, target: Tensor) -> Tensor:
    """Return the continuous ranked probability score of a normal distribution."""
    params = place_and_spread(output, target.shape[-1])
    return _NORMAL.crps(params, target)


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_LAPLACE, place_and_spread),
    families=("probabilistic", "robust"),
    source="Matheson & Winkler 1976; Jordan, Krüger & Lerch 2019",
    class_name="CRPSLaplace",
    formula="|y - m| + b exp(-|y - m| / b) - 3 b / 4",
    usual=("identity",),
    on_request=True,
    example=([0.5, 0.0], [1.0], 0.31716315716150845),
)
def crps_laplace(output: Tensor, target: Tensor) -> Tensor:
    """Return the continuous ranked probability score of a Laplace distribution."""
    params = place_and_spread(output, target.shape[-1])
    return _LAPLACE.crps(params, target)


LOSSES = (
    gaussian_nll, homoscedastic_nll, beta_nll, laplace_nll, logistic_nll, student_t_nll, crps_gaussian, crps_laplace,
)  # fmt: skip

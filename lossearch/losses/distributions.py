"""Losses of real targets for networks that predict a distribution: a place and a spread, several of them, or a histogram.

Targets are standardised. A spread is softplus of what the network gives, and at least a thousandth. Each loss is minus the
logarithm of the density, or the continuous ranked probability score (Gneiting & Raftery 2007) in units of the target.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from lossearch.distributions import DISTRIBUTIONS
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

LEAST_SPREAD = 1e-3
"""In units of the standardised target; without it a row that is met exactly is worth any price."""
COMPONENTS = 3
"""Normal distributions of a mixture."""
BINS = 51
"""Bins of a histogram."""
REACH = 4.0
"""Standard deviations from the mean to which a histogram goes on each side; the outer bins hold what is beyond."""

_NORMAL, _LAPLACE, _LOGISTIC = DISTRIBUTIONS["normal"], DISTRIBUTIONS["laplace"], DISTRIBUTIONS["logistic"]
_STUDENT_T, _MIXTURE = DISTRIBUTIONS["student_t"], DISTRIBUTIONS["normal_mixture"]
_HISTOGRAM = DISTRIBUTIONS["histogram"]
_IN_REGRESSION = ("regression",)
"""Where a value is asked for, a distribution is more than that, and searched on request."""


def _place(raw: Tensor, n_out: int) -> Tensor:
    return raw[..., :n_out]


PLACE_AND_SPREAD = Head("place and a spread", lambda n: 2 * n, _place)


def place_and_spread(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return place and spread of output (..., 2 n_out), (..., n_out, 2)."""
    place, spread = output[..., :n_out], output[..., n_out:]
    return torch.stack([place, softplus(spread) + LEAST_SPREAD], dim=-1)


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


class Spread(nn.Module):
    """One learnable spread for each of n_out outputs beside their places, 1 at first; it is the same for all rows."""

    def __init__(self, n_out: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.full((n_out,), math.log(math.expm1(1.0))))

    def forward(self, place: Tensor) -> Tensor:
        """Return places and spreads, (..., 2 n_out)."""
        return torch.cat([place, self.raw.expand_as(place)], dim=-1)


@loss(
    task="probabilistic",
    encoding="standardised",
    head=Head("place and one spread for all rows", lambda n: 2 * n, _place, layer=Spread, inner=lambda n: n),
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


def _mixture(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return log-weights, means and standard deviations, (..., n_out, 3 M), of output (..., 3 M n_out)."""
    logits, means, spreads = output.unflatten(-1, (n_out, 3, COMPONENTS)).unbind(dim=-2)
    return torch.cat([torch.log_softmax(logits, dim=-1), means, softplus(spreads) + LEAST_SPREAD], dim=-1)


def _mean_of_mixture(raw: Tensor, n_out: int) -> Tensor:
    return _MIXTURE.mean(_mixture(raw, n_out))


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=Head(
        f"mixture of {COMPONENTS} normal distributions", lambda n: 3 * COMPONENTS * n, _mean_of_mixture
    ),
    distribution=Distributed(_MIXTURE, _mixture),
    families=("likelihood", "probabilistic", "robust"),
    source="Bishop 1994",
    class_name="MixtureDensityNLL",
    formula=f"-log sum_k w_k N(y; m_k, s_k), {COMPONENTS} normal distributions",
    aliases=("mdn", "mixture_density"),
    usual=("identity",),
    on_request=True,
    example=([0.0] * 3 + [0.5] * 3 + [0.0] * 3, [1.0], 0.8132893168451553),
)
def mixture_density_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a mixture of normal distributions, of which the value is the mean."""
    return -_MIXTURE.log_density(_mixture(output, target.shape[-1]), target)


def _histogram(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return log-shares of bins, and the ends of their range, (..., n_out, B + 2), of output (..., B n_out)."""
    shares = torch.log_softmax(output.unflatten(-1, (n_out, BINS)), dim=-1)
    return torch.cat([shares, shares.new_tensor([-REACH, REACH]).expand(*shares.shape[:-1], 2)], dim=-1)


def _mean_of_histogram(raw: Tensor, n_out: int) -> Tensor:
    return _HISTOGRAM.mean(_histogram(raw, n_out))


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=Head(f"histogram of {BINS} bins", lambda n: BINS * n, _mean_of_histogram),
    distribution=Distributed(_HISTOGRAM, _histogram),
    families=("probabilistic", "robust"),
    source="Imani & White 2018; Farebrother et al. 2024",
    class_name="HLGauss",
    formula=f"cross-entropy of {BINS} bins with a normal distribution about y, of sigma bins",
    aliases=("histogram_ce", "histogram"),
    params=(
        Parameter(
            "sigma", 0.75, 0.25, 3.0, words="width of the target's distribution, in bins", valid=(0.05, 50.0)
        ),
    ),
    usual=("identity",),
    on_request=True,
    example=([0.0] * BINS, [1.0], math.log(BINS)),
)
def hl_gauss(output: Tensor, target: Tensor, *, sigma: float | Tensor) -> Tensor:
    """Return the cross-entropy of a predicted histogram with the target's, of which the value is the mean."""
    logs = _histogram(output, target.shape[-1])[..., :BINS]
    edges = torch.linspace(-REACH, REACH, BINS + 1, dtype=output.dtype, device=output.device)
    width = torch.as_tensor(sigma, dtype=output.dtype, device=output.device) * (2 * REACH / BINS)
    wide = width.unsqueeze(-1) if width.ndim else width
    inside = target.clamp(-REACH + REACH / BINS, REACH - REACH / BINS)
    below = torch.special.ndtr((edges - inside.unsqueeze(-1)) / wide)
    shares = below[..., 1:] - below[..., :-1]
    shares = shares / shares.sum(dim=-1, keepdim=True)
    found: Tensor = -(shares * logs).sum(dim=-1)
    return found


LOSSES = (
    gaussian_nll, homoscedastic_nll, beta_nll, laplace_nll, logistic_nll, student_t_nll, crps_gaussian, crps_laplace, mixture_density_nll, hl_gauss,
)  # fmt: skip

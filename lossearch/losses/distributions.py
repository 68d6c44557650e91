"""Losses of real targets for networks that predict a distribution: a place and a spread, several of them, or a histogram.

Targets are standardised. A spread is softplus of what the network gives, and at least a thousandth. Each loss is minus the
logarithm of the density, or the continuous ranked probability score (Gneiting & Raftery 2007) in units of the target.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head
from lossearch.losses.parameter import Parameter

LEAST_SPREAD = 1e-3
"""In units of the standardised target; without it a row that is met exactly is worth any price."""
COMPONENTS = 3
"""Normal distributions of a mixture."""
BINS = 51
"""Bins of a histogram."""
REACH = 4.0
"""Standard deviations from the mean to which a histogram goes on each side; the outer bins hold what is beyond."""


def _place(raw: Tensor, n_out: int) -> Tensor:
    return raw[..., :n_out]


PLACE_AND_SPREAD = Head("place and a spread", lambda n: 2 * n, _place)


def _place_and_spread(output: Tensor) -> tuple[Tensor, Tensor]:
    place, spread = output.chunk(2, dim=-1)
    return place, softplus(spread) + LEAST_SPREAD


def _standardised(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return errors in units of the spread, and the spread."""
    place, spread = _place_and_spread(output)
    return (target - place) / spread, spread


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    families=("likelihood", "probabilistic"),
    source="Nix & Weigend 1994",
    class_name="GaussianNLL",
    formula="log s + ((y - m) / s)^2 / 2 + log(2 pi) / 2",
    aliases=("gaussian_nll_loss", "GaussianNLLLoss", "heteroscedastic"),
    usual=("identity",),
    on_request=True,
    example=([0.5, 0.0], [1.0], 0.8132893168451553),
)
def gaussian_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a normal distribution of predicted mean and standard deviation."""
    error, spread = _standardised(output, target)
    return spread.log() + error.square() / 2 + math.log(2 * math.pi) / 2


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
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
    error, spread = _standardised(output, target)
    return spread.log() + error.abs() + math.log(2)


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
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
    error, spread = _standardised(output, target)
    far = error.abs()
    return far + 2 * softplus(-far) + spread.log()


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
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
    on_request=True,
    example=([0.5, 0.0], [1.0], 0.9206626613595498),
)
def student_t_nll(output: Tensor, target: Tensor, *, df: float | Tensor) -> Tensor:
    """Return minus the log-density of Student's t of predicted place and scale."""
    error, spread = _standardised(output, target)
    nu = torch.as_tensor(df, dtype=error.dtype, device=error.device)
    constant = torch.lgamma(nu / 2) - torch.lgamma((nu + 1) / 2) + (nu * math.pi).log() / 2
    return constant + spread.log() + (nu + 1) / 2 * torch.log1p(error.square() / nu)


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    families=("probabilistic", "robust"),
    source="Matheson & Winkler 1976; Gneiting & Raftery 2007",
    class_name="CRPSGaussian",
    formula="s (w (2 Phi(w) - 1) + 2 phi(w) - 1 / sqrt(pi)), w = (y - m) / s",
    aliases=("crps_normal",),
    usual=("identity",),
    on_request=True,
    example=([0.5, 0.0], [1.0], 0.2999950827882496),
)
def crps_gaussian(output: Tensor, target: Tensor) -> Tensor:
    """Return the continuous ranked probability score of a normal distribution."""
    w, spread = _standardised(output, target)
    density = torch.exp(-w.square() / 2) * math.sqrt(2 / math.pi)
    return spread * (w * torch.erf(w / math.sqrt(2)) + density - 1 / math.sqrt(math.pi))


@loss(
    task="regression",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
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
    error, spread = _standardised(output, target)
    far = error.abs()
    return spread * (far + torch.exp(-far) - 0.75)


def _components(output: Tensor, n_out: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-weights, means and standard deviations, (..., n_out, M), of output (..., 3 M n_out)."""
    logits, means, spreads = output.unflatten(-1, (n_out, 3, COMPONENTS)).unbind(dim=-2)
    return torch.log_softmax(logits, dim=-1), means, softplus(spreads) + LEAST_SPREAD


def _mean_of_mixture(raw: Tensor, n_out: int) -> Tensor:
    weights, means, _ = _components(raw, n_out)
    return (weights.exp() * means).sum(dim=-1)


@loss(
    task="regression",
    encoding="standardised",
    head=Head(
        f"mixture of {COMPONENTS} normal distributions", lambda n: 3 * COMPONENTS * n, _mean_of_mixture
    ),
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
    weights, means, spreads = _components(output, target.shape[-1])
    error = (target.unsqueeze(-1) - means) / spreads
    each = weights - spreads.log() - error.square() / 2 - math.log(2 * math.pi) / 2
    return -torch.logsumexp(each, dim=-1)


def _centres(like: Tensor) -> Tensor:
    half = REACH / BINS
    return torch.linspace(-REACH + half, REACH - half, BINS, dtype=like.dtype, device=like.device)


def _mean_of_histogram(raw: Tensor, n_out: int) -> Tensor:
    shares = torch.softmax(raw.unflatten(-1, (n_out, BINS)), dim=-1)
    return (shares * _centres(raw)).sum(dim=-1)


@loss(
    task="regression",
    encoding="standardised",
    head=Head(f"histogram of {BINS} bins", lambda n: BINS * n, _mean_of_histogram),
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
    logs = torch.log_softmax(output.unflatten(-1, (target.shape[-1], BINS)), dim=-1)
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
    gaussian_nll, laplace_nll, logistic_nll, student_t_nll, crps_gaussian, crps_laplace, mixture_density_nll, hl_gauss,
)  # fmt: skip

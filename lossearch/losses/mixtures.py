"""Losses of real targets for networks that predict a distribution of any shape: a mixture of several, or a histogram.

Targets are standardised.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.distributions import DISTRIBUTIONS
from lossearch.losses.declaration import loss
from lossearch.losses.distributions import LEAST_SPREAD
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

COMPONENTS = 3
"""Normal distributions of a mixture."""
BINS = 51
"""Bins of a histogram."""
REACH = 4.0
"""Standard deviations from the mean to which a histogram goes on each side; the outer bins hold what is beyond."""

_MIXTURE, _HISTOGRAM = DISTRIBUTIONS["normal_mixture"], DISTRIBUTIONS["histogram"]


def _mixture(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return log-weights, means and standard deviations, (..., n_out, 3 M), of output (..., 3 M n_out)."""
    logits, means, spreads = output.unflatten(-1, (n_out, 3, COMPONENTS)).unbind(dim=-2)
    return torch.cat(
        [torch.log_softmax(logits, dim=-1), means, functional.softplus(spreads) + LEAST_SPREAD], dim=-1
    )


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


LOSSES = (mixture_density_nll, hl_gauss)

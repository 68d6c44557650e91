"""A loss for networks that predict many quantiles of a real target at once, which never cross."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist
from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.distributions import DISTRIBUTIONS
from lossearch.distributions.quantile_function import LEVELS, own_levels
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Distributed, Head

if TYPE_CHECKING:
    from torch import Tensor

_FAMILY = DISTRIBUTIONS["quantile_function"]
_MIDDLE = LEVELS.index(0.5)
_STANDARD = [NormalDist().inv_cdf(level) for level in LEVELS]
_FIRST = [math.log(math.expm1(above - below)) for below, above in pairwise(_STANDARD)]
"""What is added to raw output: a network that gives 0 predicts the quantiles of a standard normal distribution."""


def _quantiles(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return quantiles (..., n_out, L) from output (..., L n_out): a median, and softplus of what follows as steps from it."""
    raw = output.unflatten(-1, (n_out, len(LEVELS)))
    median = raw[..., :1]
    steps = functional.softplus(raw[..., 1:] + raw.new_tensor(_FIRST))
    below = steps[..., :_MIDDLE].flip(-1).cumsum(dim=-1).flip(-1)
    above = steps[..., _MIDDLE:].cumsum(dim=-1)
    return torch.cat([median - below, median, median + above], dim=-1)


def _mean(raw: Tensor, n_out: int) -> Tensor:
    return _FAMILY.mean(_quantiles(raw, n_out))


def _pinball(error: Tensor, share: Tensor) -> Tensor:
    return torch.maximum(share * error, (share - 1) * error)


@loss(
    task="probabilistic",
    encoding="standardised",
    head=Head(f"median and {len(LEVELS) - 1} steps from it", lambda n: len(LEVELS) * n, _mean),
    distribution=Distributed(_FAMILY, _quantiles),
    families=("quantiles", "probabilistic", "robust"),
    source="Koenker & Bassett 1978; steps as in Park et al. 2022",
    formula=f"mean of max(tau (y - q), (tau - 1) (y - q)) over {len(LEVELS)} levels tau",
    aliases=("multi_pinball",),
    usual=("identity",),
    example=([0.0] * len(LEVELS), [0.0], 0.11446451377117818),
)
def multi_quantile(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean pinball loss of quantiles at .025, .05, .1, ..., .95, .975."""
    found = _quantiles(output, target.shape[-1])
    return _pinball(target.unsqueeze(-1) - found, own_levels(output)).mean(dim=-1)


LOSSES = (multi_quantile,)

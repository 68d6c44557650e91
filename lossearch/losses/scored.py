"""Losses of real targets that are scores of what a network predicts of a distribution: an interval, or an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.distributions import DISTRIBUTIONS
from lossearch.losses.declaration import loss
from lossearch.losses.distributions import PLACE_AND_SPREAD, place_and_spread
from lossearch.losses.heads import Distributed, Head
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

MEMBERS = 10
"""Numbers of an ensemble."""
_NORMAL, _ENSEMBLE = DISTRIBUTIONS["normal"], DISTRIBUTIONS["ensemble"]


@loss(
    task="probabilistic",
    encoding="standardised",
    head=PLACE_AND_SPREAD,
    distribution=Distributed(_NORMAL, place_and_spread),
    families=("quantiles", "probabilistic", "robust"),
    source="Winkler 1972; Gneiting & Raftery 2007",
    formula="u - l + 2 / alpha (max(0, l - y) + max(0, y - u)), l and u = m -+ s Phi^-1(1 - alpha / 2)",
    aliases=("winkler", "winkler_score"),
    params=(
        Parameter(
            "alpha",
            0.1,
            0.02,
            0.5,
            search=False,
            words="share of the targets that are to lie outside, half of it on each side",
            valid=(1e-6, 1 - 1e-6),
        ),
    ),
    usual=("identity",),
    caution={
        "identity": "it reads two quantiles and nothing else: what lies between them, the value too, is that of a normal "
        "distribution that has these two."
    },
    on_request=True,
    example=([0.5, 0.0], [1.0], 2.283541015164329),
)
def interval_score(output: Tensor, target: Tensor, *, alpha: float | Tensor) -> Tensor:
    """Return the width of an interval, and what it costs to miss the target: 2 / alpha times the pinball losses of its ends."""
    params = place_and_spread(output, target.shape[-1])
    outside = torch.as_tensor(alpha, dtype=output.dtype, device=output.device)
    half: Tensor = params[..., 1] * torch.special.ndtri(1 - outside / 2)
    return 2 * half + 2 / outside * ((params[..., 0] - target).abs() - half).clamp(min=0)


def _members(output: Tensor, n_out: int, **_: object) -> Tensor:
    """Return the numbers of each output's ensemble, (..., n_out, M), of output (..., M n_out)."""
    found: Tensor = output.unflatten(-1, (n_out, MEMBERS))
    return found


def _mean(raw: Tensor, n_out: int) -> Tensor:
    return _ENSEMBLE.mean(_members(raw, n_out))


@loss(
    task=("regression", "probabilistic"),
    encoding="standardised",
    head=Head(f"ensemble of {MEMBERS} numbers", lambda n: MEMBERS * n, _mean),
    distribution=Distributed(_ENSEMBLE, _members),
    families=("probabilistic", "robust"),
    source="Matheson & Winkler 1976; Gneiting & Raftery 2007",
    class_name="CRPSEnsemble",
    formula=f"mean |x_i - y| - mean |x_i - x_j| / 2 over {MEMBERS} numbers x",
    aliases=("crps_sample", "ContinuousRankedProbabilityScore"),
    usual=("identity",),
    on_request=True,
    example=([0.0] * 5 + [1.0] * 5, [1.0], 0.25),
)
def crps_ensemble(output: Tensor, target: Tensor) -> Tensor:
    """Return the continuous ranked probability score of an ensemble, of which the value is the mean."""
    return _ENSEMBLE.crps(_members(output, target.shape[-1]), target)


LOSSES = (interval_score, crps_ensemble)

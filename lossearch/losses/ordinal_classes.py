"""Losses of levels in an order that read a probability for each level, and charge more for what lies further off."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from lossearch._class_axis import log_softmax, over_classes, softmax
from lossearch._lazy import torch
from lossearch.losses.declaration import Loss, loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_SMOOTH = 1e-3
"""Added above and below the fraction of weighted kappa."""

_declared: Callable[..., Callable[[Callable[..., Tensor]], Loss]] = partial(
    loss, task="ordinal", domain="simplex"
)


def _cumulative_error(output: Tensor, target: Tensor) -> Tensor:
    """Return how far the predicted share at or below each level is from the true one, (..., N, K - 1)."""
    level = torch.arange(output.shape[-1] - 1, device=output.device)
    reached = (target.unsqueeze(-1) <= level).to(output.dtype)
    return output[..., :-1].cumsum(dim=-1) - reached


@_declared(
    encoding="index",
    source="Epstein 1969; Hou, Yu & Samaras 2016",
    class_name="SquaredEMD",
    formula="sum_k (P(level <= k) - [y <= k])^2",
    aliases=("ranked_probability_score", "ordinal_crps", "earth_mover_squared"),
    families=("probabilistic",),
    probability={"softmax": softmax},
    example=([[0.25, 0.5, 0.25]], [0], 0.625),
)
def squared_emd(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared distance of cumulative probabilities from those of the true level."""
    return _cumulative_error(output, target).square().sum(dim=-1)


@_declared(
    encoding="index",
    source="Rubner, Tomasi & Guibas 2000",
    class_name="EMD",
    formula="sum_k |P(level <= k) - [y <= k]| = sum_k p_k |k - y|",
    aliases=("earth_mover", "wasserstein", "expected_absolute_error"),
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [0], 1.0),
)
def emd(output: Tensor, target: Tensor) -> Tensor:
    """Return the earth mover's distance from the true level: how many levels off, on average over what is predicted."""
    return (_steps_off(output, target).to(output.dtype) * output).sum(dim=-1)


def _steps_off(output: Tensor, target: Tensor) -> Tensor:
    """Return how many levels each is from the true one, (..., N, K)."""
    return (torch.arange(output.shape[-1], device=output.device) - target.unsqueeze(-1)).abs()


def _soft(output: Tensor, target: Tensor, scale: float | Tensor) -> Tensor:
    """Return the probabilities that stand for the true level, (..., N, K)."""
    distance = _steps_off(output, target).to(output.dtype).square()
    return torch.softmax(-over_classes(scale) * distance, dim=-1)


def _sord_from_raw(raw: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    return -(_soft(raw, target, scale) * log_softmax(raw)).sum(dim=-1)


def _sord_derivative(raw: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    return softmax(raw) - _soft(raw, target, scale)


@_declared(
    encoding="index",
    source="Díaz & Marathe 2019",
    class_name="SORD",
    formula="-sum_k q_k log p_k, q = softmax over k of -scale (k - y)^2",
    aliases=("soft_ordinal", "gaussian_labels"),
    params=(
        Parameter(
            "scale", 1.0, 0.1, 10.0, log=True, words="more tends to cross_entropy, less to even shares",
            valid=(1e-3, 1e3),
        ),
    ),
    contains=(Contained("cross_entropy", {"scale": 10.0}, near=1e-3),),
    fused={"softmax": _sord_from_raw},
    fused_derivative={"softmax": _sord_derivative},
    example=([[0.25, 0.5, 0.25]], [1], 0.9869605667714774),
)  # fmt: skip
def sord(output: Tensor, target: Tensor, *, scale: float | Tensor) -> Tensor:
    """Return the cross-entropy with a normal distribution about the true level in its place.

    Its minimiser is that distribution for each true level, mixed: no probability of the levels themselves.
    """
    return -torch.xlogy(_soft(output, target, scale), output).sum(dim=-1)


def _log_of_rest(raw: Tensor) -> Tensor:
    """Return log(1 - p_k) of every level, from all others' scores, (..., N, K)."""
    own = torch.eye(raw.shape[-1], dtype=torch.bool, device=raw.device)
    others = raw.unsqueeze(-2).masked_fill(own, -torch.inf).logsumexp(dim=-1)
    return others - raw.logsumexp(dim=-1, keepdim=True)


def _charged(log_rest: Tensor, target: Tensor, alpha: float | Tensor) -> Tensor:
    off = _steps_off(log_rest, target).to(log_rest.dtype)
    # 0 to any power is 0, of which a power's gradient would be without bound
    charge = torch.where(off > 0, off.clamp(min=1) ** over_classes(alpha), 0.0)
    return -(charge * log_rest).sum(dim=-1)


def _oll_from_raw(raw: Tensor, target: Tensor, *, alpha: float | Tensor) -> Tensor:
    return _charged(_log_of_rest(raw), target, alpha)


@_declared(
    encoding="index",
    source="Castagnos et al. 2022",
    class_name="OLL",
    formula="-sum_k |k - y|^alpha log(1 - p_k)",
    aliases=("ordinal_log_loss",),
    params=(
        Parameter("alpha", 1.5, 0.5, 2.0, words="how much more a level further off costs", valid=(0.0, 10.0)),
    ),
    fused={"softmax": _oll_from_raw},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.5753641449035618),
)
def oll(output: Tensor, target: Tensor, *, alpha: float | Tensor) -> Tensor:
    """Return what it costs to believe in each wrong level, weighted by how far off it is."""
    return _charged(torch.log1p(-output), target, alpha)


def _kappa(means: Tensor) -> Tensor:
    """Return log(1 - kappa), (..., 1), of means over the batch: expected cost, shares predicted and true."""
    cost, shares = means[..., 0], means[..., 1:]
    predicted, true = shares.chunk(2, dim=-1)
    level = torch.arange(predicted.shape[-1], dtype=means.dtype, device=means.device)
    charge = (level.unsqueeze(-1) - level).square()
    # rows may be weighted: what they weigh together is what all true shares sum to
    weight = true.sum(dim=-1).clamp(min=_SMOOTH)
    by_chance = ((true @ charge) * predicted).sum(dim=-1) / weight
    return torch.log((cost + _SMOOTH) / (by_chance + _SMOOTH))


@_declared(
    encoding="one_hot",
    source="de la Torre, Puig & Valls 2018",
    class_name="QWKLoss",
    formula="log(sum_i cost_i / cost by chance) over the batch, cost_i = sum_k p_k (k - y)^2",
    aliases=("weighted_kappa_loss", "WeightedKappaLoss", "cohen_kappa_loss"),
    gathers=True,
    after_mean=_kappa,
    usual=("softmax",),
    caution={
        "softmax": "it is one number of a whole batch: its gradient depends on the batch size, so keep that fixed, and large."
    },
    on_request=True,
    example=([[0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0]], 0.0),
)
def qwk_loss(output: Tensor, target: Tensor) -> Tensor:
    """Return what weighted kappa is made of, quadratic weights: a row's expected cost, and shares of levels."""
    level = torch.arange(output.shape[-1], dtype=output.dtype, device=output.device)
    true = (target * level).sum(dim=-1, keepdim=True)
    cost = (output * (level - true).square()).sum(dim=-1, keepdim=True)
    return torch.cat([cost, output, target.expand_as(output)], dim=-1)


LOSSES = (squared_emd, sord, emd, oll, qwk_loss)

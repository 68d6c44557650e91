"""Losses of inputs that are to be given again; most take targets as 0 to 1 over the range of the training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import over_classes
from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

COMPONENTS = 3
"""Logistic distributions of a mixture."""
_LEAST_SCALE = 1e-3
"""Of those, in units of the range."""
_SHORT = 1e-3
"""Length below which a row has less and less of a direction, so that gradients are finite where it is 0."""
_NEAR = 0.1
"""Below it series are exact to the last digits, and what they stand for loses some."""


def _bce_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(raw, target.expand_as(raw), reduction="none")


def _bce_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return torch.sigmoid(raw) - target


@loss(
    task="reconstruction",
    encoding="training_range",
    domain="unit",
    families=("likelihood",),
    source="Good 1952; Vincent et al. 2010",
    formula="-y log p - (1 - y) log(1 - p), y from 0 to 1",
    aliases=(
        "binary_crossentropy",
        "binary_cross_entropy",
        "binary_cross_entropy_with_logits",
        "BCELoss",
        "BCEWithLogitsLoss",
    ),
    fused={"sigmoid": _bce_from_raw},
    fused_derivative={"sigmoid": _bce_derivative},
    example=(0.9, 0.5, 1.2039728043259361),
)
def bce(output: Tensor, target: Tensor) -> Tensor:
    """Return the cross-entropy to shares between 0 and 1, least at their mean; above 0 where they are met."""
    return functional.binary_cross_entropy(output, target.expand_as(output), reduction="none")


def log_normaliser(raw: Tensor) -> Tensor:
    """Return the log of the integral of exp(raw x) over x from 0 to 1, that is log((e^raw - 1) / raw)."""
    half = raw.abs() / 2
    near = half < _NEAR
    safe = torch.where(near, 1.0, half)
    square = half.clamp(max=_NEAR).square()
    series = square / 6 - square**2 / 180 + square**3 / 2835
    far = safe + torch.log(-torch.expm1(-2 * safe)) - torch.log(2 * safe)
    return raw / 2 + torch.where(near, series, far)


def mean_of(raw: Tensor) -> Tensor:
    """Return the mean of the continuous Bernoulli distribution of this logit, its derivative: 1 / 2 where that is 0."""
    half = raw / 2
    near = half.abs() < _NEAR
    safe = torch.where(near, 1.0, half)
    square = half.clamp(-_NEAR, _NEAR).square()
    series = half * (1 / 3 - square / 45 + 2 * square**2 / 945 - square**3 / 4725)
    return (1 + torch.where(near, series, 1 / torch.tanh(safe) - 1 / safe)) / 2


def _derivative(output: Tensor, target: Tensor) -> Tensor:
    return mean_of(output) - target


LOGIT = Head("logit whose distribution has a mean", width=lambda n: n, reads=lambda raw, _: mean_of(raw))
"""The mean of a continuous Bernoulli distribution is not its parameter, and is what is predicted."""


@loss(
    task="reconstruction",
    encoding="training_range",
    head=LOGIT,
    usual=("identity",),
    families=("likelihood", "probabilistic"),
    source="Loaiza-Ganem & Cunningham 2019",
    formula="log((e^z - 1) / z) - z y, y from 0 to 1",
    aliases=("cb", "ContinuousBernoulli"),
    derivative=_derivative,
    example=(0.0, 0.3, 0.0),
)
def continuous_bernoulli(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of numbers from 0 to 1; where output is 0 they are uniform."""
    return log_normaliser(output) - output * target


def _mixture(output: Tensor, n_out: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return log-weights, means and scales of logistic distributions, each (..., n_out, K)."""
    logits, means, raw = output.unflatten(-1, (n_out, 3, COMPONENTS)).unbind(dim=-2)
    return torch.log_softmax(logits, dim=-1), means, functional.softplus(raw) + _LEAST_SCALE


def _mean_of_mixture(raw: Tensor, n_out: int) -> Tensor:
    weights, means, _ = _mixture(raw, n_out)
    return (weights.exp() * means).sum(dim=-1)


@loss(
    task="reconstruction",
    encoding="training_range",
    head=Head(
        f"mixture of {COMPONENTS} logistic distributions", lambda n: 3 * COMPONENTS * n, _mean_of_mixture
    ),
    usual=("identity",),
    families=("likelihood", "probabilistic", "robust"),
    source="Salimans, Karpathy, Chen & Kingma 2017",
    class_name="DiscretizedLogisticMixture",
    formula=f"-log sum_k w_k (F((y + d - m_k) / s_k) - F((y - d - m_k) / s_k)), d = 1 / (2 levels - 2), F = sigmoid, open at the "
    f"ends of the range, {COMPONENTS} distributions",
    aliases=("discretized_mix_logistic", "dmol"),
    params=(
        Parameter(
            "levels",
            256,
            2,
            65536,
            integer=True,
            search=False,
            words="how many different values a number of the input can have",
            valid=(2, 2**24),
        ),
    ),
    on_request=True,
    example=([0.0] * 9, [0.5], 6.689487263477382),
)
def discretized_logistic_mixture(output: Tensor, target: Tensor, *, levels: float | Tensor) -> Tensor:
    """Return minus the log-probability of one of so many levels, of which the value is the mean."""
    weights, means, scales = _mixture(output, target.shape[-1])
    half = over_classes(1 / (2 * torch.as_tensor(levels, dtype=output.dtype, device=output.device) - 2))
    y = target.unsqueeze(-1)
    above, below = (y + half - means) / scales, (y - half - means) / scales
    # log(F(a) - F(b)) for a > b
    within = (
        functional.logsigmoid(above)
        + functional.logsigmoid(-below)
        + torch.log(-torch.expm1(-2 * half / scales))
    )
    mass = torch.where(
        y >= 1 - half,
        functional.logsigmoid(-below),
        torch.where(y <= half, functional.logsigmoid(above), within),
    )
    return -(weights + mass).logsumexp(dim=-1)


@loss(
    task="reconstruction",
    encoding="training_range",
    domain="margins",
    joint=True,
    source="Salton & McGill 1983",
    formula="1 - f . y / (|f| |y|), over a row's numbers, y from 0 to 1",
    aliases=("cosine_similarity", "CosineSimilarity", "cosine_distance"),
    caution={
        "identity": "it reads directions alone: the length of what is given again is not learned, so judge by a metric of your own "
        "that is of directions too."
    },
    on_request=True,
    example=([3.0, 4.0], [4.0, 3.0], 0.04000003839999855),
)
def cosine(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 less the cosine of the angle between what is given again and the input."""
    sizes = [(rows.square().sum(dim=-1) + _SHORT**2).sqrt() for rows in (output, target)]
    return 1 - (output * target).sum(dim=-1) / (sizes[0] * sizes[1])


LOSSES = (bce, continuous_bernoulli, discretized_logistic_mixture, cosine)

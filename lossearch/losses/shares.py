"""Losses of shares that sum to 1, or of distributions over classes. They read the parts along the last axis.

``output`` and ``target`` are (..., N, C) and values (..., N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._class_axis import log_softmax, softmax
from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.heads import Head
from lossearch.losses.relations import Equivalent

if TYPE_CHECKING:
    from torch import Tensor

LEAST_CONCENTRATION = 1e-3
LEAST_SHARE = 1e-30
"""What smaller shares count as where a logarithm is taken: float32 would make some of them 0."""
_ZEROS = (
    "Shares of 0 have no logarithm: use cross_entropy or hellinger, or put a little in their place, as with "
    "y = (y + 1e-3) / (y + 1e-3).sum(axis=1, keepdims=True)."
)
_SHARES: dict[str, Any] = {"task": "compositional", "encoding": "shares", "domain": "simplex"}
_EXAMPLE = ([[0.25, 0.75]], [[0.5, 0.5]])


def _cross_entropy_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return -(target * log_softmax(raw)).sum(dim=-1)


def _cross_entropy_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return softmax(raw) * target.sum(dim=-1, keepdim=True) - target


@loss(
    source="Good 1952; Bridle 1990",
    formula="-sum_k y_k log p_k",
    aliases=("soft_cross_entropy", "CrossEntropyLoss", "categorical_crossentropy"),
    fused={"softmax": _cross_entropy_from_raw},
    fused_derivative={"softmax": _cross_entropy_derivative},
    families=("likelihood",),
    example=(*_EXAMPLE, 0.8369882167858358),
    **_SHARES,
)
def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the mean log share of the prediction, parts weighed as the target has them."""
    return -torch.xlogy(target, output).sum(dim=-1)


def _negative_entropy(target: Tensor) -> Tensor:
    return torch.xlogy(target, target).sum(dim=-1)


@loss(
    source="Kullback & Leibler 1951",
    formula="sum_k y_k log(y_k / p_k)",
    aliases=("kl_divergence", "KLDivergence", "kld", "KLDivLoss"),
    fused={"softmax": lambda raw, target: _cross_entropy_from_raw(raw, target) + _negative_entropy(target)},
    fused_derivative={"softmax": _cross_entropy_derivative},
    equivalent={"softmax": Equivalent("cross_entropy/softmax", "they differ by the target's entropy")},
    on_request=True,
    example=(*_EXAMPLE, 0.14384103622589042),
    **_SHARES,
)
def kl_div(output: Tensor, target: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the prediction from the target."""
    return _negative_entropy(target) - torch.xlogy(target, output).sum(dim=-1)


def _squared_derivative(output: Tensor, target: Tensor) -> Tensor:
    return 2 * (output - target)


@loss(
    source="Brier 1950",
    class_name="MSE",
    formula="sum_k (p_k - y_k)^2",
    aliases=("mean_squared_error", "brier", "mse_loss", "MSELoss"),
    derivative=_squared_derivative,
    example=(*_EXAMPLE, 0.125),
    **_SHARES,
)
def mse(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error, summed over parts; its minimiser is the mean shares."""
    return (output - target).square().sum(dim=-1)


def _absolute_derivative(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).sign()


@loss(
    source="Laplace 1793",
    class_name="MAE",
    formula="sum_k |p_k - y_k|, twice the total variation",
    aliases=("mean_absolute_error", "total_variation", "l1_loss", "L1Loss"),
    derivative=_absolute_derivative,
    families=("robust",),
    kinks=(0.0,),
    example=(*_EXAMPLE, 0.5),
    **_SHARES,
)
def mae(output: Tensor, target: Tensor) -> Tensor:
    """Return the absolute error, summed over parts."""
    return (output - target).abs().sum(dim=-1)


def _hellinger_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return (torch.exp(log_softmax(raw) / 2) - target.sqrt()).square().sum(dim=-1) / 2


@loss(
    source="Hellinger 1909",
    formula="sum_k (sqrt p_k - sqrt y_k)^2 / 2",
    aliases=("squared_hellinger",),
    fused={"softmax": _hellinger_from_raw},
    families=("robust",),
    example=(*_EXAMPLE, 0.03407417371093169),
    **_SHARES,
)
def hellinger(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared Hellinger distance, at most 1."""
    return (output.sqrt() - target.sqrt()).square().sum(dim=-1) / 2


def _js(log_p: Tensor, target: Tensor) -> Tensor:
    middle = torch.logaddexp(log_p, target.log()) - torch.log(torch.full_like(target, 2))
    theirs = torch.xlogy(target, target) - target * middle
    return (theirs + log_p.exp() * (log_p - middle)).sum(dim=-1) / 2


@loss(
    source="Lin 1991",
    class_name="JSDivergence",
    formula="(KL(y || m) + KL(p || m)) / 2, m = (p + y) / 2",
    aliases=("jensen_shannon",),
    fused={"softmax": lambda raw, target: _js(log_softmax(raw), target)},
    families=("robust",),
    on_request=True,
    example=(*_EXAMPLE, 0.03382207556860521),
    **_SHARES,
)
def js_divergence(output: Tensor, target: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence, at most log 2."""
    return _js(output.log(), target)


def _log_of(target: Tensor) -> Tensor:
    return target.clamp(min=LEAST_SHARE).log()


def _centred(logs: Tensor) -> Tensor:
    return logs - logs.mean(dim=-1, keepdim=True)


def _aitchison_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return (_centred(raw) - _centred(_log_of(target))).square().sum(dim=-1)


def _aitchison_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return 2 * (_centred(raw) - _centred(_log_of(target)))


@loss(
    source="Aitchison 1986",
    formula="sum_k (clr(p)_k - clr(y)_k)^2, clr(v) = log v - mean log v",
    aliases=("clr_mse", "log_ratio_mse"),
    fused={"softmax": _aitchison_from_raw},
    fused_derivative={"softmax": _aitchison_derivative},
    targets="positive",
    cure=_ZEROS,
    example=(*_EXAMPLE, 0.6034744801397173),
    **_SHARES,
)
def aitchison(output: Tensor, target: Tensor) -> Tensor:
    """Return the squared error of centred log-ratios: shares count by their ratios, small ones as large ones do."""
    return (_centred(output.log()) - _centred(_log_of(target))).square().sum(dim=-1)


@loss(
    source="Salton & McGill 1983",
    formula="1 - p . y / (|p| |y|)",
    aliases=("cosine_similarity", "CosineSimilarity"),
    on_request=True,
    example=(*_EXAMPLE, 0.10557280900008414),
    **_SHARES,
)
def cosine(output: Tensor, target: Tensor) -> Tensor:
    """Return 1 less the cosine of the angle between prediction and target."""
    sizes = output.square().sum(dim=-1) * target.square().sum(dim=-1)
    return 1 - (output * target).sum(dim=-1) / sizes.sqrt()


def _concentrations(output: Tensor) -> Tensor:
    return functional.softplus(output) + LEAST_CONCENTRATION


def _mean_shares(raw: Tensor, _: int) -> Tensor:
    alpha = _concentrations(raw)
    return alpha / alpha.sum(dim=-1, keepdim=True)


def _dirichlet_derivative(output: Tensor, target: Tensor) -> Tensor:
    alpha = _concentrations(output)
    inner = torch.digamma(alpha) - torch.digamma(alpha.sum(dim=-1, keepdim=True)) - _log_of(target)
    return inner * torch.sigmoid(output)


@loss(
    task="compositional",
    encoding="shares",
    head=Head("Dirichlet distribution", lambda n: n, _mean_shares),
    families=("likelihood", "probabilistic"),
    source="Hijazi & Jernigan 2009",
    class_name="DirichletNLL",
    formula="sum_k log G(a_k) - log G(sum a) - sum_k (a_k - 1) log y_k, a = softplus; the value is a / sum a",
    aliases=("dirichlet",),
    usual=("identity",),
    derivative=_dirichlet_derivative,
    targets="positive",
    cure=_ZEROS,
    on_request=True,
    example=([[0.0, 0.0]], [[0.5, 0.5]], 0.2309349784604643),
)
def dirichlet_nll(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-density of a Dirichlet distribution of predicted concentrations."""
    alpha = _concentrations(output)
    each = torch.lgamma(alpha) - (alpha - 1) * _log_of(target)
    return each.sum(dim=-1) - torch.lgamma(alpha.sum(dim=-1))


LOSSES = (cross_entropy, kl_div, mse, mae, hellinger, js_divergence, aitchison, cosine, dirichlet_nll)

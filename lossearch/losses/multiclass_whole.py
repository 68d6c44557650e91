"""Losses of several classes that read the probabilities of all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lossearch._class_axis import log_softmax, plus_true_class, softmax, true_class
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.multiclass_of_true import LOG_OF_ZERO, log_true, pushed, share_wrong
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained, Equivalent

if TYPE_CHECKING:
    from torch import Tensor


def _divergence_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return torch.logsumexp(2 * raw, dim=-1) / 2 - true_class(raw, target)


def _divergence_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return plus_true_class(softmax(2 * raw), target, -1.0)


def _of_twice(raw: Tensor) -> Tensor:
    return softmax(2 * raw)


def _norm(output: Tensor) -> Tensor:
    return output.square().sum(dim=-1).sqrt()


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Janocha & Czarnecki 2017",
    formula="-log(p_y / |p|)",
    aliases=("dcs", "DCS"),
    fused={"softmax": _divergence_from_raw},
    fused_derivative={"softmax": _divergence_derivative},
    probability={"softmax": _of_twice},
    equivalent={
        "softmax": Equivalent(
            "cross_entropy/softmax", "log |p| - log p_y = (logsumexp(2z) - 2 z_y) / 2", 0.5, 2
        )
    },
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.2027325540540822),
)
def cauchy_schwarz_divergence(output: Tensor, target: Tensor) -> Tensor:
    """Return the Cauchy-Schwarz divergence of the prediction from the one-hot target."""
    return _norm(output).log() - true_class(output, target).log()


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Janocha & Czarnecki 2017",
    formula="1 - p_y / (sum_k p_k^2 + 1 - p_y)",
    aliases=("tan",),
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.42857142857142855),
)
def tanimoto(output: Tensor, target: Tensor) -> Tensor:
    """Return the Tanimoto distance of the prediction from the one-hot target, between 0 and 1."""
    right = true_class(output, target)
    return 1 - right / (output.square().sum(dim=-1) + 1 - right)


def _entropy(logs: Tensor) -> Tensor:
    return -(logs.exp() * logs).sum(dim=-1)


def _confidence_from_raw(raw: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return -true_class(logs, target) - beta * _entropy(logs)


def _entropy_of(output: Tensor) -> Tensor:
    return -torch.xlogy(output, output).sum(dim=-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Pereyra et al. 2017",
    formula="-log p_y - beta H(p), H(p) = -sum_k p_k log p_k",
    params=(
        Parameter("beta", 0.1, 0.001, 1.0, log=True, words="how much certainty costs", valid=(1e-9, 1e3)),
    ),
    fused={"softmax": _confidence_from_raw},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.589175103475953),
)
def confidence_penalty(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    """Return the cross-entropy less a share of the prediction's entropy."""
    return -true_class(output, target).log() - beta * _entropy_of(output)


def _bootstrap_from_raw(raw: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return -beta * true_class(logs, target) + (1 - beta) * _entropy(logs)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Reed et al. 2015",
    formula="-beta log p_y - (1 - beta) sum_k p_k log p_k",
    aliases=("soft_bootstrapping",),
    params=(
        Parameter("beta", 0.95, 0.5, 1.0, words="trust in the labels; 1 is cross_entropy", valid=(0.0, 1.0)),
    ),
    contains=(Contained("cross_entropy", {"beta": 1.0}),),
    fused={"softmax": _bootstrap_from_raw},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.7104758600739439),
)
def bootstrap_soft(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    """Return the cross-entropy with a target that is in part the prediction itself."""
    return -beta * true_class(output, target).log() + (1 - beta) * _entropy_of(output)


def _bootstrap_hard_from_raw(raw: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return -beta * true_class(logs, target) - (1 - beta) * logs.amax(dim=-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Reed et al. 2015",
    formula="-beta log p_y - (1 - beta) max_k log p_k",
    aliases=("hard_bootstrapping",),
    params=(
        Parameter("beta", 0.8, 0.5, 1.0, words="trust in the labels; 1 is cross_entropy", valid=(0.0, 1.0)),
    ),
    contains=(Contained("cross_entropy", {"beta": 1.0}),),
    fused={"softmax": _bootstrap_hard_from_raw},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [0], 1.2476649250079015),
)
def bootstrap_hard(output: Tensor, target: Tensor, *, beta: float | Tensor) -> Tensor:
    """Return the cross-entropy with a target that is in part the class predicted."""
    logs = output.log()
    return -beta * true_class(logs, target) - (1 - beta) * logs.amax(dim=-1)


_ACTIVE = (
    Parameter(
        "alpha", 1.0, 0.1, 100.0, log=True, words="weight of the normalised cross-entropy", valid=(1e-6, 1e6)
    ),
    Parameter("beta", 1.0, 0.1, 100.0, log=True, words="weight of what is robust besides", valid=(1e-6, 1e6)),
)


def _normalised_ce(logs: Tensor, target: Tensor) -> Tensor:
    return true_class(logs, target) / logs.sum(dim=-1)


def _nce_rce_from_raw(raw: Tensor, target: Tensor, *, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return alpha * _normalised_ce(logs, target) + LOG_OF_ZERO * beta * share_wrong(logs, target)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Ma et al. 2020",
    class_name="NCERCE",
    formula="alpha log p_y / sum_k log p_k + 4 beta (1 - p_y)",
    aliases=("active_passive",),
    params=_ACTIVE,
    fused={"softmax": _nce_rce_from_raw},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 2.2),
)
def nce_rce(output: Tensor, target: Tensor, *, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """Return the normalised cross-entropy with the reverse one, in which the logarithm of 0 counts as -4."""
    return alpha * _normalised_ce(output.log(), target) + LOG_OF_ZERO * beta * (
        1 - true_class(output, target)
    )


def _js(log_right: Tensor) -> Tensor:
    right = log_right.exp()
    return math.log(2) + (right * log_right - (1 + right) * torch.log1p(right)) / 2


def _js_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return _js(log_true(raw, target))


def _js_push(log_right: Tensor) -> Tensor:
    right = log_right.exp()
    return right * (torch.log1p(right) - log_right) / 2


def _js_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return pushed(raw, target, _js_push)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Lin 1991; Englesson & Azizpour 2021",
    class_name="JSDivergence",
    formula="(KL(y, m) + KL(p, m)) / 2 with m = (y + p) / 2",
    aliases=("jensen_shannon_divergence", "jsd", "JensenShannonDivergence"),
    fused={"softmax": _js_from_raw},
    fused_derivative={"softmax": _js_derivative},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.21576155433883565),
)
def js_divergence(output: Tensor, target: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of prediction and one-hot target, which is bounded by log 2."""
    return _js(true_class(output, target).log())


def _chebyshev_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return share_wrong(log_softmax(raw), target)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Janocha & Czarnecki 2017",
    formula="max_k |p_k - y_k| = 1 - p_y",
    aliases=("l_infinity",),
    fused={"softmax": _chebyshev_from_raw},
    equivalent={"softmax": Equivalent("mae/softmax", "both are 1 - p_y but for a factor of 2", factor=0.5)},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.5),
)
def chebyshev(output: Tensor, target: Tensor) -> Tensor:
    """Return the largest distance of any class's probability from the one-hot target."""
    return 1 - true_class(output, target)


LOSSES = (
    cauchy_schwarz_divergence, tanimoto, confidence_penalty, bootstrap_soft, bootstrap_hard, nce_rce,
    js_divergence, chebyshev,
)  # fmt: skip

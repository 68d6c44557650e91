"""Losses of several classes that read the probability of the true class alone, robust to wrong labels or bolder.

Each is a function phi of p, the probability of the true class. Its derivative in raw output is
push (softmax - one-hot) with push = -p phi'(p), and the probability behind a minimiser is in proportion to
1 / |phi'(p_k)|, since eta_k phi'(p_k) is the same for every class there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lossearch._class_axis import is_true, log_softmax, over_classes, plus_true_class, softmax, true_class
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.multiclass_focal import log_rivals
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

MAX_ORDER = 10
"""The most terms of the Taylor series that are searched."""
LOG_OF_ZERO = 4.0
"""What Wang et al. 2019 take for minus the logarithm of 0."""


def log_true(raw: Tensor, target: Tensor) -> Tensor:
    """Return the log-probability of the true class."""
    return true_class(log_softmax(raw), target)


def share_wrong(logs: Tensor, target: Tensor) -> Tensor:
    """Return 1 - p of the true class from log-probabilities, exact too where it is small."""
    return log_rivals(logs, is_true(logs, target)).exp()


def pushed(raw: Tensor, target: Tensor, push: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the derivative in raw output of a loss whose push is a function of log p."""
    logs = log_softmax(raw)
    return plus_true_class(logs.exp(), target, -1.0) * push(true_class(logs, target)).unsqueeze(-1)


def _normalised(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=-1, keepdim=True)


def _gce_from_raw(raw: Tensor, target: Tensor, *, q: float | Tensor) -> Tensor:
    return -torch.expm1(q * log_true(raw, target)) / q


def _gce_derivative(raw: Tensor, target: Tensor, *, q: float | Tensor) -> Tensor:
    return pushed(raw, target, lambda log_p: torch.exp(q * log_p))


def _gce_probability(raw: Tensor, *, q: float | Tensor) -> Tensor:
    return softmax((1 - over_classes(q)) * log_softmax(raw))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Zhang & Sabuncu 2018",
    class_name="GCE",
    formula="(1 - p_y^q) / q",
    aliases=(
        "generalized_cross_entropy",
        "categorical_generalized_cross_entropy",
        "CategoricalGeneralizedCrossEntropy",
        "lq",
    ),
    params=(
        Parameter("q", 0.7, 0.05, 0.9, words="towards 0 it is cross_entropy, at 1 mae", valid=(1e-6, 1.0)),
    ),
    fused={"softmax": _gce_from_raw},
    fused_derivative={"softmax": _gce_derivative},
    probability={"softmax": _gce_probability},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.5491825618964884),
)
def gce(output: Tensor, target: Tensor, *, q: float | Tensor) -> Tensor:
    """Return the Box-Cox transform of the true class's probability, between cross-entropy and absolute error."""
    return -torch.expm1(q * true_class(output, target).log()) / q


def _powers(wrong: Tensor, order: float | Tensor) -> Tensor:
    """Return the sum of wrong^k / k for k from 1 to the order, as a tensor of orders may have it."""
    total = torch.zeros_like(wrong)
    power = torch.ones_like(wrong)
    for k in range(1, MAX_ORDER + 1):
        power = power * wrong
        total = total + power / k * (torch.as_tensor(order, device=wrong.device) >= k)
    return total


def _taylor_from_raw(raw: Tensor, target: Tensor, *, order: float | Tensor) -> Tensor:
    return _powers(share_wrong(log_softmax(raw), target), order)


def _taylor_derivative(raw: Tensor, target: Tensor, *, order: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    whole = torch.as_tensor(order, device=raw.device).floor()
    push = -torch.expm1(whole * log_rivals(logs, is_true(logs, target)))
    return plus_true_class(logs.exp(), target, -1.0) * push.unsqueeze(-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Feng et al. 2020",
    class_name="TaylorCE",
    formula="sum_{k=1..order} (1 - p_y)^k / k",
    aliases=("taylor_cross_entropy",),
    params=(
        Parameter(
            "order",
            2,
            1,
            MAX_ORDER,
            integer=True,
            words="1 is half of mae, more nears cross_entropy",
            valid=(1, MAX_ORDER),
        ),
    ),
    contains=(Contained("chebyshev", {"order": 1}),),
    fused={"softmax": _taylor_from_raw},
    fused_derivative={"softmax": _taylor_derivative},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.625),
)
def taylor_ce(output: Tensor, target: Tensor, *, order: float | Tensor) -> Tensor:
    """Return the first terms of the Taylor series of the cross-entropy at p = 1."""
    return _powers(1 - true_class(output, target), order)


def _poly1_from_raw(raw: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return epsilon * share_wrong(logs, target) - true_class(logs, target)


def _poly1_derivative(raw: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    return pushed(raw, target, lambda log_p: 1 + epsilon * log_p.exp())


def _poly1_probability(raw: Tensor, *, epsilon: float | Tensor) -> Tensor:
    p = softmax(raw)
    return _normalised(p / (1 + over_classes(epsilon) * p))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Leng et al. 2022",
    formula="-log p_y + epsilon (1 - p_y)",
    aliases=("poly_loss", "poly_loss_cross_entropy", "poly1_cross_entropy"),
    params=(
        Parameter(
            "epsilon",
            1.0,
            -0.9,
            6.0,
            words="0 is cross_entropy; more looks more at what is nearly right",
            valid=(-1.0, 100.0),
        ),
    ),
    contains=(Contained("cross_entropy", {"epsilon": 0.0}),),
    fused={"softmax": _poly1_from_raw},
    fused_derivative={"softmax": _poly1_derivative},
    probability={"softmax": _poly1_probability},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 1.1931471805599454),
)
def poly1(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    """Return the cross-entropy with another weight of its first polynomial term."""
    right = true_class(output, target)
    return epsilon * (1 - right) - right.log()


def _symmetric_from_raw(
    raw: Tensor, target: Tensor, *, alpha: float | Tensor, beta: float | Tensor
) -> Tensor:
    logs = log_softmax(raw)
    return LOG_OF_ZERO * beta * share_wrong(logs, target) - alpha * true_class(logs, target)


def _symmetric_derivative(
    raw: Tensor, target: Tensor, *, alpha: float | Tensor, beta: float | Tensor
) -> Tensor:
    return pushed(raw, target, lambda log_p: alpha + LOG_OF_ZERO * beta * log_p.exp())


def _symmetric_probability(raw: Tensor, *, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    p = softmax(raw)
    return _normalised(p / (over_classes(alpha) + LOG_OF_ZERO * over_classes(beta) * p))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Wang et al. 2019",
    class_name="SymmetricCE",
    formula="-alpha log p_y + 4 beta (1 - p_y)",
    aliases=("symmetric_cross_entropy", "sce", "SCE"),
    params=(
        Parameter("alpha", 0.1, 0.1, 10.0, log=True, words="weight of the cross-entropy", valid=(1e-6, 1e6)),
        Parameter(
            "beta", 1.0, 0.1, 10.0, log=True, words="weight of the reverse cross-entropy", valid=(1e-6, 1e6)
        ),
    ),
    fused={"softmax": _symmetric_from_raw},
    fused_derivative={"softmax": _symmetric_derivative},
    probability={"softmax": _symmetric_probability},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 2.0693147180559945),
)
def symmetric_ce(output: Tensor, target: Tensor, *, alpha: float | Tensor, beta: float | Tensor) -> Tensor:
    """Return the cross-entropy of both directions, in which the logarithm of 0 counts as -4."""
    right = true_class(output, target)
    return LOG_OF_ZERO * beta * (1 - right) - alpha * right.log()


def _squared_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return log_true(raw, target).square()


def _squared_derivative(raw: Tensor, target: Tensor) -> Tensor:
    return pushed(raw, target, lambda log_p: -2 * log_p)


def _squared_probability(raw: Tensor) -> Tensor:
    logs = log_softmax(raw)
    # p / -log p is without bound where p is 1
    return softmax(logs - (-logs).clamp(min=torch.finfo(raw.dtype).tiny).log())


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    source="Janocha & Czarnecki 2017",
    class_name="NLLSquared",
    formula="(log p_y)^2",
    aliases=("log_squared", "squared_log_loss"),
    fused={"softmax": _squared_from_raw},
    fused_derivative={"softmax": _squared_derivative},
    probability={"softmax": _squared_probability},
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.4804530139182014),
)
def nll_squared(output: Tensor, target: Tensor) -> Tensor:
    """Return the square of the cross-entropy."""
    return true_class(output, target).log().square()


def _phuber_from_raw(raw: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    return _phuber(log_true(raw, target), tau)


def _phuber(log_right: Tensor, tau: float | Tensor) -> Tensor:
    log_tau = torch.as_tensor(tau, dtype=log_right.dtype, device=log_right.device).log()
    return torch.where(log_right > -log_tau, -log_right, 1 + log_tau - tau * log_right.exp())


def _phuber_derivative(raw: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    return pushed(raw, target, lambda log_p: (tau * log_p.exp()).clamp(max=1))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Menon et al. 2020",
    class_name="PHuberCE",
    formula="-log p_y where p_y > 1 / tau, else 1 + log tau - tau p_y",
    aliases=("partially_huberised_cross_entropy", "phuber"),
    params=(Parameter("tau", 10.0, 1.5, 100.0, log=True, words="steepest slope in p_y", valid=(1.0, 1e9)),),
    fused={"softmax": _phuber_from_raw},
    fused_derivative={"softmax": _phuber_derivative},
    on_request=True,
    example=([[0.9, 0.05, 0.05]], [1], 2.8025850929940455),
)
def phuber_ce(output: Tensor, target: Tensor, *, tau: float | Tensor) -> Tensor:
    """Return the cross-entropy, which for what is least likely goes on as a line."""
    return _phuber(true_class(output, target).log(), tau)


LOSSES = (gce, taylor_ce, poly1, symmetric_ce, nll_squared, phuber_ce)

"""The bi-tempered logistic loss of two classes, of labels, and of several classes.

Logarithm and exponential bend away from the usual ones as temperatures leave 1: log_t(x) = (x^(1 - t) - 1) / (1 - t),
exp_t its inverse. A first temperature below 1 bounds the loss, a second above 1 gives probabilities a heavy tail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import over_classes, plus_true_class, true_class
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor

_STEPS = 10
"""Of Newton's method: so many reach the last digits of float64, for 2 to 10 000 classes at temperatures up to 10."""
_LEAST = 1e-12
"""How far temperatures are kept from 1, where the usual functions take over."""
_PARAMS = (
    Parameter("t1", 0.8, 0.2, 1.0, words="below 1 the loss of a row is bounded", valid=(0.0, 1.0)),
    Parameter("t2", 1.2, 1.0, 4.0, words="above 1 probabilities have a heavy tail", valid=(1.0, 10.0)),
)


def _away_from_zero(excess: float | Tensor, like: Tensor) -> Tensor:
    return torch.as_tensor(excess, dtype=like.dtype, device=like.device).clamp(min=_LEAST)


def _tempered(below: Tensor, excess: Tensor) -> Tensor:
    """Return log exp_t(-below), with excess = t - 1."""
    return -torch.log1p(excess * below) / excess


def tempered_log_softmax(raw: Tensor, t2: float | Tensor) -> Tensor:
    """Return the logarithms of exp_t2(z_k - c), (..., C), with c such that probabilities sum to 1.

    The sum of probabilities to the power 1 - t2 is concave and nearly a line in c, so that Newton's method goes to the
    root from below and never past it. The last step carries the gradient, as the implicit function theorem has it.

    Args:
        raw: (..., C).
        t2: a number from 1 up, or one that broadcasts with ``raw``.
    """
    excess = _away_from_zero(t2 - 1, raw)
    below = raw.detach().amax(dim=-1, keepdim=True) - raw
    shift = torch.zeros_like(below[..., :1])
    with torch.no_grad():
        for _ in range(_STEPS):
            logs = _tempered(below + shift, excess)
            total, slope = logs.exp().sum(-1, keepdim=True), (t2 * logs).exp().sum(-1, keepdim=True)
            shift = shift + total * torch.expm1(excess * total.log()) / (excess * slope)
        slope = (t2 * _tempered(below + shift, excess)).exp().sum(-1, keepdim=True)
    shift = shift + (_tempered(below + shift, excess).exp().sum(-1, keepdim=True) - 1) / slope
    return _tempered(below + shift, excess)


def _value(logs: Tensor, log_right: Tensor, t1: float | Tensor) -> Tensor:
    bounded = _away_from_zero(1 - t1, logs)
    wide = over_classes(t1)
    spread = torch.exp((2 - wide) * logs).sum(dim=-1)
    return -torch.expm1(bounded * log_right) / bounded - (1 - spread) / (2 - t1)


def _pushes(logs: Tensor, right: Tensor, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    """Return the derivative in raw output, (..., C), where ``right`` is 1 at the true class and 0 elsewhere."""
    own = torch.exp((1 - t1) * logs) * (logs.exp() - right) * torch.exp((t2 - 1) * logs)
    tail = torch.exp(t2 * logs)
    return own - tail / tail.sum(dim=-1, keepdim=True) * own.sum(dim=-1, keepdim=True)


def _probabilities(raw: Tensor, t2: float | Tensor) -> Tensor:
    p = tempered_log_softmax(raw, t2).exp()
    return p / p.sum(dim=-1, keepdim=True)


def _of_classes(raw: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    logs = tempered_log_softmax(raw, over_classes(t2))
    return _value(logs, true_class(logs, target), t1)


def _of_classes_derivative(raw: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    logs = tempered_log_softmax(raw, over_classes(t2))
    right = plus_true_class(torch.zeros_like(logs), target, 1.0)
    return _pushes(logs, right, over_classes(t1), over_classes(t2))


def _of_classes_probability(raw: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:  # noqa: ARG001
    return _probabilities(raw, over_classes(t2))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Amid et al. 2019",
    class_name="BiTemperedLogistic",
    formula="-log_t1(q_y) - (1 - sum_k q_k^(2 - t1)) / (2 - t1), q_k = exp_t2(z_k - c) with sum 1",
    aliases=("bi_tempered", "bi_tempered_loss"),
    params=_PARAMS,
    contains=(Contained("cross_entropy", {"t1": 1.0, "t2": 1.0}),),
    fused={"softmax": _of_classes},
    fused_derivative={"softmax": _of_classes_derivative},
    probability={"softmax": _of_classes_probability},
    on_request=True,
    example=([[0.2, 0.3, 0.5]], [2], 0.5478280863801142),
)
def bi_tempered_logistic(output: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    """Return the bi-tempered logistic loss of several classes."""
    return _of_classes(output.log(), target, t1=t1, t2=t2)


def _two(raw: Tensor) -> Tensor:
    """Return the scores of classes 0 and 1, (..., 2)."""
    return torch.stack([torch.zeros_like(raw), raw], dim=-1)


def _of_two(raw: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    logs = tempered_log_softmax(_two(raw), over_classes(t2))
    return _value(logs, torch.where(target > 0.5, logs[..., 1], logs[..., 0]), t1)


def _of_two_derivative(raw: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    logs = tempered_log_softmax(_two(raw), over_classes(t2))
    right = torch.stack([1 - target, target], dim=-1)
    return _pushes(logs, right, over_classes(t1), over_classes(t2))[..., 1]


def _of_two_probability(raw: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:  # noqa: ARG001
    return _probabilities(_two(raw), over_classes(t2))[..., 1]


@loss(
    task=("binary", "multilabel"),
    encoding="zero_one",
    domain="unit",
    families=("noisy_labels",),
    source="Amid et al. 2019",
    class_name="BiTemperedLogistic",
    formula="-log_t1(q_y) - (1 - q_0^(2 - t1) - q_1^(2 - t1)) / (2 - t1), q_k = exp_t2(k z - c) with sum 1",
    aliases=("bi_tempered", "bi_tempered_loss"),
    params=_PARAMS,
    contains=(Contained("bce", {"t1": 1.0, "t2": 1.0}),),
    fused={"sigmoid": _of_two},
    fused_derivative={"sigmoid": _of_two_derivative},
    probability={"sigmoid": _of_two_probability},
    on_request=True,
    example=([0.4], [1.0], 0.7054150079058096),
    name="bi_tempered_logistic",
)
def of_two_classes(output: Tensor, target: Tensor, *, t1: float | Tensor, t2: float | Tensor) -> Tensor:
    """Return the bi-tempered logistic loss of two classes."""
    return _of_two(torch.logit(output), target, t1=t1, t2=t2)


LOSSES = (bi_tempered_logistic, of_two_classes)

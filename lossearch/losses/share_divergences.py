"""More losses of shares: divergences whose minimisers are not the mean shares, on request.

``output`` and ``target`` are (..., N, C) and values (..., N).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lossearch._class_axis import log_softmax, over_classes
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor

_ALIKE: dict[str, Any] = {
    "task": "compositional",
    "encoding": "shares",
    "domain": "simplex",
    "on_request": True,
}
_EXAMPLE = ([[0.25, 0.75]], [[0.5, 0.5]])


def _reverse(logs: Tensor, target: Tensor, epsilon: float | Tensor) -> Tensor:
    little = over_classes(epsilon)
    known = (target + little) / (1 + target.shape[-1] * little)
    return (logs.exp() * (logs - known.log())).sum(dim=-1)


@loss(
    source="Kullback & Leibler 1951; Minka 2005",
    class_name="ReverseKL",
    formula="sum_k p_k log(p_k / y_k), epsilon added to each y_k",
    aliases=("exclusive_kl",),
    params=(
        Parameter(
            "epsilon",
            1e-3,
            1e-6,
            1e-2,
            log=True,
            words="what is added to each share of the target, whose logarithm is taken",
            valid=(1e-30, 1.0),
        ),
    ),
    fused={"softmax": lambda raw, target, *, epsilon: _reverse(log_softmax(raw), target, epsilon)},
    example=(*_EXAMPLE, 0.13081203594113697),
    **_ALIKE,
)
def reverse_kl(output: Tensor, target: Tensor, *, epsilon: float | Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of the target from the prediction, which shuns parts the target has not."""
    return _reverse(output.log(), target, epsilon)


def _bhattacharyya_from_raw(raw: Tensor, target: Tensor) -> Tensor:
    return -((log_softmax(raw) + target.log()) / 2).logsumexp(dim=-1)


@loss(
    source="Bhattacharyya 1943",
    formula="-log sum_k sqrt(p_k y_k)",
    fused={"softmax": _bhattacharyya_from_raw},
    example=(*_EXAMPLE, 0.03466823209753704),
    **_ALIKE,
)
def bhattacharyya(output: Tensor, target: Tensor) -> Tensor:
    """Return the Bhattacharyya distance: minus the logarithm of 1 less hellinger."""
    return -(output * target).sqrt().sum(dim=-1).log()


def _log_norm(logs: Tensor) -> Tensor:
    return (2 * logs).logsumexp(dim=-1) / 2


def _cauchy_schwarz(logs: Tensor, target: Tensor) -> Tensor:
    known = target.log()
    return _log_norm(logs) + _log_norm(known) - (logs + known).logsumexp(dim=-1)


@loss(
    source="Janocha & Czarnecki 2017; Principe 2010",
    formula="-log(p . y / (|p| |y|))",
    aliases=("dcs", "DCS"),
    fused={"softmax": lambda raw, target: _cauchy_schwarz(log_softmax(raw), target)},
    example=(*_EXAMPLE, 0.11157177565710491),
    **_ALIKE,
)
def cauchy_schwarz_divergence(output: Tensor, target: Tensor) -> Tensor:
    """Return the Cauchy-Schwarz divergence: minus the logarithm of 1 less cosine."""
    return _cauchy_schwarz(output.log(), target)


@loss(
    source="Tanimoto 1958; Janocha & Czarnecki 2017",
    formula="1 - p . y / (|p|^2 + |y|^2 - p . y)",
    aliases=("tan",),
    example=(*_EXAMPLE, 0.2),
    **_ALIKE,
)
def tanimoto(output: Tensor, target: Tensor) -> Tensor:
    """Return the Tanimoto distance, between 0 and 1."""
    both = (output * target).sum(dim=-1)
    return 1 - both / (output.square().sum(dim=-1) + target.square().sum(dim=-1) - both)


LOSSES = (reverse_kl, bhattacharyya, cauchy_schwarz_divergence, tanimoto)

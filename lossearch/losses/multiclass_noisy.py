"""Losses of several classes that make allowance for wrong labels, by cutting off or by what is known of them.

They read the probability p of the true class alone, see ``multiclass_of_true``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import is_true, log_softmax, true_class
from lossearch._lazy import torch
from lossearch.losses.declaration import loss
from lossearch.losses.multiclass_focal import log_rivals
from lossearch.losses.multiclass_of_true import gce, log_true, pushed
from lossearch.losses.parameter import Parameter
from lossearch.losses.relations import Contained

if TYPE_CHECKING:
    from torch import Tensor


def _truncated(log_right: Tensor, q: float | Tensor, k: float | Tensor) -> Tensor:
    least = torch.as_tensor(k, dtype=log_right.dtype, device=log_right.device).log()
    return -torch.expm1(q * log_right.maximum(least)) / q


def _truncated_from_raw(raw: Tensor, target: Tensor, *, q: float | Tensor, k: float | Tensor) -> Tensor:
    return _truncated(log_true(raw, target), q, k)


def _truncated_derivative(raw: Tensor, target: Tensor, *, q: float | Tensor, k: float | Tensor) -> Tensor:
    return pushed(raw, target, lambda log_p: torch.exp(q * log_p) * (log_p.exp() > k))


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Zhang & Sabuncu 2018",
    class_name="TruncatedGCE",
    formula="(1 - max(p_y, k)^q) / q",
    aliases=("truncated_lq", "truncated_generalized_cross_entropy"),
    params=(
        *gce.params,
        Parameter(
            "k",
            0.05,
            0.001,
            0.5,
            log=True,
            words="probability of its label up to which a row teaches nothing; the paper's is 0.5, after training without it",
            valid=(1e-12, 1 - 1e-6),
        ),
    ),
    contains=(Contained("gce", {"k": 0.001}, shared={"q": "q"}),),
    fused={"softmax": _truncated_from_raw},
    fused_derivative={"softmax": _truncated_derivative},
    caution={
        "softmax": "rows whose label has a probability of k or less have no gradient, of a fresh network those of all classes "
        "where k is above 1 by their number."
    },
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.5491825618964884),
)
def truncated_gce(output: Tensor, target: Tensor, *, q: float | Tensor, k: float | Tensor) -> Tensor:
    """Return gce, but the same for all rows whose label is less likely than k."""
    return _truncated(true_class(output, target).log(), q, k)


def _noisy(log_right: Tensor, log_wrong: Tensor, noise: float | Tensor, classes: int) -> Tensor:
    """Return the log-probability of a label that is another one, at random, with probability ``noise``."""
    share = torch.as_tensor(noise, dtype=log_right.dtype, device=log_right.device)
    return torch.logaddexp(torch.log1p(-share) + log_right, (share / (classes - 1)).log() + log_wrong)


def _forward_from_raw(raw: Tensor, target: Tensor, *, noise: float | Tensor) -> Tensor:
    logs = log_softmax(raw)
    return -_noisy(true_class(logs, target), log_rivals(logs, is_true(logs, target)), noise, raw.shape[-1])


def _forward_derivative(raw: Tensor, target: Tensor, *, noise: float | Tensor) -> Tensor:
    others = raw.shape[-1] - 1

    def push(log_p: Tensor) -> Tensor:
        right = log_p.exp()
        slope = 1 - noise - noise / others
        return slope * right / (noise / others + slope * right)

    return pushed(raw, target, push)


@loss(
    task="multiclass",
    encoding="index",
    domain="simplex",
    families=("noisy_labels",),
    source="Patrini et al. 2017",
    class_name="ForwardCE",
    formula="-log((1 - noise) p_y + noise (1 - p_y) / (C - 1))",
    aliases=("forward_correction", "forward_loss"),
    params=(
        Parameter(
            "noise", 0.1, 0.0, 0.5, words="share of the labels that are wrong, any other class alike", valid=(0.0, 0.5)
        ),
    ),
    contains=(Contained("cross_entropy", {"noise": 0.0}),),
    fused={"softmax": _forward_from_raw},
    fused_derivative={"softmax": _forward_derivative},
    caution={
        "softmax": "what it gives is of the classes, not of the labels as they are written, and is judged by those."
    },
    on_request=True,
    example=([[0.25, 0.5, 0.25]], [1], 0.7444404749474958),
)  # fmt: skip
def forward_ce(output: Tensor, target: Tensor, *, noise: float | Tensor) -> Tensor:
    """Return the cross-entropy of labels of which a share is wrong, corrected for by what is predicted of them."""
    right = true_class(output, target)
    return -_noisy(right.log(), torch.log1p(-right), noise, output.shape[-1])


LOSSES = (truncated_gce, forward_ce)

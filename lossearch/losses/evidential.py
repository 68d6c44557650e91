"""The evidential loss of several classes: outputs are evidence, of which a Dirichlet distribution is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._class_axis import plus_true_class, true_class
from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss
from lossearch.losses.parameter import Parameter

if TYPE_CHECKING:
    from torch import Tensor


def _from_uniform(concentration: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of Dirichlet distributions, (..., C), from the uniform one."""
    total = concentration.sum(dim=-1, keepdim=True)
    logs = torch.lgamma(total.squeeze(-1)) - torch.lgamma(concentration).sum(dim=-1)
    expected = torch.digamma(concentration) - torch.digamma(total)
    uniform = torch.lgamma(torch.full_like(total, concentration.shape[-1])).squeeze(-1)
    return logs - uniform + ((concentration - 1) * expected).sum(dim=-1)


@loss(
    task="multiclass",
    encoding="index",
    domain="margins",
    source="Sensoy et al. 2018",
    formula="sum_k (y_k - p_k)^2 + p_k (1 - p_k) / (S + 1) + strength KL(Dir(y + (1 - y) a), Dir(1)), a = 1 + log(1 + exp f), "
    "S = sum_k a_k, p = a / S",
    aliases=("evidential_classification", "edl"),
    params=(
        Parameter(
            "strength",
            0.1,
            0.01,
            1.0,
            log=True,
            words="how much evidence for wrong classes costs; the paper lets it grow from 0 to 1 over ten epochs, as anneal(0, 1) does",
            valid=(0.0, 1e3),
        ),
    ),
    caution={
        "identity": "gives no probabilities that are least in expected loss; evidence is judged by the label alone."
    },
    on_request=True,
    example=([[0.5, -1.0, 1.0]], [2], 0.6443601245589066),
)
def evidential(output: Tensor, target: Tensor, *, strength: float | Tensor) -> Tensor:
    """Return the expected squared error of a Dirichlet distribution, and what its evidence for wrong classes costs."""
    concentration = 1 + functional.softplus(output)
    total = concentration.sum(dim=-1, keepdim=True)
    p = concentration / total
    error = plus_true_class(p, target, -1.0).square() + p * (1 - p) / (total + 1)
    wrong = plus_true_class(concentration, target, 1 - true_class(concentration, target))
    return error.sum(dim=-1) + strength * _from_uniform(wrong)


LOSSES = (evidential,)

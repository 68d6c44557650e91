"""Losses that compare the labels of a row with one another: those that are there are to score above those that are not.

P and N below are the labels that are there and that are not, z raw scores. A row without one of them costs nothing where
pairs of them are compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import functional, torch
from lossearch.losses.declaration import loss

if TYPE_CHECKING:
    from torch import Tensor

_NONE = -1e9
"""What stands for minus infinity, whose gradient would be no number."""
_FARTHEST = 50.0
"""Beyond this exponent the exponential loss goes on as a line."""
_RANKS = {
    "identity": "scores are comparable within a row alone: a threshold of 0 is not learned, so judge by a ranking metric."
}


def _log_sum(scores: Tensor, chosen: Tensor) -> Tensor:
    """Return the logarithm of the sum of exp(score) over chosen labels, about -1e9 where there are none."""
    return scores.masked_fill(~chosen, _NONE).logsumexp(dim=-1)


def _log_pairs(output: Tensor, target: Tensor) -> Tensor:
    """Return the logarithm of the sum over p in P and n in N of exp(z_n - z_p)."""
    there = target > 0
    return _log_sum(output, ~there) + _log_sum(-output, there)


@loss(
    task="multilabel",
    encoding="plus_minus_one",
    domain="margins",
    joint=True,
    families=("ranking",),
    source="Li, Song & Luo 2017",
    class_name="LSEP",
    formula="log(1 + sum over P and N of exp(z_n - z_p))",
    aliases=("log_sum_exp_pairwise",),
    caution=_RANKS,
    on_request=True,
    example=([2.0, 0.0, 1.0], [1.0, -1.0, -1.0], 0.4076059644443804),
)
def lsep(output: Tensor, target: Tensor) -> Tensor:
    """Return a smooth count of pairs of labels in the wrong order."""
    return functional.softplus(_log_pairs(output, target))


@loss(
    task="multilabel",
    encoding="plus_minus_one",
    domain="margins",
    joint=True,
    families=("ranking",),
    source="Su et al. 2022",
    class_name="ZLPR",
    formula="log(1 + sum over N of exp(z_n)) + log(1 + sum over P of exp(-z_p))",
    aliases=("zero_bounded_log_sum_exp_pairwise",),
    on_request=True,
    example=([2.0, 0.0, 1.0], [1.0, -1.0, -1.0], 1.6783727249750235),
)
def zlpr(output: Tensor, target: Tensor) -> Tensor:
    """Return a smooth count of pairs in the wrong order, 0 among them as a label between P and N."""
    there = target > 0
    return functional.softplus(_log_sum(output, ~there)) + functional.softplus(_log_sum(-output, there))


@loss(
    task="multilabel",
    encoding="plus_minus_one",
    domain="margins",
    joint=True,
    families=("ranking",),
    source="Zhang & Zhou 2006",
    class_name="BPMLL",
    formula="mean over P and N of exp(z_n - z_p)",
    caution=_RANKS,
    on_request=True,
    example=([2.0, 0.0, 1.0], [1.0, -1.0, -1.0], 0.2516073622040275),
)
def bp_mll(output: Tensor, target: Tensor) -> Tensor:
    """Return the mean exponential of how far pairs of labels are in the wrong order."""
    there = (target > 0).sum(dim=-1)
    pairs = there * (target.shape[-1] - there)
    mean = _log_pairs(output, target) - pairs.clamp(min=1).to(output.dtype).log()
    near = mean.clamp(max=_FARTHEST)
    return torch.exp(near) * (1 + mean - near)


@loss(
    task="multilabel",
    encoding="plus_minus_one",
    domain="margins",
    joint=True,
    families=("ranking", "margin"),
    source="Crammer & Singer 2003; torch.nn.functional.multilabel_margin_loss",
    formula="sum over P and N of max(0, 1 - (z_p - z_n)) / L",
    aliases=("multilabel_margin_loss", "MultiLabelMarginLoss"),
    caution=_RANKS,
    kinks=(0.0,),
    on_request=True,
    example=([2.0, 0.5, 1.5], [1.0, -1.0, -1.0], 0.16666666666666666),
)
def multilabel_margin(output: Tensor, target: Tensor) -> Tensor:
    """Return how far pairs of labels fall short of a margin of 1, by the number of labels."""
    there = target > 0
    short = (1 - output.unsqueeze(-1) + output.unsqueeze(-2)).clamp(min=0)
    counted = there.unsqueeze(-1) & ~there.unsqueeze(-2)
    return short.masked_fill(~counted, 0.0).sum(dim=(-2, -1)) / output.shape[-1]


LOSSES = (lsep, zlpr, bp_mll, multilabel_margin)

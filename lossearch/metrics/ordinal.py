"""Scores of predicted levels, which have an order, for a stack of models at once.

Predictions have a leading axis K, targets are (N,) levels counted from 0; every function gives (K,) float64. A model with
a non-finite output scores NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.classification import confusion, ratio
from lossearch.metrics.definedness import of_two_classes
from lossearch.metrics.leverage import far_level
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read, summarised

if TYPE_CHECKING:
    from torch import Tensor


def _levels_off(predictions: Predictions, target: Tensor) -> Tensor:
    return (read(predictions, "label").long() - target.long()).abs()


@finite_only("score")
def ordinal_mae(predictions: Predictions, target: Tensor) -> Tensor:
    """Mean of how many levels predictions are off."""
    return _levels_off(predictions, target).double().mean(dim=-1)


@finite_only("score")
def off_by_one(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of rows whose level is right, or next to the right one."""
    return (_levels_off(predictions, target) <= 1).double().mean(dim=-1)


@finite_only("probability")
def rps(predictions: Predictions, target: Tensor) -> Tensor:
    """Ranked probability score (Epstein 1969): Brier's of "above level k", mean over the K - 1 such; 0 to 1."""
    p = read(predictions, "probability").double()
    level = torch.arange(p.shape[-1] - 1, device=p.device)
    reached = (target.long().unsqueeze(-1) <= level).double()
    return (p[..., :-1].cumsum(dim=-1) - reached).square().mean(dim=(-2, -1))


@summarised("score", confusion)
def qwk(counts: Tensor) -> Tensor:
    """Weighted kappa with quadratic weights (Cohen 1968); 0 where it is not defined."""
    level = torch.arange(counts.shape[-1], dtype=counts.dtype, device=counts.device)
    charge = (level.unsqueeze(-1) - level).square()
    true, predicted = counts.sum(dim=-1), counts.sum(dim=-2)
    by_chance = ((true @ charge) * predicted).sum(dim=-1) / true.sum(dim=-1)
    cost = (counts * charge).sum(dim=(-2, -1))
    return torch.where(by_chance > 0, 1 - ratio(cost, by_chance), 0.0)


@summarised("score", confusion)
def kendall(counts: Tensor) -> Tensor:
    """Kendall's tau-b of predicted and true levels (Kendall 1945); 0 where one of them is the same in all rows."""
    # pairs of which both are higher, and of which one is and the other lower, by sums over the lower rest of the table
    lower = _below(_below(counts).transpose(-1, -2)).transpose(-1, -2)
    crossed = _below(_below(counts.flip(-1)).transpose(-1, -2)).transpose(-1, -2).flip(-1)
    agreed = (counts * lower).sum(dim=(-2, -1))
    opposed = (counts * crossed).sum(dim=(-2, -1))
    n = counts.sum(dim=(-2, -1))
    apart = [(n.square() - counts.sum(dim=d).square().sum(dim=-1)) / 2 for d in (-2, -1)]
    return ratio(agreed - opposed, (apart[0] * apart[1]).sqrt())


def _below(counts: Tensor) -> Tensor:
    """Return the sums over what stands before each place of the last axis."""
    return counts.cumsum(dim=-1) - counts


@summarised("score", confusion)
def spearman(counts: Tensor) -> Tensor:
    """Spearman's rank correlation of predicted and true levels; 0 where one of them is the same in all rows."""
    n = counts.sum(dim=(-2, -1), keepdim=True)
    ranks = []
    for axis in (-1, -2):
        rows = counts.sum(dim=axis)
        # mean rank of tied rows, from the middle of all
        ranks.append(_below(rows) + rows / 2 - n.squeeze(-1) / 2)
    true, predicted = ranks
    together = (counts * true.unsqueeze(-1) * predicted.unsqueeze(-2)).sum(dim=(-2, -1))
    spread = (counts.sum(dim=-1) * true.square()).sum(dim=-1) * (counts.sum(dim=-2) * predicted.square()).sum(
        dim=-1
    )
    return ratio(together, spread.sqrt())


_KINDS = ("ordinal",)
METRICS = (
    Metric(
        "qwk", _KINDS, MAXIMIZE, qwk, "label", "median", "weighted kappa, quadratic weights",
        aliases=("quadratic_weighted_kappa", "weighted_kappa"),
        low=-1, high=1, leverage=far_level, undefined=of_two_classes,
    ),
    Metric(
        "ordinal_mae", _KINDS, MINIMIZE, ordinal_mae, "label", "median", "how many levels off, on average",
        aliases=("mae", "mean_absolute_error", "neg_mean_absolute_error"), by_row=True, low=0,
    ),
    Metric(
        "off_by_one", _KINDS, MAXIMIZE, off_by_one, "label", "median", "share of rows at most one level off",
        aliases=("off_by_one_accuracy", "adjacent_accuracy", "one_off_accuracy"), by_row=True, low=0, high=1,
    ),
    Metric(
        "rps", _KINDS, MINIMIZE, rps, "probability", "prior", "ranked probability score",
        aliases=("ranked_probability_score",), by_row=True, low=0, high=1,
    ),
    Metric(
        "kendall", _KINDS, MAXIMIZE, kendall, "label", "median", "Kendall's tau-b of levels",
        aliases=("kendall_tau", "kendalltau", "tau_b"), on_request=True, low=-1, high=1, leverage=far_level,
        undefined=of_two_classes,
    ),
    Metric(
        "spearman", _KINDS, MAXIMIZE, spearman, "label", "median", "Spearman's rank correlation of levels",
        aliases=("spearmanr", "spearman_corrcoef"), on_request=True, low=-1, high=1, leverage=far_level,
        undefined=of_two_classes,
    ),
)  # fmt: skip

"""Scores of predicted shares, for a stack of models at once: ``value`` (K, N, C), target (N, C), rows summing to 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.metric import MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 1e-7
"""What a smaller predicted share counts as where its logarithm is taken: the resolution of float32."""


def _shares(predictions: Predictions, target: Tensor) -> tuple[Tensor, Tensor]:
    return read(predictions, "value").double(), target.double()


@finite_only("value")
def kl(predictions: Predictions, target: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the prediction from the target, KL(target || prediction), in nats."""
    value, true = _shares(predictions, target)
    terms = torch.xlogy(true, true) - true * value.clamp(min=FLOOR).log()
    # below 0 by rounding alone
    return terms.sum(dim=-1).clamp(min=0).mean(dim=-1)


@finite_only("value")
def total_variation(predictions: Predictions, target: Tensor) -> Tensor:
    """Half of the sum of absolute errors of a row: what would have to move from part to part."""
    value, true = _shares(predictions, target)
    return (value - true).abs().sum(dim=-1).mean(dim=-1) / 2


@finite_only("value")
def hellinger(predictions: Predictions, target: Tensor) -> Tensor:
    """Hellinger distance, between 0 and 1."""
    value, true = _shares(predictions, target)
    apart = value.clamp(min=0).sqrt() - true.sqrt()
    return (apart.square().sum(dim=-1) / 2).sqrt().mean(dim=-1)


def _log_ratios(shares: Tensor) -> Tensor:
    logs = shares.log()
    return logs - logs.mean(dim=-1, keepdim=True)


@finite_only("value")
def aitchison(predictions: Predictions, target: Tensor) -> Tensor:
    """Aitchison distance: between centred log-ratios; infinite where a target's share is 0."""
    value, true = _shares(predictions, target)
    apart = _log_ratios(value.clamp(min=FLOOR)) - _log_ratios(true)
    return apart.square().sum(dim=-1).sqrt().mean(dim=-1)


def of_no_zeros(target: Tensor) -> str:
    """Return what is lacking where a share is 0."""
    return "" if bool((target > 0).all()) else "a share in it is 0, which has no logarithm"


_KIND = ("compositional",)

METRICS = (
    Metric(
        "kl", _KIND, MINIMIZE, kl, "value", "mean", "Kullback-Leibler divergence from the target, in nats",
        aliases=("kl_divergence", "relative_entropy"), by_row=True, low=0,
    ),
    Metric(
        "total_variation", _KIND, MINIMIZE, total_variation, "value", "median",
        "half of the absolute errors of a row", aliases=("total_variation_distance",), by_row=True, low=0, high=1,
    ),
    Metric(
        "hellinger", _KIND, MINIMIZE, hellinger, "value", "mean", "Hellinger distance",
        aliases=("hellinger_distance",), by_row=True, low=0, high=1,
    ),
    Metric(
        "aitchison", _KIND, MINIMIZE, aitchison, "value", "mean", "distance of centred log-ratios",
        aliases=("aitchison_distance",), on_request=True, by_row=True, low=0, undefined=of_no_zeros,
    ),
)  # fmt: skip

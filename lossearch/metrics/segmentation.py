"""Scores of predicted masks, for a stack of models at once.

Labels are (K, N, P) bytes of 0 and 1, a number for each of the P pixels, and targets (N, P); every function gives (K,)
float64. All but one are means over images, in which each image counts alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lossearch._lazy import torch
from lossearch.kinds import STEPS, Predictions
from lossearch.metrics.classification import ratio
from lossearch.metrics.definedness import of_labels
from lossearch.metrics.leverage import any_label
from lossearch.metrics.metric import MAXIMIZE, Metric
from lossearch.metrics.scoring import read, summarised

if TYPE_CHECKING:
    from torch import Tensor


class Pixels(NamedTuple):
    """How many pixels of each mask were hit, predicted and true, (K, N), and how many there are."""

    hit: Tensor
    predicted: Tensor
    true: Tensor
    number: int


def pixels(predictions: Predictions, target: Tensor) -> Pixels:
    """Return the pixels hit, predicted and true."""
    # bytes: masks of hundreds of models are large
    label, there = read(predictions, "label").to(torch.uint8), target.to(torch.uint8)
    hit, predicted = ((x.sum(dim=-1)).double() for x in (label & there, label))
    return Pixels(hit, predicted, there.sum(dim=-1).double().expand_as(hit), target.shape[-1])


def pixels_from_steps(steps: Tensor, target: Tensor) -> Pixels:
    """Return the pixels of masks that hold what is at a step or above it, for every step: K is that many.

    Args:
        steps: (N, P) as predictions have them.
        target: (N, P) of 0 and 1.
    """
    n, there = len(steps), target.to(torch.int64)
    mask = torch.arange(n, device=steps.device).unsqueeze(-1)
    place = (2 * mask + there) * STEPS + steps.to(torch.int64)
    counts = torch.bincount(place.flatten(), minlength=2 * n * STEPS).reshape(n, 2, STEPS)
    above = counts.flip(-1).cumsum(dim=-1).flip(-1).permute(2, 0, 1).double()
    hit, predicted = above[..., 1], above.sum(dim=-1)
    return Pixels(hit, predicted, there.sum(dim=-1).double().expand_as(hit), target.shape[-1])


def _or_empty(top: Tensor, bottom: Tensor) -> Tensor:
    """Divide, with 1 for 0/0: nothing was to be marked, and nothing is."""
    return torch.where(bottom > 0, ratio(top, bottom), 1.0)


@summarised("score", pixels)
def iou(at: Pixels) -> Tensor:
    """Intersection over union of each mask, averaged; 1 for an empty one of which nothing is marked."""
    return _or_empty(at.hit, at.predicted + at.true - at.hit).mean(dim=-1)


@summarised("score", pixels)
def dice(at: Pixels) -> Tensor:
    """F1 of the pixels of each mask, averaged; 1 for an empty one of which nothing is marked."""
    return _or_empty(2 * at.hit, at.predicted + at.true).mean(dim=-1)


@summarised("score", pixels)
def micro_iou(at: Pixels) -> Tensor:
    """Intersection over union of all pixels of all masks together."""
    hit, predicted, true = (x.sum(dim=-1) for x in (at.hit, at.predicted, at.true))
    return _or_empty(hit, predicted + true - hit)


@summarised("score", pixels)
def pixel_accuracy(at: Pixels) -> Tensor:
    """Share of pixels that are right."""
    return 1 - (at.predicted + at.true - 2 * at.hit).sum(dim=-1) / (at.hit.shape[-1] * at.number)


_MASKS = ("segmentation",)

METRICS = (
    Metric(
        "iou", _MASKS, MAXIMIZE, iou, "label", "majority", "intersection over union of each mask, averaged",
        aliases=("jaccard_index", "mean_iou"), by_row=True, low=0, high=1,
    ),
    Metric(
        "dice", _MASKS, MAXIMIZE, dice, "label", "majority", "F1 of each mask's pixels, averaged",
        aliases=("f1", "f1_score", "dice_score"), by_row=True, low=0, high=1,
    ),
    Metric(
        "micro_iou", _MASKS, MAXIMIZE, micro_iou, "label", "majority", "intersection over union of all pixels together",
        aliases=("iou_micro", "pooled_iou"), low=0, high=1, leverage=any_label, undefined=of_labels,
    ),
    Metric(
        "pixel_accuracy", _MASKS, MAXIMIZE, pixel_accuracy, "label", "majority", "share of pixels that are right",
        aliases=("accuracy", "acc"), by_row=True, low=0, high=1,
    ),
)  # fmt: skip

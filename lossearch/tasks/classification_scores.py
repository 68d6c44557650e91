"""Scores of class predictions, for a stack of models at once.

Predictions have a leading axis K, targets are (N,) or (N, 1) class indices; every function gives (K,)
float64. A model with a non-finite output scores NaN.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from lossearch.pairs import Predictions

ECE_BINS = 15
Score = Callable[[Predictions, Tensor], Tensor]


def read(predictions: Predictions, name: str) -> Tensor:
    """Return a field of the predictions that the caller knows to be there."""
    values: Tensor | None = getattr(predictions, name)
    if values is None:
        raise ValueError(f"these predictions have no {name}")
    return values


def finite_only(name: str) -> Callable[[Score], Score]:
    """Give NaN for the models whose field ``name`` is not finite."""

    def decorate(score: Score) -> Score:
        @functools.wraps(score)
        def guarded(predictions: Predictions, target: Tensor) -> Tensor:
            values = getattr(predictions, name)
            found = score(predictions, target)
            if values is None:
                return found
            finite = torch.isfinite(values).flatten(1).all(dim=1)
            return found.masked_fill(~finite, torch.nan)

        return guarded

    return decorate


def _classes(target: Tensor) -> Tensor:
    return (target.squeeze(-1) if target.ndim == 2 else target).long()


def _n_classes(predictions: Predictions, label: Tensor, target: Tensor) -> int:
    score = predictions.score
    if score is not None and score.ndim > label.ndim:
        return score.shape[-1]
    return max(1, int(label.max()), int(target.max())) + 1


def confusion(predictions: Predictions, target: Tensor) -> Tensor:
    """Return counts (K, C, C) by true class and predicted class."""
    label, true = read(predictions, "label"), _classes(target)
    c = _n_classes(predictions, label, true)
    k = len(label)
    block = torch.arange(k, device=label.device).unsqueeze(1) * c
    cell = (block + true) * c + label
    return torch.bincount(cell.flatten(), minlength=k * c * c).view(k, c, c).double()


def _ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """Divide, with 0 for 0/0."""
    return torch.where(bottom > 0, top / bottom.clamp(min=1e-300), 0.0)


def _mean_over(values: Tensor, present: Tensor) -> Tensor:
    return (values * present).sum(dim=-1) / present.sum(dim=-1)


@finite_only("score")
def accuracy(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of rows whose class is right."""
    return (read(predictions, "label") == _classes(target)).double().mean(dim=-1)


@finite_only("score")
def balanced_accuracy(predictions: Predictions, target: Tensor) -> Tensor:
    """Recall, mean over the classes that the target holds."""
    counts = confusion(predictions, target)
    support = counts.sum(dim=-1)
    return _mean_over(_ratio(counts.diagonal(dim1=-2, dim2=-1), support), support > 0)


def _macro(
    predictions: Predictions, target: Tensor, of: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    counts = confusion(predictions, target)
    hit, guessed, support = counts.diagonal(dim1=-2, dim2=-1), counts.sum(dim=-2), counts.sum(dim=-1)
    return _mean_over(of(hit, guessed, support), guessed + support > 0)


@finite_only("score")
def precision_macro(predictions: Predictions, target: Tensor) -> Tensor:
    """Precision, mean over the classes that occur in target or predictions; 0 for one never predicted."""
    return _macro(predictions, target, lambda hit, guessed, _: _ratio(hit, guessed))


@finite_only("score")
def recall_macro(predictions: Predictions, target: Tensor) -> Tensor:
    """Recall, mean over the classes that occur in target or predictions."""
    return _macro(predictions, target, lambda hit, _, support: _ratio(hit, support))


@finite_only("score")
def f1_macro(predictions: Predictions, target: Tensor) -> Tensor:
    """F1, mean over the classes that occur in target or predictions."""
    return _macro(predictions, target, lambda hit, guessed, support: _ratio(2 * hit, guessed + support))


@finite_only("score")
def mcc(predictions: Predictions, target: Tensor) -> Tensor:
    """Matthews correlation (Gorodkin 2004 for more than two classes); 0 where it is not defined."""
    counts = confusion(predictions, target)
    hit = counts.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    guessed, support = counts.sum(dim=-2), counts.sum(dim=-1)
    n = support.sum(dim=-1)
    covariance = hit * n - (guessed * support).sum(dim=-1)
    spread = (n**2 - (guessed**2).sum(dim=-1)) * (n**2 - (support**2).sum(dim=-1))
    return _ratio(covariance, spread.sqrt())


def _steps(score: Tensor, positive: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return true and false positives at each distinct threshold, and at the one before, (..., N).

    Positions inside a run of equal scores repeat the threshold before, so that they add nothing.
    """
    # numpy sorts rows several times as fast as torch
    order = torch.from_numpy(np.argsort(-score.detach().cpu().numpy(), axis=-1)).to(score.device)
    ordered = score.gather(-1, order)
    hit = positive.expand_as(score).gather(-1, order).double()
    last = torch.ones_like(ordered, dtype=torch.bool)
    last[..., :-1] = ordered[..., :-1] != ordered[..., 1:]

    def at_thresholds(flag: Tensor) -> tuple[Tensor, Tensor]:
        now = (flag.cumsum(dim=-1) * last).cummax(dim=-1).values
        before = torch.nn.functional.pad(now[..., :-1], (1, 0))
        return now, before

    return *at_thresholds(hit), *at_thresholds(1 - hit)


def _rank_auroc(score: Tensor, positive: Tensor) -> Tensor:
    tp, tp_before, fp, fp_before = _steps(score, positive)
    area = ((fp - fp_before) * (tp + tp_before)).sum(dim=-1) / 2
    return area / (tp[..., -1] * fp[..., -1])


def _rank_average_precision(score: Tensor, positive: Tensor) -> Tensor:
    tp, tp_before, fp, _ = _steps(score, positive)
    return ((tp - tp_before) * _ratio(tp, tp + fp)).sum(dim=-1) / tp[..., -1]


def _one_vs_rest(predictions: Predictions, target: Tensor, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    label_ndim = read(predictions, "label").ndim
    score, true = read(predictions, "score"), _classes(target)
    if score.ndim == label_ndim:
        return of(score, true == 1)
    # Raw scores of one row may share any constant: probabilities compare between rows.
    p = predictions.probability
    comparable = score.softmax(dim=-1) if p is None else p
    classes = torch.arange(score.shape[-1], device=true.device).unsqueeze(1)
    return of(comparable.transpose(-1, -2), true == classes).nanmean(dim=-1)


@finite_only("score")
def auroc(predictions: Predictions, target: Tensor) -> Tensor:
    """Area under the ROC curve, ties counted half; one class against the rest, mean over classes.

    Classes without rows, or holding all rows, are left out of the mean; NaN where none is left.
    """
    return _one_vs_rest(predictions, target, _rank_auroc)


@finite_only("score")
def average_precision(predictions: Predictions, target: Tensor) -> Tensor:
    """Average precision; one class against the rest, mean over the classes that have rows."""
    return _one_vs_rest(predictions, target, _rank_average_precision)


@finite_only("probability")
def log_loss(predictions: Predictions, target: Tensor) -> Tensor:
    """Minus the mean log probability of the true class, clipped at the resolution of the type."""
    p, true = read(predictions, "probability"), _classes(target)
    if p.ndim == read(predictions, "label").ndim:
        own = torch.where(true == 1, p.double(), 1 - p.double())
    else:
        own = p.gather(-1, true.expand(p.shape[:-1]).unsqueeze(-1)).squeeze(-1).double()
    eps = torch.finfo(p.dtype).eps
    return -own.clamp(eps, 1 - eps).log().mean(dim=-1)


@finite_only("probability")
def brier(predictions: Predictions, target: Tensor) -> Tensor:
    """Squared error of the probabilities: of class 1 (0 to 1), or summed over classes (0 to 2)."""
    p, true = read(predictions, "probability").double(), _classes(target)
    if p.ndim == read(predictions, "label").ndim:
        return (p - true).square().mean(dim=-1)
    hot = torch.nn.functional.one_hot(true, p.shape[-1])
    return (p - hot).square().sum(dim=-1).mean(dim=-1)


@finite_only("probability")
def ece(predictions: Predictions, target: Tensor) -> Tensor:
    """Expected calibration error over 15 equal bins: of class 1, or of the likeliest class (Guo 2017)."""
    p, true = read(predictions, "probability"), _classes(target)
    if p.ndim == read(predictions, "label").ndim:
        confidence, right = p.double(), (true == 1).expand_as(p).double()
    else:
        top = p.max(dim=-1)
        confidence, right = top.values.double(), (top.indices == true).double()
    edges = torch.linspace(0, 1, ECE_BINS + 1, dtype=torch.double, device=p.device)
    place = (torch.bucketize(confidence.contiguous(), edges, right=True) - 1).clamp(0, ECE_BINS - 1)
    gap = confidence.new_zeros(len(p), ECE_BINS).scatter_add_(1, place, confidence - right)
    return gap.abs().sum(dim=-1) / p.shape[1]


@finite_only("output")
def keras2_accuracy(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of rows where the rounded output equals the encoded target, as Keras 2 counted."""
    low, high = predictions.codes or (0.0, 1.0)
    code = torch.where(_classes(target) == 1, high, low)
    return (read(predictions, "output").round() == code).double().mean(dim=-1)

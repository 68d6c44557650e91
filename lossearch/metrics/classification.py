"""Scores of class predictions, for a stack of models at once.

Predictions have a leading axis K, targets are (N,) or (N, 1) class indices; every function gives (K,)
float64. A model with a non-finite output scores NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.definedness import of_class_one, of_two_classes
from lossearch.metrics.leverage import any_class, own_class, ranked_class
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read, summarised

if TYPE_CHECKING:
    from torch import Tensor

ECE_BINS = 15


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


def ratio(top: Tensor, bottom: Tensor) -> Tensor:
    """Divide, with 0 for 0/0."""
    return torch.where(bottom > 0, top / bottom.clamp(min=1e-300), 0.0)


def _mean_over(values: Tensor, present: Tensor) -> Tensor:
    return (values * present).sum(dim=-1) / present.sum(dim=-1)


@finite_only("score")
def accuracy(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of rows whose class is right."""
    label = read(predictions, "label")
    # bytes hold what two classes need
    right = label == _classes(target).to(label.dtype)
    return right.sum(dim=-1).double() / label.shape[-1]


@summarised("score", confusion)
def balanced_accuracy(counts: Tensor) -> Tensor:
    """Recall, mean over the classes that the target holds."""
    support = counts.sum(dim=-1)
    return _mean_over(ratio(counts.diagonal(dim1=-2, dim2=-1), support), support > 0)


def _macro(counts: Tensor, of: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
    hit, guessed, support = counts.diagonal(dim1=-2, dim2=-1), counts.sum(dim=-2), counts.sum(dim=-1)
    return _mean_over(of(hit, guessed, support), guessed + support > 0)


@summarised("score", confusion)
def precision_macro(counts: Tensor) -> Tensor:
    """Precision, mean over the classes that occur in target or predictions; 0 for one never predicted."""
    return _macro(counts, lambda hit, guessed, _: ratio(hit, guessed))


@summarised("score", confusion)
def recall_macro(counts: Tensor) -> Tensor:
    """Recall, mean over the classes that occur in target or predictions."""
    return _macro(counts, lambda hit, _, support: ratio(hit, support))


@summarised("score", confusion)
def f1_macro(counts: Tensor) -> Tensor:
    """F1, mean over the classes that occur in target or predictions."""
    return _macro(counts, lambda hit, guessed, support: ratio(2 * hit, guessed + support))


@summarised("score", confusion)
def mcc(counts: Tensor) -> Tensor:
    """Matthews correlation (Gorodkin 2004 for more than two classes); 0 where it is not defined."""
    hit = counts.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    guessed, support = counts.sum(dim=-2), counts.sum(dim=-1)
    n = support.sum(dim=-1)
    covariance = hit * n - (guessed * support).sum(dim=-1)
    spread = (n**2 - (guessed**2).sum(dim=-1)) * (n**2 - (support**2).sum(dim=-1))
    return ratio(covariance, spread.sqrt())


class Steps(NamedTuple):
    """True and false positives at each distinct threshold, and at the one before, (..., N).

    Positions inside a run of equal scores repeat the threshold before, so that they add nothing.
    """

    tp: Tensor
    tp_before: Tensor
    fp: Tensor
    fp_before: Tensor


def threshold_steps(score: Tensor, positive: Tensor) -> Steps:
    """Return the steps of scores (..., N) whose rows are ``positive``, (..., N) or (N,), or not."""
    order = _descending(score.detach())
    ordered = score.gather(-1, order)
    hit = positive.expand_as(score).gather(-1, order).double()
    tied = ordered[..., :-1] == ordered[..., 1:]
    tp = hit.cumsum(dim=-1)
    fp = torch.arange(1, hit.shape[-1] + 1, dtype=hit.dtype, device=hit.device) - tp
    if tied.any():
        last = torch.nn.functional.pad(~tied, (0, 1), value=True)
        tp, fp = ((now * last).cummax(dim=-1).values for now in (tp, fp))
    return Steps(tp, _before(tp), fp, _before(fp))


def _descending(score: Tensor) -> Tensor:
    if score.device.type != "cpu":
        return torch.argsort(-score, dim=-1)
    # numpy sorts rows several times as fast as torch does on a processor
    return torch.from_numpy(np.argsort(-score.numpy(), axis=-1))


def _before(counts: Tensor) -> Tensor:
    return torch.nn.functional.pad(counts[..., :-1], (1, 0))


def steps(predictions: Predictions, target: Tensor) -> Steps:
    """Return the steps of the class 1, (K, N), or of each class against the rest, (K, C, N)."""
    label_ndim = read(predictions, "label").ndim
    score, true = read(predictions, "score"), _classes(target)
    if score.ndim == label_ndim:
        return threshold_steps(score, true == 1)
    # Raw scores of one row may share any constant: probabilities compare between rows.
    p = predictions.probability
    comparable = score.softmax(dim=-1) if p is None else p
    classes = torch.arange(score.shape[-1], device=true.device).unsqueeze(1)
    return threshold_steps(comparable.transpose(-1, -2), true == classes)


def _over_classes(found: Tensor) -> Tensor:
    return found.nanmean(dim=-1) if found.ndim > 1 else found


@summarised("score", steps)
def auroc(at: Steps) -> Tensor:
    """Area under the ROC curve, ties counted half; one class against the rest, mean over classes.

    Classes without rows, or holding all rows, are left out of the mean; NaN where none is left.
    """
    area = ((at.fp - at.fp_before) * (at.tp + at.tp_before)).sum(dim=-1) / 2
    return _over_classes(area / (at.tp[..., -1] * at.fp[..., -1]))


@summarised("score", steps)
def average_precision(at: Steps) -> Tensor:
    """Average precision; one class against the rest, mean over the classes that have rows."""
    gained = ((at.tp - at.tp_before) * ratio(at.tp, at.tp + at.fp)).sum(dim=-1)
    return _over_classes(gained / at.tp[..., -1])


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


_CLASSES = ("binary", "multiclass")
_AVERAGE_PRECISION = Metric(
    "average_precision", ("binary",), MAXIMIZE, average_precision, "score", "prior",
    "average precision, one class vs rest", aliases=("ap", "pr_auc", "auprc", "average_precision_score"),
    low=0, high=1, leverage=any_class, undefined=of_class_one,
)  # fmt: skip
_MACRO = {
    Metric(
        "precision_macro", ("binary",), MAXIMIZE, precision_macro, "label", "majority", "precision, mean over classes",
        aliases=("macro_precision",), low=0, high=1, leverage=any_class, undefined=of_two_classes,
    ): ("precision", "precision_score"),
    Metric(
        "recall_macro", ("binary",), MAXIMIZE, recall_macro, "label", "majority",
        "recall, mean over classes that occur in target or predictions", aliases=("macro_recall",),
        low=0, high=1, leverage=own_class, undefined=of_two_classes,
    ): ("recall", "recall_score"),
    Metric(
        "f1_macro", ("binary",), MAXIMIZE, f1_macro, "label", "majority", "F1, mean over classes",
        aliases=("macro_f1",), low=0, high=1, leverage=any_class, undefined=of_two_classes,
    ): ("f1", "f1_score"),
}  # fmt: skip
"""Means over classes, and what they are called besides where there is no class that counts alone."""
_BRIER = Metric(
    "brier", ("binary",), MINIMIZE, brier, "probability", "prior", "squared error of the probabilities",
    aliases=("brier_score", "brier_score_loss", "neg_brier_score"), by_row=True, low=0, high=1,
)  # fmt: skip

METRICS = (
    Metric(
        "accuracy", _CLASSES, MAXIMIZE, accuracy, "label", "majority", "share of rows classed right",
        aliases=(
            "acc", "accuracy_score", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
        ), by_row=True, low=0, high=1,
    ),
    Metric(
        "balanced_accuracy", _CLASSES, MAXIMIZE, balanced_accuracy, "label", "majority",
        "recall, mean over classes", aliases=("balanced_acc", "bacc", "balanced_accuracy_score"),
        low=0, high=1, leverage=own_class, undefined=of_two_classes,
    ),
    *_MACRO,
    *(replace(m, kinds=("multiclass",), aliases=(*m.aliases, *names)) for m, names in _MACRO.items()),
    Metric(
        "mcc", _CLASSES, MAXIMIZE, mcc, "label", "majority", "Matthews correlation",
        aliases=("matthews_corrcoef", "matthews"), low=-1, high=1, leverage=any_class, undefined=of_two_classes,
    ),
    Metric(
        "auroc", _CLASSES, MAXIMIZE, auroc, "score", "prior", "area under the ROC curve, one class vs rest",
        aliases=("auc", "roc_auc", "roc_auc_score", "roc_auc_ovr"), low=0, high=1, leverage=ranked_class, undefined=of_two_classes,
    ),
    _AVERAGE_PRECISION,
    replace(_AVERAGE_PRECISION, kinds=("multiclass",), undefined=of_two_classes),
    Metric(
        "log_loss", _CLASSES, MINIMIZE, log_loss, "probability", "prior",
        "minus mean log probability of the true class", aliases=("neg_log_loss", "logloss"),
        by_row=True, low=0,
    ),
    _BRIER,
    replace(_BRIER, kinds=("multiclass",), high=2),
    Metric(
        "ece", _CLASSES, MINIMIZE, ece, "probability", "prior", "expected calibration error, 15 bins",
        aliases=("calibration_error", "expected_calibration_error"), low=0, high=1,
    ),
    Metric(
        "keras2_accuracy", ("binary",), MAXIMIZE, keras2_accuracy, "codes", "majority",
        "share of rows where the rounded output is the encoded target, as Keras 2 counted",
        on_request=True, by_row=True, low=0, high=1,
    ),
)  # fmt: skip

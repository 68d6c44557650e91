"""Scores of predicted labels, for a stack of models at once.

Predictions are (K, N, L), targets (N, L) of 0 and 1; every function gives (K,) float64. Scores over labels are
means in which each label counts alike, but for "micro", where each entry does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics import classification
from lossearch.metrics.classification import Steps, ratio, threshold_steps
from lossearch.metrics.definedness import of_labels, of_varied_labels
from lossearch.metrics.leverage import any_label, own_label, ranked_label
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, Metric
from lossearch.metrics.scoring import finite_only, read, summarised

if TYPE_CHECKING:
    from torch import Tensor


class Counts(NamedTuple):
    """Labels hit, predicted and true, (K, N, L)."""

    hit: Tensor
    predicted: Tensor
    true: Tensor


def counts(predictions: Predictions, target: Tensor) -> Counts:
    """Return which labels were hit, predicted and true."""
    predicted = read(predictions, "label").double()
    true = target.double().expand_as(predicted)
    return Counts(predicted * true, predicted, true)


def _f1(at: Counts, over: tuple[int, ...]) -> Tensor:
    hit, predicted, true = (x.sum(dim=over) for x in at)
    return ratio(2 * hit, predicted + true)


@finite_only("score")
def subset_accuracy(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of rows whose labels are all right."""
    return (read(predictions, "label") == target).all(dim=-1).double().mean(dim=-1)


@finite_only("score")
def hamming_loss(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of labels that are wrong."""
    return (read(predictions, "label") != target).double().mean(dim=(-2, -1))


@summarised("score", counts)
def f1_micro(at: Counts) -> Tensor:
    """F1 of all labels of all rows together; 0 where none is true or predicted."""
    return _f1(at, (-2, -1))


@summarised("score", counts)
def f1_macro(at: Counts) -> Tensor:
    """F1 of each label, averaged; 0 for one that is neither true nor predicted."""
    return _f1(at, (-2,)).mean(dim=-1)


@summarised("score", counts)
def f1_samples(at: Counts) -> Tensor:
    """F1 of each row, averaged; 0 for a row without labels for which none is predicted."""
    return _f1(at, (-1,)).mean(dim=-1)


def label_steps(predictions: Predictions, target: Tensor) -> Steps:
    """Return the steps of each label's scores, (K, L, N)."""
    return threshold_steps(read(predictions, "score").transpose(-1, -2), target.T == 1)


@summarised("score", label_steps)
def auroc(at: Steps) -> Tensor:
    """Area under each label's ROC curve, ties counted half, averaged over labels that some rows have and some lack."""
    return classification.auroc.fn(at)


@summarised("score", label_steps)
def average_precision(at: Steps) -> Tensor:
    """Average precision of each label, averaged over the labels that some rows have."""
    return classification.average_precision.fn(at)


def _own(predictions: Predictions, target: Tensor) -> Tensor:
    p = read(predictions, "probability")
    return torch.where(target == 1, p.double(), 1 - p.double())


@finite_only("probability")
def log_loss(predictions: Predictions, target: Tensor) -> Tensor:
    """Minus the mean log probability of what each label is, clipped at the resolution of the type."""
    eps = torch.finfo(read(predictions, "probability").dtype).eps
    return -_own(predictions, target).clamp(eps, 1 - eps).log().mean(dim=(-2, -1))


@finite_only("probability")
def brier(predictions: Predictions, target: Tensor) -> Tensor:
    """Squared error of the probability of each label, averaged."""
    return (1 - _own(predictions, target)).square().mean(dim=(-2, -1))


@finite_only("score")
def lrap(predictions: Predictions, target: Tensor) -> Tensor:
    """Share, for each label of a row, of those scored as high that are its labels too, averaged; 1 where all or none are."""
    score, true = read(predictions, "score"), target == 1
    total = torch.zeros(score.shape[:-1], dtype=torch.float64, device=score.device)
    for j in range(score.shape[-1]):
        above = score >= score[..., j : j + 1]
        total += true[:, j] * (above & true).sum(dim=-1) / above.sum(dim=-1)
    mixed = true.any(dim=-1) & ~true.all(dim=-1)
    return torch.where(mixed, total / true.sum(dim=-1).clamp(min=1), 1.0).mean(dim=-1)


@finite_only("score")
def ranking_loss(predictions: Predictions, target: Tensor) -> Tensor:
    """Share of the pairs of a label and one that is none which are not in order, averaged over rows; 0 where there are none."""
    score, true = read(predictions, "score"), target == 1
    wrong = torch.zeros(score.shape[:-1], dtype=torch.float64, device=score.device)
    for j in range(score.shape[-1]):
        wrong += true[:, j] * ((score >= score[..., j : j + 1]) & ~true).sum(dim=-1)
    there = true.sum(dim=-1)
    return (wrong / (there * (true.shape[-1] - there)).clamp(min=1)).mean(dim=-1)


_LABELS = ("multilabel",)

METRICS = (
    Metric(
        "f1_macro", _LABELS, MAXIMIZE, f1_macro, "label", "majority", "F1 of each label, averaged",
        aliases=("f1", "macro_f1", "f1_score"), low=0, high=1, leverage=own_label, undefined=of_labels,
    ),
    Metric(
        "f1_micro", _LABELS, MAXIMIZE, f1_micro, "label", "majority", "F1 of all labels together",
        aliases=("micro_f1",), low=0, high=1, leverage=any_label, undefined=of_labels,
    ),
    Metric(
        "f1_samples", _LABELS, MAXIMIZE, f1_samples, "label", "majority", "F1 of each row, averaged",
        aliases=("sample_f1", "samples_f1"), by_row=True, low=0, high=1,
    ),
    Metric(
        "subset_accuracy", _LABELS, MAXIMIZE, subset_accuracy, "label", "majority",
        "share of rows whose labels are all right", aliases=("exact_match", "accuracy", "acc"), by_row=True,
        low=0, high=1,
    ),
    Metric(
        "hamming_loss", _LABELS, MINIMIZE, hamming_loss, "label", "majority", "share of labels that are wrong",
        aliases=("hamming", "hamming_distance"), by_row=True, low=0, high=1,
    ),
    Metric(
        "auroc", _LABELS, MAXIMIZE, auroc, "score", "prior", "area under each label's ROC curve, averaged",
        aliases=("auc", "roc_auc", "roc_auc_score"), low=0, high=1, leverage=ranked_label, undefined=of_varied_labels,
    ),
    Metric(
        "average_precision", _LABELS, MAXIMIZE, average_precision, "score", "prior",
        "average precision of each label, averaged", aliases=("ap", "map", "pr_auc", "average_precision_score"),
        low=0, high=1, leverage=own_label, undefined=of_labels,
    ),
    Metric(
        "log_loss", _LABELS, MINIMIZE, log_loss, "probability", "prior",
        "minus mean log probability of what each label is", aliases=("neg_log_loss", "logloss"), by_row=True,
        low=0,
    ),
    Metric(
        "brier", _LABELS, MINIMIZE, brier, "probability", "prior", "squared error of the probabilities, averaged",
        aliases=("brier_score", "brier_score_loss"), by_row=True, low=0, high=1,
    ),
    Metric(
        "lrap", _LABELS, MAXIMIZE, lrap, "score", "prior", "label ranking average precision", on_request=True,
        aliases=("label_ranking_average_precision", "label_ranking_average_precision_score"), by_row=True, low=0, high=1,
    ),
    Metric(
        "ranking_loss", _LABELS, MINIMIZE, ranking_loss, "score", "prior",
        "share of a row's pairs of labels that are in the wrong order", on_request=True,
        aliases=("label_ranking_loss",), by_row=True, low=0, high=1,
    ),
)  # fmt: skip

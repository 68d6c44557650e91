"""Metrics: what judges a model, whatever loss it was trained with.

Every metric works on a stack: predictions (K, N, ...) and targets (N, ...) give K scores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lossearch._registry import Registry, did_you_mean, unknown_name
from lossearch.errors import InputError, UnknownNameError
from lossearch.losses import CATALOGUE
from lossearch.metrics import classification as classes
from lossearch.metrics import regression as values
from lossearch.metrics.scoring import Score
from lossearch.pairs import Predictions, with_long_label


@dataclass(frozen=True)
class Metric:
    """A score of whole-set predictions, loss-independent.

    ``fn(predictions, target)`` has leading axis K and gives (K,) float64. ``needs`` names the field of
    Predictions it reads; where a pair has none (no probabilities), the metric is not given.
    ``constant`` says which constant predictor stands for a diverged replicate: "prior" (class shares),
    "majority", "mean" or "median". ``by_row`` says that the score is the mean of what single rows score.
    """

    name: str
    kinds: tuple[str, ...]
    direction: str
    fn: Callable[[Predictions, Tensor], Tensor]
    needs: str
    constant: str
    words: str = ""
    on_request: bool = False
    aliases: tuple[str, ...] = ()
    by_row: bool = False

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.direction == "maximize" else -1


_CLASSES = ("binary", "multiclass")
_REAL = ("regression",)
_UP, _DOWN = "maximize", "minimize"

METRICS: Registry[Metric] = Registry(
    "metric",
    [
        Metric(
            "accuracy", _CLASSES, _UP, classes.accuracy, "label", "majority", "share of rows classed right",
            aliases=(
                "acc", "accuracy_score", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
            ), by_row=True,
        ),
        Metric(
            "balanced_accuracy", _CLASSES, _UP, classes.balanced_accuracy, "label", "majority",
            "recall, mean over classes", aliases=("balanced_acc", "bacc", "balanced_accuracy_score"),
        ),
        Metric(
            "precision_macro", _CLASSES, _UP, classes.precision_macro, "label", "majority",
            "precision, mean over classes", aliases=("precision", "macro_precision", "precision_score"),
        ),
        Metric(
            "recall_macro", _CLASSES, _UP, classes.recall_macro, "label", "majority",
            "recall, mean over classes that occur in target or predictions",
            aliases=("recall", "macro_recall", "recall_score"),
        ),
        Metric(
            "f1_macro", _CLASSES, _UP, classes.f1_macro, "label", "majority", "F1, mean over classes",
            aliases=("f1", "macro_f1", "f1_score"),
        ),
        Metric(
            "mcc", _CLASSES, _UP, classes.mcc, "label", "majority", "Matthews correlation",
            aliases=("matthews_corrcoef", "matthews"),
        ),
        Metric(
            "auroc", _CLASSES, _UP, classes.auroc, "score", "prior", "area under the ROC curve, one class vs rest",
            aliases=("auc", "roc_auc", "roc_auc_score", "roc_auc_ovr"),
        ),
        Metric(
            "average_precision", _CLASSES, _UP, classes.average_precision, "score", "prior",
            "average precision, one class vs rest",
            aliases=("ap", "pr_auc", "auprc", "average_precision_score"),
        ),
        Metric(
            "log_loss", _CLASSES, _DOWN, classes.log_loss, "probability", "prior",
            "minus mean log probability of the true class", aliases=("neg_log_loss", "logloss"),
            by_row=True,
        ),
        Metric(
            "brier", _CLASSES, _DOWN, classes.brier, "probability", "prior", "squared error of the probabilities",
            aliases=("brier_score", "brier_score_loss", "neg_brier_score"), by_row=True,
        ),
        Metric(
            "ece", _CLASSES, _DOWN, classes.ece, "probability", "prior", "expected calibration error, 15 bins",
            aliases=("calibration_error", "expected_calibration_error"),
        ),
        Metric(
            "keras2_accuracy", ("binary",), _UP, classes.keras2_accuracy, "codes", "majority",
            "share of rows where the rounded output is the encoded target, as Keras 2 counted",
            on_request=True, by_row=True,
        ),
        Metric(
            "rmse", _REAL, _DOWN, values.rmse, "value", "mean", "root mean squared error",
            aliases=("root_mean_squared_error", "neg_root_mean_squared_error"),
        ),
        Metric(
            "mse", _REAL, _DOWN, values.mse, "value", "mean", "mean squared error",
            aliases=("mean_squared_error", "neg_mean_squared_error"), by_row=True,
        ),
        Metric(
            "mae", _REAL, _DOWN, values.mae, "value", "median", "mean absolute error",
            aliases=("mean_absolute_error", "neg_mean_absolute_error"), by_row=True,
        ),
        Metric(
            "medae", _REAL, _DOWN, values.medae, "value", "median", "median absolute error",
            aliases=("median_absolute_error", "neg_median_absolute_error"),
        ),
        Metric(
            "r2", _REAL, _UP, values.r2, "value", "mean", "share of variance explained",
            aliases=("r2_score", "r_squared"),
        ),
        Metric(
            "max_error", _REAL, _DOWN, values.max_error, "value", "mean", "largest absolute error",
            aliases=("neg_max_error", "max_absolute_error"),
        ),
    ],
)  # fmt: skip


def metrics_for(kind: str) -> tuple[Metric, ...]:
    """Return the metrics every task of a kind is given, those on request left out."""
    return tuple(m for m in METRICS.values() if kind in m.kinds and not m.on_request)


def _is_loss(name: str) -> bool:
    return name.lower() in {"loss", "val_loss", "train_loss", "test_loss"} or any(
        name in table for table in CATALOGUE.values()
    )


def find_metric(name: str, kind: str) -> Metric:
    """Return the metric of this name (or alias) for a kind of task.

    Raises:
        UnknownNameError: there is no such metric.
        InputError: it is a loss, or judges another kind of task.
    """
    known = [m.name for m in METRICS.values() if kind in m.kinds]
    if name not in METRICS:
        if _is_loss(name):
            raise InputError(
                f"{name!r} is a loss, and losses have different units, so it cannot judge between them: "
                f"a metric judges. Metrics for {kind}: {', '.join(known)}."
            )
        aliases = [a for m in METRICS.values() if kind in m.kinds for a in m.aliases]
        raise UnknownNameError(unknown_name(f"{kind} metric", name, known, aliases))
    metric = METRICS[name]
    if kind not in metric.kinds:
        raise InputError(
            f"Metric {metric.name!r} judges {' and '.join(metric.kinds)} tasks; this one is {kind}."
            f"{did_you_mean(name, known)} Metrics for {kind}: {', '.join(known)}."
        )
    return metric


def default_metric(kind: str, y: ArrayLike) -> tuple[Metric, str]:
    """Return the metric a task is judged by unless another is named, and why.

    Accuracy says little where one class is rare: balanced accuracy takes its place where the smallest
    class has less than 40 % of an equal share of the rows (of two classes: less than 20 % of the rows).

    Args:
        kind: the kind of task.
        y: the targets, one value a row.
    """
    if kind == "regression":
        return METRICS["rmse"], "rmse: the usual metric for regression; it favours mse by construction"
    counts = np.unique(np.asarray(y), return_counts=True)[1]
    share = counts.min() / counts.sum()
    if share < 0.4 / len(counts):
        return METRICS["balanced_accuracy"], (
            f"balanced_accuracy: the smallest of {len(counts)} classes has {share:.1%} of the rows, "
            "so accuracy would reward ignoring it"
        )
    return METRICS["accuracy"], f"accuracy: the smallest of {len(counts)} classes has {share:.1%} of the rows"


def is_given(metric: Metric, predictions: Predictions) -> bool:
    """Return whether the predictions hold what the metric reads."""
    return getattr(predictions, metric.needs) is not None


def scores(metrics: Iterable[Metric], predictions: Predictions, target: Tensor) -> dict[str, Tensor]:
    """Return name -> (K,) float64 for the metrics these predictions have.

    Args:
        metrics: what to compute; one whose field the predictions lack (no probabilities) is left out.
        predictions: of K models, leading axis K.
        target: (N,), (N, 1) or (N, T), shared by all models.
    """
    kept: dict[Hashable, Any] = {}
    found = {}
    for metric in metrics:
        if is_given(metric, predictions):
            if isinstance(metric.fn, Score):
                found[metric.name] = metric.fn.sharing(kept, predictions, target)
            else:
                found[metric.name] = metric.fn(with_long_label(predictions), target)
    return found


def _constant_value(metric: Metric, train: Tensor, rows: int) -> Predictions:
    if metric.constant == "median":
        ordered = train.sort(dim=0).values
        n = len(ordered)
        value = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    else:
        value = train.mean(dim=0)
    return Predictions(value=value.expand(1, rows, -1))


def _constant_class(train: Tensor, rows: int, n_out: int) -> Predictions:
    binary = n_out == 1
    share = torch.bincount(train.flatten().long(), minlength=2 if binary else n_out).double() / len(train)
    label = share.argmax().expand(1, rows)
    probability = share[1].expand(1, rows) if binary else share.expand(1, rows, -1)
    codes = (0.0, 1.0) if binary else None
    output = label.double() if binary else probability
    return Predictions(label, probability, score=probability, output=output, codes=codes)


def constant_score(metric: Metric, kind: str, y_train: Tensor, y_validation: Tensor, n_out: int) -> float:
    """Return what a constant predictor fitted on training targets scores on validation targets.

    Args:
        metric: says which constant: class shares, majority class, mean or median.
        kind: the kind of task.
        y_train: canonical training targets.
        y_validation: canonical validation targets.
        n_out: how many numbers the network gives a row.
    """
    if kind == "regression":
        predictions = _constant_value(metric, y_train.double().reshape(len(y_train), -1), len(y_validation))
    else:
        predictions = _constant_class(y_train, len(y_validation), n_out)
    return float(metric.fn(predictions, y_validation)[0])

"""Linear models that every pair is held against: what a score is worth shows beside what needs no search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import torch
from lossearch.kinds._predictions import Predictions

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Fitted = Callable[[Floats], Predictions]
"""Gives predictions, without leading axes, of inputs (N, D)."""


@dataclass(frozen=True)
class Baseline:
    """A linear model of scikit-learn, with its defaults.

    ``fit(inputs, targets, weights, n_out)`` takes inputs (N, D) as networks are given them, canonical targets, and what
    each row weighs, None where all weigh the same. It gives None where the rows cannot tell anything, as those of one
    class. ``key`` names it in MLflow, the same for studies of every kind.
    """

    name: str
    fit: Callable[[Floats, Tensor, Floats | None, int], Fitted | None]
    key: str = "linear"


def _two_classes(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted | None:  # noqa: ARG001
    from sklearn.linear_model import LogisticRegression

    target = y.flatten().long().numpy()
    if len(np.unique(target)) < 2:
        return None
    model = LogisticRegression().fit(x, target, sample_weight=weight)

    def predicted(inputs: Floats) -> Predictions:
        p = torch.from_numpy(model.predict_proba(inputs)[:, 1])
        score = torch.from_numpy(model.decision_function(inputs))
        return Predictions((p >= 0.5).to(torch.uint8), p, score, output=p, codes=(0.0, 1.0))

    return predicted


def _several_classes(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted | None:
    from sklearn.linear_model import LogisticRegression

    target = y.flatten().long().numpy()
    if len(np.unique(target)) < 2:
        return None
    model = LogisticRegression().fit(x, target, sample_weight=weight)

    def predicted(inputs: Floats) -> Predictions:
        p = torch.zeros(len(inputs), n_out, dtype=torch.float64)
        p[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(inputs))
        return Predictions(p.argmax(dim=-1), p, score=p, output=p)

    return predicted


def _labels(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted | None:  # noqa: ARG001
    """Fit each label for itself; one that all rows have, or none, stays so."""
    each = [_two_classes(x, column, weight, 1) for column in y.unbind(dim=-1)]
    shares = y.double().mean(dim=0)

    def predicted(inputs: Floats) -> Predictions:
        columns = [
            shares[i].expand(len(inputs)) if of_label is None else of_label(inputs).probability
            for i, of_label in enumerate(each)
        ]
        p = torch.stack([c for c in columns if c is not None], dim=-1)
        return Predictions((p >= 0.5).to(torch.uint8), p, score=p, output=p, codes=(0.0, 1.0))

    return predicted


def _values(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted:  # noqa: ARG001
    from sklearn.linear_model import Ridge

    model = Ridge().fit(x, _columns(y), sample_weight=weight)
    return lambda inputs: Predictions(value=_as_values(model.predict(inputs)))


def _normal(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted:
    """Fit values, and take the sd of what is left of the training rows for that of every prediction."""
    fitted = _values(x, y, weight, n_out)
    left = _columns(y) - _of(fitted(x)).numpy()
    variance = torch.from_numpy(np.average(left**2, axis=0, weights=weight))
    spread = variance.sqrt().clamp(min=torch.finfo(torch.float32).tiny)

    def predicted(inputs: Floats) -> Predictions:
        value = _of(fitted(inputs))
        both = torch.stack([value, spread.expand_as(value)], dim=-1)
        return Predictions(value=value, distribution=both, family="normal")

    return predicted


def _log_means(family: str) -> Callable[[Floats, Tensor, Floats | None, int], Fitted]:
    """Return what fits the logarithm of the mean of each target, whose errors are of a family."""

    def fit(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted:  # noqa: ARG001
        from sklearn import linear_model

        made = {"poisson": linear_model.PoissonRegressor, "gamma": linear_model.GammaRegressor}[family]
        # the weights are penalised as they are by Ridge and LogisticRegression, whose penalty is of the sum over rows
        models: Sequence[Any] = [
            made(alpha=1 / len(x)).fit(x, column, sample_weight=weight) for column in _columns(y).T
        ]
        return lambda inputs: Predictions(
            value=_as_values(np.column_stack([m.predict(inputs) for m in models]))
        )

    return fit


def _columns(y: Tensor) -> Floats:
    found: Floats = y.double().reshape(len(y), -1).numpy()
    return found


def _as_values(found: Floats) -> Tensor:
    return torch.from_numpy(np.asarray(found, dtype=np.float64).reshape(len(found), -1))


def _of(predictions: Predictions) -> Tensor:
    if predictions.value is None:
        raise RuntimeError("a model of real targets gives no values")
    return predictions.value


LOGISTIC = Baseline("logistic regression", _two_classes)
MULTINOMIAL = Baseline("logistic regression", _several_classes)
LABEL_BY_LABEL = Baseline("logistic regression, label by label", _labels)
RIDGE = Baseline("ridge regression", _values)
NORMAL_RIDGE = Baseline("ridge regression, normal errors", _normal)
POISSON = Baseline("Poisson regression", _log_means("poisson"))
GAMMA = Baseline("gamma regression", _log_means("gamma"))

"""Metrics of a user's own: declared ones and plain functions, named as ``module:function``, and torchmetrics objects."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossearch._imports import load_object
from lossearch._lazy import torch
from lossearch._registry import unknown_name
from lossearch.errors import InputError
from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.metric import MAXIMIZE, MINIMIZE, SIGN, Metric
from lossearch.metrics.scoring import read

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]

_BY_ARGUMENT = {"y_score": "score", "y_prob": "probability", "y_proba": "probability"}
"""scikit-learn's names of a second argument that is not the prediction itself, and what is meant."""
_BY_END = {
    "_score": MAXIMIZE,
    "_error": MINIMIZE,
    "_loss": MINIMIZE,
    "_deviance": MINIMIZE,
    "_distance": MINIMIZE,
}
"""scikit-learn's ends of names, by which it says whether more is better."""
_CONSTANT = {"probability": "prior", "score": "prior", "label": "majority", "value": "mean"}


@dataclass(frozen=True)
class ModelByModel:
    """The scores (K,) of K models, of which those that predict the same are scored once.

    ``one`` gives the score of one model, of arrays of its targets and predictions.
    """

    one: Callable[[Array, Array], float]
    field: str

    def __call__(self, predictions: Predictions, target: Tensor) -> Tensor:
        """Return one score a model; a value that is not a number scores NaN."""
        truth = _flat(target.numpy(force=True))
        found: dict[bytes, float] = {}
        keys = []
        for said in read(predictions, self.field).numpy(force=True):
            keys.append(said.tobytes())
            if keys[-1] not in found:
                found[keys[-1]] = self.one(truth, _flat(said))
        return torch.tensor([found[key] for key in keys], dtype=torch.float64)


@dataclass(frozen=True)
class OfFunction:
    """The score of a function ``(y_true, y_pred)`` that gives one number, or one a row, whose mean is the score."""

    function: Callable[..., Any]

    def __call__(self, truth: Array, predicted: Array) -> float:
        """Return the score."""
        found = np.asarray(self.function(truth, predicted))
        if found.size == 1:
            return float(found.reshape(()))
        if found.shape == (len(truth),):
            return float(found.mean(dtype=np.float64))
        raise InputError(
            f"metric {self.function.__name__} gave an array of shape {found.shape} for {len(truth)} rows. "
            "Return one number, as by taking the mean, or one number a row."
        )


@dataclass(frozen=True)
class OfTorchmetrics:
    """The score of a torchmetrics object, of which every model has a copy of its own."""

    metric: Any
    real: bool

    def __call__(self, truth: Array, predicted: Array) -> float:
        """Return the score."""
        said, true = torch.from_numpy(predicted.copy()), torch.from_numpy(truth.copy())
        own = copy.deepcopy(self.metric).to(said.device)
        own.reset()
        own.update(said, true if self.real else true.long())
        return float(torch.as_tensor(own.compute()).double().reshape(()))


def _flat(values: Array) -> Array:
    """Return one output a row as (N,)."""
    return values.squeeze(-1) if values.ndim == 2 and values.shape[-1] == 1 else values


def own_metric(name: str, kind: str, direction: str | None = None) -> Metric:
    """Return the metric that ``module:function`` or ``module.function`` names; see :func:`as_metric`.

    Raises:
        InputError: there is none, or it cannot be one.
    """
    return as_metric(load_object(name, "metric"), kind, direction)


def is_torchmetrics(given: Any) -> bool:
    """Return whether something is a torchmetrics object, or one that is used as they are."""
    return not isinstance(given, type) and all(hasattr(given, m) for m in ("update", "compute", "reset"))


def as_metric(given: Any, kind: str, direction: str | None = None) -> Metric:
    """Return a function ``f(y_true, y_pred)`` or a torchmetrics object as a metric; a Metric as it is.

    ``y_pred`` are labels, 0/1 or class indices, or values in the target's units. A second argument called y_score,
    y_prob or y_proba gets scores or probabilities, and so does a torchmetrics object that has thresholds, bins or a top_k.

    Args:
        given: the function or object.
        kind: the kind of task.
        direction: "maximize" or "minimize", where neither scikit-learn's ends of names (_score, _error, _loss) nor
            torchmetrics say it.

    Raises:
        InputError: it cannot be called so, or whether more is better is not known.
    """
    if isinstance(given, Metric):
        return given
    name = getattr(given, "__name__", type(given).__name__)
    if isinstance(given, type) or not callable(given) or not name.isidentifier():
        raise InputError(
            f"metric is the {type(given).__name__} {name}, which is no function f(y_true, y_pred) with a name of its own, "
            "no torchmetrics object and no Metric."
        )
    kind = KINDS[kind].name
    stateful = is_torchmetrics(given)
    field = _field(given, KINDS[kind].form.numbers, stateful=stateful)
    return Metric(
        name=name,
        kinds=(kind,),
        direction=_direction(given, name, direction),
        fn=ModelByModel(OfTorchmetrics(given, field == "value") if stateful else OfFunction(given), field),
        needs=field,
        constant=_CONSTANT[field],
        words=f"of your own, of each model's {field}s",
        on_request=True,
        by_row=None,
    )


def _field(given: Any, real: bool, *, stateful: bool) -> str:
    """Return what it reads of the predictions."""
    if stateful:
        ranks = hasattr(given, "thresholds") or hasattr(given, "n_bins") or getattr(given, "top_k", 1) != 1
        return "value" if real else "probability" if ranks else "label"
    try:
        parameters = list(inspect.signature(given).parameters.values())
        inspect.signature(given).bind(None, None)
    except (TypeError, ValueError):
        raise InputError(
            f"metric {given.__name__} is called as f(y_true, y_pred): give other arguments defaults."
        ) from None
    return "value" if real else _BY_ARGUMENT.get(parameters[1].name if len(parameters) > 1 else "", "label")


def _direction(given: Any, name: str, direction: str | None) -> str:
    more = getattr(given, "higher_is_better", None)
    known = None if more is None else MAXIMIZE if more else MINIMIZE
    by_name = next((d for end, d in _BY_END.items() if name.endswith(end)), None)
    found = direction or known or by_name
    if found is None:
        raise InputError(
            f"Is more of metric {name!r} better, or less? Say direction = {MAXIMIZE!r} or {MINIMIZE!r}, "
            f"as in metric=({name}, {MAXIMIZE!r})."
        )
    if found not in SIGN:
        raise InputError(unknown_name("direction", found, SIGN))
    return found

"""The estimators' parameters: what each of them is of ``lossearch.search``, and what it says in their documentation."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping
from numbers import Integral
from typing import Any, TypeVar

from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from lossearch.config import KEYS
from lossearch.metrics.metric import Metric
from lossearch.training.workers.group import cores

C = TypeVar("C", bound=type)

IN_SEARCH: Mapping[str, str] = {
    "validation_fraction": "validation",
    "test_fraction": "test",
    "n_jobs": "workers",
}
"""Parameter of an estimator -> that of ``search``, where scikit-learn has a name for it."""

OWN_WORDS: Mapping[str, str] = {
    "losses": "Losses to search, names or such declared with lossearch.loss; by default the usual ones of the task.",
    "metric": "What judges a point on validation rows, a name or a Metric; by default accuracy (balanced where a class "
    "is rare), f1_macro for labels, rmse for numbers.",
    "model": "Network: mlp, cnn, a function that gives an nn.Module, or a network of yours whose head is replaced; by "
    "default what is usual for the task.",
    "epochs": "Passes over the training rows; by default what suits their number, 30 at most.",
    "class_weight": 'None, "balanced", or weights by class as they stand in y; of several in a list the best is searched.',
    "pos_weight": 'Of two classes and of labels, the weight of class 1: a number, "balanced", or one number a label.',
    "validation_fraction": "Share of the rows that points are judged on; the final model is fitted on all rows.",
    "test_fraction": "Share of the rows that are kept from the search and from the final model, for a verdict on rows "
    "that nothing has seen; None for none, and then validation rows judge.",
    "sampler": "What chooses points: qmc, tpe, gp, random, grid, brute; by default qmc, which needs no rounds, and tpe where "
    "mode is adaptive.",
    "n_jobs": "Processes that train at once, where that pays; None for 1, -1 for one a core.",
    "store": "Directory of the records; None for a temporary one, which is gone after fit.",
    "name": "Name of the study in the store; by default the class's.",
    "mlflow": "Whether the MLflow view of the records is written; None where there is a store.",
    "random_state": "A whole number for the same result at every call, a RandomState, or None.",
    "verbose": "0 for silence; from 1 up progress and notes are printed.",
}
"""What is said of parameters that ``search`` does not have, or has in another way."""

_ELSEWHERE = {"name", "store", "mlflow", "random_state", "verbose", "n_jobs", "test_fraction", "epochs"}
"""Parameters that are read on their own."""


def documented(cls: C) -> C:
    """Write what each parameter is, with the default that the class has, in place of the last line of a class's documentation."""
    keys = {key.parameter: key for key in KEYS}
    told = [
        f"{name}: {OWN_WORDS.get(name) or keys[name].told(parameter.default)}"
        for name, parameter in inspect.signature(cls).parameters.items()
    ]
    lines = textwrap.indent("\n".join(told), " " * 8).lstrip()
    cls.__doc__ = str(cls.__doc__).replace("parameters: as they are listed by ``get_params``.", lines)
    return cls


def search_options(estimator: BaseEstimator) -> dict[str, Any]:
    """Return what an estimator's parameters are of ``search``, but for data, epochs, records and what is printed."""
    given = estimator.get_params(deep=False)
    said = {name: value for name, value in given.items() if value is not None and name not in _ELSEWHERE}
    if isinstance(said.get("hidden"), Integral):
        said["hidden"] = [said["hidden"]]
    said.setdefault("sampler", "qmc" if estimator.mode == "equal" else "tpe")
    return {
        **{IN_SEARCH.get(name, name): value for name, value in said.items()},
        "test": False if estimator.test_fraction is None else estimator.test_fraction,
        "workers": _workers(estimator.n_jobs),
        "seed": int(check_random_state(estimator.random_state).randint(2**31 - 1)),
    }


def _workers(n_jobs: int | None) -> int | None:
    """Return the processes of n_jobs: None is 1, and -1 one a core, -2 one less, ..."""
    if n_jobs is None or n_jobs >= 0:
        return 1 if n_jobs is None else n_jobs
    return max(1, cores() + 1 + n_jobs)


def described(options: Mapping[str, Any]) -> list[str]:
    """Return options as texts that are the same in every process, to tell settings apart by."""
    return [f"{name}={_described(value)}" for name, value in sorted(options.items())]


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return str([(str(k), _described(v)) for k, v in value.items()])
    if isinstance(value, (list, tuple)):
        return str([_described(v) for v in value])
    if isinstance(value, Metric) or callable(value):
        own = getattr(value, "name", None) or getattr(value, "__qualname__", type(value).__qualname__)
        return f"{getattr(value, '__module__', '')}:{own}"
    return repr(value)

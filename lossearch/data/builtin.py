"""Built-in problems: data that come with scikit-learn. One is added by an entry of ``PROBLEMS``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.utils import Bunch

from lossearch._memory import free_memory
from lossearch._registry import Registry, unknown_name
from lossearch._text import size
from lossearch.data.dataset import Dataset
from lossearch.data.in_memory import from_arrays
from lossearch.errors import InputError, UnknownNameError, refuse

_COUNTS = frozenset({"n_samples", "n_features", "n_targets", "centers"})
"""Arguments that say how large a problem's arrays are: of the larger two of them, or larger."""
_NOT_OPTIONS = frozenset({"return_X_y", "as_frame", "return_centers", "return_distributions", "coef"})


@dataclass(frozen=True)
class Problem:
    """A function that gives (X, y) or a scikit-learn Bunch, and the arguments it is given."""

    name: str
    make: Callable[..., Any]
    words: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """The arguments a study may set."""
        return tuple(p for p in inspect.signature(self.make).parameters if p not in _NOT_OPTIONS)


def _regression(
    n_samples: int = 1000,
    n_features: int = 20,
    n_informative: int = 10,
    n_targets: int = 1,
    bias: float = 0.0,
    noise: float = 0.1,
    random_state: int = 1,
    standardize: bool = False,
) -> tuple[Any, Any]:
    """Make a linear problem; ``standardize`` scales X and y over all rows, before any split."""
    x, y = datasets.make_regression(
        n_samples=n_samples,
        n_features=n_features,
        n_informative=min(n_informative, n_features),
        n_targets=n_targets,
        bias=bias,
        noise=noise,
        random_state=random_state,
    )
    if not standardize:
        return x, y
    return (x - x.mean(axis=0)) / x.std(axis=0), (y - y.mean(axis=0)) / y.std(axis=0)


def _digit_images() -> tuple[Any, Any]:
    """Return the digits as images of one channel, (N, 1, 8, 8)."""
    digits: Any = datasets.load_digits()
    return digits.images[:, None], digits.target


def _doctor_visits(n_samples: int = 2000, random_state: int = 1) -> tuple[pd.DataFrame, Any]:
    """Draw how often people see a doctor in a year: mostly a few times, some never, some far more than expected."""
    rng = np.random.default_rng(random_state)
    x = pd.DataFrame(
        {
            "age": rng.integers(18, 85, n_samples).astype(float),
            "chronic": rng.binomial(3, 0.2, n_samples).astype(float),
            "income": rng.lognormal(10.3, 0.5, n_samples).round(-2),
            "insured": (rng.random(n_samples) < 0.8).astype(float),
            "distance": rng.exponential(8.0, n_samples).round(1),
        }
    )
    log_rate = 0.2 + 0.0004 * (x["age"] - 35) ** 2 + 0.45 * x["chronic"] + 0.4 * x["insured"]
    log_rate -= 0.03 * x["distance"].clip(upper=40) + 0.1 * np.log(x["income"] / 30_000)
    # people differ by more than what is known of them
    rate = np.exp(log_rate.to_numpy()) * rng.gamma(2.0, 0.5, n_samples)
    return x, rng.poisson(rate)


_FRAME = {"as_frame": True}
_THOUSAND = {"n_samples": 1000, "random_state": 1}

PROBLEMS: Registry[Problem] = Registry(
    "built-in data",
    [
        Problem(
            "circles", datasets.make_circles, "two noisy circles, 2 classes", {**_THOUSAND, "noise": 0.1}
        ),
        Problem("moons", datasets.make_moons, "two noisy half-moons, 2 classes", {**_THOUSAND, "noise": 0.2}),
        Problem(
            "blobs",
            datasets.make_blobs,
            "overlapping Gaussian blobs, 3 classes",
            {"n_samples": 1000, "centers": 3, "n_features": 2, "cluster_std": 2.0, "random_state": 2},
        ),
        Problem(
            "classification", datasets.make_classification, "clusters in 20 dimensions, 2 classes", _THOUSAND
        ),
        Problem("regression", _regression, "linear in 10 of 20 features"),
        Problem("friedman1", datasets.make_friedman1, "Friedman 1, non-linear", {**_THOUSAND, "noise": 1.0}),
        Problem("friedman2", datasets.make_friedman2, "Friedman 2, impedance", _THOUSAND),
        Problem("friedman3", datasets.make_friedman3, "Friedman 3, phase", _THOUSAND),
        Problem("breast_cancer", datasets.load_breast_cancer, "569 tumours, 2 classes", _FRAME),
        Problem("digits", datasets.load_digits, "1797 images of 8 x 8, 10 classes", _FRAME),
        Problem("digit_images", _digit_images, "the digits as 1 x 8 x 8 images, 10 classes"),
        Problem("wine", datasets.load_wine, "178 wines, 3 classes", _FRAME),
        Problem("iris", datasets.load_iris, "150 flowers, 3 classes", _FRAME),
        Problem("diabetes", datasets.load_diabetes, "442 patients, real target", _FRAME),
        Problem("doctor_visits", _doctor_visits, "visits of 2000 people in a year, counts, generated"),
        Problem(
            "multilabel",
            datasets.make_multilabel_classification,
            "documents as word counts, 5 labels, generated",
            {"n_samples": 1000, "n_features": 20, "n_classes": 5, "n_labels": 2, "random_state": 1},
        ),
        Problem("linnerud", datasets.load_linnerud, "20 men, 3 real targets", _FRAME),
    ],
)


def _refuse_too_large(problem: Problem, options: Mapping[str, Any]) -> None:
    """Refuse rows that cannot be drawn, mixed and prepared, four copies of them, in the memory that is free."""
    drawn = {p.name: p.default for p in inspect.signature(problem.make).parameters.values()}
    drawn |= {**problem.defaults, **options}
    counts = sorted(v for k, v in drawn.items() if k in _COUNTS and isinstance(v, int) and v > 0)
    needed, free = 4 * 8 * math.prod(counts[-2:]), free_memory()
    if needed > free:
        raise InputError(
            f"Data {problem.name!r} with options {dict(options)} would take {size(needed)} or more, and {size(free)} "
            "are free. Ask for fewer rows or columns."
        )


def read_problem(name: str, options: Mapping[str, Any]) -> Dataset:
    """Return a built-in problem's data.

    Args:
        name: of the problem, or an alias.
        options: arguments that take the place of the problem's own.

    Raises:
        UnknownNameError: there is no such problem.
        InputError: it has no such option, or the option's value is refused.
    """
    if name not in PROBLEMS:
        known = unknown_name(PROBLEMS.what, name, PROBLEMS)
        raise UnknownNameError(f"{known} Or name a .csv or .parquet file, openml:ID or module:function.")
    problem = PROBLEMS[name]
    known_options = problem.options
    what = f"option of data {problem.name!r}"
    refuse([unknown_name(what, o, known_options) for o in options if o not in known_options])
    _refuse_too_large(problem, options)
    try:
        found = problem.make(**{**problem.defaults, **options})
    except (TypeError, ValueError, OverflowError, MemoryError) as error:
        raise InputError(f"Data {problem.name!r} with options {dict(options)}: {error}") from error
    if isinstance(found, Bunch):
        return _from_bunch(found, problem.name)
    return from_arrays(*found, name=problem.name)


def _from_bunch(bunch: Bunch, name: str) -> Dataset:
    """Return a data set with the names of columns, target and classes that scikit-learn has."""
    y = bunch.target
    several = isinstance(y, pd.DataFrame)
    names = () if several or y.dtype.kind == "f" else tuple(map(str, bunch.get("target_names", ())))
    target = ", ".join(map(str, y.columns)) if several else "class" if names else str(y.name)
    return from_arrays(bunch.data, y, name=name, target=target, classes=names)

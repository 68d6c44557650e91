"""Built-in problems: data that come with scikit-learn, or are drawn. One is added by an entry of ``PROBLEMS``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from sklearn import datasets
from sklearn.utils import Bunch

from lossearch._memory import free_memory
from lossearch._registry import Registry, unknown_name
from lossearch._text import size
from lossearch.data import generated
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
        Problem("regression", generated.regression, "linear in 10 of 20 features"),
        Problem("friedman1", datasets.make_friedman1, "Friedman 1, non-linear", {**_THOUSAND, "noise": 1.0}),
        Problem("friedman2", datasets.make_friedman2, "Friedman 2, impedance", _THOUSAND),
        Problem("friedman3", datasets.make_friedman3, "Friedman 3, phase", _THOUSAND),
        Problem("breast_cancer", datasets.load_breast_cancer, "569 tumours, 2 classes", _FRAME),
        Problem("digits", datasets.load_digits, "1797 images of 8 x 8, 10 classes", _FRAME),
        Problem("digit_images", generated.digit_images, "the digits as 1 x 8 x 8 images, 10 classes"),
        Problem(
            "noisy_digits",
            generated.noisy_digits,
            "the digits, 40 % of the labels wrong but in the test part",
        ),
        Problem("wine", datasets.load_wine, "178 wines, 3 classes", _FRAME),
        Problem("iris", datasets.load_iris, "150 flowers, 3 classes", _FRAME),
        Problem("diabetes", datasets.load_diabetes, "442 patients, real target", _FRAME),
        Problem("ratings", generated.ratings, "ratings of 1 to 5 stars, levels in an order, generated"),
        Problem("repair_costs", generated.repair_costs, "costs of 1500 repairs, above 0, generated"),
        Problem("wind", generated.wind, "wind directions of 1000 days, angles, generated"),
        Problem("time_use", generated.time_use, "how 1000 people share their days, shares of 4, generated"),
        Problem(
            "heavy_tails",
            generated.heavy_tails,
            "a smooth function with Student-t noise, 1000 rows, generated",
        ),
        Problem(
            "doctor_visits", generated.doctor_visits, "visits of 2000 people in a year, counts, generated"
        ),
        Problem(
            "multilabel",
            datasets.make_multilabel_classification,
            "documents as word counts, 5 labels, generated",
            {"n_samples": 1000, "n_features": 20, "n_classes": 5, "n_labels": 2, "random_state": 1},
        ),
        Problem(
            "discs_and_rings",
            generated.discs_and_rings,
            "300 images of 16 x 16, masks of the discs in them, generated",
        ),
        Problem(
            "uneven_spread",
            generated.uneven_spread,
            "real target, normal, spread differs between rows, generated",
        ),
        Problem("two_branches", generated.two_branches, "real target on one of two curves, generated"),
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
    return from_arrays(bunch.data, y, name=name, target=target, classes=names, split=bunch.get("split"))

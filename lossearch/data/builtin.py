"""Built-in problems: data that come with scikit-learn. One is added by an entry of ``PROBLEMS``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split
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


def _ratings(n_samples: int = 1500, noise: float = 1.0, random_state: int = 1) -> tuple[Any, Any]:
    """Draw ratings of 1 to 5 stars: where a liking, which 5 of 8 features say but for logistic noise, lies among thresholds."""
    rng = np.random.default_rng(random_state)
    x = rng.normal(size=(n_samples, 8))
    liking = (
        x[:, 0]
        + 0.8 * x[:, 1]
        - 0.6 * x[:, 2]
        + 0.4 * x[:, 0] * x[:, 1]
        + np.sin(2 * x[:, 3])
        + 0.3 * x[:, 4] ** 2
    )
    liking += noise * rng.logistic(size=n_samples)
    return x, 1 + np.digitize(liking, np.quantile(liking, [0.1, 0.3, 0.65, 0.9]))


def _noisy_digits(label_noise: float = 0.4, test: float = 0.3, random_state: int = 1) -> Bunch:
    """Return the digits with wrong labels in all rows but those of the test part.

    Args:
        label_noise: share of the other rows whose label is another, each of the 9 as often.
        test: share of the rows, drawn in proportion to the classes, whose labels stay right.
        random_state: draws the test rows and the wrong labels.
    """
    if not 0 <= label_noise < 0.9:
        raise ValueError(
            f"label_noise is a share from 0 to below 0.9, where labels say nothing; got {label_noise}"
        )
    digits: Any = datasets.load_digits(as_frame=True)
    rng = np.random.default_rng(random_state)
    rows, held = train_test_split(
        np.arange(len(digits.target)), test_size=test, stratify=digits.target, random_state=random_state
    )
    wrong = rows[rng.random(len(rows)) < label_noise]
    y = digits.target.copy()
    y.iloc[wrong] = (y.iloc[wrong] + rng.integers(1, 10, len(wrong))) % 10
    split = np.full(len(y), "train", dtype=object)
    split[held] = "test"
    return Bunch(data=digits.data, target=y, target_names=digits.target_names, split=split)


def _discs_and_rings(
    n_samples: int = 300, size: int = 16, noise: float = 0.5, empty: float = 0.1, random_state: int = 1
) -> tuple[Any, Any]:
    """Draw images (N, 1, size, size) of a disc and a ring in noise, and masks that mark the disc; some have no disc."""
    if size < 8 or noise < 0 or not 0 <= empty < 1:
        raise ValueError("size must be at least 8, noise at least 0, and empty from 0 to below 1")
    rng = np.random.default_rng(random_state)
    rows, columns = np.mgrid[:size, :size]

    def distance() -> Any:
        centre = rng.uniform(2, size - 3, (2, n_samples, 1, 1))
        return np.hypot(rows - centre[0], columns - centre[1])

    disc = distance() <= rng.uniform(1.2, 2.6, (n_samples, 1, 1))
    disc &= rng.random((n_samples, 1, 1)) >= empty
    ring = np.abs(distance() - rng.uniform(2.4, 3.4, (n_samples, 1, 1))) <= 0.7
    images = (disc | ring) + noise * rng.standard_normal((n_samples, size, size))
    return images[:, None], disc.astype(np.uint8)


def _repair_costs(
    n_samples: int = 1500, shape: float = 1.0, random_state: int = 1
) -> tuple[pd.DataFrame, Any]:
    """Draw what repairs cost: above 0, with a spread in proportion to the cost expected (gamma, of a given shape)."""
    rng = np.random.default_rng(random_state)
    x = pd.DataFrame(
        {
            "age": rng.integers(0, 20, n_samples).astype(float),
            "value": rng.lognormal(9.5, 0.6, n_samples).round(-2),
            "damage": rng.beta(1.5, 4.0, n_samples).round(3),
            "region": rng.integers(0, 3, n_samples).astype(float),
        }
    )
    log_mean = 5.0 + 0.5 * np.log(x["value"] / 10_000) + 4.0 * x["damage"] - 0.03 * x["age"]
    log_mean += 0.3 * (x["region"] == 2)
    return x, np.exp(log_mean.to_numpy()) * rng.gamma(shape, 1 / shape, n_samples)


def _wind(
    n_samples: int = 1000,
    mean: float = math.pi,
    spread: float = 0.8,
    noise: float = 0.3,
    random_state: int = 1,
) -> tuple[Any, Any]:
    """Draw where the wind blows at noon, in radians: it turns from where a mast measured it in the morning.

    Morning directions lie about ``mean``, with a standard deviation of ``spread``.
    """
    rng = np.random.default_rng(random_state)
    morning = rng.normal(mean, spread, n_samples)
    speed, pressure = rng.gamma(4.0, 1.5, n_samples), rng.normal(size=n_samples)
    noon = morning + 0.4 * pressure + noise * rng.normal(size=n_samples) / np.sqrt(speed / 6)
    east, north = speed * np.cos(morning), speed * np.sin(morning)
    gusts = 0.5 * rng.normal(size=(n_samples, 2))
    x = np.column_stack([east + gusts[:, 0], north + gusts[:, 1], pressure])
    return x, np.angle(np.exp(1j * noon))


def _time_use(n_samples: int = 1000, concentration: float = 20.0, random_state: int = 1) -> tuple[Any, Any]:
    """Draw how people share their day between work, care, leisure and travel: Dirichlet about what is expected."""
    rng = np.random.default_rng(random_state)
    age, children, distance = (
        rng.uniform(18, 80, n_samples),
        rng.poisson(0.8, n_samples),
        rng.exponential(10, n_samples),
    )
    works = (age < 65) * rng.uniform(0.3, 1.0, n_samples)
    z = np.column_stack(
        [2.0 * works, 0.4 * children, 0.5 + 0.02 * (age - 50), -1.5 + 0.5 * np.log1p(distance * works)]
    )
    expected = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    parts = rng.gamma(np.maximum(concentration * expected, 0.3))
    return np.column_stack([age, children, distance, works]), parts / parts.sum(axis=1, keepdims=True)


def _heavy_tails(
    n_samples: int = 1000, df: float = 1.5, noise: float = 0.5, random_state: int = 1
) -> tuple[Any, Any]:
    """Draw a smooth function of three features with Student-t noise: few degrees of freedom, many outliers."""
    rng = np.random.default_rng(random_state)
    x = rng.normal(size=(n_samples, 4))
    signal = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    return x, signal + noise * rng.standard_t(df, n_samples)


def _uneven_spread(
    n_samples: int = 2000, spread: float = 3.0, random_state: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw numbers about a curve, normal, with a standard deviation of exp(-``spread`` / 2) to exp(``spread`` / 2)."""
    rng = np.random.default_rng(random_state)
    x = rng.uniform(-1, 1, (n_samples, 4))
    curve = 3 * np.sin(3 * x[:, 0]) + 2 * x[:, 1] ** 2
    return x, curve + np.exp(spread * (x[:, 2] + 0.5 * x[:, 3]) / 3) * rng.normal(size=n_samples)


def _two_branches(
    n_samples: int = 2000, noise: float = 0.3, random_state: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw numbers on one of two curves that part from each other; which one, nothing says but how likely it is."""
    rng = np.random.default_rng(random_state)
    x = rng.uniform(0, 1, (n_samples, 2))
    side = np.where(rng.random(n_samples) < 0.2 + 0.6 * x[:, 1], 1.0, -1.0)
    return x, side * 3 * x[:, 0] + np.sin(6 * x[:, 1]) + noise * rng.normal(size=n_samples)


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
        Problem("noisy_digits", _noisy_digits, "the digits, 40 % of the labels wrong but in the test part"),
        Problem("wine", datasets.load_wine, "178 wines, 3 classes", _FRAME),
        Problem("iris", datasets.load_iris, "150 flowers, 3 classes", _FRAME),
        Problem("diabetes", datasets.load_diabetes, "442 patients, real target", _FRAME),
        Problem("ratings", _ratings, "ratings of 1 to 5 stars, levels in an order, generated"),
        Problem("repair_costs", _repair_costs, "costs of 1500 repairs, above 0, generated"),
        Problem("wind", _wind, "wind directions of 1000 days, angles, generated"),
        Problem("time_use", _time_use, "how 1000 people share their days, shares of 4, generated"),
        Problem("heavy_tails", _heavy_tails, "a smooth function with Student-t noise, 1000 rows, generated"),
        Problem("doctor_visits", _doctor_visits, "visits of 2000 people in a year, counts, generated"),
        Problem(
            "multilabel",
            datasets.make_multilabel_classification,
            "documents as word counts, 5 labels, generated",
            {"n_samples": 1000, "n_features": 20, "n_classes": 5, "n_labels": 2, "random_state": 1},
        ),
        Problem(
            "discs_and_rings",
            _discs_and_rings,
            "300 images of 16 x 16, masks of the discs in them, generated",
        ),
        Problem(
            "uneven_spread", _uneven_spread, "real target, normal, spread differs between rows, generated"
        ),
        Problem("two_branches", _two_branches, "real target on one of two curves, generated"),
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

"""Problems that are drawn by a formula, or of data that come with scikit-learn: each function gives (X, y) or a Bunch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch


def regression(
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


def digit_images() -> tuple[Any, Any]:
    """Return the digits as images of one channel, (N, 1, 8, 8)."""
    digits: Any = datasets.load_digits()
    return digits.images[:, None], digits.target


def doctor_visits(n_samples: int = 2000, random_state: int = 1) -> tuple[pd.DataFrame, Any]:
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


def ratings(n_samples: int = 1500, noise: float = 1.0, random_state: int = 1) -> tuple[Any, Any]:
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


def noisy_digits(label_noise: float = 0.4, test: float = 0.3, random_state: int = 1) -> Bunch:
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


def discs_and_rings(
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


def repair_costs(
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


def wind(
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


def time_use(n_samples: int = 1000, concentration: float = 20.0, random_state: int = 1) -> tuple[Any, Any]:
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


def heavy_tails(
    n_samples: int = 1000, df: float = 1.5, noise: float = 0.5, random_state: int = 1
) -> tuple[Any, Any]:
    """Draw a smooth function of three features with Student-t noise: few degrees of freedom, many outliers."""
    rng = np.random.default_rng(random_state)
    x = rng.normal(size=(n_samples, 4))
    signal = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2]
    return x, signal + noise * rng.standard_t(df, n_samples)


def uneven_spread(
    n_samples: int = 2000, spread: float = 3.0, random_state: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw numbers about a curve, normal, with a standard deviation of exp(-``spread`` / 2) to exp(``spread`` / 2)."""
    rng = np.random.default_rng(random_state)
    x = rng.uniform(-1, 1, (n_samples, 4))
    curve = 3 * np.sin(3 * x[:, 0]) + 2 * x[:, 1] ** 2
    return x, curve + np.exp(spread * (x[:, 2] + 0.5 * x[:, 3]) / 3) * rng.normal(size=n_samples)


def two_branches(
    n_samples: int = 2000, noise: float = 0.3, random_state: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw numbers on one of two curves that part from each other; which one, nothing says but how likely it is."""
    rng = np.random.default_rng(random_state)
    x = rng.uniform(0, 1, (n_samples, 2))
    side = np.where(rng.random(n_samples) < 0.2 + 0.6 * x[:, 1], 1.0, -1.0)
    return x, side * 3 * x[:, 0] + np.sin(6 * x[:, 1]) + noise * rng.normal(size=n_samples)

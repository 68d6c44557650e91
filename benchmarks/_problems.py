"""The problems that all sides train on, as plain numbers: no side's libraries are imported here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

BATCH, MOMENTUM = 32, 0.9
LOW, HIGH = 1e-3, 1.0
"""Learning rates, spread evenly on a log scale over each pair's configurations."""


@dataclass(frozen=True)
class Rows:
    """Training and validation rows; classes as whole numbers."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    x_val: NDArray[np.float32]
    y_val: NDArray[np.int64]


@dataclass(frozen=True)
class Problem:
    """One network on one data set. ``n_out`` is 1 for two classes; ``train`` and ``validation`` count rows."""

    name: str
    n_in: int
    hidden: int
    n_out: int
    epochs: int
    train: int
    validation: int
    pairs: tuple[str, ...]
    trials: int
    seeds: int
    data_options: tuple[tuple[str, object], ...] = ()

    @property
    def kind(self) -> str:
        """The kind of task."""
        return "binary" if self.n_out == 1 else "multiclass"

    @property
    def steps(self) -> int:
        """Optimiser steps an epoch."""
        return -(-self.train // BATCH)

    @property
    def parameters(self) -> int:
        """How many weights one network has."""
        return (self.n_in + 1) * self.hidden + (self.hidden + 1) * self.n_out

    def rows(self) -> Rows:
        """Return the data."""
        from sklearn.datasets import load_digits, make_circles

        if self.name == "circles":
            x, y = make_circles(1000, noise=0.1, random_state=1)
        else:
            x, y = load_digits(return_X_y=True)
            x = x / 16
        x, y, end = x.astype(np.float32), y.astype(np.int64), len(x) - self.validation
        return Rows(x[: self.train], y[: self.train], x[end:], y[end:])


CIRCLES = Problem(
    name="circles",
    n_in=2,
    hidden=50,
    n_out=1,
    epochs=200,
    train=500,
    validation=500,
    pairs=(
        "bce/sigmoid",
        "focal/sigmoid",
        "hinge/identity",
        "hinge/tanh",
        "squared_hinge/identity",
        "mse/identity",
        "mse/sigmoid",
        "mae/sigmoid",
    ),
    trials=52,
    seeds=10,
    data_options=(("n_samples", 1000), ("noise", 0.1), ("random_state", 1)),
)

DIGITS = Problem(
    name="digits",
    n_in=64,
    hidden=128,
    n_out=10,
    epochs=40,
    train=1437,
    validation=360,
    pairs=(
        "cross_entropy/softmax",
        "focal/softmax",
        "label_smoothing_ce/softmax",
        "mse/identity",
        "mse/softmax",
        "mae/softmax",
        "crammer_singer/identity",
        "ovr_squared_hinge/identity",
    ),
    trials=52,
    seeds=10,
)

PROBLEMS = {p.name: p for p in (CIRCLES, DIGITS)}


def problem(name: str, **changes: int) -> Problem:
    """Return a problem, with other numbers where given."""
    return replace(PROBLEMS[name], **changes)


@dataclass(frozen=True)
class Configuration:
    """One pair with one learning rate."""

    pair: str
    lr: float


def configurations(of: Problem, count: int) -> list[Configuration]:
    """Return so many configurations, dealt out to the pairs in turn; each pair's rates go from low to high."""
    names = of.pairs[: min(count, len(of.pairs))]
    found = []
    for i, name in enumerate(names):
        own = len(range(i, count, len(names)))
        rates = np.geomspace(LOW, HIGH, own) if own > 1 else [0.05]
        found += [Configuration(name, float(rate)) for rate in rates]
    return found


def shape(replicates: int) -> tuple[int, int]:
    """Return the seeds and configurations of a population: eight configurations before a second seed, at most eight seeds."""
    seeds = max(s for s in (1, 2, 4, 8) if s == 1 or (replicates >= 8 * s and replicates % s == 0))
    return seeds, replicates // seeds

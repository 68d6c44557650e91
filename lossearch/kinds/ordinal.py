"""Ordinal classification: targets are one of several classes that have an order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._class_axis import likeliest
from lossearch._text import listed
from lossearch.kinds._baselines import MULTINOMIAL, Baseline, Fitted, Floats
from lossearch.kinds._kind import Array, Readout, ReadTargets
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._target import is_text, shown
from lossearch.kinds.multiclass import Multiclass

if TYPE_CHECKING:
    from torch import Tensor

NAMED_LEVELS = 12
"""How many levels are told in their order."""


def _levels(x: Floats, y: Tensor, weight: Floats | None, n_out: int) -> Fitted | None:
    """Fit the levels' probabilities, of which the median is predicted."""
    fitted = MULTINOMIAL.fit(x, y, weight, n_out)
    return None if fitted is None else lambda inputs: _with_median(fitted(inputs))


def _with_median(found: Predictions) -> Predictions:
    return found if found.probability is None else replace(found, label=median_level(found.probability))


class Ordinal(Multiclass):
    """Targets are one of several classes in an order, called levels: numbers by their value, names as their type has it.

    Where a pair has probabilities the level predicted is their median, by which the expected absolute error is least;
    else the one of the highest score.
    """

    name: ClassVar[str] = "ordinal"
    like: ClassVar[str] = "multiclass"
    baselines: ClassVar[tuple[Baseline, ...]] = (Baseline(MULTINOMIAL.name, _levels),)
    usual: ClassVar[tuple[str, ...] | None] = ("cross_entropy",)
    numbers: ClassVar[bool] = True

    def asks(self, y: Array) -> str | None:  # noqa: ARG002 - classes do not show that they have an order
        """Return None: whole numbers are as well classes without an order."""
        return None

    def asks_in_order(self, y: Array) -> str | None:
        """Return the reason where y has three values or more."""
        n = len(np.unique(y))
        return f"y is an ordered categorical of {n} levels" if y.ndim == 1 and n > 2 else None

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        if y.ndim == 1 and is_text(y):
            some = shown(np.unique(y), 3)
            return (
                f"y holds names ({some}), and nothing says their order: give y as an ordered categorical, "
                'pandas.Categorical(y, categories=["lowest", ..., "highest"], ordered=True), or as numbers in that '
                "order. If they have none, kind = 'multiclass'"
            )
        if y.ndim == 1 and len(np.unique(y)) == 2:
            return f"y has 2 values, {shown(np.unique(y))}, which are in one order only: kind = 'binary'"
        return super().misfit(y)

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:
        """Return levels from 0 up, (N,)."""
        found = super().read(y, names)
        order = (
            " < ".join(found.classes) if found.n_out <= NAMED_LEVELS else listed(found.classes, NAMED_LEVELS)
        )
        return ReadTargets(found.y, found.n_out, found.classes, f"; levels in order: {order}{found.note}")

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:
        """Return label (..., N), scores, output and probabilities where there are such, (..., N, C)."""
        believed = None if readout.believed is None else readout.believed(raw)
        label = likeliest(raw) if believed is None else median_level(believed)
        if not {"probability", "output"} & set(wanted):
            return Predictions(label=label, score=raw)
        p = None if readout.probability is None else readout.probability(raw)
        return Predictions(label, p, score=raw, output=readout.activation(raw))

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:
        """Return the median level where that is met by the metric, else the most frequent, and the levels' shares."""
        found = super().constant(which, train, rows, n_out)
        if which != "median" or found.probability is None:
            return found
        label = median_level(found.probability)
        return Predictions(label, found.probability, found.score, output=found.output)

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return (
            "qwk",
            "qwk: the usual metric for levels in an order; an error costs its square, less what chance would give",
        )


def median_level(probability: Tensor) -> Tensor:
    """Return the lowest level at or below which half of the probability lies, (..., N)."""
    return (probability[..., :-1].cumsum(dim=-1) < 0.5).sum(dim=-1)


KIND = Ordinal()

"""What kinds of real-valued targets share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch._moments import mean_and_std
from lossearch.errors import refuse
from lossearch.kinds._facts import MOST_ROUNDING, TargetFacts, TargetForm
from lossearch.kinds._kind import Array, Kind, Readout, ReadTargets, agreeing
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._target import is_text, shown

if TYPE_CHECKING:
    from torch import Tensor

_LARGEST = 1e150
"""Squares of larger numbers overflow float64, and those of numbers as much smaller vanish."""


def beyond_float64(given: Array, columns: Array) -> list[str]:
    """Return what is wrong with targets that float64 cannot tell apart, or cannot square."""
    spread = mean_and_std(columns)[1]
    problems = []
    if given.dtype.kind in "iu" and np.abs(columns).max() > 2**53:
        rounded = np.array(
            [
                [abs(int(a) - int(b)) for a, b in zip(*row, strict=True)]
                for row in zip(given, columns, strict=True)
            ]
        )
        if (rounded.max(axis=0) > MOST_ROUNDING * spread).any():
            problems.append(
                f"y holds whole numbers up to {given.max()}, of which 64-bit floats keep 16 digits, and they differ in "
                "the others: subtract an offset, such as y - y.min()."
            )
    if np.abs(columns).max() > _LARGEST or spread.min() < 1 / _LARGEST:
        problems.append(
            f"y goes from {columns.min():g} to {columns.max():g}: squared errors of such numbers are no 64-bit floats. "
            "Give y in another unit."
        )
    return problems


_QUANTILE = "quantile "


def quantile_constant(level: float) -> str:
    """Return how a metric names the constant predictor that has a share ``level`` of the training targets below it."""
    return f"{_QUANTILE}{level:g}"


class RealKind(Kind):
    """A kind of task whose targets are (N, T) real numbers, each predicted by a value in its own units."""

    form: ClassVar[TargetForm] = TargetForm.REAL
    head: ClassVar[str] = "one output for each target"
    gives: ClassVar[tuple[str, ...]] = ("value", "output")
    # the output is the value in other units
    kept: ClassVar[tuple[str, ...]] = ("value",)
    figures: ClassVar[tuple[str, ...]] = ("errors",)
    surface: ClassVar[str | None] = "value"
    numbers: ClassVar[bool] = True
    scaled: ClassVar[bool] = True

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        return (
            f"y holds names ({shown(np.unique(y), 3)}), and {self.name} needs numbers" if is_text(y) else ""
        )

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:  # noqa: ARG002 - numbers have none
        """Return targets as (N, T) float64."""
        columns = y.astype(np.float64).reshape(len(y), -1)
        refuse(
            [
                f"y column {i} has one value only, {column[0]:g}: there is nothing to predict."
                for i, column in enumerate(columns.T)
                if column.min() == column.max()
            ]
        )
        refuse(beyond_float64(y.reshape(len(y), -1), columns))
        return ReadTargets(columns, columns.shape[1])

    def facts(self, y: Array, n_out: int, dtype: torch.dtype | None = None) -> TargetFacts:
        """Return the range of the targets, and what rounding does to them."""
        columns = y.reshape(len(y), -1)
        rounded = torch.as_tensor(columns).to(dtype or torch.float32).double().numpy()
        with np.errstate(invalid="ignore"):
            lost = np.abs(rounded - columns).max(axis=0) / mean_and_std(columns)[1]
        return TargetFacts(
            self.name, n_out, float(y.min()), float(y.max()), float(np.nan_to_num(lost, nan=0.0).max())
        )

    def tensor(self, y: Tensor, dtype: torch.dtype | None = None) -> Tensor:  # noqa: ARG002 - no digit is to be lost
        """Return targets with all their digits, in float64."""
        return super().tensor(y, torch.float64)

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a float target (N, T), of whole numbers float64, that has a number for every output."""
        found = agreeing(self.flat(target) if target.ndim > 2 else target, rows, n_out, who)
        return found if found.is_floating_point() else found.double()

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:  # noqa: ARG002
        """Return the value of each row, and its distribution where the pair has one."""
        output = readout.activation(raw)
        family, params = readout.distribution or (None, None)
        return Predictions(value=readout.in_units(output), output=output, distribution=params, family=family)

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:  # noqa: ARG002
        """Return the median or quantile of the training targets where that is met by the metric, else their mean."""
        known = train.double().reshape(len(train), -1)
        if which == "median" or which.startswith(_QUANTILE):
            level = 0.5 if which == "median" else float(which.removeprefix(_QUANTILE))
            value = _quantile(known, level)
        else:
            value = known.mean(dim=0)
        return Predictions(value=value.expand(1, rows, -1))

    def sample(self, score: Tensor) -> Tensor:
        """Return numbers between 0.1 and 0.9, which as many losses as possible are defined on."""
        return 0.1 + 0.8 * torch.sigmoid(score)


def _quantile(values: Tensor, level: float) -> Tensor:
    """Return the quantile of each column of (N, T), between the two rows next to it; torch's own has a limit of rows."""
    ordered = values.sort(dim=0).values
    place = level * (len(ordered) - 1)
    below = int(place)
    return torch.lerp(ordered[below], ordered[min(below + 1, len(ordered) - 1)], place - below)

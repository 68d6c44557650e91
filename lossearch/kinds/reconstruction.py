"""Reconstruction: the targets are the inputs, which a network gives again after it has gone through few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.errors import InputError, refuse
from lossearch.kinds._baselines import Baseline
from lossearch.kinds._facts import TargetFacts
from lossearch.kinds._kind import Array, ReadTargets
from lossearch.kinds._real import RealKind, beyond_float64


class Reconstruction(RealKind):
    """Targets are the inputs in their own units, and no others are given.

    What is the same in all rows, as blank pixels are, is given again too. Columns of a table are scaled one by one,
    pictures by what all their pixels have in common.
    """

    name: ClassVar[str] = "reconstruction"
    baselines: ClassVar[tuple[Baseline, ...]] = ()
    like: ClassVar[str] = "regression"
    like_by_number: ClassVar[bool] = True
    usual: ClassVar[tuple[str, ...] | None] = ("mse", "mae", "huber", "log_cosh")
    conventional: ClassVar[str] = "mse/identity"
    head: ClassVar[str] = "one output for each number of the input"
    maps: ClassVar[bool] = True
    own_inputs: ClassVar[bool] = True
    network: ClassVar[str] = "autoencoder"
    surface: ClassVar[str | None] = None

    def asks(self, y: Array) -> str | None:  # noqa: ARG002 - whoever wants it says so
        """Return None: no targets ask for it."""
        return None

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:  # noqa: ARG002 - numbers have none
        """Return inputs as (N, T) float64.

        Raises:
            InputError: nothing varies, or float64 cannot tell numbers apart.
        """
        columns = y.astype(np.float64).reshape(len(y), -1)
        vary = np.ptp(columns, axis=0) > 0
        if not vary.any():
            raise InputError("All rows of X are the same: there is nothing to give again.")
        refuse(beyond_float64(y.reshape(len(y), -1)[:, vary], columns[:, vary]))
        constant = int((~vary).sum())
        note = f"; {constant} of {len(vary)} numbers are the same in all rows" if constant else ""
        return ReadTargets(columns, columns.shape[1], note=note, shape=y.shape[1:] if y.ndim > 2 else ())

    def facts(self, y: Array, n_out: int, dtype: torch.dtype | None = None) -> TargetFacts:
        """Return the range of the inputs, and what rounding does to those that vary."""
        vary = np.ptp(y, axis=0) > 0
        found = super().facts(y[:, vary] if vary.any() else y, n_out, dtype)
        return replace(found, low=float(y.min()), high=float(y.max()))

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "rmse", "rmse: the usual metric of autoencoders; it favours mse by construction"


KIND = Reconstruction()

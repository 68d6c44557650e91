"""Regression: targets are real numbers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from lossearch.kinds._baselines import RIDGE, Baseline
from lossearch.kinds._kind import Array
from lossearch.kinds._real import RealKind
from lossearch.kinds._target import is_text, is_whole


class Regression(RealKind):
    """Targets are real numbers, one or several a row."""

    name: ClassVar[str] = "regression"
    conventional: ClassVar[str] = "mse/identity"
    baselines: ClassVar[tuple[Baseline, ...]] = (RIDGE,)
    fallback: ClassVar[bool] = True

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has numbers."""
        if is_text(y):
            return None
        if y.ndim == 2:
            return f"y has {y.shape[1]} columns of numbers"
        k = len(np.unique(y))
        return f"y has {k} different {'whole' if is_whole(y) else 'real'} numbers in {len(y)} rows"

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "rmse", "rmse: the usual metric for regression; it favours mse by construction"


KIND = Regression()

"""Counts: targets are 0, 1, 2, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.kinds._baselines import POISSON, Baseline
from lossearch.kinds._kind import Array
from lossearch.kinds._real import RealKind
from lossearch.kinds._target import are_classes, is_whole, some_rows

if TYPE_CHECKING:
    from torch import Tensor


class Count(RealKind):
    """Targets are how often something happened, and a value predicts the mean count."""

    name: ClassVar[str] = "count"
    conventional: ClassVar[str] = "poisson_nll/exp"
    baselines: ClassVar[tuple[Baseline, ...]] = (POISSON,)

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has whole numbers from 0 up, more than classes have, and several zeros."""
        k = len(np.unique(y))
        if y.ndim == 2 or k == 2 or not is_whole(y) or are_classes(y) or y.min() < 0:
            return None
        zeros = int((y == 0).sum())
        if zeros < 2:
            return None
        return f"y has {k} different whole numbers from 0 up in {len(y)} rows, {zeros} of them 0"

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        names = super().misfit(y)
        if names:
            return names
        strange = ((y < 0) | (np.floor(y) != y) | np.isinf(y)).reshape(len(y), -1)
        if not strange.any():
            return ""
        first = y.reshape(len(y), -1)[strange][0]
        return f"y holds {first:g} ({some_rows(strange.any(axis=1))}), and counts are 0, 1, 2, ..."

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "poisson_deviance", (
            "poisson_deviance: the usual metric for counts, least at their mean; errors weigh by the size expected"
        )

    def sample(self, score: Tensor) -> Tensor:
        """Return counts that grow with the score."""
        return torch.floor(torch.exp(score.clamp(max=2.0)))


KIND = Count()

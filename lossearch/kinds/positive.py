"""Amounts: targets are numbers above 0, such as prices, sizes and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds._baselines import GAMMA, Baseline
from lossearch.kinds._kind import Array
from lossearch.kinds._real import RealKind
from lossearch.kinds._target import some_rows

if TYPE_CHECKING:
    from torch import Tensor


class Positive(RealKind):
    """Targets are numbers above 0, whose errors count by their size relative to the target."""

    name: ClassVar[str] = "positive"
    like: ClassVar[str] = "regression"
    usual: ClassVar[tuple[str, ...]] = ("gamma_nll", "log_mse", "mse", "mae")
    conventional: ClassVar[str] = "gamma_nll/exp"
    baselines: ClassVar[tuple[Baseline, ...]] = (GAMMA,)

    def asks(self, y: Array) -> str | None:  # noqa: ARG002 - the same for all
        """Return None: numbers above 0 may be any real numbers that happen to be so."""
        return None

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        names = super().misfit(y)
        if names:
            return names
        low = (y <= 0).reshape(len(y), -1)
        if not low.any():
            return ""
        first = y.reshape(len(y), -1)[low][0]
        cure = (
            "of amounts that may be 0, say kind = 'regression' and losses = ['tweedie_nll'], or kind = 'count' where "
            "they are counts"
            if (y >= 0).all()
            else "of numbers on both sides of 0, say kind = 'regression'"
        )
        return f"y holds {first:g} ({some_rows(np.asarray(low.any(axis=1)))}), and positive targets are above 0: {cure}"

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a float target (N, T) of numbers above 0 that has one for every output."""
        found = super().checked(target, rows, n_out, who)
        if not bool((found > 0).all()):
            low = (found <= 0).any(dim=-1).cpu().numpy()
            raise InputError(
                f"{who} met {float(found.min()):g} ({some_rows(low)}), and positive targets are above 0."
            )
        return found

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "gamma_deviance", (
            "gamma_deviance: the usual metric for amounts above 0, least at their mean; errors count by their ratio to "
            "what is expected"
        )

    def sample(self, score: Tensor) -> Tensor:
        """Return amounts that grow with the score."""
        return torch.exp(score.clamp(-3.0, 3.0) / 2)


KIND = Positive()

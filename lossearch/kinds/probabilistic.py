"""Probabilistic regression: each real target is predicted by a whole distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from lossearch._lazy import torch
from lossearch.kinds._baselines import NORMAL_RIDGE, Baseline
from lossearch.kinds._kind import Array
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._real import RealKind

if TYPE_CHECKING:
    from torch import Tensor


class Probabilistic(RealKind):
    """Targets are real numbers, one or several a row, and a model says how likely each number is."""

    name: ClassVar[str] = "probabilistic"
    conventional: ClassVar[str] = "gaussian_nll/identity"
    baselines: ClassVar[tuple[Baseline, ...]] = (NORMAL_RIDGE,)
    head: ClassVar[str] = "the numbers of a distribution for each target"
    kept: ClassVar[tuple[str, ...]] = ("value", "distribution")
    figures: ClassVar[tuple[str, ...]] = ("intervals", "errors")

    def asks(self, y: Array) -> str | None:  # noqa: ARG002 - numbers do not show how they are to be predicted
        """Return None: it is asked for by name."""
        return None

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:
        """Return the normal distribution of the training targets' mean, or median, and standard deviation."""
        value = super().constant(which, train, rows, n_out).value
        known = train.double().reshape(len(train), -1)
        spread = known.std(dim=0, correction=0).clamp(min=torch.finfo(torch.float32).tiny)
        assert value is not None  # noqa: S101 - of every real kind
        both = torch.stack([value, spread.expand_as(value)], dim=-1)
        return Predictions(value=value, distribution=both, family="normal")

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "crps", (
            "crps: the error of a whole distribution, in units of the target; it is least for the right one"
        )


KIND = Probabilistic()

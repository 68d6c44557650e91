"""Shares of a whole: targets are rows of numbers from 0 up that sum to 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.errors import InputError, refuse
from lossearch.kinds._baselines import Baseline
from lossearch.kinds._facts import TargetFacts, TargetForm
from lossearch.kinds._kind import Array, ReadTargets, agreeing
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._real import RealKind
from lossearch.kinds._target import is_text, some_rows

if TYPE_CHECKING:
    from torch import Tensor

SURE = 1e-6
"""How far from 1 rows may sum to be taken for shares unasked."""
ROUNDED = 1e-3
"""How far from 1 they may where they are said to be shares: as those do that were written with four digits."""


class Compositional(RealKind):
    """Targets are how a whole divides, one share a column, and values are shares that sum to 1."""

    name: ClassVar[str] = "compositional"
    baselines: ClassVar[tuple[Baseline, ...]] = ()
    form: ClassVar[TargetForm] = TargetForm.SHARES
    conventional: ClassVar[str] = "cross_entropy/softmax"
    head: ClassVar[str] = "one output for each share"
    surface: ClassVar[str | None] = None
    scaled: ClassVar[bool] = False
    yields: ClassVar[bool] = True

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has several columns from 0 up that sum to 1 in every row, with fractions."""
        if y.ndim == 1 or y.shape[1] < 2 or is_text(y) or np.isin(y, (0, 1)).all():
            return None
        if y.min() < 0 or not (np.abs(y.sum(axis=1, dtype=np.float64) - 1) <= SURE).all():
            return None
        return (
            f"y has {y.shape[1]} columns of numbers from 0 up that sum to 1 in every row (kind = 'regression' predicts "
            "each column for itself)"
        )

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        names = super().misfit(y)
        if names:
            return names
        if y.ndim == 1 or y.shape[1] < 2:
            return (
                "y has one column, and shares need one for each part of the whole (of two parts, y and 1 - y)"
            )
        low = (y < 0) | ~np.isfinite(y)
        if low.any():
            return (
                f"y holds {y[low][0]:g} ({some_rows(np.asarray(low.any(axis=1)))}), and shares go from 0 to 1"
            )
        sums = y.sum(axis=1, dtype=np.float64)
        off = np.abs(sums - 1) > ROUNDED
        if not off.any():
            return ""
        cure = (
            "y / y.sum(axis=1, keepdims=True) makes shares of amounts"
            if (sums > 0).all()
            else "leave rows without any amount out"
        )
        return f"shares of a row sum to 1, and y holds a row that sums to {sums[off][0]:g} ({some_rows(off)}): {cure}"

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:  # noqa: ARG002 - numbers have none
        """Return shares as (N, C) float64 that sum to 1."""
        shares = y.astype(np.float64)
        same = (shares == shares[0]).all()
        refuse(["every row of y has the same shares: there is nothing to predict."] if same else [])
        return ReadTargets(shares / shares.sum(axis=1, keepdims=True), shares.shape[1])

    def facts(self, y: Array, n_out: int, dtype: torch.dtype | None = None) -> TargetFacts:  # noqa: ARG002 - no digit matters
        """Return the range of the shares."""
        return TargetFacts(self.name, n_out, float(y.min()), float(y.max()))

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return shares (N, C) that sum to 1 in every row."""
        found = agreeing(target, rows, n_out, who)
        found = found if found.is_floating_point() else found.double()
        sums = found.sum(dim=-1)
        off = ((sums - 1).abs() > ROUNDED) | (found < 0).any(dim=-1)
        if bool(off.any()):
            raise InputError(
                f"{who} takes shares from 0 up that sum to 1 in every row; {some_rows(off.cpu().numpy())} sum to "
                f"{float(sums[off][0]):g}, the least of them {float(found.min()):g}."
            )
        return found

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:
        """Return the mean shares, or the medians, scaled to sum to 1, where those meet the metric."""
        value = super().constant(which, train, rows, n_out).value
        assert value is not None  # noqa: S101 - real values always have one
        whole = value.sum(dim=-1, keepdim=True)
        even = torch.full_like(value, 1 / value.shape[-1])
        return Predictions(value=torch.where(whole > 0, value / whole.clamp(min=1e-12), even))

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "kl", (
            "kl: how far what is predicted is from what is there, in nats; least at the mean shares, and defined where "
            "shares are 0"
        )

    def sample(self, score: Tensor) -> Tensor:
        """Return shares that follow the scores, of two parts where there is one score."""
        several = score if score.shape[-1] > 1 else torch.cat([score, -score], dim=-1)
        steps = torch.linspace(-1, 1, several.shape[-1], dtype=score.dtype, device=score.device)
        return torch.softmax(several * (1.5 + steps), dim=-1)


KIND = Compositional()

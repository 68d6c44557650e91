"""Angles: targets are directions in radians, of which those a whole turn apart are one."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._angles import wrapped
from lossearch._lazy import torch
from lossearch.kinds._baselines import Baseline
from lossearch.kinds._kind import Array, Readout, ReadTargets
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._real import RealKind
from lossearch.kinds._target import is_whole, some_rows

if TYPE_CHECKING:
    from torch import Tensor

FARTHEST = 4 * math.pi
"""Two turns: what goes beyond is hardly in radians."""
CANDIDATES = 512
"""Training angles among which the one of least mean error is looked for."""
_CURE = "np.deg2rad(y) makes radians of degrees, and y * 2 * np.pi / period of anything that comes round, as hours with a period of 24"


class Angles(RealKind):
    """Targets are angles in radians, and a value predicts one above -pi and up to pi."""

    name: ClassVar[str] = "angles"
    baselines: ClassVar[tuple[Baseline, ...]] = ()
    conventional: ClassVar[str] = "sine_cosine_mse/identity"
    figures: ClassVar[tuple[str, ...]] = ("angle_errors",)
    circular: ClassVar[bool] = True

    def asks(self, y: Array) -> str | None:  # noqa: ARG002 - the same for all
        """Return None: numbers do not say that they come round."""
        return None

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        names = super().misfit(y)
        if names:
            return names
        far = ((np.abs(y) > FARTHEST) | ~np.isfinite(y)).reshape(len(y), -1)
        if far.any():
            first = y.reshape(len(y), -1)[far][0]
            return (
                f"y holds {first:g} ({some_rows(np.asarray(far.any(axis=1)))}), and angles are in radians, no more than "
                f"two turns from 0: {_CURE}"
            )
        if is_whole(y) and len(np.unique(y)) > 2:
            return f"y holds whole numbers alone, and angles are in radians: {_CURE}"
        return ""

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:
        """Return targets as (N, T) float64, above -pi and up to pi."""
        near = wrapped(torch.as_tensor(y.astype(np.float64))).numpy()
        return super().read(near, names)

    def tensor(self, y: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        """Return targets with all their digits, above -pi and up to pi."""
        return wrapped(super().tensor(y, dtype))

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a float target (N, T), above -pi and up to pi, that has a number for every output."""
        return wrapped(super().checked(target, rows, n_out, who))

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:
        """Return the angle of each row."""
        found = super().predictions(raw, readout, wanted)
        assert found.value is not None  # noqa: S101 - real values always have one
        return replace(found, value=wrapped(found.value))

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:  # noqa: ARG002
        """Return the training angle of least mean error where the median meets the metric, else the mean direction."""
        known = train.double().reshape(len(train), -1)
        if which == "median":
            value = torch.stack([_middle(column) for column in known.T])
        else:
            value = torch.atan2(known.sin().mean(dim=0), known.cos().mean(dim=0))
        return Predictions(value=value.expand(1, rows, -1))

    def default_metric(self, y: Array) -> tuple[str, str]:  # noqa: ARG002 - the same for all
        """Return the metric that judges unless another is named, and the reason."""
        return "angular_error", (
            "angular_error: the mean angle between prediction and truth, the short way round, in radians"
        )

    def sample(self, score: Tensor) -> Tensor:
        """Return angles that turn with the score, some of them beyond pi and so near -pi."""
        return wrapped(score + 2.0)


def _middle(angles: Tensor) -> Tensor:
    """Return which of some angles, (N,), has the least mean error to all."""
    ordered = angles.sort().values
    chosen = ordered[
        torch.linspace(0, len(ordered) - 1, min(CANDIDATES, len(ordered)), device=angles.device)
        .round()
        .long()
    ]
    errors = torch.stack([wrapped(angles - one).abs().mean() for one in chosen])
    return chosen[errors.argmin()]


KIND = Angles()

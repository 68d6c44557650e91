"""Multilabel classification: targets are several labels, each there or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.errors import InputError, refuse
from lossearch.kinds._baselines import LABEL_BY_LABEL, Baseline
from lossearch.kinds._facts import TargetForm
from lossearch.kinds._kind import Array, Kind, Readout, ReadTargets, agreeing, some_values
from lossearch.kinds._predictions import Predictions, without_class_weights
from lossearch.kinds._target import is_text, shown

if TYPE_CHECKING:
    from torch import Tensor


class Multilabel(Kind):
    """Targets are labels, any number of which a row has, and the network gives a raw score for each."""

    name: ClassVar[str] = "multilabel"
    form: ClassVar[TargetForm] = TargetForm.ZERO_ONE
    conventional: ClassVar[str] = "bce/sigmoid"
    baselines: ClassVar[tuple[Baseline, ...]] = (LABEL_BY_LABEL,)
    head: ClassVar[str] = "one output, the raw score, for each label"
    gives: ClassVar[tuple[str, ...]] = ("label", "score", "output", "codes")
    kept: ClassVar[tuple[str, ...]] = ("label", "probability", "score")
    figures: ClassVar[tuple[str, ...]] = ("calibration",)
    weighted_by: ClassVar[tuple[str, ...]] = ("pos_weight",)

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has columns of 0 and 1."""
        if y.ndim == 1 or is_text(y) or not np.isin(y, (0, 1)).all():
            return None
        return f"y has {y.shape[1]} columns of 0 and 1, {np.mean(y.sum(axis=1)):.2g} of them 1 in a row on average"

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        if y.ndim == 1:
            return (
                "y has one column, and multilabel needs one for each label (for one label: kind = 'binary')"
            )
        if is_text(y) or not np.isin(y, (0, 1)).all():
            return f"y holds {shown(np.unique(y), 3)}, and multilabel needs 0 and 1"
        return ""

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:  # noqa: ARG002 - labels are columns
        """Return (N, L) zeros and ones.

        Raises:
            InputError: a label is in every row, or in none.
        """
        labels = y.astype(np.int64)
        refuse(
            [
                f"y column {i} is {column[0]} in every row: there is nothing to predict. Leave it out."
                for i, column in enumerate(labels.T)
                if np.ptp(column) == 0
            ]
        )
        return ReadTargets(labels, labels.shape[1])

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a target (N, L) of 0/1."""
        found = agreeing(target, rows, n_out, who)
        if not set(torch.unique(found.detach()).tolist()) <= {0, 1}:
            raise InputError(f"{who} takes labels 0 and 1; got {some_values(found)}.")
        return found

    def class_shape(self, n_out: int) -> tuple[int, int]:
        """Return the labels, each there or not."""
        return n_out, 2

    def class_codes(self, target: Tensor) -> Tensor:
        """Return 0 and 1, (..., N, K), as indices."""
        return target.long()

    def unweighted(self, probability: Tensor, table: Tensor) -> Tensor:
        """Return the probability of 1 as it occurs, (..., N, K)."""
        return without_class_weights(probability, table)

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:  # noqa: ARG002
        """Return labels, scores, output, and probabilities where there are such, (..., N, L)."""
        output = readout.activation(raw)
        p = None if readout.probability is None else readout.probability(raw)
        label = (output >= sum(readout.codes) / 2).to(torch.uint8)
        return Predictions(label, p, score=raw, output=output, codes=readout.codes)

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:  # noqa: ARG002
        """Return each label as most rows have it, and its share as probability and score."""
        share = train.double().mean(dim=0).expand(1, rows, -1)
        label = (share >= 0.5).to(torch.uint8)
        return Predictions(label, share, share, output=label.double(), codes=(0.0, 1.0))

    def default_metric(self, y: Array) -> tuple[str, str]:
        """Return the metric that judges unless another is named, and the reason."""
        rarest, most = y.mean(axis=0).min(), y.mean(axis=0).max()
        return "f1_macro", (
            f"f1_macro: labels are in {rarest:.1%} to {most:.1%} of the rows, and each counts alike"
        )

    def sample(self, score: Tensor) -> Tensor:
        """Return labels above different heights of the scores."""
        heights = torch.linspace(-0.5, 0.5, score.shape[1], dtype=score.dtype)
        return (score > heights).to(score.dtype)


KIND = Multilabel()

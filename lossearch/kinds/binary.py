"""Binary classification: targets are one of two classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds._baselines import LOGISTIC, Baseline
from lossearch.kinds._classes import ClassKind
from lossearch.kinds._facts import TargetForm
from lossearch.kinds._kind import Array, Readout, ReadTargets, agreeing, some_values
from lossearch.kinds._predictions import Predictions, without_class_weights
from lossearch.kinds._target import shown

if TYPE_CHECKING:
    from torch import Tensor


class Binary(ClassKind):
    """Targets are one of two classes, and the network gives one number: the raw score of class 1."""

    name: ClassVar[str] = "binary"
    form: ClassVar[TargetForm] = TargetForm.ZERO_ONE
    conventional: ClassVar[str] = "bce/sigmoid"
    baselines: ClassVar[tuple[Baseline, ...]] = (LOGISTIC,)
    head: ClassVar[str] = "one output, the raw score of class 1 (two outputs are for kind = 'multiclass')"
    gives: ClassVar[tuple[str, ...]] = ("label", "score", "output", "codes")
    kept: ClassVar[tuple[str, ...]] = (*ClassKind.kept, "output")
    surface: ClassVar[str | None] = "probability"
    weighted_by: ClassVar[tuple[str, ...]] = ("class_weight", "pos_weight")

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has two values."""
        values = np.unique(y)
        return f"y has 2 values, {shown(values)}" if y.ndim == 1 and len(values) == 2 else None

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        if y.ndim == 2:
            return f"y has {y.shape[1]} columns, and binary needs one"
        values = np.unique(y)
        return (
            ""
            if len(values) == 2
            else f"y has {len(values)} different values ({shown(values)}), and binary needs 2"
        )

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:
        """Return 0 and 1, (N,)."""
        codes, classes = self.coded(y, names)
        return ReadTargets(codes, 1, classes, f"; {classes[1]!r} is class 1{self.alike(classes)}")

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return a target (N, 1) of 0/1; -1/+1 is taken too."""
        if n_out != 1:
            raise InputError(
                f"{who} needs one output; the network gives {n_out}. One output a class is for task='multiclass', "
                "such as cross_entropy/softmax; one a label for task='multilabel'."
            )
        found = agreeing(target, rows, n_out, who)
        values = set(torch.unique(found.detach()).tolist())
        if not (values <= {0, 1} or values <= {-1, 1}):
            raise InputError(f"{who} takes binary targets 0/1 or -1/+1; got {some_values(found)}.")
        return found.clamp(min=0) if -1 in values else found

    def codes_of(self, target: Tensor) -> tuple[int, int] | None:
        """Return (-1, 1) or (0, 1); None where all are of class 1."""
        low = int(target.min()) if target.numel() else 1
        return None if low == 1 else (low, 1)

    def class_shape(self, n_out: int) -> tuple[int, int]:  # noqa: ARG002 - one output
        """Return one output and two classes."""
        return 1, 2

    def class_codes(self, target: Tensor) -> Tensor:
        """Return 0 and 1, (..., N, K), as indices."""
        return target.long()

    def unweighted(self, probability: Tensor, table: Tensor) -> Tensor:
        """Return the probability of 1 as it occurs, (..., N, K)."""
        return without_class_weights(probability, table)

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:  # noqa: ARG002
        """Return label, score and output, and the probability of class 1 where there is one, (..., N)."""
        output = readout.activation(raw)
        p = None if readout.probability is None else readout.probability(raw)
        return Predictions(
            # 0 and 1 as bytes: scores of hundreds of models at once are bound by what they read
            label=(output[..., 0] >= sum(readout.codes) / 2).to(torch.uint8),
            probability=None if p is None else p[..., 0],
            score=raw[..., 0],
            output=output[..., 0],
            codes=readout.codes,
        )

    def class_probabilities(self, probability: Tensor) -> Tensor:
        """Return the probabilities of both classes, (..., N, 2)."""
        return torch.stack([1 - probability, probability], dim=-1)

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:  # noqa: ARG002
        """Return the majority class, and the share of class 1 as probability and score."""
        share = torch.bincount(train.flatten().long(), minlength=2).double() / len(train)
        label = share.argmax().expand(1, rows)
        probability = share[1].expand(1, rows)
        return Predictions(label, probability, probability, output=label.double(), codes=(0.0, 1.0))

    def sample(self, score: Tensor) -> Tensor:
        """Return which scores are above 0."""
        return (score[:, :1] > 0).to(score.dtype)


KIND = Binary()

"""Multiclass classification: targets are one of several classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lossearch._class_axis import likeliest
from lossearch._lazy import torch
from lossearch.errors import InputError
from lossearch.kinds._baselines import MULTINOMIAL, Baseline
from lossearch.kinds._classes import ClassKind
from lossearch.kinds._facts import TargetForm
from lossearch.kinds._kind import Array, Readout, ReadTargets, some_values
from lossearch.kinds._predictions import Predictions
from lossearch.kinds._target import MAX_INFERRED_CLASSES, are_classes, is_text, is_whole, shown

if TYPE_CHECKING:
    from torch import Tensor


class Multiclass(ClassKind):
    """Targets are one of several classes, and the network gives a raw score for each."""

    name: ClassVar[str] = "multiclass"
    form: ClassVar[TargetForm] = TargetForm.INDEX
    conventional: ClassVar[str] = "cross_entropy/softmax"
    baselines: ClassVar[tuple[Baseline, ...]] = (MULTINOMIAL,)
    head: ClassVar[str] = "one output for each class"
    gives: ClassVar[tuple[str, ...]] = ("label", "score", "output")
    surface: ClassVar[str | None] = "label"
    weighted_by: ClassVar[tuple[str, ...]] = ("class_weight",)

    def asks(self, y: Array) -> str | None:
        """Return the reason where y has names, or whole numbers few enough to be classes."""
        if y.ndim == 2 or len(values := np.unique(y)) == 2 or not are_classes(y):
            return None
        return f"y has {len(values)} {'names' if is_text(y) else 'whole numbers'}, {shown(values)}"

    def misfit(self, y: Array) -> str:
        """Return why targets cannot be of this kind, or ''."""
        if y.ndim == 2:
            return f"y has {y.shape[1]} columns, and multiclass needs one"
        values = np.unique(y)
        if len(values) > MAX_INFERRED_CLASSES and not is_text(y) and not is_whole(y):
            return f"y holds {len(values)} different real numbers, and multiclass needs classes"
        return ""

    def read(self, y: Array, names: Sequence[str]) -> ReadTargets:
        """Return class numbers, (N,)."""
        codes, classes = self.coded(y, names)
        return ReadTargets(codes, len(classes), classes, self.alike(classes))

    def tensor(self, y: Tensor, dtype: torch.dtype | None = None) -> Tensor:  # noqa: ARG002 - indices
        """Return (N,) class indices."""
        return y.long()

    def checked(self, target: Tensor, rows: int, n_out: int, who: str) -> Tensor:
        """Return class indices (N,); one-hot rows are taken too."""
        if n_out < 2:
            raise InputError(
                f"{who} needs one output a class, at least 2; the network gives {n_out}. "
                "One output for two classes is for binary pairs, such as bce/sigmoid."
            )
        if target.ndim == 2 and tuple(target.shape) == (rows, n_out):
            one_hot = ((target == 0) | (target == 1)).all() and (target.sum(-1) == 1).all()
            if not one_hot:
                raise InputError(f"{who} takes class indices or one-hot rows; these rows are not one-hot.")
            return target.long().argmax(-1)
        if tuple(target.shape) != (rows,):
            raise InputError(f"{who} takes {rows} class indices; got target of shape {tuple(target.shape)}.")
        index = target.long()
        wrong = target[(index != target) | (index < 0) | (index >= n_out)]
        if len(wrong):
            raise InputError(f"{who} takes class indices from 0 to {n_out - 1}; got {some_values(wrong)}.")
        return index

    def class_shape(self, n_out: int) -> tuple[int, int]:
        """Return one choice among all classes."""
        return 1, n_out

    def class_codes(self, target: Tensor) -> Tensor:
        """Return class indices, (..., N, 1)."""
        return target.unsqueeze(-1)

    def unweighted(self, probability: Tensor, table: Tensor) -> Tensor:
        """Return the classes' probabilities as they occur, (..., N, C)."""
        found = probability / table.squeeze(-2)
        return found / found.sum(dim=-1, keepdim=True)

    def predictions(self, raw: Tensor, readout: Readout, wanted: Collection[str]) -> Predictions:
        """Return label (..., N), scores, output and probabilities where there are such, (..., N, C)."""
        if not {"probability", "output"} & set(wanted):
            return Predictions(label=likeliest(raw), score=raw)
        p = None if readout.probability is None else readout.probability(raw)
        return Predictions(likeliest(raw), p, score=raw, output=readout.activation(raw))

    def constant(self, which: str, train: Tensor, rows: int, n_out: int) -> Predictions:  # noqa: ARG002
        """Return the majority class, and the classes' shares as probability and score."""
        share = torch.bincount(train.flatten().long(), minlength=n_out).double() / len(train)
        probability = share.expand(1, rows, -1)
        label = share.argmax().expand(1, rows)
        return Predictions(label, probability, score=probability, output=probability)

    def sample(self, score: Tensor) -> Tensor:
        """Return classes of equal size by the first score, as many as there are scores."""
        first, classes = score[:, 0].contiguous(), score.shape[1]
        edges = first.quantile(torch.linspace(0, 1, classes + 1, dtype=score.dtype)[1:-1])
        return torch.bucketize(first, edges)


KIND = Multiclass()

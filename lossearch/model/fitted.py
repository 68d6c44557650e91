"""A trained network with all it takes to predict from rows as a user has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossearch.data.inputs import Inputs
from lossearch.errors import InputError
from lossearch.kinds import KINDS, Table, TargetStatistics, shifts_probabilities, some_rows
from lossearch.networks.architecture import DTYPES, Architecture
from lossearch.pairs import Criterion
from lossearch.space import Point

_NUMBERS = 2**22
"""Numbers of input that go through the network at once."""


@dataclass(frozen=True)
class Origin:
    """Where a model comes from.

    It was trained on ``rows`` rows of the parts ``trained_on`` under ``seed`` to the end of ``epoch``;
    ``scores`` are what the study reports for its point.
    """

    study: str
    digest: str
    task: str
    target: str
    seed: int
    epoch: int
    trained_on: str
    rows: int
    optimizer: str = ""
    metric: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A trained network that takes raw rows and gives classes or values in their own units.

    ``labels`` are the classes as they stood in y, none for regression; ``statistics`` are those of the
    training targets, by which values come back to their own units; ``n_out`` is how many numbers a row are predicted;
    ``class_weights`` are what rows weighed in training by their class, by which probabilities are corrected;
    ``shape`` is how what is predicted of a row is laid out, as (H, W), () where it is not.

    Example:
        >>> import lossearch
        >>> model = lossearch.load("circles").model
        >>> model.predict([[0.0, 0.1], [2.0, 2.0]]).shape
        (2,)
    """

    point: Point
    network: nn.Module
    architecture: Architecture
    statistics: TargetStatistics
    inputs: Inputs
    labels: tuple[Any, ...]
    n_out: int
    origin: Origin
    class_weights: Table | None = None
    shape: tuple[int, ...] = ()

    @cached_property
    def criterion(self) -> Criterion:
        """The pair made callable, with the point's own parameters."""
        if self.point.definition is None:
            raise InputError(f"The point of this model has the name of its pair, {self.point.pair}, alone.")
        dtype = DTYPES[self.architecture.dtype]
        return Criterion(self.point.definition, self.point.params, self.statistics, self.class_weights).to(
            dtype
        )

    @property
    def kind(self) -> str:
        """The kind of task."""
        return self.criterion.pair.kind

    @property
    def classes(self) -> NDArray[Any]:
        """The classes in the order of the columns of :meth:`predict_proba`.

        Raises:
            InputError: it is not a model of classes.
        """
        if not self.labels:
            raise InputError(f"A {self.kind} model has no classes.")
        text = any(isinstance(label, str) for label in self.labels)
        return np.asarray(self.labels, dtype=object if text else None)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the model is of classes, and its pair's minimiser a probability."""
        pair = self.criterion.pair
        return pair.activation.name in pair.loss.probability

    @property
    def corrects_probabilities(self) -> bool:
        """Whether probabilities are corrected for class weights in training."""
        return self.class_weights is not None and shifts_probabilities(self.class_weights)

    def example(self) -> pd.DataFrame | NDArray[Any]:
        """Return two made-up rows in the form X must have."""
        return self.inputs.example()

    @torch.no_grad()
    def raw(self, x: Any) -> Tensor:
        """Return the network's raw output, (N, n_out), before activation.

        Raises:
            InputError: X is not of the form the model was trained on, or no finite output comes of a row.
        """
        rows = torch.as_tensor(self.inputs(x), dtype=DTYPES[self.architecture.dtype])
        block = max(1, _NUMBERS // max(1, rows[:1].numel()))
        self.network.eval()
        found = torch.cat([self.network(part) for part in torch.split(rows, block)])
        raw = found.unsqueeze(-1) if found.ndim == 1 else found
        lost = ~torch.isfinite(raw).flatten(1).all(dim=1).numpy()
        if lost.any():
            raise InputError(
                f"The network's output is not a finite number for {lost.sum()} of {len(lost)} rows ({some_rows(lost)}), "
                "so nothing can be predicted there: is X of the size that the model was trained on?"
            )
        return raw

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the class of each row, (N,), its labels, (N, L), or its value in original units, (N,) or (N, T).

        Masks are (N, H, W) bytes of 0 and 1.

        Args:
            x: rows as they were given to the study: DataFrame, array or tensor.

        Raises:
            InputError: X is not of the form the model was trained on.
        """
        found = self.criterion.predict(self.raw(x)).numpy()
        return self.classes[found] if self.labels else KINDS[self.kind].laid_out(found, self.shape)

    def predict_proba(self, x: Any) -> NDArray[Any]:
        """Return the probability of each class, (N, C), in the order of ``classes``, or of each label, (N, L).

        Of a model trained with class weights they are corrected: of the classes as they occur in the training rows, each
        weighing the same. :meth:`predict` goes by the weighted score, so its class is not always the likeliest.

        Raises:
            InputError: the pair gives none, or X is not of the form the model was trained on.
        """
        name = self.point.pair
        if "label" not in KINDS[self.kind].gives:
            raise InputError(f"{name} gives values, no probabilities: use predict(X).")
        if not self.gives_probabilities:
            raise InputError(
                f"{name} gives no probabilities: its minimiser is not one. Use predict(X), or fit a pair that "
                f"gives them, such as {KINDS[self.kind].conventional}."
            )
        return KINDS[self.kind].laid_out(self.criterion.predict_proba(self.raw(x)).numpy(), self.shape)

    def predict_quantiles(self, x: Any, levels: float | Sequence[float]) -> NDArray[Any]:
        """Return the values below which lie shares ``levels`` of what is predicted, (N, L), or (N, T, L) of T outputs.

        Of a single level there is no axis L.

        Raises:
            InputError: the pair predicts no distribution, a level is not between 0 and 1, or X is not of the form that
                the model was trained on.
        """
        return self.criterion.predict_quantiles(self.raw(x), levels).numpy()

    def predict_interval(self, x: Any, coverage: float = 0.9) -> NDArray[Any]:
        """Return the two ends between which the middle ``coverage`` of what is predicted lies, (N, 2), or (N, T, 2).

        Raises:
            InputError: as :meth:`predict_quantiles`, or coverage is not between 0 and 1.
        """
        return self.criterion.predict_interval(self.raw(x), coverage).numpy()

    def save(self, directory: str | Path) -> Path:
        """Write the model to a directory, to be read by ``lossearch.load_model``; see ``model.saved``.

        Raises:
            InputError: the directory exists and is not empty.
        """
        from lossearch.model.saved import save_model

        return save_model(self, directory)

    def __repr__(self) -> str:
        o = self.origin
        return (
            f"FittedModel({self.point.pair} at lr {self.point.lr:.3g}, {self.architecture.name}, "
            f"epoch {o.epoch} on {o.rows} rows of {o.trained_on})"
        )

"""What a model says of each row."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from lossearch._lazy import torch
from lossearch.distributions import DISTRIBUTIONS

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Predictions:
    """What a model says of each row, with free leading axes (...), N rows, C classes, T outputs, L labels.

    ``label`` (..., N) class index or (..., N, L) 0/1, as bytes where two values are all there are, see
    :func:`with_long_label`; ``probability`` (..., N) of class 1, (..., N, C) or (..., N, L), None where the
    pair has none; ``score`` of the shape a probability has, monotone in belief; ``value`` (..., N, T) in
    original units; ``output`` the activated output; ``codes`` the two numbers that stand for 0 and 1;
    ``distribution`` (..., N, T, P) what each target's distribution is in original units, as the parameters of ``family``.
    ``steps`` (..., N, P) the scores of masks as bytes, see :func:`stepped`: all that is recorded of them.
    A kind whose predictions are of another sort (levels, maps) adds its field here.
    """

    label: Tensor | None = None
    probability: Tensor | None = None
    score: Tensor | None = None
    value: Tensor | None = None
    output: Tensor | None = None
    codes: tuple[float, float] | None = None
    distribution: Tensor | None = None
    family: str | None = None
    steps: Tensor | None = None

    @property
    def density(self) -> Tensor | None:
        """The distribution where its family has a density, else None."""
        return self.distribution if self.family and DISTRIBUTIONS[self.family].has_density else None


def without_class_weights(probability: Tensor, table: Tensor) -> Tensor:
    """Return the probabilities of 1, (..., N, K), of outputs whose 0 and 1 weighed so much, (..., 1, K, 2)."""
    of_1, of_0 = probability / table[..., 1], (1 - probability) / table[..., 0]
    return of_1 / (of_1 + of_0)


STEPS = 256
"""How many scores are told apart where there are as many as a mask has pixels."""


def stepped(score: Tensor) -> Tensor:
    """Return scores as bytes that go up with them: the sigmoid of each in steps of 1/256; 0 is at the step 128."""
    return (score.float().sigmoid() * STEPS).clamp(0, STEPS - 1).to(torch.uint8)


EVERY_FIELD = tuple(f.name for f in fields(Predictions))


def with_long_label(predictions: Predictions) -> Predictions:
    """Return predictions with labels as 64-bit integers, which can be computed and indexed with."""
    label = predictions.label
    return predictions if label is None else replace(predictions, label=label.long())

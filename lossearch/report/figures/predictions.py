"""The predictions that figures show: which pairs, which seeds, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossearch.kinds import Predictions
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import BLUE, GREEN, ORANGE, PURPLE
from lossearch.verdict.verdict import Verdict

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"))
"""Colour and dash of the first, second, ... pair shown."""


@dataclass(frozen=True)
class Predicted:
    """What one replicate predicted: ``target`` (N,) or (N, T) and its predictions."""

    target: NDArray[np.float64]
    predictions: Predictions


def shown_pairs(verdict: Verdict | None, evidence: Evidence) -> tuple[str, ...]:
    """Return the pairs whose predictions are drawn: recommended, leader, conventional, or the first ones."""
    if verdict is None:
        return evidence.pairs[:3]
    asked = dict.fromkeys([verdict.recommended, verdict.leader, verdict.conventional or ""])
    return tuple(p for p in asked if p in evidence.predictions)


def predicted(evidence: Evidence, pair: str) -> Iterator[Predicted]:
    """Give what each replicate of a pair that did not diverge predicted."""
    target = as_array(evidence.target)
    for i, predictions in enumerate(evidence.predictions[pair]):
        if not evidence.diverged[pair][i]:
            yield Predicted(target[evidence.rows[i]], predictions)


def as_array(tensor: Tensor) -> NDArray[np.float64]:
    """Return a tensor as float64."""
    found: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return found

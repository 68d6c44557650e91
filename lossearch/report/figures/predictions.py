"""The predictions that figures show: which pairs, which seeds, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossearch._colours import BLUE, GREEN, ORANGE, PURPLE
from lossearch.kinds import EVERY_FIELD
from lossearch.records.evidence import Evidence
from lossearch.verdict.verdict import Verdict

STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"))
"""Colour and dash of the first, second, ... pair shown."""


@dataclass(frozen=True)
class Predicted:
    """What one replicate predicted, by field: label, probability, ...; ``target`` is (N,) or (N, T)."""

    target: NDArray[np.float64]
    said: Mapping[str, NDArray[np.float64]]


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
            given = ((name, getattr(predictions, name)) for name in EVERY_FIELD)
            said = {name: as_array(tensor) for name, tensor in given if isinstance(tensor, Tensor)}
            yield Predicted(target[evidence.rows[i]], said)


def as_array(tensor: Tensor) -> NDArray[np.float64]:
    """Return a tensor as float64."""
    found: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return found

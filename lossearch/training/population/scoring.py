"""Metrics of a whole population: one call wherever predictions mean the same for every pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.pairs import Predictions
from lossearch.tasks import Metric
from lossearch.tasks.metrics import scores
from lossearch.training.population.criteria import PairSlice

Floats = NDArray[np.float64]
_SHARED = ("label", "score", "probability", "value")
"""What metrics read that means the same for every pair, so that one call serves all."""


def stacked_scores(
    slices: Sequence[PairSlice], raw: Tensor, target: Tensor, metrics: Sequence[Metric]
) -> dict[str, Floats]:
    """Return name -> each replicate's score, (S, A); NaN where a pair has none.

    Args:
        slices: the pairs' arms.
        raw: finite output (S, A, N, n_out).
        target: canonical targets (S, N[, T]).
        metrics: what to score.
    """
    found = {m.name: np.full(raw.shape[:2], np.nan) for m in metrics}
    said = [(s, s.predictions(raw[:, s.start : s.end])) for s in slices]
    for metric in metrics:
        for arms, predictions in _together(metric, said):
            for i, y in enumerate(target):
                value = scores([metric], _of_seed(predictions, i), y).get(metric.name)
                if value is not None:
                    found[metric.name][i, arms] = value.double().cpu().numpy()
    return found


def _together(
    metric: Metric, said: Sequence[tuple[PairSlice, Predictions]]
) -> Iterator[tuple[list[int], Predictions]]:
    """Give arms, and predictions (S, arms, ...) of them that one call of a metric can score."""
    having = [(s, p) for s, p in said if getattr(p, metric.needs) is not None]
    if not having:
        return
    if metric.needs not in _SHARED:
        for s, p in having:
            yield list(range(s.start, s.end)), p
        return
    arms = [a for s, _ in having for a in range(s.start, s.end)]
    fields = [f for f in dict.fromkeys((metric.needs, "label")) if getattr(having[0][1], f) is not None]
    stacked: dict[str, Any] = {f: torch.cat([getattr(p, f) for _, p in having], dim=1) for f in fields}
    yield arms, Predictions(**stacked)


def _of_seed(predictions: Predictions, seed: int) -> Predictions:
    """Return the predictions of one seed, (arms, ...)."""
    fields = ("label", "probability", "score", "value", "output")
    given = {f: t[seed] for f in fields if (t := getattr(predictions, f)) is not None}
    return Predictions(**given, codes=predictions.codes)

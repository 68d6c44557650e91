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
_READ = {
    "label": ("label",),
    "score": ("score", "label", "probability"),
    "probability": ("probability", "label"),
    "value": ("value",),
}
"""What a metric that needs this field reads, all of it the same thing for every pair: one call serves
all pairs that have the same of these. A metric that needs anything else is called by pair."""


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
    if metric.needs not in _READ:
        for s, p in having:
            yield list(range(s.start, s.end)), p
        return
    groups: dict[tuple[str, ...], list[tuple[PairSlice, Predictions]]] = {}
    for s, p in having:
        # the number of classes is that of the scores
        classes = ("score",) if p.score is not None and p.score.ndim > 3 else ()
        read = dict.fromkeys((*_READ[metric.needs], *classes))
        groups.setdefault(tuple(f for f in read if getattr(p, f) is not None), []).append((s, p))
    for fields, group in groups.items():
        stacked: dict[str, Any] = {f: torch.cat([getattr(p, f) for _, p in group], dim=1) for f in fields}
        yield [a for s, _ in group for a in range(s.start, s.end)], Predictions(**stacked)


def _of_seed(predictions: Predictions, seed: int) -> Predictions:
    """Return the predictions of one seed, (arms, ...)."""
    fields = ("label", "probability", "score", "value", "output")
    given = {f: t[seed] for f in fields if (t := getattr(predictions, f)) is not None}
    return Predictions(**given, codes=predictions.codes)

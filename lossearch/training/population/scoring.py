"""Metrics of a whole population: one call wherever predictions mean the same for every pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lossearch.pairs import Predictions
from lossearch.tasks import Metric
from lossearch.tasks.metrics import scores
from lossearch.tasks.together import FIELDS, read_by, together
from lossearch.training.population.criteria import PairSlice

Floats = NDArray[np.float64]


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
    wanted = read_by(metrics)
    said = [s.predictions(raw[:, s.start : s.end], wanted) for s in slices]
    for needs in dict.fromkeys(m.needs for m in metrics):
        own = [m for m in metrics if m.needs == needs]
        for places, predictions in together(needs, said, axis=1):
            arms = [a for i in places for a in range(slices[i].start, slices[i].end)]
            for i, y in enumerate(target):
                for name, value in scores(own, _of_seed(predictions, i), y).items():
                    found[name][i, arms] = value.double().cpu().numpy()
    return found


def _of_seed(predictions: Predictions, seed: int) -> Predictions:
    """Return the predictions of one seed, (arms, ...)."""
    given = {f: t[seed] for f in FIELDS if (t := getattr(predictions, f)) is not None}
    return Predictions(**given, codes=predictions.codes)

"""Metrics of a whole population: one call wherever predictions mean the same for every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch.kinds import Predictions
from lossearch.metrics.joined import each_field, read_by, together
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import scores
from lossearch.pairs.behaviour import MEASURES
from lossearch.training.behaviour import measured
from lossearch.training.population.criteria import PairSlice

Floats = NDArray[np.float64]
TOGETHER = 2**17
"""Predictions that are scored at a time where they can be: more do not stay in a processor's cache."""


def stacked_scores(
    slices: Sequence[PairSlice], raw: Tensor, target: Tensor, metrics: Sequence[Metric]
) -> dict[str, Floats]:
    """Return name -> each replicate's score, (S, C); NaN where a pair has none.

    ``raw`` are finite outputs (S, C, N, n_out), ``target`` canonical targets (S, N[, T]); seeds that share
    them are scored together.
    """
    found = {m.name: np.full(raw.shape[:2], np.nan) for m in metrics}
    count = max(1, TOGETHER // raw[0].numel()) if target.stride(0) == 0 else 1
    wanted = read_by(metrics)
    by_slice = [s.predictions(raw[:, s.start : s.end], wanted) for s in slices]
    for needs in dict.fromkeys(m.needs for m in metrics):
        alike = [m for m in metrics if m.needs == needs]
        for places, predictions in together(needs, by_slice, axis=1):
            own = [c for i in places for c in range(slices[i].start, slices[i].end)]
            for start in range(0, len(target), count):
                seeds = slice(start, start + count)
                for name, value in scores(alike, _of_seeds(predictions, seeds), target[start]).items():
                    found[name][seeds, own] = value.double().cpu().numpy().reshape(-1, len(own))
    return found


def stacked_behaviour(
    slices: Sequence[PairSlice], raw: Tensor, encoded: Mapping[str, Tensor]
) -> dict[str, Floats]:
    """Return name -> what each replicate's loss makes of outputs (S, C, N, n_out), (S, C)."""
    found = [
        measured(s.pair, raw[:, s.start : s.end], encoded[s.encoding], {**s.params, **s.fitted})
        for s in slices
    ]
    return {name: np.concatenate([f[name] for f in found], axis=1) for name in MEASURES}


def without(raw: Tensor, replicates: NDArray[np.bool_]) -> Tensor:
    """Return output (S, C, N, n_out) with zeros for some replicates, (S, C).

    In the layout that it has: in another, arithmetic rounds otherwise.
    """
    raw = raw.clone()
    raw[torch.from_numpy(replicates).to(raw.device)] = 0
    return raw


def _of_seeds(predictions: Predictions, seeds: slice) -> Predictions:
    """Return the predictions of some seeds, (seeds * c, ...)."""
    return each_field(predictions, lambda t: t[seeds].flatten(0, 1))

"""What pairs predicted, made up."""

from __future__ import annotations

import numpy as np

from lossearch.records.evidence import Evidence

SEEDS = 12
"""Where no pair is there to say how many."""


def evidence(
    metric, predictions, target, *, kind, rows=None, diverged=None, groups=None, part="test", constant=0.5
):
    seeds = len(next(iter(predictions.values()))) if predictions else SEEDS
    return Evidence(
        kind=kind,
        metric=metric,
        part=part,
        seeds=tuple(range(100, 100 + seeds)),
        target=target,
        rows=[np.arange(len(target))] * seeds if rows is None else rows,
        predictions=predictions,
        diverged={p: np.zeros(seeds, bool) for p in predictions} | (diverged or {}),
        constants=np.full(seeds, constant),
        groups=groups,
    )

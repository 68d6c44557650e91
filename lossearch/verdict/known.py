"""What is known of an evidence beside its scores: what a row weighs, which pairs are the same, what a constant scores."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import torch
from lossearch.kinds import Predictions
from lossearch.metrics.joined import each_field
from lossearch.metrics.registry import constant_score, scores
from lossearch.records.evidence import Evidence

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING = 1e-12
"""A difference or spread below this share of the scores is rounding."""


def sound(evidence: Evidence, pair: str) -> list[Predictions]:
    """Return the predictions of one pair's replicates that did not diverge."""
    return [
        s for s, ended in zip(evidence.predictions[pair], evidence.diverged[pair], strict=True) if not ended
    ]


def mean_scores(evidence: Evidence) -> dict[str, float]:
    """Return pair -> its mean score over seeds, by the evidence's metric; NaN where its predictions lack what that reads.

    A replicate that diverged scores as a constant predictor.
    """
    targets = [evidence.target[torch.from_numpy(np.asarray(rows))] for rows in evidence.rows]
    found = {}
    for pair, said in evidence.predictions.items():
        by_seed = [
            scores([evidence.metric], each_field(one, lambda t: t.unsqueeze(0)), target)
            for one, target in zip(said, targets, strict=True)
        ]
        values = [float(s[evidence.metric.name]) if s else math.nan for s in by_seed]
        found[pair] = float(np.where(evidence.diverged[pair], evidence.constants, values).mean())
    return found


def leverage(evidence: Evidence, units: Ints) -> float:
    """Return the largest share of the score's range that a row, or group of rows, may change, mean over seeds."""
    found = np.zeros(int(units.max()) + 1)
    for rows in evidence.rows:
        shares = evidence.metric.leverage(evidence.target[torch.from_numpy(np.asarray(rows))])
        found += np.bincount(units[rows], shares.numpy(), minlength=len(found)).clip(max=1)
    return float(found.max()) / len(evidence.rows)


def constant(evidence: Evidence) -> float:
    """Return what a constant predictor scores; where no record says so, one that knows these targets."""
    found = float(np.mean(evidence.constants))
    if not np.isfinite(found):
        found = constant_score(evidence.metric, evidence.kind, evidence.target, evidence.target, 1)
    return found if np.isfinite(found) else 0.0


def alike(evidence: Evidence) -> Ints:
    """Return a number a pair, the same for those whose real-valued predictions are equal under every seed.

    Equal classes alone do not make two models the same.
    """
    said = [_real_numbers(evidence, pair) for pair in evidence.pairs]
    return np.array(
        [next((j for j in range(i) if _equal(said[j], said[i])), i) for i in range(len(said))], dtype=np.int64
    )


def _real_numbers(evidence: Evidence, pair: str) -> Floats:
    fields = [
        t.double().flatten()
        for s in sound(evidence, pair)
        for t in (s.score, s.probability, s.value)
        if t is not None
    ]
    ended = torch.from_numpy(evidence.diverged[pair]).double()
    return torch.cat([ended, *fields]).numpy() if fields or ended.all() else np.full(1, np.nan)


def _equal(one: Floats, other: Floats) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=ROUNDING, atol=0)

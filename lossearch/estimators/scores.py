"""What ``score`` of an estimator is where scikit-learn's own does not fit what is predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import jaccard_score

from lossearch.data.rows import Array


def overlap(true: Array, predicted: Array, sample_weight: Any = None) -> float:
    """Return intersection over union of each mask, averaged; 1 for an empty one of which nothing is marked.

    Args:
        true: (N, ...) truth values.
        predicted: of the same shape.
        sample_weight: what each mask counts, (N,); all alike by default.
    """
    pixels = (m.reshape(len(m), -1).astype(np.uint8) for m in (true, predicted))
    return float(jaccard_score(*pixels, average="samples", sample_weight=sample_weight, zero_division=1))


def explained_of_angles(true: Array, predicted: Array, sample_weight: Any = None) -> float:
    """Return the share of 1 - cos of the errors that predictions explain beyond the mean direction, averaged over outputs.

    As the coefficient of determination it is 1 at best, 0 for a constant and negative for what is worse; a turn more
    or less is no error.

    Args:
        true: radians, (N,) or (N, T).
        predicted: of the same shape.
        sample_weight: what each row counts, (N,); all alike by default.
    """
    true, predicted = (np.asarray(v, dtype=np.float64).reshape(len(v), -1) for v in (true, predicted))
    weight = np.ones(len(true)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    middle = np.arctan2(weight @ np.sin(true), weight @ np.cos(true))
    missed, spread = (weight @ (1 - np.cos(true - v)) for v in (predicted, middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = 1 - missed / spread
    # as scikit-learn has it where nothing varies
    constant = np.where(missed > 0, 0.0, 1.0)
    return float(np.where(spread > 0, share, constant).mean())

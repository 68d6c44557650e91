"""How two scores are set against each other: a difference of scores, or a ratio of errors."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lossearch.metrics.metric import SIGN


class Scale(StrEnum):
    """The unit in which scores of different tasks, or of very different size, can be set against each other."""

    DIFFERENCE = "difference"
    RATIO = "ratio"


def scale_of(direction: str, scores: ArrayLike) -> Scale:
    """Return the scale of scores: a share (maximised) is subtracted, an error (minimised) is divided.

    An error has the unit of its target and may be of any size, so that only its ratio means the same on
    two tasks. An error that is 0 or below has no ratio, and is subtracted.
    """
    found = np.asarray(scores, dtype=np.float64)
    positive = bool((found[np.isfinite(found)] > 0).all())
    return Scale.RATIO if direction == "minimize" and positive else Scale.DIFFERENCE


def merit(scores: ArrayLike, direction: str, scale: Scale) -> NDArray[np.float64]:
    """Return numbers that grow with quality and may be subtracted: the scores, or minus the log of errors.

    A difference of 0.01 is then one hundredth of the score's unit, or an error one per cent smaller.
    """
    found = np.asarray(scores, dtype=np.float64)
    if scale is Scale.RATIO:
        return -np.log(found)
    return SIGN[direction] * found

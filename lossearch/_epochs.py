"""Which epochs of a long curve are worth a number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np


@lru_cache(256)
def thin(epochs: int, most: int) -> Sequence[int]:
    """Return at most ``most`` epochs out of 1..epochs, dense at the start, the last among them."""
    if epochs <= most:
        return range(1, epochs + 1)
    chosen = kept = {epochs}
    for points in range(most, 4 * most):
        spaced = {round(e) for e in np.geomspace(1, epochs, points).tolist()} | kept
        if len(spaced) > most:
            break
        chosen = spaced
    return tuple(sorted(chosen))

"""Which epochs of a long curve are worth a number."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np


def thin(epochs: int, most: int, keep: Iterable[int] = ()) -> list[int]:
    """Return at most ``most`` epochs out of 1..epochs, dense at the start, the last and ``keep`` among them."""
    return list(_thin(epochs, most, tuple(keep)))


@lru_cache(256)
def _thin(epochs: int, most: int, keep: tuple[int, ...]) -> Iterable[int]:
    if epochs <= most:
        return range(1, epochs + 1)
    kept = {epochs, *(e for e in keep if 1 <= e <= epochs)}
    chosen = kept
    for points in range(most, 4 * most):
        spaced = {round(e) for e in np.geomspace(1, epochs, points).tolist()} | kept
        if len(spaced) > most:
            break
        chosen = spaced
    return sorted(chosen)

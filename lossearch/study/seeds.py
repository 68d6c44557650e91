"""The seeds of a study: those of the search, and fresh ones."""

from __future__ import annotations

from collections.abc import Collection

from lossearch._random import stream


def search_seeds(seed: int, n: int) -> tuple[int, ...]:
    """Return the seeds of the search's replicates; confirmation draws from another stream."""
    return tuple(stream(seed, "search", i) % 2**31 for i in range(n))


def confirm_seeds(seed: int, n: int, searched: Collection[int]) -> tuple[int, ...]:
    """Return ``n`` fresh seeds of a study: none of the search's, and the same first ones whatever ``n``."""
    found: list[int] = []
    place = 0
    while len(found) < n:
        fresh = stream(seed, "confirm", place) % 2**31
        place += 1
        if fresh not in searched and fresh not in found:
            found.append(fresh)
    return tuple(found)

"""A few words that tell how many rows two data sets share, without the rows themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossearch._lazy import pd

if TYPE_CHECKING:
    from lossearch.data.rows import Features


KEPT = 64
"""How many hashes are kept: the share of common rows is known to some 6 %."""
MOST_CELLS = 10_000_000
"""Larger data are not looked through: it would take seconds."""


def sketch(x: Features, y: NDArray[np.generic]) -> str:
    """Return the least hashes of the rows, features and target, in any order; '' of data too large for it.

    Two such samples estimate the share of common rows without bias (Broder 1997).
    """
    if x.size > MOST_CELLS:
        return ""
    frame = x if isinstance(x, pd.DataFrame) else pd.DataFrame(x.reshape(len(x), -1))
    frame = pd.concat(
        [frame.reset_index(drop=True), pd.DataFrame(y.reshape(len(y), -1))], axis=1, ignore_index=True
    )
    numbers = frame.select_dtypes(["number", "bool"])
    frame = frame.astype(dict.fromkeys(numbers.columns, np.float64))
    hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    return " ".join(f"{h:016x}" for h in np.unique(hashes)[:KEPT])


def common_rows(one: str, other: str) -> float:
    """Return about which share of the rows of either of two data sets is in both, from their sketches; 0 if unknown."""
    first, second = set(one.split()), set(other.split())
    either = sorted(first | second)[:KEPT]
    return sum(h in first and h in second for h in either) / max(1, len(either))

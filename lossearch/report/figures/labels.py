"""Short labels beside points, each where it hides the least."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lossearch.report.figures.canvas import INK

_NEAR, _FAR = 8.0, 15.0
"""Points from the middle of a mark to the middle of its label."""
_LETTER, _HEIGHT, _MARK = 5.0, 8.0, 7.0
"""Width of a letter, height of a line, and size of a mark, in points."""
_DIRECTIONS = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)], dtype=float)

Floats = NDArray[np.float64]


def beside(ax: Axes, x: Floats, y: Floats, labels: Sequence[str]) -> None:
    """Write a label beside each point, away from the other points and labels; the limits of the axes must be set."""
    points = ax.transData.transform(np.column_stack([x, y])) * 72 / ax.figure.dpi
    for i, offset in enumerate(_offsets(points, labels)):
        place = (float(x[i]), float(y[i]))
        ax.annotate(
            labels[i], place, offset, textcoords="offset points",
            ha="center", va="center", fontsize=7.5, color=INK,
        )  # fmt: skip


def _offsets(points: Floats, labels: Sequence[str]) -> Iterator[tuple[float, float]]:
    """Give how far each label is from its point."""
    sizes = [(_MARK, _MARK)] * len(points)
    taken = [*points]
    for point, label in zip(points, labels, strict=True):
        size = (_LETTER * len(label), _HEIGHT)
        tried = [d * reach for reach in (_NEAR, _FAR) for d in _DIRECTIONS]
        hidden = [_overlap(point + offset, size, taken, sizes) for offset in tried]
        best = tried[int(np.argmin(hidden))]
        taken.append(point + best)
        sizes.append(size)
        yield float(best[0]), float(best[1])


def _overlap(
    middle: Floats, size: tuple[float, float], taken: Sequence[Floats], sizes: Sequence[tuple[float, float]]
) -> float:
    """Return how much of what is taken a label of this size would hide."""
    reach = (np.asarray(sizes) + size) / 2
    covered = np.clip(reach - np.abs(np.asarray(taken) - middle), 0, None)
    return float(covered.prod(axis=1).sum())

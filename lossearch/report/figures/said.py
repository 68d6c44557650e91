"""What places of a figure say when they are pointed at in a page."""

from __future__ import annotations

import html
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox, Transform
from numpy.typing import ArrayLike, NDArray

from lossearch._text import printable

TARGET = 9.0
"""Width of what is pointed at, in points."""
_TOGETHER = 3
"""Lines that places say which a hand cannot tell apart; of more it is said how many."""
_STRIPS = 25
"""Places along a line that say its values."""

Floats = NDArray[np.float64]


class Said(Artist):
    """A place of a figure that says ``text`` when it is pointed at in a page; nothing is drawn.

    ``points`` (N, 2) are in the units of the axes, or of the transform given.
    """

    def __init__(self, points: ArrayLike, text: str, transform: Transform | None = None) -> None:
        super().__init__()
        self.points: Floats = np.asarray(points, dtype=np.float64)
        self.text = printable(text)
        self.set_in_layout(False)
        if transform is not None:
            self.set_transform(transform)

    def draw(self, renderer: RendererBase) -> None:
        """Draw nothing."""

    def on_page(self, frame: Bbox) -> Floats:
        """Return the points in display units, pulled into the frame of the axes."""
        found: Floats = np.clip(self.get_transform().transform(self.points), frame.min, frame.max)
        return found

    @abstractmethod
    def element(self, points: Floats, title: str) -> str:
        """Return it as SVG, given its points in the page's units."""


class Dot(Said):
    """A single point."""

    def element(self, points: Floats, title: str) -> str:
        """Return a disc about it."""
        ((x, y),) = points
        return f'<circle cx="{_written(x)}" cy="{_written(y)}" r="{TARGET / 2:g}">{title}</circle>'


class Line(Said):
    """A line from point to point."""

    def element(self, points: Floats, title: str) -> str:
        """Return it, wide enough to be pointed at."""
        path = " ".join(f"{_written(x)},{_written(y)}" for x, y in points)
        return f'<polyline points="{path}">{title}</polyline>'


class Box(Said):
    """A rectangle between two corners."""

    def element(self, points: Floats, title: str) -> str:
        """Return it as a path, which is the shortest."""
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        x, y = _written(left), _written(top)
        return f'<path d="M{x} {y}H{_written(right)}V{_written(bottom)}H{x}z">{title}</path>'


def say(ax: Axes, x: float, y: float, text: str) -> None:
    """Let a point say something."""
    ax.add_artist(Dot([(x, y)], text))


def say_along(ax: Axes, x: ArrayLike, y: ArrayLike, text: str, transform: Transform | None = None) -> None:
    """Let a line from point to point say something."""
    ax.add_artist(Line(np.stack([x, y], axis=1), text, transform))


def say_within(ax: Axes, x: ArrayLike, y: ArrayLike, text: str) -> None:
    """Let a rectangle between two ends in x and in y say something."""
    ax.add_artist(Box(np.stack([x, y], axis=1), text))


def say_across(ax: Axes, x: ArrayLike, texts: Iterable[str]) -> None:
    """Let strips over the whole height of the axes say something, each at one of the rising places ``x``."""
    places = np.asarray(x, dtype=np.float64)
    half = float(np.diff(places).min()) / 2 if len(places) > 1 else 0.5
    ends = [places[0] - half, *((places[1:] + places[:-1]) / 2), places[-1] + half]
    for strip, text in zip(pairwise(ends), texts, strict=True):
        ax.add_artist(Box([*zip(strip, (0, 1), strict=True)], text, ax.get_xaxis_transform()))


def say_rows(ax: Axes, x: ArrayLike, y: ArrayLike, texts: Iterable[str]) -> None:
    """Let each of many points say something."""
    for one, other, text in zip(np.asarray(x).tolist(), np.asarray(y).tolist(), texts, strict=True):
        say(ax, one, other, text)


def spread_over(count: int, most: int = _STRIPS) -> NDArray[np.int64]:
    """Return the places, of so many, that are spread evenly from the first to the last: at most ``most``."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def said_elements(figure: Figure) -> str:
    """Return what a figure says as an SVG element to lie over it, '' where it says nothing; it must have been drawn.

    Points of one axes that a hand cannot tell apart say theirs together.
    """
    height = figure.bbox.height
    found = [
        _element(several, ax.bbox, height, figure.dpi) for ax in figure.axes for several in _together(ax)
    ]
    return '<g class="said">' + "\n".join(found) + "</g>\n" if found else ""


def said_of(ax: Axes) -> list[Said]:
    """Return what places of axes say something, those on top last."""
    return [a for a in ax.artists if isinstance(a, Said)]


def _together(ax: Axes) -> list[list[Said]]:
    """Return what is said of axes, points by where they are."""
    found: dict[tuple[float, ...], list[Said]] = {}
    for place in said_of(ax):
        at = place.on_page(ax.bbox)
        if not np.isfinite(at).all():
            continue
        step = TARGET / 2 * ax.figure.dpi / 72
        key = tuple((at[0] / step).round()) if isinstance(place, Dot) else (float(id(place)),)
        found.setdefault(key, []).append(place)
    return [*found.values()]


def _element(several: Sequence[Said], frame: Bbox, height: float, dpi: float) -> str:
    first = several[0]
    points = (first.on_page(frame) * [1, -1] + [0, height]) * 72 / dpi
    texts = [*dict.fromkeys(place.text for place in several)]
    more = [f"and {len(texts) - _TOGETHER} more"] if len(texts) > _TOGETHER else []
    title = html.escape("\n".join([*texts[:_TOGETHER], *more]), quote=False)
    return first.element(points, f"<title>{title}</title>")


def _written(value: float) -> str:
    return f"{round(value, 1):g}"

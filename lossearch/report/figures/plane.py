"""What pairs predict over the plane of a task with two inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from numpy.typing import NDArray

from lossearch._colours import BLUE, COLOURS, ORANGE
from lossearch.report.figures.canvas import INK, Panel, Picture
from lossearch.report.figures.said import say_within
from lossearch.report.formatting import class_names, number

_COLOUR_NAMES = ("blue", "orange", "green", "red", "purple", "light blue")
_TWO = LinearSegmentedColormap.from_list("classes", [BLUE, "#ffffff", ORANGE])
_MARKS = "o^sDvP"
_POINTS = 300
_CELLS = 12
"""Cells to a side that say what is predicted in their middle."""


@dataclass(frozen=True)
class Plane:
    """A pair's predictions on a grid over two inputs, and rows with their targets on top.

    ``grid`` (H, W) holds what it ``shows``: "label", the "probability" of class 1 or a "value", at heights ``y`` (H,) and
    places ``x`` (W,); ``inputs`` (N, 2) and ``target`` (N,) are the rows shown.
    """

    pair: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    grid: NDArray[np.float64]
    inputs: NDArray[np.float64]
    target: NDArray[np.float64]
    shows: str
    names: tuple[str, str] = ("input 1", "input 2")


def plane_picture(planes: Sequence[Plane], classes: Sequence[str] = ()) -> Picture | None:
    """Return each pair's predictions on the plane; ``classes`` are the classes' names."""
    if not planes or any(_classes_of(p) > len(COLOURS) for p in planes):
        return None
    panels = tuple(Panel(p.pair, _alt(p), partial(_draw, plane=p, classes=classes)) for p in planes)
    return Picture("plane", "Predictions on the plane", panels, _note(planes[0], classes), size=(3.1, 2.9))


def _note(plane: Plane, classes: Sequence[str]) -> str:
    if plane.shows == "value":
        return "the brighter, the larger"
    names = class_names(classes, max(_classes_of(plane), 2))
    shown = [f"{colour}: {name}" for colour, name in zip(_COLOUR_NAMES, names, strict=False)]
    return ", ".join([*shown, "white: undecided"] if plane.shows == "probability" else shown)


def _classes_of(plane: Plane) -> int:
    if plane.shows == "value":
        return 0
    return 1 + int(max(np.nanmax(plane.grid), plane.target.max(initial=0)))


def _alt(plane: Plane) -> str:
    what = "values" if plane.shows == "value" else "classes"
    rows = f", with {len(plane.target)} rows and their true {what} on top" if len(plane.target) else ""
    return f"What {plane.pair} predicts over the plane of {plane.names[0]} and {plane.names[1]}{rows}."


def _draw(ax: Axes, *, plane: Plane, classes: Sequence[str]) -> None:
    kept = np.linspace(0, len(plane.target) - 1, min(_POINTS, len(plane.target))).round().astype(int)
    inputs, target = plane.inputs[kept], plane.target[kept]
    extent = (plane.x[0], plane.x[-1], plane.y[0], plane.y[-1])
    drawn: dict[str, Any] = {"extent": extent, "origin": "lower", "aspect": "auto", "interpolation": "none"}
    if plane.shows == "value":
        ax.imshow(plane.grid, cmap="viridis", alpha=0.6, **drawn)
        ax.scatter(inputs[:, 0], inputs[:, 1], c=target, cmap="viridis", s=10, edgecolors=INK, linewidths=0.3)
    elif plane.shows == "probability":
        ax.imshow(plane.grid, cmap=_TWO, vmin=0, vmax=1, alpha=0.5, **drawn)
        _classes(ax, inputs, target, classes)
    else:
        count = len(COLOURS)
        ax.imshow(plane.grid, cmap=ListedColormap(COLOURS), vmin=-0.5, vmax=count - 0.5, alpha=0.35, **drawn)
        _classes(ax, inputs, target, classes)
    _say_cells(ax, plane, classes)
    ax.grid(visible=False)
    ax.set_xlabel(plane.names[0])
    ax.set_ylabel(plane.names[1])


def _say_cells(ax: Axes, plane: Plane, classes: Sequence[str]) -> None:
    height, width = plane.grid.shape
    rows, columns = min(_CELLS, height), min(_CELLS, width)
    x, y = (np.linspace(places[0], places[-1], n + 1) for places, n in ((plane.x, columns), (plane.y, rows)))
    for i, j in np.ndindex(rows, columns):
        at = int((i + 0.5) * height / rows), int((j + 0.5) * width / columns)
        place = f"{number(plane.x[at[1]])}, {number(plane.y[at[0]])}"
        said = _said(plane, float(plane.grid[at]), classes)
        say_within(ax, (x[j], x[j + 1]), (y[i], y[i + 1]), f"{plane.pair} at ({place}): {said}")


def _said(plane: Plane, value: float, classes: Sequence[str]) -> str:
    """Return what stands for a number of the grid."""
    if plane.shows == "value" or np.isnan(value):
        return number(value)
    names = class_names(classes, max(_classes_of(plane), 2))
    return f"probability of {names[1]} {number(value)}" if plane.shows == "probability" else names[int(value)]


def _classes(
    ax: Axes, inputs: NDArray[np.float64], target: NDArray[np.float64], classes: Sequence[str]
) -> None:
    there = np.unique(target).astype(int)
    names = class_names(classes, max(len(classes), 1 + int(there.max(initial=0))))
    for c in there:
        rows = inputs[target == c]
        ax.plot(*rows.T, _MARKS[c], color=COLOURS[c], ms=3, mec="#ffffff", mew=0.4, label=names[c])

"""Trials and confirmed pairs under two metrics at once, with the front of each."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lossearch._colours import COLOURS
from lossearch._lazy import pd
from lossearch.diagnostics.pareto import Objectives, Pareto
from lossearch.metrics.metric import SIGN
from lossearch.report.figures.canvas import FAINT, INK, PAPER, Panel, Picture
from lossearch.report.figures.labels import beside
from lossearch.report.figures.said import say
from lossearch.report.formatting import number

_MARKS = "os^Dv"
_REACH = 2
"""Interquartile ranges beyond which a point on the bad side is left out, since it hides the rest."""
_ROOM = 0.35
"""How much of the confirmed points' own range is shown to either side of them: intervals reach further, and are cut."""
_REST = "other pairs"


@dataclass(frozen=True)
class _Style:
    """How a pair's points look: its number among the pairs, best first, is written beside its confirmed point."""

    number: int
    colour: str
    mark: str
    label: str


def pareto_picture(pareto: Pareto, order: Sequence[str]) -> Picture | None:
    """Return the trials of the search, and the confirmed pairs with their intervals, under both metrics.

    ``order`` holds the pairs, best first.
    """
    if pareto.trials.empty:
        return None
    two, styles = pareto.objectives, _styles(pareto, order)
    title = f"{two}, trials of the search"
    panels = [Panel("trials", _trials_alt(pareto), partial(_draw_trials, pareto=pareto, styles=styles))]
    if len(pareto.confirmed):
        title = f"{two}: trials of the search, and confirmed pairs"
        draw = partial(_draw_confirmed, pareto=pareto, styles=styles)
        panels.append(Panel("confirmed", _confirmed_alt(pareto), draw))
    return Picture("pareto", title, tuple(panels), size=(3.1, 2.9))


def far_off(pareto: Pareto) -> int:
    """Return how many trials are too far off to be drawn."""
    return int((~_near(pareto.trials, pareto.objectives)).sum())


def _styles(pareto: Pareto, order: Sequence[str]) -> dict[str, _Style]:
    """Return pair -> how it looks, in this order; pairs that are on no front and not confirmed look alike."""
    tables = (pareto.confirmed, pareto.trials[pareto.trials["front"].astype(bool)])
    shown = {str(p) for t in tables for p in t["pair"]}
    drawn = {str(p) for t in (pareto.confirmed, pareto.trials) for p in t["pair"]}
    places = {pair: i for i, pair in enumerate(dict.fromkeys([*order, *sorted(drawn)]), start=1)}
    named = [pair for pair in places if pair in shown]
    looks = {
        pair: (COLOURS[i % len(COLOURS)], _MARKS[(i + i // len(COLOURS)) % len(_MARKS)])
        for i, pair in enumerate(named)
    }
    return {
        pair: _Style(place, *looks.get(pair, (FAINT, ".")), f"{place} {pair}" if pair in looks else _REST)
        for pair, place in places.items()
        if pair in drawn
    }


def _near(table: pd.DataFrame, two: Objectives) -> NDArray[np.bool_]:
    near = table["front"].to_numpy(dtype=bool, copy=True)
    inside = np.ones(len(table), dtype=bool)
    for metric, direction in zip(two.metrics, two.directions, strict=True):
        worth = table[metric].to_numpy(dtype=float) * SIGN[direction]
        first, third = np.quantile(worth, [0.25, 0.75])
        inside &= worth >= first - _REACH * ((third - first) or np.inf)
    return near | inside


def _draw_trials(ax: Axes, *, pareto: Pareto, styles: dict[str, _Style]) -> None:
    two = pareto.objectives
    shown = pareto.trials[_near(pareto.trials, two)]
    rows = {str(pair): own for pair, own in shown.groupby("pair", sort=False)}
    named_first = sorted(rows, key=lambda pair: (styles[pair].label == _REST, styles[pair].number))
    for pair in named_first:
        own, style = rows[pair], styles[pair]
        looks: dict[str, Any] = {"color": style.colour, "ls": "", "marker": style.mark}
        x, y = (own[m].to_numpy(dtype=float) for m in two.metrics)
        ax.plot(x, y, ms=4, alpha=0.75, mec=PAPER, mew=0.4, label=style.label, zorder=2, **looks)
        best = own[own["front"].astype(bool)]
        x, y = (best[m].to_numpy(dtype=float) for m in two.metrics)
        ax.plot(x, y, ms=6.5, mec=INK, mew=0.9, zorder=4, **looks)
        for row in own.to_dict("records"):
            _say_point(ax, row, two, f"trial {row['trial']}, {pair}")
    _front(ax, shown, two)


def _draw_confirmed(ax: Axes, *, pareto: Pareto, styles: dict[str, _Style]) -> None:
    two, found = pareto.objectives, pareto.confirmed
    rows = sorted(found.to_dict("records"), key=lambda row: styles[str(row["pair"])].number)
    for row in rows:
        style = styles[str(row["pair"])]
        x, y = (float(row[m]) for m in two.metrics)
        for axis, draw, middle in ((0, ax.hlines, y), (1, ax.vlines, x)):
            interval = pareto.intervals[axis].get(str(row["pair"]))
            if interval is not None:
                draw(middle, interval.low, interval.high, color=style.colour, alpha=0.25, lw=1.2, zorder=1)
        looks: dict[str, Any] = {"color": style.colour, "ls": "", "marker": style.mark, "label": style.label}
        ax.plot(x, y, ms=7, mec=INK if row["front"] else PAPER, mew=0.9, zorder=4, **looks)
        _say_point(ax, row, two, style.label)
    across, up = (found[metric].to_numpy(dtype=float) for metric in two.metrics)
    ax.set_xlim(*_limits(across))
    ax.set_ylim(*_limits(up))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=4))
    _front(ax, found, two)
    beside(ax, across, up, [str(styles[str(pair)].number) for pair in found["pair"]])


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return limits that tell points apart, however far their intervals reach."""
    low, high = float(values.min()), float(values.max())
    room = _ROOM * (high - low) or 0.05 * abs(high) or 0.05
    return low - room, high + room


def _say_point(ax: Axes, row: Mapping[Hashable, Any], two: Objectives, name: str) -> None:
    x, y = (float(row[m]) for m in two.metrics)
    first, second = (f"{m} {number(v)}" for m, v in zip(two.metrics, (x, y), strict=True))
    say(ax, x, y, f"{name}: {first}, {second}")


def _front(ax: Axes, table: pd.DataFrame, two: Objectives) -> None:
    """Draw the border of what the front beats, and name the axes."""
    best = table[table["front"].astype(bool)]
    x, y = (best[m].to_numpy(dtype=float) for m in two.metrics)
    corners_x, corners_y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    ax.plot(corners_x, corners_y, color=INK, lw=1, ls="--", label="front", zorder=3)
    words = {"maximize": "more is better", "minimize": "less is better"}
    first, second = (f"{m} ({words[d]})" for m, d in zip(two.metrics, two.directions, strict=True))
    ax.set_xlabel(first)
    ax.set_ylabel(second)


def _trials_alt(pareto: Pareto) -> str:
    trials = pareto.trials
    return (
        f"{len(trials)} trials under {pareto.objectives}, validation rows. On the front, which no other trial equals "
        f"or beats in both: {_listed(trials[trials['front'].astype(bool)], pareto.objectives)}."
    )


def _confirmed_alt(pareto: Pareto) -> str:
    found = pareto.confirmed
    best, rest = found[found["front"].astype(bool)], found[~found["front"].astype(bool)]
    beaten = f" Not on it: {_listed(rest, pareto.objectives)}." if len(rest) else ""
    return (
        f"Confirmed pairs under {pareto.objectives}, {pareto.part} rows, with 95 % intervals. On the front: "
        f"{_listed(best, pareto.objectives)}.{beaten}"
    )


def _listed(table: pd.DataFrame, two: Objectives) -> str:
    return "; ".join(
        f"{r['pair']} {' / '.join(number(float(r[m])) for m in two.metrics)}"
        for r in table.to_dict("records")
    )

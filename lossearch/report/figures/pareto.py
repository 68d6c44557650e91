"""Trials and confirmed pairs under two metrics at once, with the front of each."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lossearch._colours import COLOURS
from lossearch._lazy import pd
from lossearch.diagnostics.pareto import Objectives, Pareto
from lossearch.metrics.metric import SIGN
from lossearch.report.figures.canvas import FAINT, INK, PAPER, Panel, Picture
from lossearch.report.formatting import number

_MARKS = "os^Dv"
_REACH = 2
"""Interquartile ranges beyond which a point on the bad side is left out, since it hides the rest."""
_REST = "pairs not on a front"

Style = tuple[str, str]
"""Colour and mark."""


def pareto_picture(pareto: Pareto) -> Picture | None:
    """Return the trials of the search, and the confirmed pairs with their intervals, under both metrics."""
    if pareto.trials.empty:
        return None
    two, styles = pareto.objectives, _styles(pareto)
    title = f"{two}, trials of the search"
    panels = [Panel("trials", _trials_alt(pareto), partial(_draw_trials, pareto=pareto, styles=styles))]
    if len(pareto.confirmed):
        title = f"{two}: trials of the search, and confirmed pairs"
        draw = partial(_draw_confirmed, pareto=pareto, styles=styles)
        panels.append(Panel("confirmed", _confirmed_alt(pareto), draw))
    return Picture("pareto", title, tuple(panels), size=(3.6, 3.0))


def far_off(pareto: Pareto) -> int:
    """Return how many trials are too far off to be drawn."""
    return int((~_near(pareto.trials, pareto.objectives)).sum())


def _styles(pareto: Pareto) -> dict[str, Style]:
    """Return pair -> colour and mark, for the pairs on either front."""
    tables = (pareto.confirmed, pareto.trials)
    pairs = dict.fromkeys(p for t in tables for p in t["pair"][t["front"].astype(bool)])
    return {
        pair: (COLOURS[i % len(COLOURS)], _MARKS[(i + i // len(COLOURS)) % len(_MARKS)])
        for i, pair in enumerate(pairs)
    }


def _near(table: pd.DataFrame, two: Objectives) -> NDArray[np.bool_]:
    near = table["front"].to_numpy(dtype=bool, copy=True)
    inside = np.ones(len(table), dtype=bool)
    for metric, direction in zip(two.metrics, two.directions, strict=True):
        worth = table[metric].to_numpy(dtype=float) * SIGN[direction]
        first, third = np.quantile(worth, [0.25, 0.75])
        inside &= worth >= first - _REACH * ((third - first) or np.inf)
    return near | inside


def _draw_trials(ax: Axes, *, pareto: Pareto, styles: Mapping[str, Style]) -> None:
    two = pareto.objectives
    shown = pareto.trials[_near(pareto.trials, two)]
    for pair, own in shown.groupby("pair", sort=False):
        colour, mark = styles.get(str(pair), (FAINT, "."))
        label = str(pair) if pair in styles else _REST
        x, y = (own[m].to_numpy(dtype=float) for m in two.metrics)
        ax.plot(x, y, mark, color=colour, ms=4, alpha=0.75, mec=PAPER, mew=0.4, label=label, zorder=2)
        best = own[own["front"].astype(bool)]
        x, y = (best[m].to_numpy(dtype=float) for m in two.metrics)
        ax.plot(x, y, mark, color=colour, ms=6.5, mec=INK, mew=0.9, zorder=4)
    _front(ax, shown, two)


def _draw_confirmed(ax: Axes, *, pareto: Pareto, styles: Mapping[str, Style]) -> None:
    two = pareto.objectives
    for row in pareto.confirmed.to_dict("records"):
        pair = str(row["pair"])
        colour, mark = styles.get(pair, (FAINT, "."))
        x, y = (float(row[m]) for m in two.metrics)
        ax.errorbar(
            x,
            y,
            xerr=_bars(pareto, 0, pair, x),
            yerr=_bars(pareto, 1, pair, y),
            fmt=mark,
            color=colour,
            ms=6,
            mec=INK if row["front"] else PAPER,
            elinewidth=1.1,
            label=pair if pair in styles else _REST,
            zorder=2,
        )
    _front(ax, pareto.confirmed, two)


def _bars(pareto: Pareto, axis: int, pair: str, middle: float) -> list[list[float]] | None:
    interval = pareto.intervals[axis].get(pair)
    return None if interval is None else [[max(middle - interval.low, 0)], [max(interval.high - middle, 0)]]


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

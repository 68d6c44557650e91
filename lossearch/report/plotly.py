"""Graphs of a study for dashboards that draw plotly's: the leaderboard, learning rates, learning curves. Plotly is not needed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from lossearch._colours import colour
from lossearch._epochs import thin
from lossearch.records.curves import MeanCurve
from lossearch.records.optuna_dashboard import Graph
from lossearch.records.trial import TrialRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 60
"""How many epochs of a curve are drawn."""

_ROWS = 12
"""How many pairs fit into a graph of usual height."""

_NAMES = 200
"""Room for the names of pairs, in pixels."""


def leaderboard_graph(board: pd.DataFrame, metric: str, rows: str) -> Graph:
    """Return each pair's score with its interval, the best at the top.

    Args:
        board: as ``report.frames.confirmed_leaderboard`` or ``search_leaderboard`` has it.
        metric: which the scores are of.
        rows: on which rows: "test", "validation".
    """
    scored = board[board["score"].notna()].iloc[::-1]
    bars: dict[str, Any] = {}
    if "ci_low" in scored:
        above, below = scored["ci_high"] - scored["score"], scored["score"] - scored["ci_low"]
        bars = {
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": _plain(above),
                "arrayminus": _plain(below),
            }
        }
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _plain(scored["score"]),
        "y": [*scored["pair"]],
        "marker": {"size": 9, "color": colour(0)},
        **bars,
    }
    said = f"{metric} on {rows} rows" + (", with its 95 % interval" if bars else "")
    taller = {"height": 140 + 24 * len(scored)} if len(scored) > _ROWS else {}
    layout = _layout("Leaderboard", said, "", showlegend=False, margin={"l": _NAMES}, **taller)
    return Graph("leaderboard", [trace], layout)


def learning_rate_graph(records: Iterable[TrialRecord], pairs: Sequence[str], metric: str) -> Graph:
    """Return the score of every trial by its learning rate, a colour for each pair."""
    groups: dict[str, list[TrialRecord]] = {pair: [] for pair in pairs}
    for record in records:
        if record.value is not None and record.point.pair in groups:
            groups[record.point.pair].append(record)
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": pair,
            "x": _plain(r.point.lr for r in group),
            "y": _plain(r.value or 0.0 for r in group),
            "text": [f"trial {r.number}" for r in group],
            "marker": {"color": colour(place)},
        }
        for place, (pair, group) in enumerate(groups.items())
        if group
    ]
    layout = _layout("Learning rates", "learning rate", f"{metric} on validation rows")
    layout["xaxis"]["type"] = "log"
    return Graph("learning-rates", traces, layout)


def curve_graph(curves: Mapping[str, Mapping[str, MeanCurve]], pairs: Sequence[str], metric: str) -> Graph:
    """Return the validation curve of each pair's best trial, by pair: the mean over its seeds."""
    name = f"val_{metric}"
    traces = []
    for place, pair in enumerate(pairs):
        curve = curves.get(pair, {}).get(name)
        if curve is None:
            continue
        epochs = thin(len(curve.mean), _POINTS)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": pair,
                "x": [*epochs],
                "y": _plain(_at(curve.mean, epochs)),
                "line": {"color": colour(place)},
            }
        )
    return Graph(
        "learning-curves", traces, _layout("Best trial of each pair", "epoch", f"{metric} on validation rows")
    )


def _layout(title: str, x: str, y: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}},
        **more,
    }


def _at(values: NDArray[Any], epochs: Sequence[int]) -> list[float]:
    return [float(values[epoch - 1]) for epoch in epochs]


def _plain(values: Iterable[float]) -> list[float | None]:
    """Return numbers with as many digits as a plot shows: every two thousand characters are a row of a database."""
    return [float(f"{v:.5g}") if math.isfinite(v) else None for v in map(float, values)]

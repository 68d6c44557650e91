"""Every trial as one line over what was searched."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from numpy.typing import NDArray

from lossearch._colours import BLUE
from lossearch.metrics.metric import SIGN
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord
from lossearch.report.figures.canvas import FAINT, INK, PAPER, Panel, Picture
from lossearch.report.figures.said import say_along
from lossearch.report.formatting import number, rate

_MOST = 8
_ABSENT = -0.12
"""Where a line passes an axis that its trial has no value on."""


@dataclass(frozen=True)
class _Axis:
    name: str
    places: NDArray[np.float64]
    ticks: Sequence[tuple[float, str]]


def parallel_picture(
    records: Sequence[TrialRecord],
    study: StudyRecord,
    searched: Mapping[str, Sequence[str]],
    pairs: Sequence[str],
) -> Picture | None:
    """Return one line a finished trial: pair, learning rate, the other searched values, score.

    ``searched`` names what each pair searches besides the learning rate; ``pairs`` come best first.
    """
    done = [r for r in records if r.value is not None and math.isfinite(r.value)]
    if len(done) < 2:
        return None
    sign = SIGN[study.task.direction]
    done.sort(key=lambda r: sign * float(r.value or 0.0))  # the best are drawn last, on top
    names = list(dict.fromkeys(n for p in pairs for n in searched.get(p, ())))
    values = np.array([float(r.value or 0.0) for r in done])
    axes = [_pairs([r.point.pair for r in done], list(pairs)), _numbers("lr", [r.point.lr for r in done])]
    axes += [_numbers(n, [_value(r, n) for r in done]) for n in names][: _MOST - 3]
    axes.append(_scores(study, values))
    alt = (
        f"Parallel coordinates of {len(done)} trials over {', '.join(a.name for a in axes)}; "
        f"{study.task.metric} from {number(values.min())} to {number(values.max())}."
    )
    # from 0 (worst) to 1 (best)
    ranks = (sign * values).argsort().argsort() / max(len(values) - 1, 1)
    words = [_words(r, study.task.metric, names) for r in done]
    draw = partial(_draw, columns=axes, ranks=ranks, words=words)
    title = f"{study.name}: all trials"
    size = (max(1.25 * len(axes) + 1.6, 5.6), max(3.0, 0.24 * len(pairs) + 0.6))
    return Picture("parallel", title, (Panel(title, alt, draw),), size=size, columns=1)


def _words(record: TrialRecord, metric: str, names: Sequence[str]) -> str:
    own = [f"{n} {rate(v)}" for n in names if math.isfinite(v := _value(record, n))]
    values = ", ".join([f"lr {rate(record.point.lr)}", *own, f"{metric} {number(record.value)}"])
    return f"{record.point.pair}, trial {record.number}: {values}"


def _value(record: TrialRecord, name: str) -> float:
    found = record.point.values.get(name, math.nan)
    return float(found) if isinstance(found, int | float) else math.nan


def _pairs(of_trial: Sequence[str], pairs: Sequence[str]) -> _Axis:
    step = 1 / max(len(pairs) - 1, 1)
    place = {p: 1 - i * step for i, p in enumerate(pairs)}
    return _Axis(
        "pair", np.array([place.get(p, _ABSENT) for p in of_trial]), [(y, p) for p, y in place.items()]
    )


def _numbers(name: str, values: Sequence[float]) -> _Axis:
    array = np.array(values, dtype=float)
    found = array[np.isfinite(array)]
    if not len(found) or found.min() == found.max():
        at = [(0.5, rate(found[0]))] if len(found) else []
        return _Axis(name, np.where(np.isfinite(array), 0.5, _ABSENT), at)
    log = found.min() > 0 and found.max() > 20 * found.min()
    scaled = np.log10(array) if log else array
    low, high = np.nanmin(scaled), np.nanmax(scaled)
    ticks = np.linspace(low, high, 4)
    places = np.where(np.isfinite(array), (scaled - low) / (high - low), _ABSENT)
    return _Axis(name, places, [((t - low) / (high - low), rate(10.0**t if log else t)) for t in ticks])


def _scores(study: StudyRecord, values: NDArray[np.float64]) -> _Axis:
    """Return the scores' axis, its far-off bad end cut so that it does not hide the rest."""
    more = study.task.direction == "maximize"
    worst = np.quantile(values, 0.1 if more else 0.9)
    hold, edge, sign = (np.maximum, 0, "≤") if more else (np.minimum, -1, "≥")
    axis = _numbers(study.task.metric, hold(values, worst).tolist())
    ticks = list(axis.ticks)
    if len(ticks) > 1:
        ticks[edge] = (ticks[edge][0], f"{sign} {ticks[edge][1]}")
    return replace(axis, ticks=ticks)


def _draw(ax: Axes, *, columns: Sequence[_Axis], ranks: NDArray[np.float64], words: Sequence[str]) -> None:
    lines = np.stack([[(i, y) for y in c.places] for i, c in enumerate(columns)], axis=1)
    strengths = (0.15 + 0.75 * ranks**2).tolist()
    colours = [to_rgba(BLUE, strength) for strength in strengths]
    ax.add_collection(LineCollection(list(lines), colors=colours, linewidths=0.8 + ranks**3))
    for i, column in enumerate(columns):
        ax.plot([i, i], [0, 1], color=INK, lw=0.8)
        left = i == 0
        for y, text in column.ticks:
            ax.plot([i - 0.015, i + 0.015], [y, y], color=INK, lw=0.8)
            ax.annotate(
                text, (i, y), (-5 if left else 5, 0), textcoords="offset points",
                ha="right" if left else "left", va="center", fontsize=7.5,
                bbox={"facecolor": PAPER, "alpha": 0.75, "lw": 0, "pad": 0.6},
            )  # fmt: skip
        if (column.places == _ABSENT).any():
            below: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": 7, "color": FAINT}
            ax.annotate("not searched", (i, _ABSENT), (0, -3), textcoords="offset points", **below)
    for line, text in zip(lines, words, strict=True):
        say_along(ax, line[:, 0], line[:, 1], text)
    ax.set_xlim(-0.1, len(columns) - 0.6)
    gaps = any((c.places == _ABSENT).any() for c in columns)
    ax.set_ylim(_ABSENT - 0.1 if gaps else -0.05, 1.05)
    ax.set_yticks([])
    ax.set_xticks(range(len(columns)), [c.name for c in columns])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)

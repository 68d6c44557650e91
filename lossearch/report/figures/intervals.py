"""What a verdict rests on: scores with their intervals, differences from the leader, and how they shrank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.transforms import blended_transform_factory

from lossearch._colours import BLUE, GREEN, ORANGE, VERMILLION
from lossearch.diagnostics.pareto import Interval
from lossearch.report.figures.canvas import FAINT, INK, PAPER, Panel, Picture
from lossearch.report.figures.said import say, say_along
from lossearch.report.formatting import number
from lossearch.verdict.verdict import Ranked, Relation, Verdict

ROW = 0.4
"""Height of a row in inches: a name, and its interval under it."""
_WIDTH = 4.4
_DASHES = ("--", ":", "-.")
_COLOURS = {
    Relation.BETTER: GREEN,
    Relation.EQUAL: BLUE,
    Relation.UNDECIDED: ORANGE,
    Relation.WORSE: VERMILLION,
}
_MARKS = {Relation.BETTER: "^", Relation.EQUAL: "s", Relation.UNDECIDED: "o", Relation.WORSE: "v"}
_TIED, _BEHIND = "tied with the best", "worse than the best"


@dataclass(frozen=True)
class _Row:
    name: str
    middle: float
    low: float
    high: float
    label: str
    colour: str
    mark: str


def scores_picture(verdict: Verdict, levels: Mapping[str, Interval] | None = None) -> Picture:
    """Return each pair's mean score with its interval, best first, and lines at named ``levels`` that are near."""
    rows = [
        _Row(
            f"{r.rank}  {r.pair}", r.score, r.low, r.high,
            _TIED if r.tied else _BEHIND, BLUE if r.tied else VERMILLION, "o" if r.tied else "v",
        )
        for r in verdict.ranking
    ]  # fmt: skip
    words = "; ".join(
        f"{r.pair} {number(r.score, r.sd)} ({number(r.low, r.sd)} to {number(r.high, r.sd)})"
        for r in verdict.ranking
    )
    label = f"{verdict.metric}, {verdict.part} rows"
    alt = f"Mean {label} with {verdict.confidence} intervals: {words}."
    beside = {name: v for name, v in (levels or {}).items() if _is_near(v.mean, verdict)}
    if beside:
        alt += f" Baselines: {'; '.join(f'{name} {_numbers(v)}' for name, v in beside.items())}."
    title = f"{label}: mean and {verdict.confidence} interval"
    return _rows_picture("scores", title, rows, label, alt, levels=beside)


def _numbers(found: Interval) -> str:
    if math.isnan(found.low):
        return number(found.mean)
    return f"{number(found.mean)} ({number(found.low)} to {number(found.high)})"


def _is_near(value: float, verdict: Verdict) -> bool:
    """Return whether a score can be drawn beside all intervals without pressing them together."""
    low, high = min(r.low for r in verdict.ranking), max(r.high for r in verdict.ranking)
    return low - (high - low) <= value <= high + (high - low)


def forest_picture(verdict: Verdict) -> Picture:
    """Return how much worse or better each pair is than the leader, with intervals for all comparisons at once."""
    found = [verdict.between(r.pair, verdict.leader) for r in verdict.ranking if r.pair != verdict.leader]
    rows = [
        _Row(
            c.a, c.difference, c.low, c.high,
            f"{c.relation} than {c.b}" if c.relation in (Relation.BETTER, Relation.WORSE) else str(c.relation),
            _COLOURS[c.relation], _MARKS[c.relation],
        )
        for c in found
    ]  # fmt: skip
    words = "; ".join(f"{c.a} {number(c.difference)} ({number(c.low)} to {number(c.high)})" for c in found)
    label = f"{verdict.metric}: difference from {verdict.leader} (right is better)"
    alt = (
        f"Paired differences from {verdict.leader} in {verdict.metric}, positive is better, with simultaneous "
        f"{verdict.confidence} intervals: {words}."
    )
    return _rows_picture("differences", "Paired differences", rows, label, alt, rope=verdict.rope, zero=True)


def optimism_picture(verdict: Verdict) -> Picture:
    """Return each pair's score in the search, on fresh seeds' validation rows, and on the judged rows."""
    words = "; ".join(
        f"{r.pair} {' / '.join(number(v) for _, v, *_ in _stages(r, verdict))}" for r in verdict.ranking
    )
    alt = (
        f"{verdict.metric} in the search, confirmed on validation rows, and on {verdict.part} rows: {words}."
    )
    draw = partial(_draw_stages, verdict=verdict)
    title = f"{verdict.metric}: search, confirmation, {verdict.part}"
    return Picture("optimism", title, (Panel(title, alt, draw),), size=_size(len(verdict.ranking)))


def _stages(ranked: Ranked, verdict: Verdict) -> list[tuple[str, float | None, str, str]]:
    found = [
        ("search (what it was chosen by)", ranked.search, ORANGE, "^"),
        ("fresh seeds, validation rows", ranked.validation, BLUE, "o"),
    ]
    return [*found, ("fresh seeds, test rows", ranked.score, GREEN, "s")] if verdict.part == "test" else found


def _draw_stages(ax: Axes, *, verdict: Verdict) -> None:
    _names(ax, [r.pair for r in verdict.ranking])
    for y, ranked in enumerate(verdict.ranking):
        stages = [(n, float(v), c, m) for n, v, c, m in _stages(ranked, verdict) if v is not None]
        ax.plot([s[1] for s in stages], [y] * len(stages), color=FAINT, lw=1, zorder=1)
        for label, value, colour, mark in stages:
            ax.plot(value, y, mark, color=colour, ms=7, mec=PAPER, mew=0.8, label=label)
            say(ax, value, y, f"{ranked.pair}, {label}: {number(value)}")
    ax.set_xlabel(verdict.metric)


def _rows_picture(
    name: str,
    title: str,
    rows: list[_Row],
    label: str,
    alt: str,
    *,
    rope: float = 0.0,
    zero: bool = False,
    levels: Mapping[str, Interval] | None = None,
) -> Picture:
    draw = partial(_draw_rows, rows=rows, label=label, rope=rope, zero=zero, levels=levels or {})
    return Picture(name, title, (Panel(title, alt, draw),), size=_size(len(rows)))


def _draw_rows(
    ax: Axes, *, rows: list[_Row], label: str, rope: float, zero: bool, levels: Mapping[str, Interval]
) -> None:
    _names(ax, [r.name for r in rows])
    if zero:
        ax.axvline(0, color=INK, lw=0.8)
        if rope > 0:
            ax.axvspan(-rope, rope, color=FAINT, alpha=0.2, lw=0, label=f"equal in practice (± {rope:.3g})")
    for (name, level), dash in zip(levels.items(), _DASHES, strict=False):
        ax.axvline(level.mean, color=FAINT, lw=1, ls=dash, zorder=0, label=name)
        say_along(ax, [level.mean] * 2, [0, 1], f"{name}: {_numbers(level)}", ax.get_xaxis_transform())
    for y, row in enumerate(rows):
        ax.errorbar(
            row.middle,
            y,
            xerr=[[max(row.middle - row.low, 0)], [max(row.high - row.middle, 0)]],
            fmt=row.mark,
            color=row.colour,
            ms=5.5,
            elinewidth=1.8,
            capsize=3,
            label=row.label,
        )
        numbers = _numbers(Interval(row.middle, row.low, row.high))
        say_along(ax, [row.low, row.high], [y, y], f"{row.name}: {numbers}; {row.label}")
    ax.set_xlabel(label)


def _names(ax: Axes, names: Sequence[str]) -> None:
    """Write each row's name above what is drawn at heights 0, 1, ... from the top."""
    ax.set_ylim(len(names) - 0.6, -0.75)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    place = blended_transform_factory(ax.transAxes, ax.transData)
    for y, name in enumerate(names):
        ax.text(0, y - 0.27, name, transform=place, va="bottom", ha="left", fontsize=8.5)


def _size(rows: int) -> tuple[float, float]:
    return _WIDTH, max(rows, 1) * ROW + 0.5

"""Figures of a study, drawn without pyplot, so that no global state is touched."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from lossearch.report.numbers import rate
from lossearch.report.words import Basis

TRAIN, VALIDATION, MARK = "#E69F00", "#0072B2", "#D55E00"
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
_FONTS = (
    "DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "SimHei", "Arial Unicode MS", "Noto Sans",
)  # fmt: skip
_PANEL = (3.1, 2.3)
_COLUMNS = 4


def learning_curves(curves: pd.DataFrame, basis: Basis) -> Figure:
    """Draw each pair's best trial: its loss above, the metric below, training and validation.

    Lines are means over seeds, bands one sd. Losses of different pairs have different units, so each
    panel of the upper rows has its own scale; the metric's panels share one.

    Args:
        curves: what ``frames.curves`` gives, in the order to draw.
        basis: the metric's name, seeds and optimiser.
    """
    pairs = list(dict.fromkeys(curves["pair"]))
    judged = curves[curves["curve"].isin([f"train_{basis.metric}", f"val_{basis.metric}"])]
    limits = _limits(judged, basis, "mean")
    with _style():
        figure, axes = _grid(2, len(pairs), f"{basis.name}: learning curves of each pair's best trial")
        for i, (pair, (upper, lower)) in enumerate(zip(pairs, axes, strict=True)):
            of_pair = curves[curves["pair"] == pair]
            _curve_panel(upper, of_pair, "loss")
            _curve_panel(lower, of_pair, basis.metric)
            upper.set_title(f"{pair}\nlr {rate(of_pair['lr'].iloc[0])}")
            lower.set_ylim(limits)
            lower.set_xlabel("epoch")
            if i % _COLUMNS == 0:
                upper.set_ylabel("loss (own unit)")
                lower.set_ylabel(basis.metric)
        note = f"mean and sd over {basis.seeds} seeds, optimiser {basis.optimizer}"
        _legend(figure, [ax for panel in axes for ax in panel], note)
    return figure


def lr_sensitivity(frame: pd.DataFrame, basis: Basis) -> Figure:
    """Draw the score against the learning rate, one panel a pair, best pair first, all on the same axes.

    Dots are trials with their sd over seeds, crosses diverged trials, the star the best trial; a
    triangle at the edge stands for a score far outside. A dashed line marks the conventional pair's best.

    Args:
        frame: what ``frames.lr_sensitivity`` gives.
        basis: the metric's name and direction, seeds, optimiser and conventional pair.
    """
    usable = _by_value(frame[np.isfinite(frame["value"])], basis)
    pairs = list(dict.fromkeys(usable["pair"]))
    reference = usable[usable["pair"] == basis.conventional].head(1)
    limits = _limits(usable, basis)
    with _style():
        figure, axes = _grid(1, len(pairs), f"{basis.name}: {basis.metric} against learning rate")
        for i, (pair, (ax,)) in enumerate(zip(pairs, axes, strict=True)):
            _sensitivity_panel(ax, usable[usable["pair"] == pair], limits)
            for level in reference["value"]:
                label = f"best of {basis.conventional}"
                ax.axhline(level, color="0.5", lw=1, ls="--", zorder=0, label=label)
            ax.set_title(pair)
            ax.set_ylim(limits)
            _rate_axis(ax, usable["lr"])
            if i % _COLUMNS == 0:
                ax.set_ylabel(basis.metric)
            if i + _COLUMNS >= len(pairs):
                ax.set_xlabel("learning rate")
        note = f"bars: sd over {basis.seeds} seeds, optimiser {basis.optimizer}"
        _legend(figure, [ax for (ax,) in axes], note)
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write a figure as PNG and return its path.

    Labels may be in any script; where no installed font has a character, a box stands for it.
    """
    path = Path(path)
    with _style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing", category=UserWarning)
        FigureCanvasAgg(figure)
        figure.savefig(path, format="png", dpi=130)
    return path


def _style() -> AbstractContextManager[None]:
    """Matplotlib's defaults and ours, whatever the user has set, and only while a figure is made."""
    have = {f.name for f in font_manager.fontManager.ttflist}
    ours = {
        "font.family": [f for f in _FONTS if f in have] or ["sans-serif"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "0.92",
        "text.parse_math": False,
        "axes.unicode_minus": False,
    }
    return style.context(["default", ours])


def _grid(rows: int, panels: int, title: str) -> tuple[Figure, list[tuple[Axes, ...]]]:
    """Return a figure of ``panels`` panels, each of ``rows`` axes above each other."""
    columns = min(max(panels, 1), _COLUMNS)
    blocks = math.ceil(panels / columns) or 1
    width = max(columns * _PANEL[0], 6.4)
    figure = Figure(figsize=(width, rows * blocks * _PANEL[1] + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    grid = figure.add_gridspec(rows * blocks, columns)
    found = []
    for i in range(panels):
        block, column = divmod(i, columns)
        found.append(tuple(figure.add_subplot(grid[rows * block + r, column]) for r in range(rows)))
    return figure, found


def _curve_panel(ax: Axes, curves: pd.DataFrame, name: str) -> None:
    for part, colour, label in (("train", TRAIN, "training"), ("val", VALIDATION, "validation")):
        line = curves[curves["curve"] == f"{part}_{name}"]
        epoch, mean, sd = (line[c].to_numpy(dtype=float) for c in ("epoch", "mean", "sd"))
        if not len(mean):
            continue
        ax.plot(epoch, mean, color=colour, lw=1.4, label=label, marker="o" if len(epoch) == 1 else None)
        sd = np.nan_to_num(sd)
        ax.fill_between(epoch, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)
        if name == "loss" and mean.min() > 0 and mean.max() > 100 * mean.min():
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: rate(v)))
            ax.yaxis.set_minor_formatter(NullFormatter())


def _sensitivity_panel(ax: Axes, trials: pd.DataFrame, limits: tuple[float, float]) -> None:
    """``trials`` has the best first."""
    low, high = limits
    best, trials = trials.head(1), trials.sort_values("lr")
    diverged = trials["outcome"] == "diverged"
    outside = ~diverged & ~trials["value"].between(low, high)
    good, bad, beyond = trials[~diverged & ~outside], trials[diverged], trials[outside]
    lr, value, sd = (good[c].to_numpy(dtype=float) for c in ("lr", "value", "sd"))
    ax.plot(lr, value, color=VALIDATION, lw=0.8, alpha=0.4)
    ax.errorbar(
        lr,
        value,
        yerr=np.nan_to_num(sd),
        color=VALIDATION,
        fmt="o",
        ms=3.5,
        elinewidth=1,
        capsize=2,
        label="trial",
    )
    if len(bad):
        at, label = bad["value"].clip(low, high), "diverged (scores as a constant)"
        ax.plot(bad["lr"], at, "x", color=MARK, ms=6, mew=1.6, clip_on=False, label=label)
    if len(beyond):
        edge = beyond["value"].clip(low, high)
        marker = "^" if (beyond["value"] > high).all() else "v"
        ax.plot(beyond["lr"], edge, marker, color=MARK, ms=5, clip_on=False, ls="", label="far outside")
    ax.plot(best["lr"], best["value"], "*", color=TRAIN, ms=12, mec="black", mew=0.6, label="best", zorder=5)


def _by_value(trials: pd.DataFrame, basis: Basis) -> pd.DataFrame:
    return trials.sort_values("value", ascending=basis.direction == "minimize", kind="stable")


def _limits(table: pd.DataFrame, basis: Basis, column: str = "value") -> tuple[float, float]:
    """Return limits that hold every value and its sd, but for those far off on the bad side, which hide the rest.

    Far off is three interquartile ranges; of curves, their worst values are compared.
    """
    values = table[column].to_numpy(dtype=float)
    if not len(values):
        return 0.0, 1.0
    worst = table.groupby("pair")[column].agg("max" if basis.direction == "minimize" else "min")
    compared = values if column == "value" else worst.to_numpy(dtype=float)
    first, third = np.quantile(compared, [0.25, 0.75])
    reach = 3 * (third - first) or math.inf
    near = values <= third + reach if basis.direction == "minimize" else values >= first - reach
    sd = np.nan_to_num(table["sd"].to_numpy(dtype=float))[near]
    low, high = float((values[near] - sd).min()), float((values[near] + sd).max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _rate_axis(ax: Axes, rates: pd.Series[float]) -> None:
    low, high = rates.min() / 1.6, rates.max() * 1.6
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    few = high / low < 30
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: rate(v)))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _legend(figure: Figure, axes: Sequence[Axes], note: str) -> None:
    """Put one legend under the panels, where it covers no data."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        [found[k] for k in sorted(found)],
        sorted(found),
        loc="outside lower center",
        ncols=5,
        frameon=False,
        title=note,
        title_fontsize=9,
    )

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
    with _style():
        columns = min(len(pairs), _COLUMNS) or 1
        blocks = math.ceil(len(pairs) / columns) or 1
        figure, axes = _grid(2 * blocks, columns, f"{basis.name}: learning curves of each pair's best trial")
        shared = [axes[2 * (i // columns) + 1][i % columns] for i in range(len(pairs))]
        for i, pair in enumerate(pairs):
            upper, lower = axes[2 * (i // columns)][i % columns], shared[i]
            of_pair = curves[curves["pair"] == pair]
            _panel(upper, of_pair, "loss")
            _panel(lower, of_pair, basis.metric)
            upper.set_title(f"{pair}\nlr {rate(of_pair['lr'].iloc[0])}")
            if i % columns == 0:
                upper.set_ylabel("loss (own unit)")
                lower.set_ylabel(basis.metric)
            lower.set_xlabel("epoch")
        _share_limits(shared)
        _drop_unused(
            axes, set(map(id, [*shared, *(axes[2 * (i // columns)][i % columns] for i in range(len(pairs)))]))
        )
        _legend(
            figure,
            axes[0][0],
            axes[1][0],
            note=f"mean and sd over {basis.seeds} seeds, optimiser {basis.optimizer}",
        )
    return figure


def lr_sensitivity(frame: pd.DataFrame, basis: Basis) -> Figure:
    """Draw the score against the learning rate, one panel a pair, all on the same axes.

    Dots are trials with their sd over seeds, crosses diverged trials, the star the best trial. A
    horizontal line marks the best score of the conventional pair.

    Args:
        frame: what ``frames.lr_sensitivity`` gives.
        basis: the metric's name and direction, seeds, optimiser and conventional pair.
    """
    usable = frame[np.isfinite(frame["value"])]
    pairs = list(dict.fromkeys(usable["pair"]))
    reference = _best(usable[usable["pair"] == basis.conventional], basis)
    with _style():
        columns = min(len(pairs), _COLUMNS) or 1
        rows = math.ceil(len(pairs) / columns) or 1
        figure, axes = _grid(rows, columns, f"{basis.name}: {basis.metric} against learning rate")
        used = [axes[i // columns][i % columns] for i in range(len(pairs))]
        for i, (pair, ax) in enumerate(zip(pairs, used, strict=True)):
            _sensitivity_panel(ax, usable[usable["pair"] == pair], basis)
            for level in reference["value"]:
                ax.axhline(
                    level,
                    color="0.5",
                    lw=1,
                    ls="--",
                    zorder=0,
                    label=f"best of {basis.conventional}",
                )
            ax.set_title(pair)
            if i % columns == 0:
                ax.set_ylabel(basis.metric)
            if i + columns >= len(pairs):
                ax.set_xlabel("learning rate")
        _share_limits(used)
        _share_rates(used, usable["lr"])
        _drop_unused(axes, set(map(id, used)))
        _legend(figure, *used, note=f"bars: sd over {basis.seeds} seeds, optimiser {basis.optimizer}")
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


def _grid(rows: int, columns: int, title: str) -> tuple[Figure, list[list[Axes]]]:
    width = max(columns * _PANEL[0], 6.4)
    figure = Figure(figsize=(width, rows * _PANEL[1] + 1.0), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def _panel(ax: Axes, curves: pd.DataFrame, name: str) -> None:
    for part, colour, label in (("train", TRAIN, "training"), ("val", VALIDATION, "validation")):
        line = curves[curves["curve"] == f"{part}_{name}"]
        if line.empty:
            continue
        epoch, mean, sd = (line[c].to_numpy(dtype=float) for c in ("epoch", "mean", "sd"))
        ax.plot(epoch, mean, color=colour, lw=1.4, label=label, marker="o" if len(epoch) == 1 else None)
        sd = np.nan_to_num(sd)
        ax.fill_between(epoch, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)


def _sensitivity_panel(ax: Axes, trials: pd.DataFrame, basis: Basis) -> None:
    ax.set_xscale("log")
    diverged = trials["outcome"] == "diverged"
    good, bad = trials[~diverged], trials[diverged]
    ax.errorbar(
        good["lr"], good["value"], yerr=good["sd"].fillna(0), color=VALIDATION, fmt="o-", ms=3.5, lw=1,
        elinewidth=1, capsize=2, label="trial",
    )  # fmt: skip
    if len(bad):
        ax.plot(
            bad["lr"], bad["value"], "x", color=MARK, ms=6, mew=1.6, label="diverged (scores as a constant)"
        )
    best = _best(trials, basis)
    ax.plot(best["lr"], best["value"], "*", color=TRAIN, ms=12, mec="black", mew=0.6, label="best", zorder=5)


def _best(trials: pd.DataFrame, basis: Basis) -> pd.DataFrame:
    """Return the row of the best trial; no row where there is none."""
    return trials.sort_values("value", ascending=basis.direction == "minimize", kind="stable").head(1)


def _share_limits(axes: Sequence[Axes]) -> None:
    limits = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _share_rates(axes: Sequence[Axes], rates: pd.Series[Any]) -> None:
    for ax in axes:
        ax.set_xlim(rates.min() / 1.5, rates.max() * 1.5)


def _drop_unused(axes: list[list[Axes]], used: set[int]) -> None:
    for ax in (ax for row in axes for ax in row):
        if id(ax) not in used:
            ax.remove()


def _legend(figure: Figure, *axes: Axes, note: str) -> None:
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(
        list(found.values()),
        list(found),
        loc="outside lower center",
        ncols=4,
        frameon=False,
        title=note,
        title_fontsize=9,
    )

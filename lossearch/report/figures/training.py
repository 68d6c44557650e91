"""How pairs were trained: learning curves, and the score against the learning rate."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from lossearch._colours import BLUE, ORANGE, VERMILLION
from lossearch._lazy import pd
from lossearch.records.study import StudyRecord
from lossearch.report.figures.canvas import FAINT, INK, Panel, Picture
from lossearch.report.figures.said import say_across, say_rows, spread_over
from lossearch.report.formatting import number, rate

TRAIN, VALIDATION = ORANGE, BLUE
BAND_FROM = 30
"""Trials of a pair from which on a band over learning rates shows their sd: fewer leave it to guesses in between."""


def curves_picture(curves: pd.DataFrame, study: StudyRecord) -> Picture:
    """Return each pair's best trial: its loss above, the metric below, training and validation.

    Lines are means over seeds, bands one sd. Losses of different pairs have different units, so each panel
    of the upper rows has its own scale; the metric's panels share one. ``curves`` are those of
    ``frames.curves``, in the order to draw.
    """
    judged = curves[curves["curve"].isin([f"train_{study.task.metric}", f"val_{study.task.metric}"])]
    shared = _limits(judged, study, "mean")
    panels = []
    for pair in dict.fromkeys(curves["pair"]):
        of_pair = curves[curves["pair"] == pair]
        title = f"{pair}\nlr {rate(of_pair['lr'].iloc[0])}"
        draw = partial(_draw_curves, curves=of_pair, metric=study.task.metric, limits=shared)
        panels.append(Panel(title, _curves_alt(pair, of_pair, study.task.metric), draw))
    return Picture(
        "learning_curves",
        f"{study.name}: learning curves of each pair's best trial",
        tuple(panels),
        note=f"mean and sd over {study.search.seeds} seeds, optimiser {study.train.optimizer}",
        rows=2,
        plain=True,
    )


def sensitivity_picture(frame: pd.DataFrame, study: StudyRecord, order: Sequence[str] = ()) -> Picture:
    """Return the score against the learning rate, one panel a pair, all on the same axes.

    Panels are in the order given, that of the leaderboard; others, and all by default, by their best trial.

    Dots are trials with their sd over seeds, as bars or, of many trials, as a band; crosses are diverged trials, the star
    is the best trial; a triangle at the edge stands for a score far outside. A dashed line marks the conventional pair's
    best. ``frame`` is that of ``frames.lr_sensitivity``.
    """
    ascending = study.task.direction == "minimize"
    usable = frame[np.isfinite(frame["value"])].sort_values("value", ascending=ascending, kind="stable")
    reference = usable.loc[usable["pair"] == study.conventional, "value"].head(1)
    shared = _limits(usable, study)
    panels = []
    there = dict.fromkeys(usable["pair"])
    for pair in dict.fromkeys([*(p for p in order if p in there), *there]):
        trials = usable[usable["pair"] == pair]
        draw = partial(
            _draw_sensitivity,
            trials=trials,
            study=study,
            limits=shared,
            reference=reference,
            rates=usable["lr"],
        )
        panels.append(Panel(pair, _sensitivity_alt(pair, trials, study.task.metric), draw))
    return Picture(
        "lr_sensitivity",
        f"{study.name}: {study.task.metric} against learning rate",
        tuple(panels),
        note=_spread_note(usable, study),
        plain=True,
    )


def _spread_note(trials: pd.DataFrame, study: StudyRecord) -> str:
    """Return what stands for the sd."""
    counts = trials["pair"].value_counts()
    used = [
        name for name, there in (("bars", counts < BAND_FROM), ("bands", counts >= BAND_FROM)) if there.any()
    ]
    return f"{' and '.join(used)}: sd over {study.search.seeds} seeds, optimiser {study.train.optimizer}"


def _curves_alt(pair: str, curves: pd.DataFrame, metric: str) -> str:
    line = curves[curves["curve"] == f"val_{metric}"]
    if line.empty:
        return f"Learning curves of {pair}."
    first, last = line.iloc[0], line.iloc[-1]
    return (
        f"Learning curves of {pair}: validation {metric} goes from {number(first['mean'])} after epoch "
        f"{int(first['epoch'])} to {number(last['mean'])} after epoch {int(last['epoch'])}."
    )


def _sensitivity_alt(pair: str, trials: pd.DataFrame, metric: str) -> str:
    best, diverged = trials.iloc[0], int((trials["outcome"] == "diverged").sum())
    return (
        f"{metric} of {pair} against the learning rate, {len(trials)} trials from {rate(trials['lr'].min())} to "
        f"{rate(trials['lr'].max())}: best {number(best['value'])} at {rate(best['lr'])}; {diverged} diverged."
    )


def _draw_curves(
    upper: Axes, lower: Axes, *, curves: pd.DataFrame, metric: str, limits: tuple[float, float]
) -> None:
    _draw_curve(upper, curves, "loss")
    _draw_curve(lower, curves, metric)
    lower.set_ylim(limits)
    lower.set_xlabel("epoch")
    upper.set_ylabel("loss (own unit)")
    lower.set_ylabel(metric)
    for ax, name in ((upper, "loss"), (lower, metric)):
        _say_epochs(ax, curves, name)


def _say_epochs(ax: Axes, curves: pd.DataFrame, name: str) -> None:
    """Let the axes say the values of both curves, epoch by epoch or, of many epochs, now and then."""
    words = {f"train_{name}": "training", f"val_{name}": "validation"}
    curves = curves[curves["curve"].isin([*words])]
    epochs = np.unique(curves["epoch"].to_numpy(dtype=float))
    if not len(epochs):
        return
    shown = epochs[spread_over(len(epochs))]
    texts = []
    for epoch in shown:
        rows = curves[curves["epoch"] == epoch].to_dict("records")
        values = ", ".join(f"{words[r['curve']]} {number(float(r['mean']))}" for r in rows)
        texts.append(f"{curves['pair'].iloc[0]}, epoch {epoch:g}, {name}: {values}")
    say_across(ax, shown, texts)


def _draw_curve(ax: Axes, curves: pd.DataFrame, name: str) -> None:
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


def _draw_sensitivity(
    ax: Axes,
    *,
    trials: pd.DataFrame,
    study: StudyRecord,
    limits: tuple[float, float],
    reference: pd.Series[float],
    rates: pd.Series[float],
) -> None:
    _draw_trials(ax, trials, limits)
    for level in reference:
        label = f"best of {study.conventional}"
        ax.axhline(level, color=FAINT, lw=1, ls="--", zorder=0, label=label)
    ax.set_ylim(limits)
    _rate_axis(ax, rates)
    ax.set_ylabel(study.task.metric)
    ax.set_xlabel("learning rate")


def _draw_trials(ax: Axes, trials: pd.DataFrame, limits: tuple[float, float]) -> None:
    """``trials`` has the best first."""
    low, high = limits
    best, trials = trials.head(1), trials.sort_values("lr")
    diverged = trials["outcome"] == "diverged"
    outside = ~diverged & ~trials["value"].between(low, high)
    good, bad, beyond = trials[~diverged & ~outside], trials[diverged], trials[outside]
    lr, value, sd = (good[c].to_numpy(dtype=float) for c in ("lr", "value", "sd"))
    sd = np.nan_to_num(sd)
    ax.plot(lr, value, color=VALIDATION, lw=0.8, alpha=0.5)
    if len(trials) >= BAND_FROM:
        ax.fill_between(lr, value - sd, value + sd, color=VALIDATION, alpha=0.12, lw=0)
    else:
        ax.vlines(lr, value - sd, value + sd, color=VALIDATION, alpha=0.35, lw=1)
    ax.plot(lr, value, "o", color=VALIDATION, ms=3.5, label="trial")
    if len(bad):
        at, label = bad["value"].clip(low, high), "diverged (scores as a constant)"
        ax.plot(bad["lr"], at, "x", color=VERMILLION, ms=6, mew=1.6, clip_on=False, label=label)
    if len(beyond):
        edge = beyond["value"].clip(low, high)
        marker = "^" if (beyond["value"] > high).all() else "v"
        ax.plot(beyond["lr"], edge, marker, color=VERMILLION, ms=5, clip_on=False, ls="", label="far outside")
    ax.plot(best["lr"], best["value"], "*", color=TRAIN, ms=12, mec=INK, mew=0.6, label="best", zorder=5)
    say_rows(ax, trials["lr"], trials["value"].clip(low, high), map(_trial, trials.to_dict("records")))


def _trial(row: Mapping[Hashable, Any]) -> str:
    spread = f" ± {number(row['sd'])}" if math.isfinite(row["sd"]) else ""
    return f"{row['pair']}, trial {row['trial']}: lr {rate(row['lr'])}, {number(row['value'])}{spread}, {row['outcome']}"


def _limits(table: pd.DataFrame, study: StudyRecord, column: str = "value") -> tuple[float, float]:
    """Return limits that hold every value and its sd, but for those far off on the bad side, which hide the rest.

    Far off is three interquartile ranges; of curves, their worst values are compared.
    """
    values = table[column].to_numpy(dtype=float)
    if not len(values):
        return 0.0, 1.0
    worst = table.groupby("pair")[column].agg("max" if study.task.direction == "minimize" else "min")
    compared = values if column == "value" else worst.to_numpy(dtype=float)
    first, third = np.quantile(compared, [0.25, 0.75])
    reach = 3 * (third - first) or math.inf
    near = values <= third + reach if study.task.direction == "minimize" else values >= first - reach
    sd = np.nan_to_num(table["sd"].to_numpy(dtype=float))[near]
    low, high = float((values[near] - sd).min()), float((values[near] + sd).max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.05
    return low - margin, high + margin


def _rate_axis(ax: Axes, rates: pd.Series[float]) -> None:
    """Make the x axis one of learning rates."""
    low, high = rates.min() / 1.6, rates.max() * 1.6
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    few = high / low < 30
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: rate(v)))
    ax.xaxis.set_minor_locator(NullLocator())

"""What a search of so many trials typically finds, with its bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lossearch._colours import BLUE
from lossearch.diagnostics.tuning_curves import TuningCurve
from lossearch.metrics.metric import SIGN
from lossearch.records.study import StudyRecord
from lossearch.report.figures.canvas import FAINT, Panel, Picture
from lossearch.report.figures.said import say_across, spread_over
from lossearch.report.formatting import number


def tuning_picture(curves: Sequence[TuningCurve], study: StudyRecord) -> Picture | None:
    """Return each pair's typical best score against the number of trials, with simultaneous bands."""
    if not curves:
        return None
    ends = np.concatenate([np.r_[c.typical, c.low, c.high] for c in curves])
    ends = ends[np.isfinite(ends)]
    typical = np.concatenate([c.typical for c in curves])
    best = max((c.typical[-1] for c in curves), key=lambda v: SIGN[study.task.direction] * v)
    reach = 1.5 * max(float(np.ptp(typical)), 1e-12)
    low = max(float(ends.min()), float(typical.min()) - reach)
    high = min(float(ends.max()), float(typical.max()) + reach)
    margin = 0.04 * (high - low) or 0.05
    shown = (low - margin, high + margin)
    panels = tuple(
        Panel(c.pair, _alt(c, study), partial(_draw, curve=c, study=study, limits=shown, best=float(best)))
        for c in curves
    )
    return Picture("budget", f"{study.task.metric} found by so many trials", panels, plain=True)


def is_whole(curve: TuningCurve) -> NDArray[np.bool_]:
    """Return at which numbers of trials both ends of a band are known."""
    return np.asarray(np.isfinite(curve.low) & np.isfinite(curve.high))


def _words(curve: TuningCurve, place: int) -> str:
    n, typical = int(curve.budgets[place]), number(curve.typical[place])
    ends = [number(end) if math.isfinite(end) else "open" for end in (curve.low[place], curve.high[place])]
    return f"{curve.pair}, {n} {'trial' if n == 1 else 'trials'}: {typical} ({ends[0]} to {ends[1]})"


def _alt(curve: TuningCurve, study: StudyRecord) -> str:
    return (
        f"Typical best validation {study.task.metric} of {curve.pair}: {number(curve.typical[0])} after 1 trial, "
        f"{number(curve.typical[-1])} after {curve.trials}; with {100 * curve.level:g} % bands."
    )


def _draw(
    ax: Axes, *, curve: TuningCurve, study: StudyRecord, limits: tuple[float, float], best: float
) -> None:
    budgets = curve.budgets
    low, high = (np.where(np.isfinite(v), v, np.nan) for v in (curve.low, curve.high))
    ax.axhline(best, color=FAINT, lw=1, ls="--", label="best pair's typical best")
    if (whole := is_whole(curve)).any():
        label = f"{100 * curve.level:g} % band, all at once"
        ax.fill_between(budgets, low, high, where=whole.tolist(), color=BLUE, alpha=0.15, lw=0, label=label)
    for end in (low, high):
        if np.isfinite(alone := np.where(whole, np.nan, end)).any():
            label = f"one end of the {100 * curve.level:g} % band, the other is open"
            ax.plot(budgets, alone, color=BLUE, lw=1, ls=":", label=label)
    ax.plot(budgets, curve.typical, color=BLUE, lw=1.5, marker="o", ms=2.5, label="median over searches")
    shown = spread_over(len(budgets))
    say_across(ax, budgets[shown], (_words(curve, i) for i in shown))
    ax.set_ylim(limits)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    ax.set_xlabel("trials")
    ax.set_ylabel(f"best {study.task.metric}")

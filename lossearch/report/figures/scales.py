"""Limits and axes that panels share."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from lossearch.report.formatting import rate
from lossearch.report.sentences import Basis


def limits(table: pd.DataFrame, basis: Basis, column: str = "value") -> tuple[float, float]:
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


def rate_axis(ax: Axes, rates: pd.Series[float]) -> None:
    """Make the x axis one of learning rates."""
    low, high = rates.min() / 1.6, rates.max() * 1.6
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    few = high / low < 30
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=6))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: rate(v)))
    ax.xaxis.set_minor_locator(NullLocator())

"""How numbers are predicted: against the truth, residuals, and the residuals' quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import probplot
from sklearn.metrics import PredictionErrorDisplay

from lossearch._angles import wrapped
from lossearch._colours import BLUE
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import INK, Panel, Picture
from lossearch.report.figures.predictions import predicted
from lossearch.report.figures.said import say_rows
from lossearch.report.formatting import number

POINTS = 400
"""Rows drawn of a panel, spread over the range of targets."""
_OUTPUTS = 4


Floats = NDArray[np.float64]


def as_given(true: Floats, prediction: Floats) -> Floats:  # noqa: ARG001 - the same for all
    """Return true values as they are."""
    return true


def nearest(true: Floats, prediction: Floats) -> Floats:
    """Return true angles, whole turns added or taken, as near the predicted ones as they may be."""
    found: Floats = prediction + wrapped(torch.from_numpy(true - prediction)).numpy()
    return found


def errors_picture(
    evidence: Evidence, pairs: Sequence[str], beside: Callable[[Floats, Floats], Floats] = as_given
) -> Picture | None:
    """Return predictions of each pair's first sound replicate: against truth, residuals, normal quantiles.

    ``beside(true, predicted)`` gives true values as they are drawn beside predicted ones.
    """
    panels = []
    for pair in pairs:
        replicate = next((s for s in predicted(evidence, pair) if "value" in s.said), None)
        if replicate is None:
            continue
        target = replicate.target.reshape(len(replicate.target), -1)
        value = replicate.said["value"].reshape(target.shape)
        for column in range(min(target.shape[1], _OUTPUTS)):
            name = pair if target.shape[1] == 1 else f"{pair}, output {column + 1}"
            prediction = value[:, column]
            true = beside(target[:, column], prediction)
            draw = partial(_draw, name=name, true=true, prediction=prediction)
            panels.append(Panel(name, _alt(name, true, prediction), draw))
    if not panels:
        return None
    return Picture(
        "errors",
        f"Predictions on {evidence.part} rows, one fresh seed",
        tuple(panels),
        rows=3,
        columns=3,
    )


def _alt(name: str, true: NDArray[np.float64], prediction: NDArray[np.float64]) -> str:
    residual = true - prediction
    r = float(np.corrcoef(true, prediction)[0, 1]) if true.std() and prediction.std() else 0.0
    return (
        f"{name}: true against predicted values (correlation {r:.2f}), residuals against predictions (mean "
        f"{number(float(residual.mean()))}, sd {number(float(residual.std()))}), and residuals against normal quantiles."
    )


def _thinned(true: NDArray[np.float64], prediction: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    if len(true) <= POINTS:
        return true, prediction
    kept = np.argsort(true, kind="stable")[np.linspace(0, len(true) - 1, POINTS).round().astype(int)]
    return true[kept], prediction[kept]


def _draw(*axes: Axes, name: str, true: NDArray[np.float64], prediction: NDArray[np.float64]) -> None:
    x, y = _thinned(true, prediction)
    shown = PredictionErrorDisplay(y_true=x, y_pred=y)
    dots: dict[str, Any] = {"s": 9, "color": BLUE, "alpha": 0.6, "linewidths": 0}
    line: dict[str, Any] = {"color": INK, "lw": 0.8}
    for ax, kind in zip(axes[:2], ("actual_vs_predicted", "residual_vs_predicted"), strict=True):
        shown.plot(ax=ax, kind=kind, scatter_kwargs=dots, line_kwargs=line)
        ax.set_aspect("auto")
    for axis in (axes[0].xaxis, axes[0].yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes[0].set_ylabel("true")
    axes[0].set_xlabel("predicted")
    axes[1].set_ylabel("true minus predicted")
    axes[1].set_xlabel("predicted")
    (normal, ordered), (slope, middle, _) = probplot(x - y)
    axes[2].plot(normal, middle + slope * normal, **line)
    axes[2].scatter(normal, ordered, **dots)
    axes[2].set_xlabel("normal quantile")
    axes[2].set_ylabel("residual")
    words = [
        f"{name}: true {number(t)}, predicted {number(p)}, difference {number(t - p, signed=True)}"
        for t, p in zip(x, y, strict=True)
    ]
    say_rows(axes[0], y, x, words)
    say_rows(axes[1], y, x - y, words)
    residuals = (
        f"{name}: residual {number(r, signed=True)} at normal quantile {number(q)}"
        for q, r in zip(normal, ordered, strict=True)
    )
    say_rows(axes[2], normal, ordered, residuals)

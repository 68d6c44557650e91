"""How classes are told apart: confusion, ROC, precision and recall, calibration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix, precision_recall_curve, roc_curve

from lossearch.kinds import KINDS, TargetForm
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import FAINT, Panel, Picture, legible
from lossearch.report.figures.predictions import STYLES, Predicted, predicted
from lossearch.report.figures.said import say_across, say_rows, say_within, spread_over
from lossearch.report.formatting import class_names, number

_GRID = np.linspace(0, 1, 101)
_NAME = 14
_MOST_CLASSES = 30
_BINS = 10
_LETTER, _MARGIN = 0.075, 0.3
"""Width of a letter, and of what stands beside a matrix and the names of its rows, in inches."""

Curve = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


def confusion_picture(evidence: Evidence, pairs: Sequence[str], classes: Sequence[str]) -> Picture | None:
    """Return each pair's confusion matrix: shares of each true class, mean over seeds."""
    count = _count(evidence)
    if count > _MOST_CLASSES:
        return None
    whole = class_names(classes, count)
    names = [shortened(n) for n in (classes if len(classes) == count else map(str, range(count)))]
    panels = []
    for pair in pairs:
        found = [
            confusion_matrix(s.target.ravel(), s.said["label"].ravel(), labels=range(count), normalize="true")
            for s in predicted(evidence, pair)
        ]
        if found:
            matrix = np.mean(found, axis=0)
            right = "; ".join(f"{n} {v:.2f}" for n, v in zip(names, np.diag(matrix), strict=True))
            alt = f"Confusion matrix of {pair}. Share of each true class predicted right: {right}."
            words = [
                [_cell(pair, t, p, v) for p, v in zip(whole, row, strict=True)]
                for t, row in zip(whole, matrix, strict=True)
            ]
            draw = partial(_draw_confusion, matrix=matrix, names=names, words=words)
            panels.append(Panel(pair, alt, draw))
    if not panels:
        return None
    side = _side(names)
    title = f"Confusion on {evidence.part} rows, share of each true class"
    return Picture("confusion", title, tuple(panels), size=(side, side), columns=3 if count <= 8 else 1)


def ranking_picture(evidence: Evidence, pairs: Sequence[str], classes: Sequence[str]) -> Picture | None:
    """Return ROC, and precision against recall, of the pairs that have scores; means over seeds, bands one sd."""
    able = [p for p in pairs if any("score" in s.said for s in predicted(evidence, p))]
    if not able:
        return None
    many = _count(evidence) > 2
    zero, one = class_names(classes, 2)
    each = "one class against the rest, mean over classes" if many else f"{one} against {zero}"
    roc = {p: _bands(evidence, p, _true_positives) for p in able}
    recall = {p: _bands(evidence, p, _precision) for p in able}
    panels = (
        Panel(
            "ROC",
            f"ROC curves, {each}: mean area under the curve "
            + "; ".join(f"{p} {np.trapezoid(m, _GRID):.3f}" for p, (m, _) in roc.items()) + ".",
            partial(_draw_bands, curves=roc, x="false positive share", y="true positive share", diagonal=True),
        ),
        Panel(
            "Precision and recall",
            f"Precision against recall, {each}: mean precision "
            + "; ".join(f"{p} {np.trapezoid(m, _GRID):.3f}" for p, (m, _) in recall.items()) + ".",
            partial(_draw_bands, curves=recall, x="recall", y="precision", diagonal=False),
        ),
    )  # fmt: skip
    title = f"ROC, precision and recall on {evidence.part} rows"
    return Picture("ranking", title, panels, note=each, size=(3.1, 2.9), columns=2)


def calibration_picture(evidence: Evidence, pairs: Sequence[str], classes: Sequence[str]) -> Picture | None:
    """Return how often what was predicted with a probability came true, over all seeds."""
    curves = {}
    for pair in pairs:
        kept = [s for s in predicted(evidence, pair) if "probability" in s.said]
        if kept:
            true, stated = (np.concatenate(parts) for parts in zip(*map(_stated, kept), strict=True))
            curves[pair] = calibration_curve(true, np.clip(stated, 0, 1), n_bins=_BINS, strategy="quantile")
    if not curves:
        return None
    many = _count(evidence) > 2
    several = evidence.target.ndim > 1 and evidence.target.shape[1] > 1
    one = "each label" if several else shortened(class_names(classes, 2)[1])
    x = "probability of the predicted class" if many else f"predicted probability of {one}"
    y = "share predicted right" if many else f"share of {one}"
    words = "; ".join(f"{p}: largest gap {np.abs(t - s).max():.2f}" for p, (t, s) in curves.items())
    panel = Panel(
        "Calibration", f"{y} against {x}. {words}.", partial(_draw_calibration, curves=curves, x=x, y=y)
    )
    title = f"Calibration on {evidence.part} rows"
    return Picture("calibration", title, (panel,), size=(3.4, 2.9))


def shortened(name: str, most: int = _NAME) -> str:
    """Return a name that fits a tick."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _count(evidence: Evidence) -> int:
    if KINDS[evidence.kind].form is TargetForm.ZERO_ONE:
        return 2
    every = (s.said for pair in evidence.predictions for s in predicted(evidence, pair))
    labels = [int(said["label"].max()) for said in every if "label" in said]
    return max([int(evidence.target.max()), *labels]) + 1


def _side(names: Sequence[str]) -> float:
    """Return the width of a matrix and its labels in inches."""
    if len(names) > 8:
        return min(0.32 * len(names) + 1.2, 8.0)
    return 3.1 if max(map(len, names)) <= 3 else 3.8


def _fit_beside(names: Sequence[str]) -> bool:
    """Return whether the names of columns have room beside each other."""
    longest = max(map(len, names))
    return (longest + 1) * len(names) * _LETTER <= _side(names) - _MARGIN - longest * _LETTER


def _cell(pair: str, true: str, said: str, share: float) -> str:
    return f"{pair}: of true {true}, {number(share)} predicted {said}"


def _draw_confusion(
    ax: Axes, *, matrix: NDArray[np.float64], names: Sequence[str], words: Sequence[Sequence[str]]
) -> None:
    few = len(names) <= 12
    display = ConfusionMatrixDisplay(matrix, display_labels=names).plot(
        ax=ax,
        cmap="Blues",
        colorbar=False,
        include_values=few,
        values_format=".2f",
        xticks_rotation="horizontal" if _fit_beside(names) else "vertical",
        im_kw={"vmin": 0, "vmax": 1, "interpolation": "none"},
        text_kw={"fontsize": 9 if len(names) <= 5 else 7} if few else None,
    )
    for text, share in zip(display.text_.flat, matrix.flat, strict=True) if few else ():
        # scikit-learn's turn where the shares of this matrix have their middle
        text.set_color(legible(share))
    ax.grid(visible=False)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    for i, j in np.ndindex(matrix.shape):
        say_within(ax, (j - 0.5, j + 0.5), (i - 0.5, i + 0.5), words[i][j])


def _one_against_rest(replicate: Predicted) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return truth and score for each class that occurs, or for class 1 of two."""
    score, target = replicate.said["score"], replicate.target.ravel()
    columns = {1: score.ravel()} if score.size == target.size else dict(enumerate(score.T))
    pairs = [((target == c).astype(float), s) for c, s in columns.items()]
    return [(t, s) for t, s in pairs if 0 < t.sum() < len(t) and np.isfinite(s).all()]


def _bands(evidence: Evidence, pair: str, curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and sd over seeds of a curve that is itself a mean over classes."""
    by_seed = [
        np.mean([curve(t, s) for t, s in found], axis=0)
        for replicate in predicted(evidence, pair)
        if "score" in replicate.said and (found := _one_against_rest(replicate))
    ]
    if not by_seed:
        return np.full(len(_GRID), math.nan), np.zeros(len(_GRID))
    return np.mean(by_seed, axis=0), np.std(by_seed, axis=0)


def _true_positives(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    false, true, _ = roc_curve(truth, score)
    found: NDArray[np.float64] = np.interp(_GRID, false, true)
    found[0] = 0.0
    return found


def _precision(truth: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    precision, recall, _ = precision_recall_curve(truth, score)
    found: NDArray[np.float64] = np.interp(_GRID, recall[::-1], precision[::-1])
    return found


def _stated(replicate: Predicted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return 0 or 1 for each row, and the probability stated for 1."""
    p, target = replicate.said["probability"], replicate.target.ravel()
    if p.size == target.size:
        return target, p.ravel()
    return (p.argmax(axis=1) == target).astype(float), p.max(axis=1)


def _draw_bands(
    ax: Axes,
    *,
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    x: str,
    y: str,
    diagonal: bool,
) -> None:
    if diagonal:
        ax.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    for (pair, (mean, sd)), (colour, dash) in zip(curves.items(), STYLES, strict=False):
        ax.plot(_GRID, mean, dash, color=colour, lw=1.5, label=pair)
        ax.fill_between(
            _GRID, np.clip(mean - sd, 0, 1), np.clip(mean + sd, 0, 1), color=colour, alpha=0.15, lw=0
        )
    shown = spread_over(len(_GRID))
    say_across(ax, _GRID[shown], (_at(x, i, y, curves) for i in shown))
    _unit_square(ax, x, y)


def _at(
    x: str, place: int, y: str, curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> str:
    """Return what every pair's curve has at a place of the grid."""
    values = "; ".join(
        f"{pair} {number(mean[place])} ± {number(sd[place])}" for pair, (mean, sd) in curves.items()
    )
    return f"{x} {number(_GRID[place])}, {y}: {values}"


def _draw_calibration(
    ax: Axes,
    *,
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    x: str,
    y: str,
) -> None:
    ax.plot([0, 1], [0, 1], color=FAINT, lw=0.8)
    for (pair, (true, stated)), (colour, dash) in zip(curves.items(), STYLES, strict=False):
        ax.plot(stated, true, f"o{dash}", color=colour, lw=1.3, ms=4, label=pair)
        texts = (
            f"{pair}: predicted {number(p)}, came true {number(t)}" for p, t in zip(stated, true, strict=True)
        )
        say_rows(ax, stated, true, texts)
    _unit_square(ax, x, y)


def _unit_square(ax: Axes, x: str, y: str) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.02)
    ax.set_xlabel(x)
    ax.set_ylabel(y)

"""How well masks are met: the overlap of each with what was predicted, against how much of it there is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lossearch._colours import BLUE
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import Panel, Picture
from lossearch.report.figures.predictions import predicted
from lossearch.report.figures.said import say_rows
from lossearch.report.formatting import number

Floats = NDArray[np.float64]


def overlap_picture(evidence: Evidence, pairs: Sequence[str]) -> Picture | None:
    """Return the IoU of every mask, of each pair's first sound replicate, over the pixels that are marked in it."""
    panels = []
    for pair in pairs:
        replicate = next((s for s in predicted(evidence, pair) if "label" in s.said), None)
        if replicate is None:
            continue
        marked, iou = _overlaps(replicate.target, replicate.said["label"])
        panels.append(Panel(pair, _alt(pair, marked, iou), partial(_draw, pair=pair, marked=marked, iou=iou)))
    if not panels:
        return None
    return Picture("overlap", f"Masks of {evidence.part} rows, one fresh seed", tuple(panels))


def _overlaps(target: Floats, label: Floats) -> tuple[Floats, Floats]:
    """Return of each mask how many pixels are marked, and its IoU, 1 where it is rightly empty."""
    both, either = (target * label).sum(axis=1), np.maximum(target, label).sum(axis=1)
    return target.sum(axis=1), np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _alt(pair: str, marked: Floats, iou: Floats) -> str:
    small = marked <= np.median(marked)
    larger = iou[~small].mean() if (~small).any() else np.nan
    beside = "" if np.isnan(larger) else f", {number(float(larger))} for larger ones"
    return (
        f"{pair}: IoU of {len(iou)} masks by the pixels marked in each; on average {number(float(iou[small].mean()))} for those of up "
        f"to {np.median(marked):.0f} pixels{beside}."
    )


def _draw(ax: Axes, *, pair: str, marked: Floats, iou: Floats) -> None:
    ax.scatter(marked, iou, s=9, color=BLUE, alpha=0.6, linewidths=0)
    texts = (
        f"{pair}: IoU {number(share)} of a mask of {count:.0f} pixels"
        for count, share in zip(marked, iou, strict=True)
    )
    say_rows(ax, marked, iou, texts)
    ax.set_ylim(-0.05, 1.05)
    ax.set_xlabel("pixels marked")
    ax.set_ylabel("IoU")

"""What the confirmed pairs say of single rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lossearch.kinds import KINDS
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import Picture
from lossearch.report.figures.classes import calibration_picture, confusion_picture, ranking_picture
from lossearch.report.figures.masks import overlap_picture
from lossearch.report.figures.plane import plane_picture
from lossearch.report.figures.predictions import shown_pairs
from lossearch.report.figures.spread import intervals_picture
from lossearch.report.figures.values import errors_picture, nearest
from lossearch.report.sentences import probability_sentences
from lossearch.report.sources import Section, Sources

_TITLE = "Predictions"

FIGURES: Mapping[str, Callable[[Evidence, Sequence[str], Sequence[str]], Picture | None]] = {
    "errors": lambda evidence, pairs, _: errors_picture(evidence, pairs),
    "angle_errors": lambda evidence, pairs, _: errors_picture(evidence, pairs, nearest),
    "intervals": lambda evidence, pairs, _: intervals_picture(evidence, pairs),
    "confusion": confusion_picture,
    "ranking": ranking_picture,
    "overlap": lambda evidence, pairs, _: overlap_picture(evidence, pairs),
    "calibration": calibration_picture,
}
"""The figures that kinds of task name."""


def predictions(sources: Sources) -> Section:
    """Return confusion, ROC, precision and recall, calibration; or intervals, errors, residuals and quantiles."""
    evidence = sources.evidence
    if evidence is None:
        return Section("predictions", _TITLE, ("There is no confirmation, so no predictions were kept.",))
    pairs = shown_pairs(sources.verdict, evidence)
    drawn = KINDS[evidence.kind].figures
    pictures = [FIGURES[name](evidence, pairs, sources.study.classes) for name in drawn]
    kept = tuple(
        p for p in (*pictures, plane_picture(sources.planes, sources.study.classes)) if p is not None
    )
    text = [f"On {evidence.part} rows, of {', '.join(pairs)}."]
    without = [p for p in pairs if all(s.probability is None for s in evidence.predictions[p])]
    if without and "calibration" in drawn:
        text.append(f"No probabilities, so no calibration: {', '.join(without)}.")
    given = [] if sources.confirmed is None else [c.point for c in sources.confirmed.confirmations]
    text += probability_sentences(
        [p for p in given if p.pair in pairs and p.pair not in without], sources.study
    )
    return Section("predictions", _TITLE, tuple(text), kept)

"""What the confirmed pairs say of single rows."""

from __future__ import annotations

from lossearch.report.figures.classes import calibration_picture, confusion_picture, ranking_picture
from lossearch.report.figures.plane import plane_picture
from lossearch.report.figures.predictions import shown_pairs
from lossearch.report.figures.values import errors_picture
from lossearch.report.sources import Section, Sources

_TITLE = "Predictions"


def predictions(sources: Sources) -> Section:
    """Return confusion, ROC, precision and recall, calibration; or errors, residuals and quantiles."""
    evidence = sources.evidence
    if evidence is None:
        return Section("predictions", _TITLE, ("There is no confirmation, so no predictions were kept.",))
    pairs = shown_pairs(sources.verdict, evidence)
    if evidence.kind == "regression":
        pictures = [errors_picture(evidence, pairs)]
    else:
        pictures = [
            confusion_picture(evidence, pairs, sources.classes),
            ranking_picture(evidence, pairs),
            calibration_picture(evidence, pairs),
        ]
    kept = tuple(p for p in (*pictures, plane_picture(sources.planes, sources.classes)) if p is not None)
    text = [f"On {evidence.part} rows, of {', '.join(pairs)}."]
    without = [
        p
        for p in pairs
        if evidence.kind != "regression" and all(s.probability is None for s in evidence.sheets[p])
    ]
    if without:
        text.append(f"No probabilities, so no calibration: {', '.join(without)}.")
    return Section("predictions", _TITLE, tuple(text), kept)

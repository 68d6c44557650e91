"""From a study's records to its report: what there is of them is gathered here, what is missing is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lossearch.diagnostics.pareto import Objectives, Pareto, confirmed_pairs, intervals, searched
from lossearch.errors import LossearchError
from lossearch.kinds import KINDS
from lossearch.model import FittedModel
from lossearch.records.confirmations import Confirmed
from lossearch.records.evidence import Evidence
from lossearch.records.trial import TrialRecord
from lossearch.report.figures.plane import Plane
from lossearch.report.figures.predictions import shown_pairs
from lossearch.study.fitting import load_pair_model
from lossearch.study.prepare import Prepared
from lossearch.verdict.verdict import Verdict

SIDE = 80
"""Points of a plane's grid along each input."""
_REACH = 2.6
"""Standard deviations of an input that a plane reaches to either side."""


@dataclass(frozen=True)
class Kept:
    """Where a study's models are kept, and what its pairs were confirmed as."""

    folder: Path
    confirmed: Confirmed
    evidence: Evidence
    verdict: Verdict | None
    prepared: Prepared | None = None


def planes(kept: Kept) -> Iterator[Plane]:
    """Give what the kept models of the shown pairs predict over the plane, where their inputs are two numbers."""
    for pair in shown_pairs(kept.verdict, kept.evidence):
        confirmation = kept.confirmed[pair]
        try:
            model = load_pair_model(kept.folder, confirmation.point, confirmation.epoch)
        except LossearchError:
            continue  # a network or loss of the user's own, which is not at hand
        shows = None if model is None else KINDS[model.kind].surface
        if (
            model is not None
            and shows is not None
            and len(model.inputs.numbers) == 2
            and model.inputs.columns == tuple(n.column for n in model.inputs.numbers)
        ):
            yield _plane(model, shows, kept)


def pareto_of(
    records: Sequence[TrialRecord],
    confirmed: Confirmed | None,
    evidence: Evidence | None,
    two: Objectives | None,
    by: Callable[[str], Evidence | None],
) -> Pareto | None:
    """Return trials and confirmed pairs under two metrics, None where there are not two.

    Args:
        records: the trials that count.
        confirmed: what was confirmed.
        evidence: what the confirmed pairs predicted, judged by the first metric.
        two: the metrics.
        by: gives the evidence judged by another metric, None where there is none.
    """
    if two is None:
        return None
    trials, pairs = searched(records, two), confirmed_pairs(confirmed, two)
    known = (evidence, by(two.metrics[1])) if len(pairs) else (None, None)
    first, second = ({} if found is None else intervals(found) for found in known)
    part = "" if confirmed is None else confirmed.part
    return Pareto(two, trials, pairs, part, (first, second))


def _plane(model: FittedModel, shows: str, kept: Kept) -> Plane:
    first, second = model.inputs.numbers
    x, y = (n.mean + n.scale * np.linspace(-_REACH, _REACH, SIDE) for n in (first, second))
    places = np.stack([g.ravel() for g in np.meshgrid(x, y)], axis=1)
    inputs, target = _rows(model, kept.prepared)
    names = (str(first.column), str(second.column))
    return Plane(
        model.point.pair,
        x,
        y,
        _said(model, shows, _as_given(model, places)).reshape(SIDE, SIDE),
        inputs,
        target,
        shows,
        ("input 1", "input 2") if names == ("0", "1") else names,
    )


def _as_given(model: FittedModel, places: NDArray[np.float64]) -> NDArray[np.float64] | pd.DataFrame:
    named = model.inputs.form == "table"
    return pd.DataFrame(places, columns=list(model.inputs.columns)) if named else places


def _said(model: FittedModel, shows: str, places: NDArray[np.float64] | pd.DataFrame) -> NDArray[np.float64]:
    """Return the field that is shown, where the pair gives it; else class numbers."""
    found = model.criterion.predictions(model.raw(places))
    for candidate in (getattr(found, shows), found.label):
        if candidate is not None:
            kept: NDArray[np.float64] = candidate.detach().double().numpy().reshape(len(places), -1)[:, 0]
            return kept
    return np.full(len(places), np.nan)


def _rows(model: FittedModel, prepared: Prepared | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the test rows, in their own units, where the data are at hand."""
    part = None if prepared is None else prepared.plan.task.test(model.origin.seed)
    if part is None or part.x.shape[1:] != (2,):
        return np.empty((0, 2)), np.empty(0)
    mean, scale = (torch.tensor([getattr(n, k) for n in model.inputs.numbers]) for k in ("mean", "scale"))
    inputs = part.x.double() * scale + mean
    return inputs.numpy(), part.y.double().numpy().reshape(len(part), -1)[:, 0]

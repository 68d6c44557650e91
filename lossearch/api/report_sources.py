"""From a study's records to its report: what there is of them is gathered here, what is missing is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from lossearch._lazy import pd
from lossearch.api.answer import printed
from lossearch.diagnostics.agreement import Preference, confirmed_scores, leaderboards, preferences
from lossearch.diagnostics.pareto import Pareto, confirmed_pairs, intervals, searched
from lossearch.diagnostics.tuned import COLUMNS
from lossearch.errors import InputError, LossearchError, StoreError
from lossearch.kinds import KINDS
from lossearch.model import FittedModel
from lossearch.records.damage import damaged, missing
from lossearch.records.evidence import Evidence
from lossearch.records.trial import Stage, ought_to_have_curves
from lossearch.report import frames
from lossearch.report.figures.plane import Plane
from lossearch.report.figures.predictions import shown_pairs
from lossearch.report.formatting import as_csv
from lossearch.report.html import to_html
from lossearch.report.markdown import save_pictures, to_markdown
from lossearch.report.sections import make_report
from lossearch.report.sources import Report, Sources
from lossearch.study.importance import within_pairs
from lossearch.study.prepared import Prepared

if TYPE_CHECKING:
    from lossearch.api.result import Result

T = TypeVar("T")

SIDE = 80
"""Points of a plane's grid along each input."""
_REACH = 2.6
"""Standard deviations of an input that a plane reaches to either side."""


FIGURES = ("scores", "differences", "learning_curves", "lr_sensitivity")
"""The pictures that are kept as PNG files beside the report, which has them all."""


def report_of(result: Result) -> Report:
    """Return the whole report of a study: sentences, figures and tables."""
    study, lost = result.declared, _Lost(result.since)
    evidence = lost.without(lambda: _evidence(result), None)
    # where the judged predictions are lost, so is all that is computed of any
    tuned = result.tuned if evidence is not None else frames.empty(COLUMNS)
    preferred = lost.without(lambda: _preferences(result, evidence), None)
    sources = Sources(
        study,
        result.trials,
        result.search_leaderboard,
        lost.without(lambda: whole_curves(result), pd.DataFrame()),
        result.verdict,
        evidence,
        result.confirmed,
        tuple(_planes(result, evidence, lost)),
        _pareto(result, evidence),
        within_pairs(result.trials, study.space, direction=study.task.direction),
        tuned,
        tuple(lost),
        preferred,
    )
    return make_report(sources)


class _Lost(list[str]):
    """What is said of records that cannot be read, while a report is made without them."""

    def without(self, read: Callable[[], T], instead: T) -> T:
        """Return what is read, or what stands in its place where that is damaged."""
        try:
            return read()
        except StoreError as error:
            self.append(str(error))
            return instead


def whole_curves(result: Result) -> pd.DataFrame:
    """Return every replicate's curves.

    Raises:
        DamagedError: those of a trial that had some are not there, or as :func:`read_curves`.
    """
    curves = result.curves
    without = {r.number for r in result.attempts if ought_to_have_curves(r)} - {*curves["trial"]}
    if without:
        path = result.folder / f"{Stage.SEARCH}.parquet"
        raise (
            damaged(path, f"it lacks trials {', '.join(map(str, sorted(without)))}")
            if path.exists()
            else missing(path)
        )
    return curves


def save(result: Result, folder: Path, *, page: bool) -> list[Path]:
    """Write leaderboard, figures, report and study file into a directory, and return the files.

    Args:
        result: what the study found.
        folder: where to.
        page: whether the HTML page is written too, which draws every figure.
    """
    made = report_of(result)
    drawn = save_pictures(made, folder, FIGURES)
    texts = {
        "leaderboard.md": printed(result).to_markdown(result.name),
        "leaderboard.csv": as_csv(result.leaderboard),
        "study.toml": result.declared.config,
        "report.md": to_markdown(made, {name: path.name for name, path in drawn.items()}),
        **({"report.html": to_html(made)} if page else {}),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [*(folder / name for name in texts), *drawn.values()]


def _evidence(result: Result, metric: str | None = None) -> Evidence | None:
    """Return the evidence, None where there is none: not confirmed, or the metric is the user's own."""
    if result.confirmed is None or not result.confirmed.confirmations:
        return None
    try:
        return result.evidence(metric=metric)
    except StoreError:
        raise
    except InputError:
        return None


def _planes(result: Result, evidence: Evidence | None, lost: _Lost) -> Iterator[Plane]:
    """Give what the kept models of the shown pairs predict over the plane, where their inputs are two numbers."""
    if result.confirmed is None or evidence is None:
        return
    for pair in shown_pairs(result.verdict, evidence):
        confirmation = result.confirmed[pair]
        try:
            model = lost.without(partial(result.kept, confirmation.point, confirmation.epoch), None)
        except LossearchError:
            continue  # a network or loss of the user's own, which is not at hand or not trusted
        shows = None if model is None else KINDS[model.kind].surface
        if (
            model is not None
            and shows is not None
            and len(model.inputs.numbers) == 2
            and model.inputs.columns == tuple(n.column for n in model.inputs.numbers)
        ):
            yield _plane(model, shows, result.prepared)


def _pareto(result: Result, evidence: Evidence | None) -> Pareto | None:
    """Return trials and confirmed pairs under two metrics, None where there are not two."""
    two, confirmed = result.objectives, result.confirmed
    if two is None:
        return None
    trials, pairs = searched(result.trials, two), confirmed_pairs(confirmed, two)
    both = len(pairs) > 0 and evidence is not None
    known = (evidence, _evidence(result, two.metrics[1])) if both else (None, None)
    first, second = ({} if found is None else intervals(found) for found in known)
    part = "" if confirmed is None else confirmed.part
    return Pareto(two, trials, pairs, part, (first, second))


def _preferences(result: Result, evidence: Evidence | None) -> tuple[Preference, ...] | None:
    """Return which other metrics have another best pair; None where nothing was confirmed, or its predictions are lost."""
    if result.confirmed is None or evidence is None:
        return None
    task = result.declared.task
    board = leaderboards(confirmed_scores(result.confirmed, task.direction))
    return preferences(board, task.metric, partial(_evidence, result))


def _plane(model: FittedModel, shows: str, prepared: Prepared | None) -> Plane:
    first, second = model.inputs.numbers
    x, y = (n.mean + n.scale * np.linspace(-_REACH, _REACH, SIDE) for n in (first, second))
    places = np.stack([g.ravel() for g in np.meshgrid(x, y)], axis=1)
    inputs, target = _rows(model, prepared)
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

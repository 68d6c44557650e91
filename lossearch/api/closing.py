"""The end of a study, told to MLflow and optuna-dashboard: numbers, tables, figures, and the best model of each pair."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Hashable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

from lossearch._options import either
from lossearch.api.answer import printed
from lossearch.records import optuna_dashboard
from lossearch.records.confirmations import PREFIX
from lossearch.records.curves import recorded_curves
from lossearch.records.mlflow.best import PairModel
from lossearch.records.mlflow.view import MlflowView, Status, warn
from lossearch.records.mlflow.writer import ViewWriter
from lossearch.records.optuna import journal_of
from lossearch.records.trial import Stage, TrialRecord
from lossearch.records.weights import path_of
from lossearch.report.frames import best_records
from lossearch.report.plotly import curve_graph, leaderboard_graph, learning_rate_graph

if TYPE_CHECKING:
    from optuna import Study

    from lossearch.api.result import Result


def attach(
    result: Result,
    view: MlflowView | ViewWriter,
    status: Status,
    note: Callable[[str], None] = warn,
    *,
    drawn: bool = True,
) -> None:
    """Close a study's parent run with its answer: numbers, tags and tables, where ``drawn`` figures and report too.

    ``note`` is told where there is no room for the last three among the system's temporary files.
    """
    with ExitStack() as stack:
        saved: list[Path] = []
        tables = {"leaderboard": result.leaderboard}
        try:
            if drawn:
                folder = Path(stack.enter_context(TemporaryDirectory()))
                saved = result.save(folder, report=status == "finished")
        except OSError as error:
            tables = {}  # which MLflow writes to a temporary file too
            note(
                f"MLflow gets no tables, figures and report: a temporary file cannot be written ({error.strerror or error}). "
                f"Make room, and write them with `lossearch sync {result.name}`."
            )
        view.close(
            status,
            metrics=_final_metrics(result),
            tags=_final_tags(result),
            artifacts=saved,
            tables=tables,
            best=[*_best(result).values()],
            models=pair_models(result),
            answer=printed(result).to_markdown(),
        )


def _best(result: Result) -> dict[str, TrialRecord]:
    """Return the best trial of each pair, in the order of the leaderboard."""
    found = best_records(result.trials, direction=result.declared.task.direction)
    return {pair: found[pair] for pair in result.leaderboard["pair"] if pair in found}


_SHOWN = ("score", "ci_low", "ci_high", "sd", "gain", "validation_score", "search_score", "rank")
"""Columns of the leaderboard that a model has, besides those of other metrics."""


def pair_models(result: Result) -> list[PairModel]:
    """Return the best model of each pair, best first, as the leaderboard has it: confirmed where it was."""
    confirmed = {c.point.pair: c.record() for c in result.confirmed.confirmations} if result.confirmed else {}
    records = _best(result) if result.verdict is None else {**_best(result), **confirmed}
    rows = {str(row["pair"]): row for row in result.leaderboard.to_dict("records")}
    return [_model(result, record, rows[pair]) for pair, record in records.items()]


def _model(result: Result, record: TrialRecord, row: Mapping[Hashable, Any]) -> PairModel:
    names = [k for k in map(str, row) if k in _SHOWN or k.startswith(("val_", "test_"))]
    metrics = {k: None if pd.isna(row[k]) else float(row[k]) for k in names}
    weights = path_of(result.folder, record.number)
    tags = {} if result.verdict is None else {"lossearch.tied": str(record.point.pair in result.tied).lower()}
    if weights.exists():
        tags["lossearch.weights"] = weights.relative_to(result.store.root).as_posix()
    return PairModel(record, metrics, tags)


def tell_dashboard(result: Result, study: Study, note: Callable[[str], None] = warn) -> None:
    """Give a finished study what optuna-dashboard shows of it, where that is installed; ``note`` is told where it cannot be.

    Args:
        result: the study's.
        study: the same in Optuna, to be written to.
        note: told in a sentence.
    """
    if not optuna_dashboard.is_installed():
        return
    declared, best = result.declared, _best(result)
    metric, pairs = declared.task.metric, tuple(declared.space.pairs)
    try:
        curves = recorded_curves(result.folder, Stage.SEARCH)
        graphs = [
            leaderboard_graph(
                result.leaderboard, metric, "validation" if result.verdict is None else result.verdict.part
            ),
            learning_rate_graph(result.trials, pairs, metric),
            curve_graph({pair: curves(record) for pair, record in best.items()}, pairs, metric),
        ]
        optuna_dashboard.write_answer(study, printed(result).to_markdown(), graphs)
    except optuna_dashboard.ERRORS as error:
        again = either(f"lossearch.api.sync({result.name!r})", f"`lossearch sync {result.name}`")
        note(
            f"optuna-dashboard gets no note and graphs of this study: {error}. Write them later with {again}."
        )


def dashboard_command(result: Result) -> str | None:
    """Return the command that opens a study in optuna-dashboard, None where nobody has asked for that.

    Who keeps studies in a storage of their own has, or who has installed it. A password in a URL is not shown.
    """
    installed, url = optuna_dashboard.is_installed(), result.declared.storage
    if url is None and not installed:
        return None
    place = shlex.quote(str(journal_of(result.store, result.name) if url is None else url))
    return f"optuna-dashboard {place}" + ("" if installed else "  (pip install 'lossearch[dashboard]')")


def _final_metrics(result: Result) -> dict[str, float | None]:
    board = result.leaderboard
    found: dict[str, float | None] = {
        "trials": len(result.trials),
        "diverged_trials": int(board["diverged"].sum()),
        "failed_trials": int(board["failed"].sum()),
        "training_seconds": sum(r.seconds for r in result.attempts),
    }
    if result.leader is not None:
        best = board[board["pair"] == result.best.pair].iloc[0]
        found |= {"best_score": float(best["score"]), "gain_over_conventional": float(best["gain"])}
    if result.confirmed is not None:
        judged = f"{PREFIX[result.confirmed.part]}{result.confirmed.metric}"
        found |= {f"baseline_{b.key}": b.scores.get(judged) for b in result.confirmed.baselines}
    if result.verdict is not None:
        found |= {"tied_pairs": len(result.tied), "optimism": result.verdict.optimism}
    return found


def _final_tags(result: Result) -> dict[str, str]:
    tags = {} if result.leader is None else {"lossearch.best": result.best.pair}
    if result.front is not None:
        tags["lossearch.front"] = result.front
    if result.verdict is not None:
        said = " ".join(s for s in result.verdict.sentences if s)
        tags |= {"lossearch.verdict": said, "lossearch.tied": ", ".join(result.tied)}
    return tags

"""A study that is run again and has nothing left to do: its answer is read, and nothing is trained or written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lossearch._json import to_jsonable
from lossearch._trust import Trust
from lossearch.api.inspection import run_faults
from lossearch.api.result import Result
from lossearch.confirm.confirmation import is_whole
from lossearch.confirm.judging import VERDICT
from lossearch.confirm.selection import select_points
from lossearch.errors import LossearchError
from lossearch.records.confirmations import Confirmed
from lossearch.records.mlflow.database import ended_runs
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord
from lossearch.study.history import by_pair
from lossearch.study.optuna_study import read_whole
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener


def unchanged(prepared: Prepared, trust: Trust, listener: Listener) -> Result | None:
    """Return the result of a study that ran to its end and would be recorded as it is; None where there is more to do.

    Whatever is in doubt is left to the run: damaged records, those on a server, and a confirmation that may stop early.

    Args:
        prepared: the study as it is asked for.
        trust: what of the code that it names may be run.
        listener: is told that all trials are done.
    """
    kept, name = prepared.config.records, prepared.plan.name
    if kept.storage is not None or (kept.mlflow and kept.tracking_uri is not None):
        return None
    try:
        if not Path(kept.store).expanduser().exists():
            return None
        store = Store.open(kept.store)
        if name not in store.studies() or not _same(store, prepared, declared := store.read_study(name)):
            return None
        result = Result(name, store, declared, read_whole(store, declared), prepared=prepared, trust=trust)
        if not _is_whole(result, prepared):
            return None
    except LossearchError:
        return None  # the run itself says what is wrong
    listener.started(prepared.plan.total, len(result.trials))
    listener.finished("all trials done")
    return result


def _same(store: Store, prepared: Prepared, declared: StudyRecord) -> bool:
    """Whether a study ended well, and is recorded as this run would record it."""
    now = prepared.record(store, created=declared.created, mlflow=declared.mlflow)
    as_ended = replace(now, ended="finished", unjudged=declared.unjudged)
    return to_jsonable(as_ended) == to_jsonable(declared)


def _is_whole(result: Result, prepared: Prepared) -> bool:
    """Whether nothing is left to be searched, confirmed, judged or shown in MLflow, and no record is damaged."""
    confirmed = result.confirmed
    return (
        not prepared.plan.schedule.next_round(by_pair(result.attempts))
        and _is_confirmed(result, prepared, confirmed)
        and not run_faults(result.folder)
        and (not prepared.config.records.mlflow or _is_shown(result, confirmed))
    )


def _is_confirmed(result: Result, prepared: Prepared, confirmed: Confirmed | None) -> bool:
    plan, budget = prepared.plan, prepared.config.budget
    if budget.race:
        return False
    if confirmed is None:
        return budget.confirm_seeds == 0
    selection = select_points(plan, result.attempts, prepared.min_trials)
    judged = plan.budget.mode == "adaptive" or (result.folder / VERDICT).exists()
    return is_whole(plan, result.folder, selection, budget.confirm_seeds) and (
        judged or result.declared.unjudged is not None
    )


def _is_shown(result: Result, confirmed: Confirmed | None) -> bool:
    """Whether the store's own MLflow database has the study's run, ended, and one of each trial and confirmed pair."""
    runs = len(result.attempts) + (0 if confirmed is None else len(confirmed.confirmations))
    return result.run_id is not None and ended_runs(result.store.database, result.run_id) == runs

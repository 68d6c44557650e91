"""The second half of a study: confirm the best points on fresh seeds, judge them, write down what follows."""

from __future__ import annotations

from pathlib import Path

from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.early_stopping import confirm_with_early_stopping
from lossearch.confirm.judging import judge_study
from lossearch.confirm.selection import select_points
from lossearch.errors import InputError
from lossearch.records.confirmations import Confirmed
from lossearch.records.curves import mean_curves_of, read_curves
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.trial import Stage
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.study.seeds import confirm_seeds
from lossearch.training.workers.group import WorkerGroup


def confirm_and_judge(
    prepared: Prepared, group: WorkerGroup | None, folder: Path, recorder: StudyRecorder, listener: Listener
) -> None:
    """Confirm what a search has found and judge it; a confirmation that is there already is not repeated.

    Args:
        prepared: the study.
        group: other processes that may train too.
        folder: the study's directory.
        recorder: of its records.
        listener: hears of the progress, and why there is no verdict where there is none.

    Raises:
        RunFailedError: every pair failed in its confirmation.
    """
    plan, n = prepared.plan, prepared.config.budget.confirm_seeds
    trials = recorder.records()
    selection = select_points(plan, trials, prepared.min_trials)
    if n:
        for pair, why in selection.left_out.items():
            listener.note(f"Not confirmed: {pair} ({why}).")
    fresh = confirm_seeds(plan.budget.seed, n, plan.budget.seeds) or plan.budget.seeds
    confirm = Confirmer(plan, prepared.method(lambda _: None, group, fresh), folder, listener)
    budget = prepared.config.budget
    confirmed = (
        confirm_with_early_stopping(confirm, selection, n, budget.rope)
        if budget.race
        else confirm(selection, n)
    )
    if recorder.view is not None:
        write_confirmation(recorder.view, folder, confirmed)
    if confirmed is None or plan.budget.mode == "adaptive":
        return
    try:
        judge_study(folder, plan, confirmed, trials, prepared.config.budget.rope)
    except InputError as error:
        listener.note(f"No verdict: {error}")


def write_confirmation(view: MlflowView, folder: Path, confirmed: Confirmed | None) -> int:
    """Write a run for every confirmed pair, instead of those of an earlier confirmation; return how many."""
    frame = read_curves(folder, Stage.CONFIRM)
    records = [c.record() for c in confirmed.confirmations] if confirmed else []
    return view.sync_confirmation(records, lambda record: mean_curves_of(frame, record.number))

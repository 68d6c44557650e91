"""The second half of a study: confirm the best points on fresh seeds, judge them, write down what follows."""

from __future__ import annotations

from pathlib import Path

from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.early_stopping import confirm_with_early_stopping
from lossearch.confirm.judging import judge_study
from lossearch.confirm.selection import select_points
from lossearch.errors import InputError
from lossearch.records.confirmations import Confirmed
from lossearch.records.curves import recorded_curves
from lossearch.records.mlflow.view import CurvesOf
from lossearch.records.trial import Stage, TrialRecord
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.study.seeds import confirm_seeds
from lossearch.training.workers.executor import Executor


def confirm_and_judge(
    prepared: Prepared, group: Executor | None, folder: Path, recorder: StudyRecorder, listener: Listener
) -> str | None:
    """Confirm what a search has found and judge it; a confirmation that is there already is not repeated.

    Returns why its pairs could not be compared, None where they were, or were not to be.

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
        recorder.view.sync_confirmation(*confirmation_rows(folder, confirmed))
    if confirmed is None or plan.budget.mode == "adaptive":
        return None
    try:
        judge_study(folder, plan.question, confirmed, trials, prepared.config.budget.rope)
    except InputError as error:
        listener.note(f"No verdict: {error}")
        return str(error)
    return None


def confirmation_rows(folder: Path, confirmed: Confirmed | None) -> tuple[list[TrialRecord], CurvesOf]:
    """Return the records of every confirmed pair, and what gives their curves."""
    records = [c.record() for c in confirmed.confirmations] if confirmed else []
    return records, recorded_curves(folder, Stage.CONFIRM)

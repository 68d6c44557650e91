"""The second half of a study: confirm the best points on fresh seeds, judge them, write down what follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.early_stopping import confirm_with_early_stopping
from lossearch.confirm.judging import judge_study
from lossearch.confirm.selection import select_points
from lossearch.errors import InputError
from lossearch.records.confirmations import Confirmed
from lossearch.records.curves import recorded_curves
from lossearch.records.mlflow.view import CurvesOf
from lossearch.records.trial import Stage, TrialRecord
from lossearch.study.pace import Training
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.study.seeds import confirm_seeds
from lossearch.study.time_left import TimeLeft
from lossearch.training.workers.executor import Executor

EPOCH_OF_BEST = 0.8
"""Where the best epoch is, as a part of all, while no trial is done."""


def confirm_and_judge(
    prepared: Prepared,
    group: Executor | None,
    folder: Path,
    recorder: StudyRecorder,
    listener: Listener,
    time_left: TimeLeft | None = None,
) -> str | None:
    """Confirm what a search has found and judge it; a confirmation that is there already is not repeated.

    Returns why its pairs could not be compared, None where they were, or were not to be.

    Args:
        prepared: the study.
        group: other processes that may train too.
        folder: the study's directory.
        recorder: of its records.
        listener: hears of the progress, and why there is no verdict where there is none.
        time_left: tells it how long the rest takes.

    Raises:
        RunFailedError: every pair failed in its confirmation.
    """
    plan, n = prepared.plan, prepared.config.budget.confirming_seeds
    trials = recorder.records()
    selection = select_points(plan, trials, prepared.min_trials)
    if n:
        for pair, why in selection.left_out.items():
            listener.note(f"Not confirmed: {pair} ({why}).")
    fresh = confirm_seeds(plan.budget.seed, n, plan.budget.seeds) or plan.budget.seeds
    method = prepared.method(lambda _: None, group, fresh)
    confirm = Confirmer(plan, method, folder, listener, time_left or TimeLeft(listener))
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
    confirm.time_left.close()
    listener.doing("Judging")
    try:
        judge_study(folder, plan.question, confirmed, trials, prepared.config.budget.rope)
    except InputError as error:
        listener.note(f"No verdict: {error}")
        return str(error)
    return None


def confirmation_ahead(prepared: Prepared, trials: Sequence[TrialRecord]) -> Training:
    """Return what is to be confirmed after these trials, before it is known which points are."""
    plan = prepared.plan
    best = [r for r in select_points(plan, trials, 1).trials if r.epoch is not None]
    whole = int(plan.settings.epochs)
    unknown = whole if plan.settings.epoch == "last" else EPOCH_OF_BEST * whole
    return Training(prepared.confirmed, fmean(r.epoch or whole for r in best) if best else unknown)


def confirmation_rows(folder: Path, confirmed: Confirmed | None) -> tuple[list[TrialRecord], CurvesOf]:
    """Return the records of every confirmed pair, and what gives their curves."""
    records = [c.record() for c in confirmed.confirmations] if confirmed else []
    return records, recorded_curves(folder, Stage.CONFIRM)

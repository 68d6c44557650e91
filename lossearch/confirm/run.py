"""The second half of a study: confirm the best points on fresh seeds, judge them, write down what follows."""

from __future__ import annotations

from pathlib import Path

from lossearch.confirm.confirmation import Confirm
from lossearch.confirm.early_stopping import race
from lossearch.confirm.judging import judge_study
from lossearch.confirm.selection import choose_finalists
from lossearch.errors import InputError
from lossearch.records.confirmations import STAGE, Confirmed
from lossearch.records.curves import mean_curves_of, read_curves
from lossearch.records.mlflow.view import MlflowView
from lossearch.study.prepare import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyBook
from lossearch.study.seeds import confirm_seeds
from lossearch.training.workers.group import WorkerGroup


def confirm_and_judge(
    prepared: Prepared, group: WorkerGroup | None, folder: Path, book: StudyBook, heard: Listener
) -> None:
    """Confirm what a search has found and judge it; a confirmation that is there already is not repeated.

    Args:
        prepared: the study.
        group: other processes that may train too.
        folder: the study's directory.
        book: its records.
        heard: hears of the progress, and why there is no verdict where there is none.

    Raises:
        RunFailedError: every pair failed in its confirmation.
    """
    plan, n = prepared.plan, prepared.config.budget.confirm_seeds
    trials = book.records()
    finalists = choose_finalists(plan, trials, prepared.min_trials)
    if n:
        for pair, why in finalists.left_out.items():
            heard.note(f"Not confirmed: {pair} ({why}).")
    fresh = confirm_seeds(plan.budget.seed, n, plan.budget.seeds) or plan.budget.seeds
    confirm = Confirm(plan, prepared.method(lambda _: None, group, fresh), folder, heard)
    budget = prepared.config.budget
    confirmed = race(confirm, finalists, n, budget.rope) if budget.race else confirm(finalists, n)
    if book.view is not None:
        write_confirmation(book.view, folder, confirmed)
    if confirmed is None or plan.budget.mode == "adaptive":
        return
    try:
        judge_study(folder, plan, confirmed, trials, prepared.config.budget.rope)
    except InputError as error:
        heard.note(f"No verdict: {error}")


def write_confirmation(view: MlflowView, folder: Path, confirmed: Confirmed | None) -> int:
    """Write a run for every confirmed pair, instead of those of an earlier confirmation; return how many."""
    frame = read_curves(folder, STAGE)
    records = [c.record() for c in confirmed.confirmations] if confirmed else []
    return view.sync_confirmation(records, lambda record: mean_curves_of(frame, record.number))

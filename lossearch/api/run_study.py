"""Run a study, or go on with it: open its records, search, confirm, judge, and close them."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lossearch._options import option
from lossearch.api.result import Result, load_result
from lossearch.config import StudyConfig
from lossearch.confirm.run import confirm_and_judge
from lossearch.data.sources import Dataset
from lossearch.errors import InputError
from lossearch.losses import Loss
from lossearch.records.claim import claim, opening
from lossearch.records.curves import compact, mean_curves_of, read_curves
from lossearch.records.mlflow.client import reach
from lossearch.records.mlflow.view import MlflowView, Status
from lossearch.records.optuna import quiet_optuna, reach_storage
from lossearch.records.store import Store
from lossearch.records.study import MlflowRuns, StudyRecord
from lossearch.records.trial import Stage
from lossearch.records.weights import WeightRetention
from lossearch.study.loop import Search
from lossearch.study.optuna_study import open_study
from lossearch.study.own_sampler import OwnSampler
from lossearch.study.plan import require_same
from lossearch.study.prepare import ModuleObjects, prepare
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.study.samplers import refuse_missing
from lossearch.study.undisturbed import undisturbed
from lossearch.tasks.judges import Judging
from lossearch.training.contract import TrainingMethod
from lossearch.training.workers.group import WorkerGroup

if TYPE_CHECKING:
    from torch import nn


def _declare(store: Store, prepared: Prepared) -> StudyRecord:
    """Check the plan against a study of the same name, or write it down as a new one."""
    name, asked = prepared.plan.name, prepared.config.records.storage
    stored = store.read_study(name) if name in store.studies() else None
    if stored is not None:
        require_same(name, stored.identity(), prepared.plan.identity())
        if stored.storage != asked:
            raise InputError(
                f"Study {name!r} is recorded in {stored.storage or 'its own journal'}; it cannot go on elsewhere. "
                f"Give the same storage, or another {option('name')}."
            )
    study = prepared.record(
        created=stored.created if stored else clock.time(), mlflow=stored.mlflow if stored else None
    )
    store.write_study(study)
    return study


def run(
    config: StudyConfig,
    *,
    dataset: Dataset | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    model: Callable[..., nn.Module] | None = None,
    metric: Judging = None,
    module: ModuleObjects | None = None,
    sampler: OwnSampler | None = None,
    listener: Listener | None = None,
) -> Result:
    """Run a study, or go on with it where it stopped.

    Args:
        config: the study file's tables.
        dataset: data in hand, instead of what the configuration names.
        losses: losses of your own, declared or not, searched beside the named ones.
        model: a network factory, instead of the configured one.
        metric: a metric of your own, or two metrics, names among them.
        module: a LightningModule of your own and its data, instead of what the configuration names.
        sampler: an Optuna sampler of your own, instead of the configured one.
        listener: hears of the progress.

    Raises:
        InputError: what is asked for cannot be done; nothing was written.
        RunFailedError: trials fail one after another in the same way.
        KeyboardInterrupt: Ctrl-C; what was done before is kept.
    """
    refuse_missing(config.budget.sampler, sampler)
    listener = listener or Listener()
    with ExitStack() as stack:
        stack.enter_context(undisturbed())
        prepared = prepare(
            config,
            dataset=dataset,
            losses=losses,
            model=model,
            metric=metric,
            module=module,
            sampler=sampler,
        )
        for note in (*prepared.plan.task.notes, *prepared.plan.notes):
            listener.note(note)
        stack.enter_context(quiet_optuna())
        group = stack.enter_context(prepared.workers(listener.note))
        method = prepared.method(listener.note, group)
        if config.records.mlflow:
            reach(config.records.tracking_uri)
        if config.records.storage is not None:
            reach_storage(config.records.storage)
        store = Store.open(config.records.store)
        stack.enter_context(claim(store, prepared.plan.name))
        with opening(store, prepared.plan.name):
            recorder = _open_recorder(store, prepared, listener)
        return replace(_search(prepared, method, group, store, recorder, listener), prepared=prepared)


def _search(
    prepared: Prepared,
    method: TrainingMethod,
    group: WorkerGroup,
    store: Store,
    recorder: StudyRecorder,
    listener: Listener,
) -> Result:
    name = prepared.plan.name
    try:
        searched = method if recorder.weights is None else partial(method, keep_weights=True)
        listener.finished(Search(prepared.plan, searched, recorder, listener)())
        confirm_and_judge(prepared, group, store.study_dir(name), recorder, listener)
    except BaseException as error:
        _finish(store, name, recorder.view, "killed" if isinstance(error, KeyboardInterrupt) else "failed")
        raise
    return _finish(store, name, recorder.view, "finished")


def _open_recorder(store: Store, prepared: Prepared, listener: Listener) -> StudyRecorder:
    """Open the study's records: declaration, Optuna study and MLflow runs, the last brought up to date."""
    name = prepared.plan.name
    declared = _declare(store, prepared)
    study = open_study(store, prepared.plan, prepared.config.records.storage)
    view = open_view(store, declared, listener.note) if prepared.config.records.mlflow else None
    recorder = StudyRecorder(prepared.plan, study, store.study_dir(name), view)
    kept, sign = prepared.config.records, prepared.plan.task.metric.sign
    if kept.weights != "none":
        recorder.weights = WeightRetention(
            recorder.directory, kept.weights, kept.weights_bytes, sign, recorder.records()
        )
    if view is not None:
        view.sync(recorder.records(), stored_curves(store, name))
    return recorder


def stored_curves(store: Store, name: str) -> Callable[[Any], Any]:
    """Return a function that gives the mean curves of a recorded trial."""
    frame = read_curves(store.study_dir(name), Stage.SEARCH)
    return lambda record: mean_curves_of(frame, record.number)


def open_view(store: Store, study: StudyRecord, warn: Callable[[str], None]) -> MlflowView:
    """Open a study's runs in MLflow, and write down where they are."""
    view = MlflowView(store, study.name, study.tracking_uri, warn=warn)
    run_id = view.open(study)
    store.write_study(replace(study, mlflow=MlflowRuns(experiment_id=str(view.experiment_id), run_id=run_id)))
    return view


def _finish(store: Store, name: str, view: MlflowView | None, status: Status) -> Result:
    """Tidy the records, attach tables and figures, close the parent run, and return the answer."""
    try:
        compact(store.study_dir(name), Stage.SEARCH)
        result = load_result(store, name)
        if view is not None:
            attach(result, view, status)
        return result
    finally:
        if view is not None:
            view.close("failed")  # does nothing where it is closed already


def attach(result: Result, view: MlflowView, status: Status) -> None:
    """Close a study's parent run with its answer: numbers, tags, tables, figures, report."""
    with TemporaryDirectory() as folder:
        view.close(
            status,
            metrics=_final_metrics(result),
            tags=_final_tags(result),
            artifacts=result.save(Path(folder), report=status == "finished"),
            tables={"leaderboard": result.leaderboard},
        )


def _final_metrics(result: Result) -> dict[str, float | None]:
    board = result.leaderboard
    found: dict[str, float | None] = {
        "trials": len(result.records),
        "diverged_trials": int(board["diverged"].sum()),
        "failed_trials": int(board["failed"].sum()),
        "training_seconds": sum(r.seconds for r in result.trials),
    }
    if result.leader is not None:
        best = board[board["pair"] == result.best.pair].iloc[0]
        found |= {"best_score": float(best["score"]), "gain_over_conventional": float(best["gain"])}
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

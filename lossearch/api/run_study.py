"""Run a study, or go on with it: open its records, search, confirm, judge, and close them."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._options import option
from lossearch._trust import Trust
from lossearch.api.closing import attach, tell_dashboard
from lossearch.api.inspection import run_faults
from lossearch.api.loading import load_result
from lossearch.api.result import Result
from lossearch.api.unchanged import unchanged
from lossearch.config import StudyConfig
from lossearch.confirm.evaluation import judged_parts
from lossearch.confirm.run import confirm_and_judge, confirmation_ahead
from lossearch.data.sources import Dataset
from lossearch.errors import DamagedError, InputError, StoreError, refuse
from lossearch.losses import Loss, parts_of, reference_of
from lossearch.records.claim import claim, opening
from lossearch.records.curve_files import compact, last_trial
from lossearch.records.curves import recorded_curves
from lossearch.records.mlflow.client import reach
from lossearch.records.mlflow.lost_curves import lost_curves
from lossearch.records.mlflow.view import MlflowView, Status, warn
from lossearch.records.mlflow.writer import ViewWriter
from lossearch.records.optuna import quiet_optuna, reach_storage
from lossearch.records.patience import Patience, answering, begun, tracked
from lossearch.records.places import same_place
from lossearch.records.store import Store, recording, writing
from lossearch.records.study import MlflowRuns, StudyRecord
from lossearch.records.trial import Stage
from lossearch.records.weights import WeightRetention
from lossearch.study.best_weights import keep_best_weights
from lossearch.study.loop import Search
from lossearch.study.named_code import named_code
from lossearch.study.optuna_study import open_study, read_whole
from lossearch.study.own_sampler import OwnSampler
from lossearch.study.pace import OVERHEAD, OVERHEAD_ELSEWHERE
from lossearch.study.plan import require_same
from lossearch.study.prepare import ModuleObjects, prepare
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.quick_look import OVERHEAD as QUICK_OVERHEAD
from lossearch.study.recall import recalling
from lossearch.study.recorder import StudyRecorder
from lossearch.study.samplers import refuse_missing
from lossearch.study.time_left import TimeLeft
from lossearch.study.undisturbed import undisturbed
from lossearch.tasks.judges import Judging
from lossearch.training.contract import TrainingMethod
from lossearch.training.trainer import device_of
from lossearch.training.workers.executor import Executor

if TYPE_CHECKING:
    from torch import nn

CLOSING_SECONDS = 0.6
"""What judging, and tidying the records, takes."""
FIGURE_SECONDS = 0.28
"""What a figure of the report takes; there are some, and one for each pair."""
PREDICTION_SECONDS, OUTPUT_SECONDS = 4e-5, 1.1e-5
"""What the report's judging by every other metric takes, for each prediction of a row and for each output of it."""


def _declare(store: Store, prepared: Prepared) -> StudyRecord:
    """Check the plan against a study of the same name, or write it down as a new one."""
    name, asked = prepared.plan.name, prepared.config.records.storage
    stored = store.read_study(name) if name in store.studies() else None
    if stored is not None:
        if not same_place(store, asked, stored.storage):
            raise InputError(
                f"Study {name!r} is recorded in {stored.storage or 'its own journal'}; it cannot go on elsewhere. "
                f"Give the same storage, or another {option('name')}."
            )
        _require_whole(store, stored, asked)
        require_same(name, stored.identity(), prepared.plan.identity())
    study = prepared.record(
        store, created=stored.created if stored else clock.time(), mlflow=stored.mlflow if stored else None
    )
    study = replace(study, ended="running")
    store.write_study(study)
    return study


def _require_whole(store: Store, study: StudyRecord, storage: str | None) -> None:
    """Refuse to go on with damaged records, which that would replace.

    Raises:
        StoreError: the message names each.
    """
    folder = store.study_dir(study.name)
    lost = [str(error) for error in run_faults(folder)]
    if last_trial(folder, Stage.SEARCH) >= 0:  # else none was recorded
        try:
            read_whole(store, study, storage)
        except DamagedError as error:
            lost.append(str(error))
    refuse(lost, StoreError)


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
        listener.doing("Reading the data and checking what can be trained")
        prepared = prepare(
            config,
            dataset=dataset,
            losses=losses,
            model=model,
            metric=metric,
            module=module,
            sampler=sampler,
            checked=False,
        )
        for note in (*prepared.plan.task.notes, *prepared.plan.notes):
            listener.note(note)
        listener.doing("Opening the records")
        stack.enter_context(quiet_optuna())
        if (done := unchanged(prepared, _given(prepared), listener)) is not None:
            return done
        group = stack.enter_context(prepared.workers(listener.note))
        method = prepared.method(listener.note, group)
        if config.records.mlflow:
            reach(config.records.tracking_uri)
        if config.records.storage is not None:
            reach_storage(config.records.storage)
        store, storage = Store.open(config.records.store), config.records.storage
        stack.enter_context(answering(storage))
        hold = stack.enter_context(claim(store, prepared.plan.name, storage, listener.note))
        with opening(store, prepared.plan.name), writing(store.root):
            recorder = _open_recorder(store, prepared, Patience(storage, hold, listener.note), listener)
        with begun():
            found = _search(prepared, method, group, store, recorder, listener)
        return replace(found, prepared=prepared)


def _given(prepared: Prepared) -> Trust:
    """Return the code of a study that the call which runs it has named, or given itself."""
    plan = prepared.plan
    network = () if plan.task.blueprint is None else (plan.task.blueprint.network.name,)
    parts = (part for pair in plan.space.pairs for part in parts_of(pair.loss))
    losses = filter(None, map(reference_of, parts))
    return frozenset((*named_code(prepared.config, plan.task.kind), *network, *losses))


def _search(
    prepared: Prepared,
    method: TrainingMethod,
    group: Executor,
    store: Store,
    recorder: StudyRecorder,
    listener: Listener,
) -> Result:
    try:
        searched = method if recorder.weights is None else partial(method, keep_weights=True)
        kept = prepared.config.records
        searched = recalling(
            searched, store, prepared.plan, kept.storage, listener.note, weights=kept.weights == "all"
        )
        search = Search(prepared.plan, searched, recorder, listener, _time_left(prepared, listener))
        search.time_left.confirmation = lambda: confirmation_ahead(prepared, search.records)
        listener.finished(search())
        if not prepared.plan.budget.quick:  # which has no time to train a trial twice
            best = search.progress.best_of_pairs.values()
            keep_best_weights(prepared.plan, method, recorder, best, listener)
        name = prepared.plan.name
        why = confirm_and_judge(prepared, group, store.study_dir(name), recorder, listener, search.time_left)
        with recording(store.study_dir(name)):
            store.write_study(replace(store.read_study(name), unjudged=why))
    except BaseException as error:
        # what fails on the way out has the same cause, and would hide it
        with suppress(Exception):
            ended: Status = "failed" if isinstance(error, Exception) else "killed"
            # a storage that was waited for is not waited for again
            _finish(store, prepared, replace(recorder, patience=Patience()), ended, Listener())
        raise
    return _finish(store, prepared, recorder, "finished", listener)


def _time_left(prepared: Prepared, listener: Listener) -> TimeLeft:
    plan = prepared.plan
    reported = prepared.config.records.mlflow and not plan.budget.quick
    closing = CLOSING_SECONDS + (_report_seconds(prepared) if reported else 0.0)
    on_cpu = QUICK_OVERHEAD if plan.budget.quick else OVERHEAD
    overhead = on_cpu if device_of(plan.settings).type == "cpu" else OVERHEAD_ELSEWHERE
    return TimeLeft(listener, overhead, len(plan.budget.seeds), closing)


def _report_seconds(prepared: Prepared) -> float:
    task, pairs = prepared.plan.task, prepared.plan.space.pairs
    predictions = prepared.confirmed * task.sizes.get(judged_parts(task)[0], 0)
    judging = predictions * (PREDICTION_SECONDS + task.n_out * OUTPUT_SECONDS)
    return FIGURE_SECONDS * (6 + len(pairs)) + judging


def _open_recorder(store: Store, prepared: Prepared, patience: Patience, listener: Listener) -> StudyRecorder:
    """Open the study's records: declaration, Optuna study and MLflow runs, the last brought up to date."""
    name = prepared.plan.name
    declared = _declare(store, prepared)
    study = patience(lambda: open_study(store, prepared.plan, prepared.config.records.storage))
    recorder = StudyRecorder(prepared.plan, study, store.study_dir(name), None, patience=patience)
    kept, sign = prepared.config.records, prepared.plan.task.metric.sign
    if kept.weights != "none":
        recorder.weights = WeightRetention(
            recorder.directory, kept.weights, kept.weights_bytes, sign, recorder.records()
        )
    if kept.mlflow:
        curves = recorded_curves(recorder.directory, Stage.SEARCH)
        with tracked(kept.tracking_uri):
            view = open_view(store, declared, kept.tracking_uri)
        records = recorder.records()
        if (lost := lost_curves(view, recorder.directory, records, curves)) is not None:
            listener.note(lost)
        recorder.view = ViewWriter(view, listener.note)
        recorder.view.sync(records, curves)
    return recorder


def open_view(
    store: Store, study: StudyRecord, uri: str | None, warn: Callable[[str], None] = warn
) -> MlflowView:
    """Open a study's runs in MLflow, and write down where they are.

    Args:
        store: which holds the study.
        study: its record.
        uri: the tracking URI, None for the store's own database.
        warn: told where MLflow cannot be written to.
    """
    view = MlflowView(store, study.name, uri, warn=warn)
    run_id = view.open(study)
    store.write_study(replace(study, mlflow=MlflowRuns(experiment_id=str(view.experiment_id), run_id=run_id)))
    return view


def _finish(
    store: Store, prepared: Prepared, recorder: StudyRecorder, status: Status, listener: Listener
) -> Result:
    """Tidy the records, attach tables and figures, close the parent run, and return the answer."""
    name, kept, view = prepared.plan.name, prepared.config.records, recorder.view
    folder = store.study_dir(name)
    listener.doing("Writing the records")
    try:
        with recording(folder):
            store.write_study(replace(store.read_study(name), ended=status))
            compact(folder, Stage.SEARCH)
        result = recorder.patience(lambda: load_result(store, name, kept.storage, _given(prepared)))
        if status == "finished":
            recorder.patience(lambda: tell_dashboard(result, recorder.study, listener.note))
        if view is not None:
            # who interrupts, or takes a quick look, does not wait for figures: going on, or `lossearch sync`, draws them
            drawn = status != "killed" and not prepared.plan.budget.quick
            if drawn:
                listener.doing("Writing the report to MLflow")
            attach(result, view, status, listener.note, drawn=drawn)
        return result
    finally:
        if view is not None:
            view.close("failed")  # does nothing where it is closed already

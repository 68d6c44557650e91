"""Run a study, from a study file's tables or from Python objects, and read one back."""

from __future__ import annotations

import shutil
import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from lossearch.config import StudyConfig, config_toml, make_config
from lossearch.confirming import confirm_and_judge, write_confirmation
from lossearch.errors import InputError, LossearchError, StoreError
from lossearch.losses import Loss
from lossearch.model import FittedModel, load_model
from lossearch.planning import Prepared, declaration, prepare
from lossearch.records.curves import compact, mean_curves_of, read_curves
from lossearch.records.environment import git_revision, versions
from lossearch.records.header import StudyHeader
from lossearch.records.mlflow_client import no_autolog
from lossearch.records.mlflow_model import Registered, Sample
from lossearch.records.mlflow_model import register as register_model
from lossearch.records.mlflow_view import MlflowView, Status
from lossearch.records.removal import remove_study
from lossearch.records.store import Store, hide_password
from lossearch.records.trial import TrialRecord
from lossearch.records.weights import WeightKeeper
from lossearch.result import CURVES, Result, load_result
from lossearch.study.book import StudyBook
from lossearch.study.plan import require_same
from lossearch.study.progress import Listener, Silent
from lossearch.study.recorded import open_study, quiet_optuna
from lossearch.study.rerun import Rerun
from lossearch.study.rounds import Search
from lossearch.tasks import Dataset, Metric, as_dataset, from_arrays
from lossearch.training.contract import Trains
from lossearch.training.pool import PlainPool

if TYPE_CHECKING:
    from torch import nn


def plan(
    config: StudyConfig,
    *,
    dataset: Dataset | None = None,
    losses: Sequence[Loss] = (),
    model: Callable[..., nn.Module] | None = None,
    metric: Metric | None = None,
) -> Prepared:
    """Return what a study would do. Nothing is trained or written.

    Raises:
        InputError: names, data, pairs, ranges or budget that cannot be.
    """
    return prepare(config, dataset=dataset, losses=losses, model=model, metric=metric)


@contextmanager
def _only_here(store: Store, name: str) -> Iterator[None]:
    """Hold a study against a second process that would run it too."""
    folder = store.study_dir(name)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".running", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"Study {name!r} is being run by another process. Wait for it, or run under another --name."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _header(prepared: Prepared) -> StudyHeader:
    p = prepared.plan
    s = p.settings
    return StudyHeader(
        name=p.name,
        digest=p.digest(),
        task=p.task.name,
        task_digest=p.task.digest,
        kind=p.task.kind,
        metric=p.task.metric.name,
        direction=p.task.metric.direction,
        sizes=p.task.sizes,
        metrics=tuple(m.name for m in p.task.metrics),
        target=p.task.target,
        describe=p.task.describe,
        space=p.space.as_json(),
        settings={
            "epochs": s.epochs,
            "batch_size": s.batch_size,
            "optimizer": s.optimizer,
            **{f"optimizer.{k}": v for k, v in s.options.items()},
            "schedule": s.schedule,
            "clip": s.clip,
            "accelerator": s.accelerator,
            "precision": s.precision,
            "epoch": s.epoch,
        },
        config=hide_password(config_toml(prepared.config)),
        versions=versions(),
        git_revision=git_revision(),
    )


def _declare(store: Store, prepared: Prepared, header: StudyHeader) -> None:
    """Check the plan against a study of the same name, or write it down as a new one."""
    name = prepared.plan.name
    stored = store.read_study(name) if name in store.studies() else None
    if stored is not None:
        require_same(name, stored["identity"], prepared.plan.identity())
    r = prepared.config.records
    kept = {
        "storage": r.storage,
        "tracking_uri": r.tracking_uri,
        "created": clock.time() if stored is None else stored["created"],
        "mlflow": None if stored is None else stored["mlflow"],
        "header": {k: v for k, v in asdict(header).items() if k != "config"},
    }
    if stored is not None and stored["storage"] != r.storage:
        raise InputError(
            f"Study {name!r} is recorded in {stored['storage'] or 'its own journal'}; it cannot go on elsewhere. "
            "Give the same storage, or another --name."
        )
    store.write_study(name, declaration(prepared, kept))


def run(
    config: StudyConfig,
    *,
    dataset: Dataset | None = None,
    losses: Sequence[Loss] = (),
    model: Callable[..., nn.Module] | None = None,
    metric: Metric | None = None,
    listener: Listener | None = None,
) -> Result:
    """Run a study, or go on with it where it stopped.

    Args:
        config: the study file's tables.
        dataset: data in hand, instead of what the configuration names.
        losses: losses of your own, searched beside the named ones.
        model: a network factory, instead of the configured one.
        metric: a metric of your own.
        listener: hears of the progress.

    Raises:
        InputError: what is asked for cannot be done; nothing was written.
        RunFailedError: trials fail one after another in the same way.
        KeyboardInterrupt: Ctrl-C; what was done before is kept.
    """
    heard = listener or Silent()
    prepared = prepare(config, dataset=dataset, losses=losses, model=model, metric=metric)
    for note in (*prepared.plan.task.notes, *prepared.plan.notes):
        heard.note(note)
    with ExitStack() as stack:
        stack.enter_context(quiet_optuna())
        stack.enter_context(no_autolog())
        pool = stack.enter_context(PlainPool(prepared.recipe, workers=config.train.workers, note=heard.note))
        way = prepared.way(pool, heard.note)
        with _nothing_half_made(Path(config.records.store), prepared.plan.name):
            store = Store.open(config.records.store)
            stack.enter_context(_only_here(store, prepared.plan.name))
            book = _open_book(store, prepared, heard)
        return replace(_search(prepared, way, pool, store, book, heard), prepared=prepared)


def _search(
    prepared: Prepared, way: Trains, plain: Trains, store: Store, book: StudyBook, heard: Listener
) -> Result:
    name = prepared.plan.name
    try:
        searched = way if book.weights is None else partial(way, keep_weights=True)
        heard.finished(Search(prepared.plan, searched, book, heard)())
        confirm_and_judge(prepared, plain, store.study_dir(name), book, heard)
    except KeyboardInterrupt:
        _finish(store, name, book.view, "killed")
        raise
    except BaseException:
        _finish(store, name, book.view, "failed")
        raise
    return _finish(store, name, book.view, "finished")


@contextmanager
def _nothing_half_made(root: Path, name: str) -> Iterator[None]:
    """Take away what a refused study has left: its directory, and the store, where they are new."""
    new_store, folder = not root.exists(), root / "studies" / name
    new_study = not folder.exists()
    try:
        yield
    except LossearchError:
        if new_store or new_study:
            shutil.rmtree(root if new_store else folder, ignore_errors=True)
        raise


def _open_book(store: Store, prepared: Prepared, heard: Listener) -> StudyBook:
    """Open the study's records: declaration, Optuna study and MLflow runs, the last brought up to date."""
    name = prepared.plan.name
    header = _header(prepared)
    _declare(store, prepared, header)
    study = open_study(store, prepared.plan, prepared.config.records.storage)
    view = _open_view(store, prepared, header, heard)
    book = StudyBook(prepared.plan, study, store.study_dir(name), view)
    book.weights = _keeper(prepared, store, book.records())
    if view is not None:
        view.sync(book.records(), _stored_curves(store, name))
    return book


def _keeper(prepared: Prepared, store: Store, records: Sequence[TrialRecord]) -> WeightKeeper | None:
    kept, plan = prepared.config.records, prepared.plan
    if kept.weights == "none":
        return None
    folder = store.study_dir(plan.name)
    return WeightKeeper(folder, kept.weights, kept.weights_bytes, plan.task.metric.sign, records)


def _stored_curves(store: Store, name: str) -> Callable[[Any], Any]:
    frame = read_curves(store.study_dir(name), CURVES)
    return lambda record: mean_curves_of(frame, record.number)


def _open_view(store: Store, prepared: Prepared, header: StudyHeader, heard: Listener) -> MlflowView | None:
    records = prepared.config.records
    if not records.mlflow:
        return None
    name = prepared.plan.name
    view = MlflowView(store, name, records.tracking_uri, warn=heard.note)
    run_id = view.open(header)
    declared = store.read_study(name)
    store.write_study(name, {**declared, "mlflow": {"experiment_id": view.experiment_id, "run_id": run_id}})
    return view


def _finish(store: Store, name: str, view: MlflowView | None, status: Status) -> Result:
    """Tidy the records, attach tables and figures, close the parent run, and return the answer."""
    try:
        compact(store.study_dir(name), CURVES)
        result = load_result(store, name)
        if view is not None:
            _attach(result, view, status)
        return result
    finally:
        if view is not None:
            view.close("failed")  # does nothing where it is closed already


def _attach(result: Result, view: MlflowView, status: Status) -> None:
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
    if result.verdict is not None:
        said = " ".join(s for s in result.verdict.sentences if s)
        tags |= {"lossearch.verdict": said, "lossearch.tied": ", ".join(result.tied)}
    return tags


def load(name: str, store: str | Path = "mlruns") -> Result:
    """Return the result of a study from its records.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: there is no store, or the records are damaged.
    """
    return load_result(Store.open(store, create=False), name)


def rerun(name: str, trial: str | int, store: str | Path = "mlruns", *, keep_weights: bool = False) -> Rerun:
    """Train a recorded trial again and say whether its value is reproduced.

    Args:
        name: the study.
        trial: the trial's number, or "confirm:PAIR" for the confirmation of a pair.
        store: where its records are.
        keep_weights: whether the weights of its replicates are kept.

    Raises:
        UnknownNameError: there is no such study or trial.
        InputError: the data were given in Python, or the trial has no value.
        StudyMismatchError: the data are not what they were.
        RunFailedError: training failed.
    """
    return load(name, store).rerun(trial, keep_weights=keep_weights)


def export(
    name: str, directory: str | Path, store: str | Path = "mlruns", *, parts: str = "train"
) -> FittedModel:
    """Write the fitted winner of a study to a directory, and return it. :func:`load_model` reads it.

    Args:
        name: the study.
        directory: where to; new or empty.
        store: where the study's records are.
        parts: what it is fitted on: "train", or "train+validation" for all rows but the test part.

    Raises:
        UnknownNameError: there is no such study.
        InputError: the directory is not empty, or the data are needed and are not here.
        RunFailedError: no pair has enough finished trials, or the winner diverged.
    """
    model = load(name, store).fit(parts)
    model.save(directory)
    return model


def register(
    name: str, directory: str | Path, store: str | Path = "mlruns", *, model: str | None = None
) -> Registered:
    """Register an exported model in MLflow, under the study's parent run, and make it the champion.

    Args:
        name: the study.
        directory: where :func:`export` wrote its winner.
        store: where the study's records are.
        model: the registered model's name; the study's where left out.

    Raises:
        UnknownNameError: there is no such study.
        InputError: the study keeps no MLflow records, or the model is another study's.
        StoreError: MLflow cannot be written to.
    """
    result = load(name, store)
    if result.run_id is None:
        raise InputError(
            f"Study {name!r} has no MLflow records to register a model under. Run it without --no-mlflow, or write "
            f"them now: lossearch sync {name}"
        )
    fitted = load_model(directory)
    if fitted.origin.study != name:
        raise InputError(f"{directory} holds a model of study {fitted.origin.study!r}, not of {name!r}.")
    rows = fitted.example()
    return register_model(
        result.store,
        Path(directory),
        Sample(rows, fitted.predict(rows), fitted.gives_probabilities),
        name=model or name,
        run_id=result.run_id,
        uri=result.declared["tracking_uri"],
        tags={"pair": fitted.point.pair, "study": name, "trained_on": fitted.origin.trained_on},
    )


def studies(store: str | Path = "mlruns") -> list[dict[str, Any]]:
    """Return the studies of a store, one row each: name, task, metric, trials, best pair, score and verdict."""
    if not Path(store).exists():
        return []
    opened = Store.open(store, create=False)
    return [_row(opened, name) for name in opened.studies()]


def _row(store: Store, name: str) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("name", "task", "trials", "metric", "best", "score", "verdict", "problem")
    )
    row["name"] = name
    try:
        result = load_result(store, name)
    except StoreError as error:
        return {**row, "problem": str(error)}
    row |= {
        "task": f"{result.declared['identity']['task']['name']} ({result.declared['kind']})",
        "trials": len(result.records),
        "metric": result.basis.metric,
        "problem": "",
    }
    if result.leader is not None:
        board = result.leaderboard
        row |= {
            "best": result.best.pair,
            "score": float(board["score"][board["pair"] == result.best.pair].iloc[0]),
        }
    row["verdict"] = _in_words(result)
    return row


def _in_words(result: Result) -> str:
    if result.verdict is None:
        return "none: not confirmed" if result.confirmed is None else "none: pairs not compared"
    if len(result.tied) == 1:
        return f"{result.verdict.leader} is best of {len(result.verdict.ranking)}"
    return f"{len(result.tied)} of {len(result.verdict.ranking)} tie, {result.verdict.leader} leads"


def sync(name: str, store: str | Path = "mlruns") -> int:
    """Write the MLflow runs that a study lacks, and return how many were written.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: MLflow cannot be written to.
    """
    result = load(name, store)
    view = MlflowView(result.store, name, result.declared["tracking_uri"], warn=_refuse_to_go_on)
    header = StudyHeader(**{**result.declared["header"], "config": result.declared["config"]})
    view.open(header)
    written = view.sync(result.trials, _stored_curves(result.store, name))
    written += write_confirmation(view, result.folder, result.confirmed)
    _attach(result, view, "finished")
    declared = result.store.read_study(name)
    result.store.write_study(
        name, {**declared, "mlflow": {"experiment_id": view.experiment_id, "run_id": view.run_id}}
    )
    return written


def _refuse_to_go_on(text: str) -> None:
    raise StoreError(text)


def remove(name: str, store: str | Path = "mlruns") -> None:
    """Remove a study with all its records.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: it is running, or something could not be removed.
    """
    opened = Store.open(store, create=False)
    declared = opened.read_study(name)
    with _only_here(opened, name):
        remove_study(opened, name, uri=declared["tracking_uri"], storage_url=declared["storage"])


def _printed() -> AbstractContextManager[Listener]:
    """Return a listener that writes to standard error."""
    from lossearch.display import console, display

    return display(console(stderr=True))


def _table(**values: Any) -> dict[str, Any]:
    return {k: v for k, v in values.items() if v is not None}


def search(
    X: Any = None,  # noqa: N803 - scikit-learn's name
    y: Any = None,
    *,
    task: str | None = None,
    metric: str | Metric | None = None,
    model: str | Callable[..., nn.Module] | None = None,
    losses: Sequence[str | Loss] | None = None,
    activations: Sequence[str] | None = None,
    pairs: Sequence[str] | None = None,
    params: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    lr: float | tuple[float, float] | None = None,
    seeds: int = 5,
    trials: int | None = None,
    confirm_seeds: int = 20,
    rope: float | None = None,
    timeout: str | None = None,
    mode: str = "equal",
    sampler: str = "tpe",
    prune: bool | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    optimizer: str = "adam",
    options: Mapping[str, Any] | None = None,
    validation: Any = None,
    test: Any = None,
    groups: Any = None,
    time: Any = None,
    data: Any = None,
    target: str | None = None,
    stream: bool | None = None,
    held_rows: int | None = None,
    readers: int = 0,
    store: str | Path = "mlruns",
    storage: str | None = None,
    tracking_uri: str | None = None,
    mlflow: bool = True,
    weights: str = "best",
    name: str | None = None,
    seed: int = 0,
    workers: int | None = None,
    memory: str | None = None,
    listener: Listener | None = None,
) -> Result:
    """Search for the loss, output activation and learning rate that fit a task best.

    Everything left out is inferred from the data. The same call again goes on where it stopped.

    Args:
        X: inputs, one row a sample: array, tensor or DataFrame; images as (N, C, H, W).
        y: targets: classes of any type, or real numbers (N,) or (N, T).
        task: "regression", "binary" or "multiclass".
        metric: what judges: a name of ``lossearch.tasks.METRICS``, or a metric of your own.
        model: a factory of networks, called with ``n_in`` and ``n_out`` where it takes them; "mlp" or
            "module:function".
        losses: names, or losses declared with :func:`lossearch.loss`; every usual one by default.
        activations: output activations that the losses meet, where legal.
        pairs: exactly these ``loss/activation`` pairs.
        params: ranges or fixed values of the losses' own parameters: ``{"focal.gamma": (0, 3)}``.
        settings: training settings searched too: ``{"batch_size": {"choices": [16, 64]}}``.
        lr: range, or one number to fix it.
        seeds: replicates of every point.
        trials: points of all pairs together; 16 a pair by default.
        confirm_seeds: fresh seeds of the confirmation; 0 for none, and no verdict.
        rope: differences up to this are equal for practical purposes; by default what suits the metric.
        timeout: when to stop, as "10m".
        mode: "equal" (the same number of points for every pair) or "adaptive".
        sampler: "tpe", "gp", "random", "qmc", "grid" or "brute".
        prune: whether trials that lag behind earlier ones of their pair are given up; by default in mode
            "adaptive".
        epochs: passes over the training rows.
        batch_size: rows a step.
        optimizer: a name of ``lossearch.training.optimizers.OPTIMIZERS``.
        options: the optimiser's other arguments, such as momentum.
        validation: given validation rows (X, y), or their share of the rows that are not test.
        test: given test rows (X, y), their share, or False for none.
        groups: one label a row; rows of one group stay in one part.
        time: one value a row by which parts follow each other.
        data: a built-in data set, a CSV or Parquet file, or "openml:ID", instead of X and y; or, read batch
            by batch, a Lightning data module, or torch data sets of the training, validation and test part.
        target: the target's column in ``data``.
        stream: whether training rows are read batch by batch rather than held; by default where a Parquet
            file or a memory-mapped array is large.
        held_rows: of streamed data, the most rows of each part that are held to be scored.
        readers: of streamed data, the processes that read ahead.
        store: directory of the records.
        storage: an Optuna storage URL, instead of the journal in the store.
        tracking_uri: an MLflow server, instead of the store's own database.
        mlflow: whether to write the MLflow view.
        weights: whose weights are kept: "best" (of every pair's best trial), "all" or "none".
        name: the study's name.
        seed: of splits, replicates and samplers.
        workers: processes that train at once, where that pays; all cores by default.
        memory: what training may use, as "4GiB"; half of what is free by default.
        listener: hears of the progress; by default it is printed.

    Raises:
        InputError: what is asked for cannot be done; the message lists why.
        RunFailedError: trials fail one after another in the same way.
    """
    given = _Given(validation, test)
    config = make_config(
        {
            "task": _table(
                data=data if isinstance(data, str) else None,
                stream=stream,
                held_rows=held_rows,
                readers=readers,
                target=target,
                kind=task,
                metric=metric if isinstance(metric, str) else None,
                model=model if isinstance(model, str) else None,
                validation=given.validation_share,
                test=given.test_share,
            ),
            "space": _table(
                losses=None
                if losses is None
                else [x if isinstance(x, str) else x.name for x in losses] or None,
                activations=activations,
                pairs=pairs,
                params=params,
                settings=settings,
                lr=lr,
            ),
            "budget": _table(
                trials=trials,
                seeds=seeds,
                confirm_seeds=confirm_seeds,
                rope=None if rope is None else float(rope),
                time=timeout,
                mode=mode,
                sampler=sampler,
                prune=prune,
                seed=seed,
            ),
            "train": _table(
                epochs=epochs,
                batch_size=batch_size,
                optimizer=optimizer,
                options=options,
                workers=workers,
                memory=memory,
            ),
            "records": _table(
                store=str(store),
                storage=storage,
                tracking_uri=tracking_uri,
                mlflow=mlflow,
                weights=weights,
                name=name,
            ),
        }
    )
    if (X is None) != (y is None):
        raise InputError(f"Give both X and y; got {'y' if X is None else 'X'} alone.")
    if X is not None and data is not None:
        raise InputError("Give either X and y, or data; got both.")
    dataset = None if data is None or isinstance(data, str) else as_dataset(data, config.name, stream=stream)
    if X is not None:
        dataset = from_arrays(
            X,
            y,
            name=config.name,
            validation=given.validation_rows,
            test=given.test_rows,
            groups=groups,
            time=time,
            stream=stream,
        )
    with ExitStack() as stack:
        heard = listener or stack.enter_context(_printed())
        return run(
            config,
            dataset=dataset,
            losses=[x for x in losses or () if isinstance(x, Loss)],
            model=model if callable(model) else None,
            metric=metric if isinstance(metric, Metric) else None,
            listener=heard,
        )


class _Given:
    """Tells given rows (X, y) from shares."""

    def __init__(self, validation: Any, test: Any) -> None:
        self.validation_rows = validation if isinstance(validation, tuple) else None
        self.validation_share = None if isinstance(validation, tuple) else validation
        self.test_rows = test if isinstance(test, tuple) else None
        self.test_share = None if isinstance(test, tuple) else test

"""Continue, use and remove studies that are recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from lossearch._options import either, option
from lossearch._trust import as_trust
from lossearch.api.closing import attach, tell_dashboard
from lossearch.api.loading import load, load_result
from lossearch.api.result import Result
from lossearch.api.run_study import open_view
from lossearch.confirm.run import confirmation_rows
from lossearch.errors import InputError, StoreError
from lossearch.model import FittedModel, load_model
from lossearch.model.own_module import FittedModule
from lossearch.records.claim import claim
from lossearch.records.curves import recorded_curves
from lossearch.records.mlflow.lost_curves import lost_curves
from lossearch.records.mlflow.model import Registered, Sample
from lossearch.records.mlflow.model import register as register_model
from lossearch.records.mlflow.view import Status, warn
from lossearch.records.places import storage_of, tracking_of
from lossearch.records.removal import remove_study
from lossearch.records.store import Store
from lossearch.records.trial import Stage
from lossearch.study.optuna_study import reopen_study
from lossearch.study.rerun import Rerun


def rerun(
    name: str,
    trial: str | int,
    store: str | Path = "mlruns",
    *,
    keep_weights: bool = False,
    storage: str | None = None,
    trust: str | Iterable[str] = (),
) -> Rerun:
    """Train a recorded trial again and say whether its value is reproduced.

    Args:
        name: the study.
        trial: the trial's number, or "confirm:PAIR" for the confirmation of a pair.
        store: where its records are.
        keep_weights: whether the weights of its replicates are kept.
        storage: as :func:`load` has it.
        trust: likewise; code of your own that the study names is run only where it is named here.

    Raises:
        UnknownNameError: there is no such study or trial.
        InputError: the data were given in Python, the trial has no value, or code is not trusted.
        StudyMismatchError: the data are not what they were.
        RunFailedError: training failed.
    """
    return load(name, store, storage=storage, trust=trust).rerun(trial, keep_weights=keep_weights)


def export(
    name: str,
    directory: str | Path,
    store: str | Path = "mlruns",
    *,
    parts: str = "train",
    storage: str | None = None,
    trust: str | Iterable[str] = (),
) -> FittedModel | FittedModule:
    """Write the fitted winner of a study to a directory, and return it. :func:`load_model` reads it.

    Of a study of your own module those are its weights, with the lines that load them.

    Args:
        name: the study.
        directory: where to; new or empty.
        store: where the study's records are.
        parts: what it is fitted on: "train", or "train+validation" for all rows but the test part.
        storage: as :func:`load` has it.
        trust: likewise.

    Raises:
        UnknownNameError: there is no such study.
        InputError: the study was only looked at quickly, the directory is not empty, the data are needed and are not
            here, or code is not trusted.
        RunFailedError: no pair has enough finished trials, or the winner diverged.
    """
    result = load(name, store, storage=storage, trust=trust)
    model = result.fit(parts) if result.config.task.module is None else result.fit_module()
    model.save(directory)
    return model


def register(
    name: str,
    directory: str | Path,
    store: str | Path = "mlruns",
    *,
    model: str | None = None,
    storage: str | None = None,
    tracking_uri: str | None = None,
    trust: str | Iterable[str] = (),
) -> Registered:
    """Register an exported model in MLflow, under the study's parent run, and make it the champion.

    Args:
        name: the study.
        directory: where :func:`export` wrote its winner.
        store: where the study's records are.
        model: the registered model's name; the study's where left out.
        storage: as :func:`load` has it.
        tracking_uri: the MLflow server that the study is recorded in, where that is outside of the store.
        trust: as :func:`load` has it.

    Raises:
        UnknownNameError: there is no such study.
        InputError: the study keeps no MLflow records, or the model is another study's.
        StoreError: MLflow cannot be written to, or is outside of the store and not given.
    """
    result = load(name, store, storage=storage, trust=trust)
    if result.run_id is None:
        raise InputError(
            f"Study {name!r} has no MLflow records to register a model under. Run it without {option('mlflow', False)}, or "
            f"write them now: {either(f'lossearch.api.sync({name!r})', f'lossearch sync {name}')}"
        )
    fitted = load_model(directory, trust=trust)
    if fitted.origin.study != name:
        raise InputError(f"{directory} holds a model of study {fitted.origin.study!r}, not of {name!r}.")
    rows = fitted.example()
    return register_model(
        result.store,
        Path(directory),
        Sample(rows, fitted.predict(rows), fitted.gives_probabilities),
        name=model or name,
        run_id=result.run_id,
        uri=tracking_of(result.store, result.declared, tracking_uri),
        tags={"pair": fitted.point.pair, "study": name, "trained_on": fitted.origin.trained_on},
    )


def sync(
    name: str,
    store: str | Path = "mlruns",
    *,
    storage: str | None = None,
    tracking_uri: str | None = None,
    trust: str | Iterable[str] = (),
    note: Callable[[str], None] = warn,
) -> int:
    """Write the MLflow runs that a study lacks and how it ended, and return how many runs were written.

    Args:
        name: the study.
        store: where its records are.
        storage: as :func:`load` has it.
        tracking_uri: the MLflow server that the study is recorded in, where that is outside of the store.
        trust: as :func:`load` has it.
        note: told which runs have no curves since these are lost, and of what there was no room for; warns by default.

    Raises:
        UnknownNameError: the store has no such study.
        InputError: ``storage`` or ``tracking_uri`` is another than that of the study.
        StudyRunningError: it is running, and writes them itself.
        StoreError: MLflow cannot be written to, or is outside of the store and not given.
    """
    opened = Store.open(store, create=False)
    declared = opened.read_study(name)
    url, uri = storage_of(opened, declared, storage), tracking_of(opened, declared, tracking_uri)
    with claim(opened, name, url):
        result = load_result(opened, name, storage, as_trust(trust))
        view = open_view(opened, result.declared, uri, _refuse_to_go_on)
        searched = result.attempts, recorded_curves(result.folder, Stage.SEARCH)
        confirmed = confirmation_rows(result.folder, result.confirmed)
        for said in (lost_curves(view, result.folder, *rows) for rows in (searched, confirmed)):
            if said is not None:
                note(said)
        written = view.sync(*searched) + view.sync_confirmation(*confirmed)
        attach(result, view, _how_it_ended(result), note)
        if _how_it_ended(result) == "finished":
            tell_dashboard(result, reopen_study(opened, name, url), _refuse_to_go_on)
    return written


def _how_it_ended(result: Result) -> Status:
    """Return how a study ended that nobody runs."""
    ended = result.declared.ended or "finished"
    # nobody lived to say so
    return "killed" if ended == "running" else ended


def _refuse_to_go_on(text: str) -> None:
    raise StoreError(text)


def remove(
    name: str, store: str | Path = "mlruns", *, storage: str | None = None, tracking_uri: str | None = None
) -> None:
    """Remove a study with all its records.

    Args:
        name: the study.
        store: where its records are.
        storage: as :func:`load` has it.
        tracking_uri: the MLflow server that the study is recorded in, where that is outside of the store.

    Raises:
        UnknownNameError: the store has no such study.
        InputError: ``storage`` or ``tracking_uri`` is another than that of the study.
        StoreError: it is running, something could not be removed, or is outside of the store and not given.
    """
    opened = Store.open(store, create=False)
    declared = opened.read_study(name)
    url, uri = storage_of(opened, declared, storage), tracking_of(opened, declared, tracking_uri)
    with claim(opened, name, url):
        remove_study(opened, name, uri=uri, storage_url=url)

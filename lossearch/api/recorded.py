"""Read, continue and remove studies that are recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lossearch._options import either, option
from lossearch.api.result import Result, load_result
from lossearch.api.run_study import attach, open_view, stored_curves
from lossearch.confirm.run import write_confirmation
from lossearch.errors import InputError, StoreError
from lossearch.model import FittedModel, load_model
from lossearch.model.own_module import FittedModule
from lossearch.records.claim import claim
from lossearch.records.mlflow.model import Registered, Sample
from lossearch.records.mlflow.model import register as register_model
from lossearch.records.removal import remove_study
from lossearch.records.store import Store
from lossearch.study.rerun import Rerun


def load(name: str, store: str | Path = "mlruns") -> Result:
    """Return the result of a study from its records.

    Raises:
        UnknownNameError: the store has no such study.
        StoreError: there is no store, or the records are damaged.

    Example:
        >>> import lossearch
        >>> result = lossearch.load("circles")  # of the search that help(lossearch.search) shows
        >>> [name for name in ("pair", "lr", "score") if name in result.leaderboard]
        ['pair', 'lr', 'score']
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
) -> FittedModel | FittedModule:
    """Write the fitted winner of a study to a directory, and return it. :func:`load_model` reads it.

    Of a study of your own module those are its weights, with the lines that load them.

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
    result = load(name, store)
    model = result.fit(parts) if result.config.task.module is None else result.fit_module()
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
            f"Study {name!r} has no MLflow records to register a model under. Run it without {option('mlflow', False)}, or "
            f"write them now: {either(f'lossearch.sync({name!r})', f'lossearch sync {name}')}"
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
        uri=result.declared.tracking_uri,
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
        "task": f"{result.declared.task.name} ({result.declared.task.kind})",
        "trials": len(result.records),
        "metric": result.declared.task.metric,
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
    if result.verdict.nothing_learned:
        return "no pair is measurably better than a constant predictor"
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
    view = open_view(result.store, result.declared, _refuse_to_go_on)
    written = view.sync(result.trials, stored_curves(result.store, name))
    written += write_confirmation(view, result.folder, result.confirmed)
    attach(result, view, "finished")
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
    with claim(opened, name):
        remove_study(opened, name, uri=declared.tracking_uri, storage_url=declared.storage)

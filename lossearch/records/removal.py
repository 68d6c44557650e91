"""Removing a study: everything that was recorded of it, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import optuna

from lossearch._urls import Url
from lossearch.errors import InputError, StoreError
from lossearch.records.claim import remove_tree
from lossearch.records.mlflow.best import delete_models
from lossearch.records.mlflow.client import connect, quiet, tracking_errors
from lossearch.records.mlflow.overview import leave_overview
from lossearch.records.mlflow.study_run import STUDY
from lossearch.records.optuna import open_storage
from lossearch.records.store import Store


def remove_study(store: Store, name: str, *, uri: str | None = None, storage_url: str | None = None) -> None:
    """Remove a study: its MLflow experiment with all runs and artifacts, its Optuna record, its directory.

    The directory goes last, so that what failed half-way can be asked again. ``uri`` and ``storage_url``
    are those it was recorded with, where they are not the store's own.

    Raises:
        UnknownNameError: there is no such study.
        StoreError: something could not be removed.
    """
    store.require(name)
    remove_experiment(store, name, uri)
    if storage_url is not None:
        storage = open_storage(store, name, storage_url)
        if name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
    remove_tree(store.study_dir(name))


def remove_experiment(store: Store, name: str, uri: str | None = None) -> str | None:
    """Delete a study's experiment with its runs and artifacts, and free its name.

    As everywhere in MLflow the runs are only in the bin; `mlflow gc` empties it. Artifacts
    are removed where they lie in the store.

    Returns:
        The experiment's id, None where there is none.

    Raises:
        StoreError: the tracking store cannot be opened or written.
        InputError: the experiment of this name is not of a study.
    """
    if uri is None and not store.database.is_file():
        return None
    client, place = connect(store, uri), Url(uri or store.tracking_uri)
    with quiet():
        try:
            found = client.get_experiment_by_name(name)
            if found is None or found.lifecycle_stage == "deleted":
                return None
            if found.tags.get(STUDY) != name:
                raise InputError(f"The MLflow experiment {name!r} is not of a study and was left alone.")
            freed = f"{name} (removed {time.strftime('%Y-%m-%d %H:%M:%S')}, {found.experiment_id})"
            leave_overview(client, name)
            delete_models(client, found.experiment_id)
            client.rename_experiment(found.experiment_id, freed)
            client.delete_experiment(found.experiment_id)
        except tracking_errors() as error:
            raise StoreError(
                f"The MLflow experiment {name!r} cannot be deleted: {place.said(error)}"
            ) from place.cause(error)
    location = urlsplit(found.artifact_location)
    artifacts = Path(unquote(location.path))
    own = artifacts.parent == store.artifacts and artifacts.name.startswith(f"{name}-")
    if location.scheme == "file" and own and artifacts.is_dir() and not artifacts.is_symlink():
        remove_tree(artifacts)
    return str(found.experiment_id)

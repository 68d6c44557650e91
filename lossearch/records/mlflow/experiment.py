"""The experiment of a study: found or made, with the runs that it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lossearch._options import option
from lossearch._urls import Url
from lossearch.errors import StoreError, StudyMismatchError
from lossearch.records.links import refuse_links
from lossearch.records.mlflow.artifacts import require_inside
from lossearch.records.mlflow.client import is_http
from lossearch.records.mlflow.dashboard import experiment_view
from lossearch.records.mlflow.study_run import ROLE, STUDY, ParentRun
from lossearch.records.store import Store
from lossearch.records.trial import Stage, TrialRecord

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Run
    from mlflow.tracking import MlflowClient

Key = tuple[str, int]
"""What tells a run from all others of its study."""


def open_experiment(parent: ParentRun, store: Store, uri: Url) -> Experiment:
    """Return the study's experiment, made where there is none.

    Raises:
        StoreError: it was deleted, or places artifacts outside of the store whose own database it is in.
        StudyMismatchError: the experiment of this name is not this study's.
    """
    client, name = parent.client, parent.study.name
    found = client.get_experiment_by_name(name)
    if found is None:
        # a place of its own each time: emptying MLflow's bin of a removed study must not touch the next one
        place = artifact_location(store, f"{name}-{time.time_ns():x}", uri)
        return client.get_experiment(parent.create_experiment(place))
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"The MLflow experiment {name!r} at {uri} was deleted and keeps its name. "
            f"Restore it: MLFLOW_TRACKING_URI={uri} mlflow experiments restore "
            f"--experiment-id {found.experiment_id}; or take another name ({option('name')})."
        )
    if found.tags.get(STUDY) != name or found.tags.get("lossearch.digest") != parent.study.digest:
        raise StudyMismatchError(
            f"The MLflow experiment {name!r} at {uri} holds something else than this "
            f"study. Take another name ({option('name')}), or another tracking URI ({option('tracking_uri')})."
        )
    if uri == store.tracking_uri:
        _require_inside(client, store, found)
    # one that an earlier release made has other views
    for tag, value in experiment_view(parent.study).items():
        if found.tags.get(tag) != value:
            client.set_experiment_tag(found.experiment_id, tag, value)
    return found


def _require_inside(client: MlflowClient, store: Store, found: Experiment) -> None:
    parents = client.search_runs([found.experiment_id], f"tags.`{ROLE}` = 'study'", max_results=1)
    require_inside(store, [found.artifact_location, *(run.info.artifact_uri for run in parents)])
    refuse_links(*(p for p in store.artifacts.iterdir() if p.name.startswith(f"{found.name}-")))


def artifact_location(store: Store, folder: str, uri: Url) -> str | None:
    """Return where artifacts of an experiment go: a directory of the store, None where the server sees to it."""
    if is_http(uri) or uri in {"databricks", "uc"}:
        return None
    return (store.artifacts / folder).as_uri()


def recorded_runs(client: MlflowClient, experiment_id: str) -> dict[Key, str]:
    """Return the ids of the runs that are there, each trial's once; delete others and what was left half written."""
    found: dict[Key, str] = {}
    for run in children(client, experiment_id):
        tags = run.data.tags
        if "lossearch.stage" in tags and run.info.status != "RUNNING":
            seeds = int(run.data.params.get("n_seeds", 0))
            key = _key(tags["lossearch.stage"], int(tags["lossearch.trial"]), seeds)
            if key not in found:
                found[key] = run.info.run_id
                continue
        client.delete_run(run.info.run_id)
    return found


def children(client: MlflowClient, experiment_id: str) -> list[Run]:
    """Return the runs of all trials and confirmations of an experiment, page by page."""
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id], f"tags.`{ROLE}` != 'study'", max_results=1000, page_token=token
        )
        found += page
        token = page.token
        if not token:
            return found


def key_of(record: TrialRecord) -> Key:
    """Return the key of a trial's run."""
    return _key(record.stage, record.number, len(record.seeds))


def _key(stage: str, number: int, seeds: int) -> Key:
    """Return a key: of a confirmation with its seeds, which may be raised."""
    return (f"{stage} {seeds}" if stage == Stage.CONFIRM else stage, number)

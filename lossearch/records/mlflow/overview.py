"""The table of all studies of a tracking store: an experiment of its own with a run a study, which says what came out."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lossearch._urls import Url
from lossearch.records.mlflow.dashboard import OVERVIEW, overview_view, saved
from lossearch.records.mlflow.database import read_only
from lossearch.records.mlflow.experiment import artifact_location
from lossearch.records.mlflow.rows import TAG_LENGTH, cut, safe_names
from lossearch.records.mlflow.study_run import NOTE, ROLE, STUDY, who
from lossearch.records.store import Store
from lossearch.records.study import StudyRecord

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

NAME = "lossearch overview"
"""The experiment's name, which no study can have."""
_ROLE = "overview"
_NOTE = "A run a study: its task, the pair to take, the pairs that tie with it, and the gain over the conventional pair."


def write_overview(
    client: MlflowClient,
    store: Store,
    uri: Url,
    study: StudyRecord,
    status: str,
    metrics: Mapping[str, float | None],
    tags: Mapping[str, str],
) -> None:
    """Write how a study ended, and what came out, into the table of all, in place of what was there of it.

    An experiment of that name that is somebody else's, or that was deleted, is left alone.
    """
    from mlflow.entities import Metric, RunTag

    experiment_id = open_overview(client, store, uri)
    if experiment_id is None:
        return
    shown = {
        "lossearch.best": "",
        "lossearch.tied": "",
        "lossearch.verdict": "",
        **tags,
        "lossearch.kind": study.task.kind,
        "lossearch.metric": study.task.metric,
        "lossearch.task": study.task.name,
        NOTE: tags.get("lossearch.verdict", ""),
    }
    run_id = _run_of(client, experiment_id, study.name) or _created(client, experiment_id, study)
    now = round(1000 * time.time())
    names = safe_names(metrics)
    finite = [
        Metric(names[k], float(v), now, 0) for k, v in metrics.items() if v is not None and math.isfinite(v)
    ]
    client.log_batch(run_id, metrics=finite, tags=[RunTag(k, cut(v, TAG_LENGTH)) for k, v in shown.items()])
    client.set_terminated(run_id, status.upper())


def leave_overview(client: MlflowClient, name: str) -> None:
    """Take a study out of the table."""
    experiment_id = find_overview(client)
    if experiment_id is not None and (run_id := _run_of(client, experiment_id, name)):
        client.delete_run(run_id)


def find_overview(client: MlflowClient) -> str | None:
    """Return the id of the experiment with the table, None where there is none of ours."""
    found = client.get_experiment_by_name(NAME)
    if found is None or found.lifecycle_stage != "active" or found.tags.get(ROLE) != _ROLE:
        return None
    return str(found.experiment_id)


def recorded_overview(database: Path) -> str | None:
    """Return what :func:`find_overview` does, of a database file and without MLflow, whose import takes a second."""
    query = (
        "SELECT experiment_id FROM experiments JOIN experiment_tags USING (experiment_id) "
        "WHERE name = ? AND lifecycle_stage = 'active' AND key = ? AND value = ?"
    )
    with read_only(database) as db:
        found = db.execute(query, (NAME, ROLE, _ROLE)).fetchone()
    return None if found is None else str(found[0])


def open_overview(client: MlflowClient, store: Store, uri: Url) -> str | None:
    """Return the id of the experiment with the table, made where it is not there; None where the name is somebody else's."""
    from mlflow.exceptions import MlflowException

    if client.get_experiment_by_name(NAME) is None:
        tags = {
            ROLE: _ROLE,
            NOTE: _NOTE,
            "mlflow.experimentKind": "custom_model_development",
            f"mlflow.sharedViewState.{OVERVIEW.key}": saved(OVERVIEW, time.time(), overview_view()),
        }
        try:
            client.create_experiment(NAME, artifact_location(store, _ROLE, uri), tags)
        except MlflowException:
            # another study made it meanwhile
            if client.get_experiment_by_name(NAME) is None:
                raise
    return find_overview(client)


def _run_of(client: MlflowClient, experiment_id: str, name: str) -> str | None:
    found = client.search_runs([experiment_id], f"tags.`{STUDY}` = {json.dumps(name)}", max_results=1)
    return str(found[0].info.run_id) if found else None


def _created(client: MlflowClient, experiment_id: str, study: StudyRecord) -> str:
    run = client.create_run(
        experiment_id,
        start_time=round(1000 * study.created),
        tags={STUDY: study.name, ROLE: _ROLE, **who()},
        run_name=study.name,
    )
    return str(run.info.run_id)

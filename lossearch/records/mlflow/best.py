"""The best of each pair: the run of its trial is marked with its place, and its model is among the experiment's models."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lossearch.records.mlflow.dashboard import RANK
from lossearch.records.mlflow.rows import TAG_LENGTH, cut, safe_names, trial_row
from lossearch.records.mlflow.study_run import dataset_of
from lossearch.records.study import StudyRecord
from lossearch.records.trial import TrialRecord

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.tracking import MlflowClient

MODEL_TYPE = "lossearch-pair"
"""The type of these models, which tells them from those that are registered."""

_NO_SUCH_CALL = ("ENDPOINT_NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "NOT_IMPLEMENTED")
_NOT_IN_A_NAME = re.compile(r"[/:.%\"']")


@dataclass(frozen=True)
class PairModel:
    """What MLflow is told of a pair's best model: the trial or confirmation it is of, its ``metrics``, and ``tags``."""

    record: TrialRecord
    metrics: Mapping[str, float | None]
    tags: Mapping[str, str]


def mark_best(client: MlflowClient, experiment_id: str, best: Sequence[str]) -> None:
    """Mark runs by their place, and those no more that were marked before."""
    marked = client.search_runs([experiment_id], f"tags.`{RANK}` LIKE '%'", max_results=1000)
    old = {run.info.run_id: run.data.tags[RANK] for run in marked}
    wanted = {run_id: f"{place:02d}" for place, run_id in enumerate(best, start=1)}
    for run_id in old.keys() - wanted.keys():
        client.delete_tag(run_id, RANK)
    for run_id, place in wanted.items():
        if old.get(run_id) != place:
            client.set_tag(run_id, RANK, place)


def write_models(
    client: MlflowClient, study: StudyRecord, experiment_id: str, models: Mapping[str, PairModel]
) -> None:
    """Have the experiment's models be these, best first, by the run that each is of; those that are there already stay.

    A model is said to be ready at the very end: one that is not was left half written, and is written again.
    """
    found = _recorded(client, experiment_id)
    if found is None:
        return
    wanted = {run_id: _Wanted.of(study, model) for run_id, model in models.items()}
    there = set()
    for model in found:
        asked = wanted.get(str(model.source_run_id))
        if asked is not None and model.source_run_id not in there and asked.is_written(model):
            there.add(str(model.source_run_id))
        else:
            client.delete_logged_model(model.model_id)
    # the best last: the UI lists the newest first, and so does MLflow where scores are equal
    for run_id in reversed(list(wanted)):
        if run_id not in there:
            _write(client, study, experiment_id, run_id, wanted[run_id])


def delete_models(client: MlflowClient, experiment_id: str) -> None:
    """Delete the models of an experiment's pairs."""
    for model in _recorded(client, experiment_id) or ():
        client.delete_logged_model(model.model_id)


@dataclass(frozen=True)
class _Wanted:
    """A model as MLflow has it. ``of_run`` are those metrics that its run has too, ``judged`` those that it alone has."""

    name: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    of_run: Mapping[str, float]
    judged: Mapping[str, float]
    ended_ms: int

    @classmethod
    def of(cls, study: StudyRecord, model: PairModel) -> _Wanted:
        row = trial_row(study, model.record, None)
        own = {v.name: v.value for v in row.metrics}
        names = safe_names(model.metrics)
        finite = {names[k]: float(v) for k, v in model.metrics.items() if v is not None and math.isfinite(v)}
        kept = ("lossearch.study", "lossearch.pair", "lossearch.trial", "lossearch.stage")
        tags = {**{k: row.tags[k] for k in kept}, **model.tags}
        return cls(
            name=_NOT_IN_A_NAME.sub(" ", model.record.point.pair),
            params=row.params,
            tags={k: cut(v, TAG_LENGTH) for k, v in tags.items()},
            of_run=(
                of_run := {k: own[k] for k, v in finite.items() if math.isclose(v, own.get(k, math.nan))}
            ),
            judged={k: v for k, v in finite.items() if k not in of_run},
            ended_ms=row.end_ms,
        )

    def is_written(self, model: LoggedModel) -> bool:
        """Whether a model is this one, and whole."""
        metrics = {m.key: m.value for m in model.metrics or ()}
        tags = {k: v for k, v in model.tags.items() if not k.startswith("mlflow.")}
        whole = str(model.status) == "READY"
        same = (metrics, tags, model.params) == ({**self.of_run, **self.judged}, self.tags, self.params)
        return whole and same


def _write(client: MlflowClient, study: StudyRecord, experiment_id: str, run_id: str, model: _Wanted) -> None:
    from mlflow.entities import LoggedModelOutput, Metric

    dataset = dataset_of(study)
    made = client.create_logged_model(
        experiment_id,
        name=model.name,
        source_run_id=run_id,
        tags=dict(model.tags),
        params=dict(model.params),
        model_type=MODEL_TYPE,
    )
    client.log_inputs(run_id, datasets=[dataset])
    client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
    about = {"dataset_name": dataset.dataset.name, "dataset_digest": dataset.dataset.digest}
    now = round(1000 * time.time())

    def metrics(values: Mapping[str, float], at: int) -> list[Any]:
        return [Metric(k, v, at, 0, model_id=made.model_id, **about) for k, v in values.items()]

    # with the time that they have in the run, where they are the same value then and not a second one
    client.log_batch(run_id, [*metrics(model.of_run, model.ended_ms), *metrics(model.judged, now)])
    client.finalize_logged_model(made.model_id, "READY")


def _recorded(client: MlflowClient, experiment_id: str) -> list[LoggedModel] | None:
    """Return the models of pairs that an experiment has, page by page; None of a server that knows no models."""
    from mlflow.exceptions import MlflowException

    found: list[LoggedModel] = []
    token: str | None = None
    while True:
        try:
            page = client.search_logged_models(
                [experiment_id], f"model_type = '{MODEL_TYPE}'", max_results=100, page_token=token
            )
        except MlflowException as error:
            if error.error_code in _NO_SUCH_CALL:
                return None
            raise
        found += page
        token = page.token
        if not token:
            return found

"""The run of the study itself: what was asked, on what data, under what, and what came out."""

from __future__ import annotations

import getpass
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch._json import dumps, to_jsonable
from lossearch._text import escaped, in_code
from lossearch.records.mlflow.dashboard import experiment_view
from lossearch.records.mlflow.rows import TAG_LENGTH, cut, safe_names, study_params
from lossearch.records.study import StudyRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient

STUDY = "lossearch.study"
ROLE = "lossearch.role"
PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
REPORT = "report.html"


class ParentRun:
    """The parent run of one study, through a client."""

    def __init__(self, client: MlflowClient, study: StudyRecord) -> None:
        self.client = client
        self.study = study
        self.experiment_id = self.run_id = self.description = ""

    def create_experiment(self, artifact_location: str | None) -> str:
        """Create the study's experiment, with its description and charts, and return its id."""
        study = self.study
        tags = {
            STUDY: study.name,
            "lossearch.digest": study.digest,
            NOTE: self.note(),
            **experiment_view(study),
        }
        experiment_id: str = self.client.create_experiment(study.name, artifact_location, tags)
        return experiment_id

    def begin(self, experiment_id: str) -> str:
        """Create the parent run, or reopen the one there is; return its id."""
        self.experiment_id = experiment_id
        found = self.client.search_runs([experiment_id], f"tags.`{ROLE}` = 'study'", max_results=1)
        if found:
            self.run_id = found[0].info.run_id
            self.client.update_run(self.run_id, status="RUNNING")
        else:
            self.run_id = self._create(experiment_id)
        self.client.log_text(self.run_id, self.study.config, "study.toml")
        self.client.log_text(self.run_id, dumps(self.study, indent=2), "study.json")
        return self.run_id

    def note(self) -> str:
        """Return the description, in Markdown."""
        study = self.study
        rows = ", ".join(f"{count} {part}" for part, count in study.task.rows.items())
        beside = "".join(
            f"; {way} {in_code(m)} beside it, recorded as {in_code(f'val_{m}')}"
            for m, way in study.task.objectives.items()
            if m != study.task.metric
        )
        facts = {
            "task": f"{escaped(study.task.name)} ({study.task.kind}), target {in_code(study.target)}",
            "rows": rows or "unknown",
            "objective": f"{study.task.direction} {in_code(study.task.metric)} on validation rows, recorded as `score`{beside}",
            "trials": f"one run each, found by `tags.\"{STUDY}\" = '{study.name}' and tags.\"{ROLE}\" = 'trial'`",
            "settings": "parameters of the study's own run; a trial's run has those that it was given itself",
            "curves": "`curve/NAME` is the mean over seeds, `spread/NAME` the sd of the validation score and loss; "
            "plain names are values at the trial's epoch",
            "again": f"`lossearch report {study.name}`",
        }
        return "\n".join([f"Study **{study.name}**", "", *(f"- {k}: {v}" for k, v in facts.items())])

    def attach(
        self,
        metrics: Mapping[str, float | None],
        tags: Mapping[str, str],
        artifacts: Sequence[Path],
        tables: Mapping[str, Any],
        answer: str = "",
    ) -> None:
        """Attach what came out; ``answer`` is Markdown that goes before the description."""
        from mlflow.entities import Metric, RunTag

        names = safe_names(metrics)
        finite = {names[k]: float(v) for k, v in metrics.items() if v is not None and math.isfinite(v)}
        self.description = self._answered(answer, any(path.name == REPORT for path in artifacts))
        shown = {k: cut(str(v), TAG_LENGTH) for k, v in {**tags, NOTE: self.description}.items()}
        for name, frame in tables.items():
            self.client.log_text(self.run_id, table_json(frame), f"{name}.json")
        if tables:
            logged = [{"path": f"{name}.json", "type": "table"} for name in tables]
            shown["mlflow.loggedArtifacts"] = json.dumps(logged)
        for path in artifacts:
            self.client.log_artifact(self.run_id, str(path))
        now = round(1000 * time.time())
        self.client.log_batch(
            self.run_id,
            metrics=[Metric(k, v, now, 0) for k, v in finite.items()],
            tags=[RunTag(k, v) for k, v in shown.items()],
        )

    def describe_experiment(self) -> None:
        """Give the experiment the description that its run was given last."""
        self.client.set_experiment_tag(self.experiment_id, NOTE, self.description)

    def _answered(self, answer: str, reported: bool) -> str:
        """Return the description with the answer, as many of its lines as there is room for, and the report's address."""
        place = f"#/experiments/{self.experiment_id}/runs/{self.run_id}/artifacts/{REPORT}"
        rest = f"{f'[Report]({place})' if reported else ''}\n\n{self.note()}"
        lines = answer.splitlines()
        while lines and len("\n".join(lines)) + len(rest) + 2 > TAG_LENGTH:
            lines.pop()
        return "\n".join([*lines, "", rest]).strip()

    def _create(self, experiment_id: str) -> str:
        from mlflow.entities import Param

        study = self.study
        tags = {
            STUDY: study.name,
            ROLE: "study",
            "lossearch.stage": "study",
            "lossearch.task": study.task.name,
            "lossearch.digest": study.digest,
            NOTE: self.note(),
            **{f"version.{k}": v for k, v in study.versions.items()},
            **who(),
        }
        if study.git_revision:
            tags["mlflow.source.git.commit"] = study.git_revision
        run = self.client.create_run(experiment_id, tags=tags, run_name=study.name)
        run_id: str = run.info.run_id
        self.client.log_batch(run_id, params=[Param(k, v) for k, v in study_params(study).items()])
        self.client.log_inputs(run_id, datasets=[dataset_of(study)])
        return run_id


def dataset_of(study: StudyRecord) -> DatasetInput:
    """Return what MLflow is told of a study's data, by their name and digest."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    described = {"num_rows": sum(study.task.rows.values()), **study.task.rows, **study.describe}
    dataset = Dataset(
        name=study.task.name[:500],
        digest=study.task.data[:36],
        source_type="lossearch",
        source=dumps({"task": study.task.name, "target": study.target}),
        profile=dumps(described),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train, validation, test")])


def table_json(frame: Any) -> str:
    """Return a data frame as the MLflow UI reads a table; values that are not finite are null."""
    split = frame.to_dict("split")
    columns = [str(c) for c in split["columns"]]
    return json.dumps({"columns": columns, "data": to_jsonable(split["data"])}, ensure_ascii=False)


def who() -> dict[str, str]:
    """Return the tags that say whose run it is."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return {"mlflow.user": user, "mlflow.source.name": "lossearch", "mlflow.source.type": "LOCAL"}

"""Studies that were killed and resumed are those that were not; and what compares them finds what is wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

import lossearch
from lossearch.records import Store
from lossearch.records.optuna import open_storage

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
NAME = "study"


@pytest.fixture(scope="module")
def records():
    sys.path.insert(0, str(BENCHMARKS))
    import _kill_records

    yield _kill_records
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    lossearch.search(
        data="circles",
        losses=["bce"],
        trials=5,
        seeds=2,
        epochs=2,
        confirm_seeds=2,
        workers=1,
        store=root,
        name=NAME,
    )
    return root


def of_optuna(root: Path) -> optuna.Study:
    return optuna.load_study(study_name=NAME, storage=open_storage(Store.open(root), NAME))


def of_mlflow(root: Path) -> tuple[MlflowClient, Any]:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.`lossearch.role` = 'trial'")
    return client, min(runs, key=lambda run: int(run.data.tags["lossearch.trial"]))


def running(root: Path) -> None:
    client, run = of_mlflow(root)
    client.update_run(run.info.run_id, status="RUNNING")


def lost_run(root: Path) -> None:
    client, run = of_mlflow(root)
    client.delete_run(run.info.run_id)


def doubled_run(root: Path) -> None:
    client, run = of_mlflow(root)
    again = client.create_run(run.info.experiment_id, tags=run.data.tags)
    client.set_terminated(again.info.run_id)


def other_value(root: Path) -> None:
    client, run = of_mlflow(root)
    client.log_metric(run.info.run_id, "score", 0.123)


def lost_trial(root: Path) -> None:
    journal = root / "studies" / NAME / "optuna.journal"
    lines = journal.read_text().splitlines(keepends=True)
    created = [line for line in lines if json.loads(line)["op_code"] == 4]
    journal.write_text("".join(line for line in lines if line != created[-1]))


def doubled_trial(root: Path) -> None:
    study = of_optuna(root)
    study.add_trial(study.trials[0])


def begun_trial(root: Path) -> None:
    of_optuna(root).ask()


def altered(table: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    def alter(root: Path) -> None:
        path = root / "studies" / NAME / f"{table}.parquet"
        change(pd.read_parquet(path)).to_parquet(path)

    return alter


def other_verdict(root: Path) -> None:
    path = root / "studies" / NAME / "confirm.json"
    path.write_text(path.read_text().replace('"test"', '"validation"'))


def left_file(root: Path) -> None:
    (root / "studies" / NAME / "search" / "part-000001.parquet").write_text("")


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a run that is running": (running, r"MLflow run of trial 0 cover is RUNNING"),
    "a lost run": (lost_run, r"trial 0 has no run in MLflow"),
    "a run twice": (doubled_run, r"MLflow has 2 runs of trial 0 cover"),
    "another value in MLflow": (other_value, r"trial 0 has another value or learning rate in MLflow"),
    "a lost trial": (lost_trial, r"trials: 4 is missing"),
    "a trial twice": (doubled_trial, r"trials: 5 should not be there"),
    "a trial that is running": (begun_trial, r"Optuna trial 5 is RUNNING"),
    "a lost curve": (altered("search", lambda f: f[f["trial"] != 3]), r"trial 3 has not one curve a seed"),
    "a curve twice": (altered("search", lambda f: pd.concat([f, f[f["trial"] == 3]])), r"trial 3 has not one curve"),
    "another curve": (
        altered("search", lambda f: f.assign(val_accuracy=f["val_accuracy"] / 2)), r"trial 0 has another value in Parquet"
    ),
    "curves of no trial": (
        altered("search", lambda f: pd.concat([f, f[f["trial"] == 3].assign(trial=9)])), r"curves of trials \[9\]"
    ),
    "other predictions": (altered("predictions", lambda f: f.assign(score=0.5)), r"tables: predictions differs at \.score"),
    "another verdict": (other_verdict, r"documents: confirm differs"),
    "a file": (left_file, r"files: studies/NAME/search/part-000001\.parquet should not be there"),
}  # fmt: skip


def test_a_study_differs_from_itself_in_nothing(records, whole: Path) -> None:
    found = records.read_records(whole, NAME, None, None)
    assert len(found.trials) == 5
    assert len(found.runs) == 7
    assert records.differences(found, records.read_records(whole, NAME, None, None)) == []


@pytest.mark.parametrize(("damage", "told"), DAMAGE.values(), ids=DAMAGE)
def test_whatever_is_wrong_is_found(damage, told: str, records, whole: Path, tmp_path: Path) -> None:
    expected = records.read_records(whole, NAME, None, None)
    root = tmp_path / "damaged"
    shutil.copytree(whole, root)
    damage(root)
    found = records.differences(records.read_records(root, NAME, None, None), expected)
    assert any(re.search(told, line) for line in found), found


def test_a_record_of_another_time_and_place_is_the_same(records) -> None:
    one = {"seconds": 1.0, "store": "/a", "values": [{"started": 3, "score": 0.5}]}
    other = {"seconds": 2.0, "store": "/b", "values": [{"started": 4, "score": 0.5 + 1e-9}]}
    assert records.first_difference(records.settled(one), records.settled(other)) == ""
    other["values"][0]["score"] = 0.51
    where = records.first_difference(records.settled(one), records.settled(other))
    assert where == ".values[0].score: 0.5 instead of 0.51"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("initdb") is None, reason="no PostgreSQL server here")
@pytest.mark.parametrize(
    ("kills", "options"),
    [
        (19, "--victim coordinator --victim power --victim postgresql --victim mlflow --on local --away 2"),
        (1, "--victim worker --storage journal"),
    ],
)
def test_killed_studies_end_as_if_nothing_had_happened(kills: int, options: str, tmp_path: Path) -> None:
    command = [
        sys.executable,
        BENCHMARKS / "kills.py",
        "--seed",
        "0",
        "--kills",
        str(kills),
        *options.split(),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^\d+: .*right$", done.stdout, re.MULTILINE)) == kills

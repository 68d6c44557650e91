"""The MLflow view: what it says, what it refuses, and that it leaves no trace and loses nothing."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from itertools import product
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from contracts.records import example_record, example_results, example_study, example_study_record
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from lossearch._epochs import thin
from lossearch.errors import InputError, StoreError, StudyMismatchError
from lossearch.records import Store, StudyRecord
from lossearch.records.curves import MeanCurve, mean_curves
from lossearch.records.mlflow.bulk import COLUMNS, bulk_writer
from lossearch.records.mlflow.client import (
    checked_uri,
    connect,
    no_autolog,
    quiet,
    retried,
    tracking_errors,
)
from lossearch.records.mlflow.experiment import children
from lossearch.records.mlflow.overview import NAME as OVERVIEW
from lossearch.records.mlflow.overview import find_overview
from lossearch.records.mlflow.rows import (
    EPOCHS,
    NAME_LENGTH,
    TAG_LENGTH,
    VALUES,
    run_name,
    safe_names,
    trial_row,
)
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.removal import remove_experiment
from lossearch.records.trial import TrialRecord
from lossearch.training.contract import SCORED_EPOCHS, Outcome

STUDY_RECORD = replace(example_study_record(), storage="postgresql://me:secret@host/db")
RECORDED = Path(__file__).parent / "data/store_82d44bc/studies/small/study.json"


def trained(epochs: int) -> StudyRecord:
    return replace(STUDY_RECORD, train=replace(STUDY_RECORD.train, epochs=epochs))


@pytest.fixture(scope="session")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store.open(tmp_path_factory.mktemp("made") / "store")
    connect(store, store.tracking_uri)
    return store.root


@pytest.fixture
def store(tmp_path: Path, made_store: Path) -> Store:
    return Store.open(shutil.copytree(made_store, tmp_path / "store"))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def view(store: Store, said: list[str]) -> Iterator[MlflowView]:
    view = MlflowView(store, "example", warn=said.append)
    view.open(STUDY_RECORD)
    yield view
    view.close()


def runs(view: MlflowView) -> list[mlflow.entities.Run]:
    found = children(MlflowClient(tracking_uri=view.uri), str(view.experiment_id))
    return sorted(found, key=lambda run: int(run.data.tags["lossearch.trial"]))


def count(store: Store, table: str) -> int:
    with closing(sqlite3.connect(store.database)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


# what it says


def test_a_run_is_named_and_described(view: MlflowView) -> None:
    record = example_record(3)
    run_id = view.write_trial(record, mean_curves(example_results(3)))
    run = MlflowClient(tracking_uri=view.uri).get_run(run_id)
    lr = record.point.lr
    assert run.info.run_name == f"lr {lr:.2g} focal/sigmoid #3" == run_name(record)
    assert run.data.params == {
        "pair": "focal/sigmoid",
        "loss": "focal",
        "activation": "sigmoid",
        "encoding": "zero_one",
        "lr": repr(lr),
        "focal.gamma": "2.0",
        "seeds": "11, 12, 13",
        "n_seeds": "3",
    }
    parent = MlflowClient(tracking_uri=view.uri).get_run(str(view.run_id))
    assert parent.data.params == {
        "task": "circles",
        "kind": "binary",
        "metric": "accuracy",
        "direction": "maximize",
        "rows_train": "600",
        "rows_validation": "200",
        "rows_test": "200",
        "optimizer": "sgd",
        "optimizer.momentum": "0.9",
        "epochs": "60",
        "batch_size": "32",
        "schedule": "constant",
        "clip": "null",
        "class_weight": "none",
        "pos_weight": "none",
        "precision": "32-true",
        "epoch": "best",
        "accelerator": "auto",
    }
    own = {k.removeprefix("lossearch."): v for k, v in run.data.tags.items() if k.startswith("lossearch.")}
    assert own == {
        "study": "example",
        "role": "trial",
        "trial": "3",
        "stage": "search",
        "state": "completed",
        "pair": "focal/sigmoid",
    }
    assert run.data.metrics["seconds"] == record.seconds
    assert run.data.metrics["epoch"] == record.epoch
    assert run.data.metrics["score_median"] == record.median
    assert {k: v for k, v in run.data.metrics.items() if k.endswith("_sd")} == {
        f"{name}_sd": record.spread[name] for name in ("val_accuracy", "val_f1")
    }
    assert {k for k in run.data.metrics if "/" in k} == {
        *(f"curve/{name}" for name in record.scores),
        *("spread/val_accuracy", "spread/val_loss"),
    }


@pytest.mark.parametrize("lr", [1.234e-5, 9.99e-5, 0.00123, 0.0456, 0.3, 1.0])
@pytest.mark.parametrize("stage", ["search", "confirm"])
def test_a_run_s_learning_rate_is_seen_where_its_name_is_cut(lr: float, stage: str) -> None:
    record = replace(example_record(12), stage=stage)
    name = run_name(replace(record, point=replace(record.point, pair="squared_hinge/identity", lr=lr)))
    # of some twenty characters that a column of runs has on a laptop
    word, shown, pair = name[:20].split()
    assert word == "lr"
    assert float(shown) == pytest.approx(lr, rel=0.05)
    assert "squared_hinge".startswith(pair[:10])


def test_what_all_trials_share_is_said_once(view: MlflowView) -> None:
    """Each key costs a page of runs: only a study that is larger in itself has larger runs."""
    view.write_trial(example_record(0))
    client = MlflowClient(tracking_uri=view.uri)
    parent, child = client.get_run(str(view.run_id)).data.params, runs(view)[0].data.params
    assert parent.keys() & child.keys() == set()


def test_searched_settings_stand_before_the_study_s(view: MlflowView) -> None:
    record = example_record(0)
    point = replace(record.point, other=(("batch_size", 64), ("weight_decay", 1e-4)))
    view.write_trial(replace(record, point=point))
    params = runs(view)[0].data.params
    assert (params["batch_size"], params["weight_decay"]) == ("64", "0.0001")


def test_a_confirmation_is_a_child_of_its_own(view: MlflowView) -> None:
    search = view.write_trial(example_record(0))
    confirm = view.write_trial(replace(example_record(0), stage="confirm"))
    assert search != confirm
    names = [run.info.run_name for run in runs(view)]
    lr = example_record(0).point.lr
    assert sorted(names) == [f"lr {lr:.2g} bce/sigmoid #0", f"lr {lr:.2g} bce/sigmoid confirmed"]


def test_non_finite_values_are_not_metrics(view: MlflowView) -> None:
    scores = {"val_accuracy": 0.5, "val_loss": math.inf, "val_f1": math.nan}
    flat = MeanCurve(np.array([math.nan, 1.0, math.inf]), np.full(3, math.nan))
    run_id = view.write_trial(
        replace(example_record(0), scores=scores, spread={}, value=math.nan), {"val_loss": flat}
    )
    client = MlflowClient(tracking_uri=view.uri)
    metrics = client.get_run(run_id).data.metrics
    assert {"score", "val_loss", "val_f1", "spread/val_loss"} & metrics.keys() == set()
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "curve/val_loss")] == [(2, 1.0)]


def test_long_parameters_are_cut_and_whole_in_an_artifact(view: MlflowView, tmp_path: Path) -> None:
    long = "x" * 10_000
    record = replace(example_record(0), encoding=long, reason="y" * 20_000)
    run_id = view.write_trial(record)
    client = MlflowClient(tracking_uri=view.uri)
    run = client.get_run(run_id)
    assert run.data.params["encoding"] == "x" * 497 + "..."
    assert len(run.data.tags["lossearch.reason"]) == 5000
    with quiet():
        path = client.download_artifacts(run_id, "params.json", str(tmp_path))
    assert json.loads(Path(path).read_text()) == {"encoding": long}


def test_more_than_a_batch_holds_is_all_there(view: MlflowView) -> None:
    scores = {f"val_m{i}": i / 7 for i in range(1700)}
    settings = tuple((f"s{i}", i) for i in range(230))
    record = example_record(0)
    record = replace(record, scores=scores, point=replace(record.point, other=settings))
    run_id = view.write_trial(record)
    data = MlflowClient(tracking_uri=view.uri).get_run(run_id).data
    assert {k: data.metrics[k] for k in scores} == scores
    assert {k: data.params[k] for k, _ in settings} == {k: str(v) for k, v in settings}


def test_curves_stay_within_what_a_plot_shows() -> None:
    record = example_record(0)
    for n_curves in range(1, 10):
        for epochs in (1, 2, 5, 19, 20, 21, 200, 5000):
            curve = MeanCurve(np.linspace(0, 1, epochs), np.ones(epochs))
            curves = {f"val_m{i}": curve for i in range(n_curves)}
            row = trial_row(trained(epochs), replace(record, epoch=epochs), curves)
            shown = [v for v in row.metrics if "/" in v.name]
            steps = [v.step for v in shown if v.name == "curve/val_m0"]
            assert len(shown) <= VALUES * 1.1
            assert len(steps) == len(set(steps)) <= EPOCHS
            assert {1, epochs} <= set(steps)


def test_curves_are_shown_where_all_are_scored_and_at_the_same_epochs_in_all_trials() -> None:
    study = trained(400)
    sparse = np.full(400, np.nan)
    sparse[np.array([*thin(400, SCORED_EPOCHS), 123]) - 1] = 0.5
    dense = MeanCurve(np.ones(400), np.ones(400))
    full = {"val_accuracy": dense, "train_loss": MeanCurve(sparse, sparse)}
    short = {name: MeanCurve(curve.mean[:200], curve.sd[:200]) for name, curve in full.items()}
    rows = [trial_row(study, example_record(0), curves) for curves in (full, short)]
    steps = [[v.step for v in row.metrics if v.name == f"curve/{name}"] for row in rows for name in full]
    assert len(steps[0]) == EPOCHS
    assert steps[0] == steps[1]
    assert steps[2] == steps[3] == [step for step in steps[0] if step <= 200]


def test_the_study_file_and_table_are_artifacts(view: MlflowView, tmp_path: Path) -> None:
    figure = tmp_path / "curves.png"
    figure.write_bytes(b"png")
    table = pd.DataFrame({"pair": ["a/b", "c/d"], "score": [0.5, math.nan], "rank": [1, 2]})
    view.close("finished", artifacts=[figure], tables={"leaderboard": table})
    client = MlflowClient(tracking_uri=view.uri)
    names = {a.path for a in client.list_artifacts(view.run_id)}
    assert names == {"study.toml", "study.json", "curves.png", "leaderboard.json"}
    with quiet():
        read = {n: Path(client.download_artifacts(view.run_id, n, str(tmp_path))).read_text() for n in names}
    assert read["study.toml"] == STUDY_RECORD.config
    assert json.loads(read["study.json"])["train"]["options"] == {"momentum": 0.9}
    assert json.loads(read["study.json"])["storage"] == "postgresql://me@host/db"
    expected = {"columns": ["pair", "score", "rank"], "data": [["a/b", 0.5, 1], ["c/d", None, 2]]}
    assert json.loads(read["leaderboard.json"]) == expected
    tag = client.get_run(view.run_id).data.tags["mlflow.loggedArtifacts"]
    assert json.loads(tag) == [{"path": "leaderboard.json", "type": "table"}]


def test_the_note_holds_a_filter_that_finds_the_children(view: MlflowView) -> None:
    for record in example_study():
        view.write_trial(record)
    client = MlflowClient(tracking_uri=view.uri)
    note = client.get_run(view.run_id).data.tags["mlflow.note.content"]
    filter_string = next(line for line in note.splitlines() if "tags." in line).split("`")[1]
    assert len(client.search_runs([view.experiment_id], filter_string)) == 5
    assert len(client.search_runs([view.experiment_id], "metrics.lr < 10 and params.loss = 'bce'")) == 2


def test_a_long_answer_ends_where_the_description_has_no_room(view: MlflowView) -> None:
    lines = [f"| {n} | {'pair' * 20} |" for n in range(200)]
    view.close(answer="\n".join(lines))
    note = view.client.get_run(str(view.run_id)).data.tags["mlflow.note.content"]
    assert len(note) <= TAG_LENGTH
    shown = [line for line in note.splitlines() if "pair" in line]
    assert shown == lines[: len(shown)]
    assert len(shown) > 20
    assert "Study **" in note


def test_a_table_of_this_name_that_is_not_ours_is_left_alone(store: Store, view: MlflowView) -> None:
    client = view.client
    theirs = client.create_experiment(OVERVIEW)
    view.close()
    assert find_overview(client) is None
    assert client.search_runs([theirs]) == []


def test_studies_that_end_at_once_share_one_table(store: Store) -> None:
    views = [MlflowView(store, name) for name in ("one", "two", "three")]
    for v in views:
        v.open(example_study_record(v.name))
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda v: v.close(tags={"lossearch.best": "bce/sigmoid"}), views))
        list(pool.map(lambda v: v.open(example_study_record(v.name)), views))
        list(pool.map(lambda v: v.close(tags={"lossearch.best": "mse/sigmoid"}), views))
    client = views[0].client
    runs = client.search_runs([str(find_overview(client))])
    assert {r.info.run_name: r.data.tags["lossearch.best"] for r in runs} == dict.fromkeys(
        ("one", "two", "three"), "mse/sigmoid"
    )


def test_artifacts_lie_in_the_store(view: MlflowView, store: Store) -> None:
    experiments = MlflowClient(tracking_uri=view.uri).search_experiments()
    assert {e.name for e in experiments} == {"Default", "example"}
    assert all(e.artifact_location.startswith(f"{store.artifacts.as_uri()}/") for e in experiments)


# names


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_names_are_allowed_and_kept_apart(names: list[str]) -> None:
    from mlflow.utils.validation import _validate_metric_name

    safe = safe_names(names)
    assert list(safe) == names
    assert len(set(safe.values())) == len(names)
    for name in safe.values():
        _validate_metric_name(name)
        assert len(name) <= NAME_LENGTH


def test_only_names_that_would_fall_together_are_marked() -> None:
    safe = safe_names(["acc%", "f1[0]", "val@0.5", "acc", "f1_0_"])
    assert safe["acc%"] == "acc_"
    assert safe["val@0.5"] == "val_0.5"
    assert safe["acc"] == "acc"
    assert safe["f1_0_"] == "f1_0_"
    assert safe["f1[0]"].startswith("f1_0_-")


# what it refuses


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/runs", "./mlruns", "file:runs", ""])
def test_a_directory_is_refused(store: Store, uri: str) -> None:
    with pytest.raises(InputError) as error:
        MlflowView(store, "example", uri)
    assert str(error.value) == (
        f"MLflow tracking URI {uri!r} is a directory of files, which MLflow no longer writes to. Use "
        "sqlite:////absolute/path/mlflow.db or the http(s) address of a server. To take over old runs: "
        "`mlflow migrate-filestore --source DIR --target sqlite:////absolute/path/mlflow.db`."
    )


def test_an_unknown_scheme_is_refused_without_its_password(store: Store) -> None:
    with pytest.raises(InputError) as error:
        checked_uri("ftp://me:secret@host/x")
    assert str(error.value) == (
        "No MLflow tracking URI begins with 'ftp': 'ftp://host/x'. Allowed: sqlite:, http:, https:, "
        "postgresql:, mysql:, mssql:, databricks:, uc: or none, for the store's own database."
    )


def test_the_default_and_relative_addresses_are_absolute(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert MlflowView(store, "a").uri == f"sqlite:///{store.root}/mlflow.db"
    assert checked_uri("sqlite:///x.db") == f"sqlite:///{tmp_path}/x.db"
    assert checked_uri("sqlite+pysqlite:///x.db?timeout=9") == f"sqlite+pysqlite:///{tmp_path}/x.db?timeout=9"
    assert checked_uri("postgresql://me:pw@host/x").whole == "postgresql://me:pw@host/x"


def test_a_server_that_is_not_there_is_said_at_once(store: Store) -> None:
    view = MlflowView(store, "example", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(StoreError) as error:
        view.open(STUDY_RECORD)
    assert time.monotonic() - began < 5
    assert str(error.value) == (
        "No server answers at http://127.0.0.1:9, the MLflow tracking URI. Start it, correct tracking_uri=, "
        "or run without it (mlflow=False)."
    )


def test_a_deleted_experiment_is_said_with_the_cure(store: Store, view: MlflowView) -> None:
    view.close()
    client = MlflowClient(tracking_uri=view.uri)
    client.delete_experiment(view.experiment_id)
    with pytest.raises(StoreError) as error:
        MlflowView(store, "example").open(STUDY_RECORD)
    assert str(error.value) == (
        f"The MLflow experiment 'example' at {view.uri} was deleted and keeps its name. Restore it: "
        f"MLFLOW_TRACKING_URI={view.uri} mlflow experiments restore --experiment-id {view.experiment_id}; "
        "or take another name (name=)."
    )
    client.restore_experiment(view.experiment_id)
    assert MlflowView(store, "example").open(STUDY_RECORD) == view.run_id


def test_an_experiment_of_something_else_is_left_alone(store: Store, view: MlflowView) -> None:
    client = MlflowClient(tracking_uri=view.uri)
    client.create_experiment("mine")
    for name, study in (
        ("mine", example_study_record("mine")),
        ("example", example_study_record(digest="other")),
    ):
        with pytest.raises(StudyMismatchError) as error:
            MlflowView(store, name).open(study)
        assert str(error.value) == (
            f"The MLflow experiment {name!r} at {view.uri} holds something else than this study. "
            "Take another name (name=), or another tracking URI (tracking_uri=)."
        )
    with pytest.raises(
        InputError, match=r"^The MLflow experiment 'mine' is not of a study and was left alone\.$"
    ):
        remove_experiment(store, "mine")


def test_a_database_of_another_version_is_never_upgraded(store: Store) -> None:
    with closing(sqlite3.connect(store.database)) as db, db:
        head = db.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        db.execute("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'")
    before = store.database.read_bytes()
    with pytest.raises(StoreError) as error:
        MlflowView(store, "example").open(STUDY_RECORD)
    assert str(error.value) == (
        f"The MLflow database {store.tracking_uri} was written by another MLflow version (schema acf3f17fdcc7, "
        f"this one has {head}). Take a backup and upgrade it: cp {store.database} {store.database}.bak && "
        f"mlflow db upgrade {store.tracking_uri}"
    )
    assert store.database.read_bytes() == before


def test_a_database_that_cannot_be_opened_is_said_at_once(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for uri in (
        f"sqlite:///{tmp_path}",
        f"sqlite:///{tmp_path}/file/x.db",
        "postgresql://me:secret@127.0.0.1:9/x",
    ):
        began = time.monotonic()
        with pytest.raises(StoreError) as error:
            MlflowView(store, "example", uri).open(STUDY_RECORD)
        assert time.monotonic() - began < 5
        assert uri.replace(":secret", "") in str(error.value)


def test_what_is_no_database_is_one_sentence(store: Store) -> None:
    store.database.write_text("this is no database at all, whatever its name says. " * 100)
    with pytest.raises(StoreError) as error:
        MlflowView(store, "example").open(STUDY_RECORD)
    assert str(error.value).startswith(
        f"{store.database} is damaged: file is not a database. It holds the MLflow view; "
    )
    assert "\n" not in str(error.value)


# it leaves no trace


TRACE = """
import logging, os, sys, warnings
from pathlib import Path
import numpy, torch
from lossearch.records import Store, StudyRecord
from lossearch.records.mlflow.view import MlflowView

def state():
    loggers = {n: l.level for n, l in logging.root.manager.loggerDict.items() if isinstance(l, logging.Logger)}
    ours = [n for n in loggers if n.partition(".")[0] not in ("mlflow", "alembic", "sqlalchemy", "huey")]
    return dict(os.environ), list(warnings.filters), {n: loggers[n] for n in ours}, logging.root.level, \\
        list(logging.root.handlers), os.getcwd(), list(sys.path), sys.stdout

before = state()
view = MlflowView(Store.open("store"), "small")
imported = "mlflow" in sys.modules
from dataclasses import replace
from pathlib import Path
from lossearch.records import TrialRecord
from lossearch.records.study import read_study_record
from lossearch.space import Point
from lossearch.training.contract import Outcome
view.open(read_study_record(Path(sys.argv[1])))
record = TrialRecord(0, "search", Point("bce/sigmoid", 0.1), "zero_one", (1,), Outcome.COMPLETED, 0.5, 1, started=1e9)
view.write_trial(record)
view.close()
after = state()
for b, a in zip(before[:2] + before[3:], after[:2] + after[3:]):
    assert a == b, (b, a)
assert {n: after[2][n] for n in before[2]} == before[2]
assert not imported
import mlflow
assert mlflow.active_run() is None and not mlflow.is_tracking_uri_set()
"""


def test_a_fresh_process_is_as_before_and_says_nothing(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")} | {"DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, "-c", TRACE, str(RECORDED)],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_the_user_s_own_run_goes_on(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"sqlite:///{shutil.copy(store.database, tmp_path / 'own.db')}"
    level = logging.getLogger("mlflow").level
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", own)
        with mlflow.start_run() as run, warnings.catch_warnings():
            filters = list(warnings.filters)
            view = MlflowView(store, "example")
            view.open(STUDY_RECORD)
            view.write_trial(example_record(0))
            view.close()
            assert warnings.filters == filters
            active = mlflow.active_run()
            assert active is not None
            assert active.info.run_id == run.info.run_id
            assert mlflow.get_tracking_uri() == own
            mlflow.log_metric("mine", 1.0)
        assert MlflowClient(tracking_uri=own).get_run(run.info.run_id).data.metrics == {"mine": 1.0}
    assert logging.getLogger("mlflow").level == level


@pytest.mark.slow
def test_autologging_is_suspended_and_on_again(store: Store, tmp_path: Path) -> None:
    code = f"""
import shutil, mlflow, mlflow.sklearn, numpy as np
from sklearn.linear_model import LogisticRegression
from lossearch.records.mlflow.client import no_autolog
shutil.copy({str(store.database)!r}, "own.db")
mlflow.set_tracking_uri("sqlite:///own.db")
def fit(): LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
def count(): return len(mlflow.search_runs(search_all_experiments=True))
with no_autolog() as suspended: assert not suspended
mlflow.sklearn.autolog(log_models=False)
with no_autolog() as suspended:
    assert suspended
    fit()
assert count() == 0
fit()
assert count() == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_no_autolog_does_nothing_where_there_is_none() -> None:
    with no_autolog() as suspended:
        assert not suspended


# it loses nothing


class Broken:
    """A client whose calls fail for a while, as behind a server that went away."""

    def __init__(self, client: MlflowClient, failing: str) -> None:
        self.client, self.failing, self.calls = client, failing, 0

    def __getattr__(self, name: str) -> object:
        if name == self.failing:
            self.calls += 1
            raise MlflowException("the database is in flames\nand more")
        return getattr(self.client, name)


@pytest.mark.parametrize("failing", ["create_run", "log_batch", "set_terminated"])
def test_a_failing_server_is_said_once_and_its_trials_come_later(
    store: Store, view: MlflowView, said: list[str], failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [example_record(n) for n in range(4)]
    healthy, view.bulk = view.client, None
    assert view.write_trial(records[0])
    view.client = Broken(healthy, failing)
    assert [view.write_trial(r) for r in records[1:3]] == [None, None]
    assert view.client.calls == 1, "a server that failed is left alone for a while"
    assert said == [
        (
            f"MLflow at {view.uri} cannot be written to: the database is in flames. The study goes on and loses "
            "nothing; write what is missing later with `lossearch sync example`."
        )
    ]
    view.client = healthy
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60)
    assert view.write_trial(records[3])
    assert [run.info.run_name for run in runs(view)] == [run_name(r) for r in records]
    assert {run.info.status for run in runs(view)} == {"FINISHED"}
    assert len(said) == 1


def test_close_writes_what_was_missed(view: MlflowView, said: list[str]) -> None:
    healthy, view.bulk = view.client, None
    view.client = Broken(healthy, "create_run")
    view.write_trial(example_record(0))
    view.client = healthy
    view.close()
    assert len(runs(view)) == len(said) == 1


def test_what_was_interrupted_half_way_is_written_again(store: Store, view: MlflowView) -> None:
    class Stopped(Broken):
        def __getattr__(self, name: str) -> object:
            if name == "log_batch":
                raise KeyboardInterrupt
            return getattr(self.client, name)

    healthy, view.bulk = view.client, None
    view.client = Stopped(healthy, "log_batch")
    with pytest.raises(KeyboardInterrupt):
        view.write_trial(example_record(0))
    assert runs(view) == []
    view.client = healthy
    view.close("killed")
    assert [run.info.run_name for run in runs(view)] == [run_name(example_record(0))]
    # and one whose process was killed outright, so that nothing could be tidied up
    tags = {"lossearch.role": "trial", "lossearch.trial": "1", "lossearch.stage": "search"}
    healthy.create_run(str(view.experiment_id), tags=tags)
    again = MlflowView(store, "example")
    again.open(STUDY_RECORD)
    assert again.sync([example_record(0), example_record(1)], lambda r: None) == 1
    assert [run.info.status for run in runs(again)] == ["FINISHED", "FINISHED"]
    again.close()


def test_a_locked_database_is_tried_again_and_a_wrong_call_is_not() -> None:
    calls: list[int] = []

    def locked() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)
        return "done"

    def wrong() -> None:
        calls.append(1)
        raise MlflowException("wrong")

    assert retried(locked, (0.0, 0.0)) == "done"
    calls.clear()
    with pytest.raises(MlflowException, match=r"^wrong$"):
        retried(wrong, (0.0, 0.0))
    assert len(calls) == 1


def test_removing_frees_the_name_and_keeps_the_next_one_s_artifacts(store: Store, view: MlflowView) -> None:
    view.write_trial(example_record(0))
    view.close()
    first = view.experiment_id
    assert remove_experiment(store, "example") == first
    assert remove_experiment(store, "example") is None
    again = MlflowView(store, "example")
    again.open(STUDY_RECORD)
    again.close()
    client = MlflowClient(tracking_uri=view.uri)
    places = {client.get_experiment(e).artifact_location for e in (first, again.experiment_id)}
    assert len(places) == 2
    assert client.get_experiment(first).lifecycle_stage == "deleted"


def test_runs_beyond_a_page_are_known(store: Store, view: MlflowView) -> None:
    view.write_trial(example_record(0))
    with closing(sqlite3.connect(store.database)) as db, db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(runs)")]
        run_id = next(iter(view.runs.values()))
        for n in range(1, 1100):
            chosen = ", ".join(f"'{n:032x}'" if c == "run_uuid" else c for c in columns)
            db.execute(f"INSERT INTO runs SELECT {chosen} FROM runs WHERE run_uuid = ?", (run_id,))  # noqa: S608
            db.execute(
                "INSERT INTO tags (key, value, run_uuid) SELECT key, CASE key WHEN 'lossearch.trial' THEN ? "
                "ELSE value END, ? FROM tags WHERE run_uuid = ?",
                (str(n), f"{n:032x}", run_id),
            )
    again = MlflowView(store, "example")
    again.open(STUDY_RECORD)
    assert sorted(again.runs) == [("search", n) for n in range(1100)]
    again.close()


def test_a_trial_is_three_calls_and_cheap(view: MlflowView, store: Store) -> None:
    made: list[str] = []

    class Counted:
        def __init__(self, client: MlflowClient) -> None:
            self.client = client

        def __getattr__(self, name: str) -> object:
            made.append(name)
            return getattr(self.client, name)

    records = [(example_record(n), mean_curves(example_results(n))) for n in range(20)]
    view.bulk = None
    view.write_trial(*records[0])
    view.client = Counted(view.client)
    seconds = []
    for record, curves in records[1:]:
        began = time.process_time()
        view.write_trial(record, curves)
        seconds.append(time.process_time() - began)
    assert made == ["create_run", "log_batch", "set_terminated"] * 19
    # 25 ms on a quiet machine; the bound is for a busy one
    assert np.median(seconds) < 0.1
    assert count(store, "runs") == 21


ROWS = {
    "runs": "name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, "
    "deleted_time, source_version, lifecycle_stage, replace(artifact_uri, run_uuid, 'ID'), experiment_id",
    "tags": "key, value",
    "params": "key, value",
    "metrics": "key, value, timestamp, step, is_nan, typeof(value), typeof(timestamp), typeof(step)",
    "latest_metrics": "key, value, timestamp, step, is_nan, typeof(value), typeof(timestamp), typeof(step)",
}


def whole_run(store: Store, run_id: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all that the database holds of a run, its id left out."""
    found = {}
    with closing(sqlite3.connect(store.database)) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if db.execute("SELECT 1 FROM pragma_table_info(?) WHERE name = 'run_uuid'", (table,)).fetchone():
                query = f"SELECT {ROWS.get(table, '*')} FROM {table} WHERE run_uuid = ?"  # noqa: S608
                found[table] = sorted(db.execute(query, (run_id,)), key=repr)
    return found


def every_sort_of_trial() -> list[tuple[TrialRecord, dict[str, MeanCurve]]]:
    trials = [(example_record(n), mean_curves(example_results(n))) for n in range(5)]
    first, curves = trials[0]
    ragged = MeanCurve(np.array([1.0, math.nan, -math.inf, 1e-300, 1e300]), np.full(5, math.nan))
    return [
        *trials,
        (replace(first, stage="confirm"), curves),
        (replace(first, number=7, outcome=Outcome.FAILED, value=None, reason="é\n'\"%"), {}),
        (replace(first, number=8, scores={}, spread={}, value=math.nan), {"val_loss": ragged}),
        (replace(first, number=9, scores={f"val_m{i}": i / 7 for i in range(1700)}), curves),
        (replace(first, number=10, encoding="x" * 9000, reason="y" * 20_000), curves),
    ]


def test_bulk_writes_what_the_client_writes(store: Store, view: MlflowView) -> None:
    trials = every_sort_of_trial()
    assert view.bulk is not None, (
        "the installed MLflow has other tables: see whether its runs are written alike"
    )
    for trial in trials:
        view.add(*trial)
    view.write_missed()
    in_bulk = [whole_run(store, run_id) for run_id in view.runs.values()]
    keys = list(view.runs)
    view.bulk, view.runs = None, {}
    for trial in trials:
        view.write_trial(*trial)
    assert list(view.runs) == keys
    by_client = [whole_run(store, run_id) for run_id in view.runs.values()]
    assert len(in_bulk) == len(trials)
    for one, other in zip(in_bulk, by_client, strict=True):
        assert one == other
        assert set(ROWS) <= one.keys()


def test_all_runs_of_a_call_are_written_or_none(view: MlflowView) -> None:
    view.write_trial(example_record(0))
    right = trial_row(STUDY_RECORD, example_record(1), {})
    wrong = replace(right, params={"a": None})  # type: ignore[dict-item]
    assert view.bulk is not None
    with pytest.raises(tracking_errors()):
        view.bulk.write([right, wrong], {})
    assert len(runs(view)) == 1


def test_other_tables_are_left_to_the_client(view: MlflowView, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (str(view.experiment_id), "file:///x")
    assert bulk_writer("http://127.0.0.1", *arguments) is None
    assert bulk_writer(view.uri, *arguments) is not None
    whole = COLUMNS["runs"]
    monkeypatch.setitem(COLUMNS, "runs", COLUMNS["runs"][:-1])
    assert bulk_writer(view.uri, *arguments) is None
    monkeypatch.setitem(COLUMNS, "runs", (*whole, "older"))
    assert bulk_writer(view.uri, *arguments) is None


def test_bulk_costs_a_trial_the_same_whether_few_or_many(view: MlflowView) -> None:
    curves = mean_curves(example_results(0))

    def seconds(numbers: range) -> float:
        began = time.process_time()
        for n in numbers:
            view.add(replace(example_record(0), number=n), curves)
        view.write_missed()
        return (time.process_time() - began) / len(numbers)

    seconds(range(50))
    few, many = seconds(range(50, 250)), seconds(range(250, 2250))
    # 1.5 ms on a quiet machine, a twelfth of what the client takes; the bound is for a busy one
    assert many < 0.008
    # ten times as many would cost ten times as much each, were each compared with all before
    assert many < 4 * few
    assert len(view.runs) == 2250


def test_what_failed_half_way_is_there_once_and_none_is_left_running(
    view: MlflowView, said: list[str]
) -> None:
    """Whatever call fails, before the server obeyed or after it."""

    class Lossy(Broken):
        def __getattr__(self, name: str) -> object:
            if name != self.failing:
                return getattr(self.client, name)

            def obeyed(*args: object, **kwargs: object) -> None:
                getattr(self.client, name)(*args, **kwargs)
                raise SQLAlchemyError("the answer was lost")

            return obeyed

    healthy, view.bulk = view.client, None
    calls = ["create_run", "log_batch", "set_terminated"]
    for number, (broken, call) in enumerate(product((Broken, Lossy), calls)):
        view.client = broken(healthy, call)
        view.write_trial(example_record(number))
        view.client = healthy
        view.write_missed(patient=True)
        assert [run.info.run_name for run in runs(view)] == [
            run_name(example_record(n)) for n in range(number + 1)
        ]
        assert {run.info.status for run in runs(view)} == {"FINISHED"}
    assert len(said) == 1


def test_silence_puts_loggers_back_and_keeps_what_was_set_meanwhile() -> None:
    client, alembic = logging.getLogger("mlflow"), logging.getLogger("alembic")
    before = (client.handlers, client.propagate, [*alembic.handlers], alembic.propagate)
    extra, whole = logging.NullHandler(), [logging.NullHandler()]
    try:
        with quiet(), quiet():
            assert not client.propagate
            assert all(isinstance(h, logging.NullHandler) for h in client.handlers)
            alembic.addHandler(extra)
        assert (client.handlers, client.propagate) == before[:2]
        assert alembic.handlers == [*before[2], extra]
        # as the first import of MLflow does
        with quiet():
            client.handlers, client.propagate = whole, False
        assert (client.handlers, client.propagate) == (whole, False)
    finally:
        client.handlers, client.propagate = before[:2]
        alembic.removeHandler(extra)

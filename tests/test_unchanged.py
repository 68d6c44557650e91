"""A study that is run again with nothing left to do is answered from its records, and only such a one."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from lossearch import api
from lossearch._trust import NONE
from lossearch.api import run_study
from lossearch.api.unchanged import unchanged
from lossearch.config import make_config, with_values
from lossearch.study.prepare import prepare
from lossearch.study.progress import Listener

TABLES = {
    "task": {"data": "circles"},
    "space": {"losses": ["bce", "hinge"]},
    "budget": {"trials": 15, "seeds": 2, "confirm_seeds": 3},
    "train": {"epochs": 2},
    "records": {"name": "rings"},
}


def config(store: Path, **values):
    return with_values(make_config(TABLES), {"records.store": str(store), **values})


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A store with a finished study."""
    store = tmp_path_factory.mktemp("unchanged") / "mlruns"
    api.run(config(store))
    return store


@pytest.fixture
def store(original):
    """The same, as it was before whatever is done to it: in its place, since MLflow knows that."""
    kept = original.with_name("kept")
    shutil.copytree(original, kept)
    yield original
    shutil.rmtree(original)
    kept.rename(original)


def answer(store: Path, **values):
    return unchanged(prepare(config(store, **values), checked=False), NONE, Listener())


def contents(store: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(store.rglob("*")) if p.is_file() and p.suffix != ".lock"}


class Heard(Listener):
    """What a run told."""

    def __init__(self):
        self.said = []

    def started(self, total, done):
        self.said.append(("started", total, done))

    def finished(self, why):
        self.said.append(("finished", why))


def test_it_is_answered_without_a_record_being_written(store, monkeypatch):
    first, before, heard = api.load("rings", store), contents(store), Heard()
    monkeypatch.setattr(run_study, "_open_recorder", lambda *_: pytest.fail("its records were opened"))
    again = api.run(config(store), listener=heard)
    assert_frame_equal(again.leaderboard, first.leaderboard)
    assert again.verdict == first.verdict
    assert again.prepared is not None, "it cannot fit a model"
    assert heard.said == [("started", 15, 15), ("finished", "all trials done")]
    assert contents(store) == before


def test_neither_what_trains_nor_mlflow_is_imported(store):
    code = (
        "import sys\nfrom lossearch import api\nfrom lossearch.config import make_config\n"
        f"api.run(make_config({ {**TABLES, 'records': {'name': 'rings', 'store': str(store)}}!r}))\n"
        "print([m for m in ('pytorch_lightning', 'lightning', 'mlflow', 'matplotlib', 'torchmetrics') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


def edited(store: Path, **values) -> None:
    path = store / "studies" / "rings" / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def executed(store: Path, statement: str) -> None:
    with closing(sqlite3.connect(store / "mlflow.db")) as db, db:
        assert db.execute(statement).rowcount > 0


def removed(store: Path, name: str) -> None:
    (store / "studies" / "rings" / name).unlink()


def cut(store: Path, name: str) -> None:
    path = store / "studies" / "rings" / name
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda s: edited(s, ended="running"), id="it was killed"),
        pytest.param(lambda s: edited(s, ended="failed"), id="it failed"),
        pytest.param(lambda s: edited(s, versions={"lossearch": "0.0.1"}), id="another release wrote it"),
        pytest.param(lambda s: removed(s, "verdict.json"), id="no verdict"),
        pytest.param(lambda s: removed(s, "confirm.parquet"), id="no curves of the confirmation"),
        pytest.param(lambda s: cut(s, "search.parquet"), id="damaged curves"),
        pytest.param(lambda s: cut(s, "optuna.journal"), id="damaged trials"),
        pytest.param(lambda s: (s / "mlflow.db").unlink(), id="no MLflow database"),
        pytest.param(
            lambda s: executed(
                s, "UPDATE runs SET status = 'KILLED' WHERE run_uuid NOT IN "
                "(SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId')",
            ),
            id="MLflow says that it was killed",
        ),
        pytest.param(
            lambda s: executed(
                s, "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = "
                "(SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' LIMIT 1)",
            ),
            id="a run of a trial is not in MLflow",
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_a_run_leaves_it_is_for_the_run(store, happens):
    assert answer(store) is not None
    happens(store)
    assert answer(store) is None


@pytest.mark.parametrize(
    "values",
    [
        {"budget.trials": 30},
        {"budget.confirm_seeds": 5},
        {"budget.rope": 0.5},
        {"train.epochs": 3},
        {"records.name": "another"},
        {"records.weights": "all"},
        {"records.storage": "sqlite:///other.db"},
        {"records.tracking_uri": "http://127.0.0.1:1"},
    ],
    ids=str,
)
def test_what_is_asked_for_otherwise_is_for_the_run(store, values):
    assert answer(store, **values) is None


def test_a_store_that_there_is_not_is_for_the_run(tmp_path):
    assert answer(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()


def test_a_study_without_confirmation_or_mlflow_is_answered_too(tmp_path):
    values = {"budget.confirm_seeds": 0, "records.mlflow": False}
    first = api.run(config(tmp_path, **values))
    again = answer(tmp_path, **values)
    assert again is not None
    assert_frame_equal(again.leaderboard, first.leaderboard)
    assert answer(tmp_path, **{**values, "records.mlflow": True}) is None

"""The MLflow side of a stranger's store: artifacts are read and written in the store alone, and the UI imports none of it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from strangers import CANARY, NAME, Around, snapshot

from lossearch import api
from lossearch.errors import RunFailedError, StoreError
from lossearch.records import Store
from lossearch.records.mlflow import server
from lossearch.records.mlflow.client import quiet
from lossearch.records.mlflow.database import ensure_database
from lossearch.records.mlflow.server import start


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with its runs in MLflow."""
    folder = tmp_path_factory.mktemp("recorded")
    with quiet():
        ensure_database(folder / "mlflow.db", folder / "artifacts")
    found = Around.make(folder / "around", folder / "mlflow.db")
    assert api.sync(NAME, found.store) > 0
    return found.root


@pytest.fixture
def around(recorded: Path, tmp_path: Path) -> Around:
    found = Around(tmp_path / "around")
    shutil.copytree(recorded, found.root)
    Store.open(found.store)  # which rights what the move made wrong
    return found


def alter(around: Around, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(around.store / "mlflow.db")) as db, db:
        db.execute(statement, values)


EXPERIMENT = "UPDATE experiments SET artifact_location = ? WHERE experiment_id <> 0"
RUNS = "UPDATE runs SET artifact_uri = ?"
PLACES = {
    "elsewhere": "file://{outside}/folder",
    "by two dots": "file://{store}/artifacts/../../outside/folder",
    "by two dots in signs": "file://{store}/artifacts/%2e%2e/%2e%2e/outside/folder",
    "a bare path": "{outside}/folder",
    "a server": "s3://bucket/folder",
    "another machine": "file://host{store}/artifacts",
}


@pytest.mark.parametrize("statement", [EXPERIMENT, RUNS])
@pytest.mark.parametrize("place", PLACES)
def test_artifacts_elsewhere_are_refused(around: Around, statement: str, place: str) -> None:
    at = PLACES[place].format(outside=around.outside, store=around.store)
    alter(around, statement, at)
    before = snapshot(around.outside)
    said = f"places artifacts at {at}, outside of the store"
    with pytest.raises(StoreError) as error:
        api.sync(NAME, around.store)
    assert said in str(error.value)
    store = Store.open(around.store, create=False)
    with pytest.raises(StoreError) as error:
        start(store)
    assert said in str(error.value)
    assert f"`lossearch ui --artifact-location {at}`" in str(error.value)
    (around.root / "ui").mkdir()
    assert server._database(store, around.root / "ui", {at}, print) == store.tracking_uri
    assert snapshot(around.outside) == before


def test_nor_are_links_among_them_followed(around: Around) -> None:
    page = next((around.store / "artifacts").rglob("report.html"))
    page.unlink()
    page.symlink_to(around.outside / "diary.txt")
    before = snapshot(around.outside)
    with pytest.raises(StoreError, match="is a link to"):
        api.sync(NAME, around.store)
    with pytest.raises(StoreError, match="is a link to"):
        start(Store.open(around.store, create=False))
    assert snapshot(around.outside) == before


@pytest.mark.parametrize("name", ["mlflow.db", "mlflow.db-journal", "mlflow.db-wal", ".mlflow.db.part"])
def test_nor_a_database_that_is_one(around: Around, name: str) -> None:
    path = around.store / name
    path.unlink(missing_ok=True)
    path.symlink_to(around.outside / "diary.txt")
    before = snapshot(around.outside)
    for write in (
        lambda: api.sync(NAME, around.store),
        lambda: start(Store.open(around.store, create=False)),
    ):
        with pytest.raises(StoreError, match="is a link to"):
            write()
    assert snapshot(around.outside) == before


def test_the_ui_imports_nothing_from_the_store(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    (around.store / "stranger_code.py").write_text(CANARY)
    monkeypatch.setattr(server, "command", lambda *_: [sys.executable, "-m", "stranger_code"])
    with pytest.raises(RunFailedError, match="No module named stranger_code"):
        start(Store.open(around.store, create=False))
    assert not (around.store / "ran").exists()


@pytest.mark.parametrize(
    "elsewhere", ["{outside}/folder", "{store}/artifacts/other-1", "{store}/artifacts/.."]
)
def test_removing_a_study_removes_its_own_artifacts_alone(around: Around, elsewhere: str) -> None:
    (around.store / "artifacts" / "other-1").mkdir()
    at = elsewhere.format(outside=around.outside, store=around.store)
    alter(around, EXPERIMENT, f"file://{at}")
    before = snapshot(around.outside)
    api.remove(NAME, around.store)
    assert snapshot(around.outside) == before
    assert (around.store / "artifacts" / "other-1").is_dir()

"""A store outlives what happens to the processes that open it: refusals, Ctrl-C, kills, each at any moment."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr
from pathlib import Path

import pytest
from contracts.records import example_record, example_study_record

import lossearch
from lossearch.cli import invoke
from lossearch.errors import InputError, StoreError
from lossearch.records import Store
from lossearch.records.claim import claim, opening
from lossearch.records.curve_files import compact
from lossearch.records.mlflow.artifacts import places
from lossearch.records.mlflow.client import connect, reach
from lossearch.records.mlflow.database import (
    copy_database,
    empty_database,
    ended_runs,
    ensure_database,
    is_there,
)
from lossearch.records.mlflow.overview import recorded_overview
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.weights import WeightRetention

FORK = multiprocessing.get_context("fork")


def connected(store: Store) -> list[str]:
    return [e.name for e in connect(store, store.tracking_uri).search_experiments()]


def altered(store: Store, *statements: str) -> None:
    with closing(sqlite3.connect(store.database)) as db, db:
        db.execute("PRAGMA application_id = 0")
        for statement in statements:
            db.execute(statement)


def connect_first(root: Path) -> None:
    """Connect as a process does that has made no store before."""
    empty_database.cache_clear()
    store = Store.open(root)
    connect(store, store.tracking_uri)


def run_first(root: Path, said: Path) -> None:
    """Run a study as a process does that has made no store before, and end with its exit code."""
    empty_database.cache_clear()
    words = ["run", "studies/tutorial_circles.toml", "--store", str(root), "--losses", "bce", "--trials", "5"]
    words += ["--seeds", "1", "--epochs", "2", "--confirm-seeds", "0"]
    with said.open("w") as file, redirect_stderr(file):
        sys.exit(invoke(words))


def write_a_study(store: Store) -> None:
    view = MlflowView(store, "kept")
    view.open(example_study_record("kept"))
    view.write_trial(example_record(0))
    view.close()


HALF_MADE: dict[str, Callable[[Store], object]] = {
    "an empty file": lambda s: s.database.write_bytes(b""),
    "no revision": lambda s: altered(s, "DROP TABLE alembic_version"),
    "an early revision": lambda s: altered(s, "UPDATE alembic_version SET version_num = '451aebb31d03'"),
    "a table short": lambda s: altered(s, "DROP TABLE logged_models"),
    "no experiments": lambda s: altered(s, "DROP TABLE experiments", "DROP TABLE runs"),
}


@pytest.mark.parametrize("left", HALF_MADE)
def test_a_database_left_half_made_is_made_anew(tmp_path: Path, left: str) -> None:
    """In a process of its own each: one that died cannot have the file open."""
    empty_database()
    store = Store.open(tmp_path / "store")
    maker = FORK.Process(target=connected, args=(store,))
    maker.start()
    maker.join()
    HALF_MADE[left](store)
    assert connected(store) == ["Default"]
    assert sorted(p.name for p in store.root.iterdir() if not p.name.startswith(".lock")) == [
        "artifacts",
        "mlflow.db",
        "store.json",
        "studies",
    ]


def test_a_database_that_holds_runs_is_never_made_anew(tmp_path: Path) -> None:
    """Written by a process of its own: MLflow does not look again at a database that its process has open."""
    store = Store.open(tmp_path)
    writer = FORK.Process(target=write_a_study, args=(store,))
    writer.start()
    writer.join()
    altered(store, "UPDATE alembic_version SET version_num = '451aebb31d03'")
    before = store.database.read_bytes()
    with pytest.raises(StoreError, match="was written by another MLflow version"):
        connected(store)
    assert store.database.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE customers (name TEXT)"],
        ["CREATE TABLE customers (name TEXT)", "INSERT INTO customers VALUES ('x')"],
        ["CREATE TABLE runs (name TEXT)", "CREATE TABLE notes (a TEXT)", "INSERT INTO notes VALUES ('x')"],
        ["CREATE VIEW two AS SELECT 2"],
        ["PRAGMA application_id = 7"],
    ],
)
def test_somebody_else_s_database_is_never_made_anew(tmp_path: Path, statements: list[str]) -> None:
    path = tmp_path / "theirs.db"
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    before = path.read_bytes()
    ensure_database(path, tmp_path / "artifacts")
    assert path.read_bytes() == before


def test_files_that_are_not_of_trials_stay(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "search").mkdir()
    mine = [tmp_path / "weights" / f"trial-{name}.safetensors" for name in ("best", "7", "0000007", "00000²")]
    mine += [tmp_path / "search" / f"part-{name}.parquet" for name in ("mine", "7")]
    for path in mine:
        path.write_text("mine")
    gone = tmp_path / "weights" / "trial-000007.safetensors"
    gone.write_text("of no trial")
    WeightRetention(tmp_path, "all", 0, 1)
    compact(tmp_path, "search")
    assert [path.read_text() for path in mine] == ["mine"] * len(mine)
    assert not gone.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "first"), [(signal.SIGKILL, 0.25), (signal.SIGINT, 0.75)])
def test_a_store_can_be_used_whenever_its_first_process_was_killed(
    tmp_path: Path, sent: signal.Signals, first: float
) -> None:
    """A process that is done before its kill says how long the work takes now, however busy the machine."""
    import mlflow.tracking  # noqa: F401 - so that a child is killed at its work, not at its imports

    takes, killed = 60.0, 0
    for i in range(40):
        root = tmp_path / f"store{i}"
        child = FORK.Process(target=connect_first, args=(root,))
        begun = time.perf_counter()
        child.start()
        child.join(takes * (killed + first) / 6)
        if child.is_alive():
            os.kill(child.pid or 0, sent)
            child.join()
        else:
            takes = min(takes, time.perf_counter() - begun)
        killed += child.exitcode != 0
        store = Store.open(root)
        assert connected(store) == ["Default"]
        assert not [p for p in root.iterdir() if p.name.endswith(".part")]
        if killed == 6:
            break
    assert killed >= 3, "most were killed at their work"


def test_a_refused_process_removes_what_it_made_and_nothing_else(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "new")

    def refused() -> None:
        store.write_study(example_study_record("late"))
        Store.open(tmp_path / "new").write_study(example_study_record("winner"))
        raise StoreError("refused late")

    with pytest.raises(StoreError, match="refused late"), claim(store, "late"), opening(store, "late"):
        refused()
    assert store.studies() == ("winner",)
    assert [p.name for p in (store.root / "studies").iterdir()] == ["winner"]


def test_what_was_in_a_study_before_stays_when_it_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.study_dir("own").mkdir()
    (store.study_dir("own") / "notes.txt").write_text("mine")
    with pytest.raises(StoreError), claim(store, "own"), opening(store, "own"):
        raise StoreError("refused")
    assert (store.study_dir("own") / "notes.txt").read_text() == "mine"


def test_a_second_process_is_refused_and_the_first_keeps_its_study(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with claim(store, "one"), opening(store, "one"):
        store.write_study(example_study_record("one"))
        with pytest.raises(StoreError, match=f"being run by process {os.getpid()} on "), claim(store, "one"):
            raise AssertionError
    assert store.studies() == ("one",)


@pytest.mark.slow
def test_of_two_that_start_at_once_one_wins_and_the_store_is_whole(tmp_path: Path) -> None:
    root, files = tmp_path / "store", [tmp_path / f"said{i}" for i in range(2)]
    both = [FORK.Process(target=run_first, args=(root, file)) for file in files]
    for process in both:
        process.start()
    for process in both:
        process.join()
    codes = sorted(process.exitcode or 0 for process in both)
    said = [file.read_text() for file in files]
    assert codes in ([0, 0], [0, 2]), said
    if codes == [0, 2]:
        assert any("is being run by process" in text for text in said)
    assert len(lossearch.load("tutorial_circles", root).trials) == 5
    assert connected(Store.open(root)) != ["Default"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:port",
        "http://:5000",
        f"http://{'a' * 70}.example:5000",
        "http://127.0.0.1:1",
        "http://[::1",
        "postgresql://me:secret@127.0.0.1:1/db",
    ],
)
def test_a_server_that_cannot_be_is_told_before_anything_is_made(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError) as told:
        reach(uri)
    assert "secret" not in str(told.value)
    with pytest.raises(InputError):
        lossearch.search(
            [[0.0], [1.0]] * 50, [0, 1] * 50, store=tmp_path / "store", tracking_uri=uri, trials=70, seeds=1
        )
    assert not (tmp_path / "store").exists()


def test_a_storage_that_does_not_answer_is_told_before_anything_is_made(tmp_path: Path) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/db"
    with pytest.raises(StoreError) as told:
        lossearch.search(
            [[0.0], [1.0]] * 50, [0, 1] * 50, store=tmp_path / "store", storage=url, trials=70, seeds=1
        )
    assert "secret" not in str(told.value)
    assert not (tmp_path / "store").exists()


def die_while_writing(database: Path) -> None:
    """Kill this process in the middle of a transaction, when part of it is in the file."""
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN")
    for table in ("experiments", "runs", "tags", "metrics"):
        db.execute(f"DELETE FROM {table}")  # noqa: S608
    os.kill(os.getpid(), signal.SIGKILL)


READERS: dict[str, Callable[[Store], object]] = {
    "is_there": lambda store: is_there(store.database),
    "copy_database": lambda store: copy_database(store.database, store.root / "copy.db"),
    "ended_runs": lambda store: ended_runs(store.database, (store.root / "parent").read_text()),
    "places": lambda store: sorted(places(store.database)),
    "recorded_overview": lambda store: recorded_overview(store.database),
}
"""Whatever reads the database without MLflow."""


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one study, which nothing here has open."""
    store = Store.open(tmp_path_factory.mktemp("kept") / "mlruns")
    writer = FORK.Process(target=write_a_study, args=(store,))
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    inside = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
    with closing(sqlite3.connect(store.database)) as db:
        (parent,) = db.execute(f"SELECT run_uuid FROM runs WHERE run_uuid NOT IN ({inside})").fetchone()  # noqa: S608
    (store.root / "parent").write_text(parent)
    return store.root


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_database_whose_writer_was_killed_is_read_as_it_was_before(
    read: Callable[[Store], object], kept: Path, tmp_path: Path
) -> None:
    shutil.copytree(kept, tmp_path / "mlruns")
    store = Store.open(tmp_path / "mlruns")
    before = read(store)
    writer = FORK.Process(target=die_while_writing, args=(store.database,))
    writer.start()
    writer.join()
    assert store.database.with_name("mlflow.db-journal").stat().st_size > 0
    with (
        closing(sqlite3.connect(f"{store.database.as_uri()}?mode=ro", uri=True)) as db,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        db.execute("SELECT 1 FROM runs")
    assert read(store) == before

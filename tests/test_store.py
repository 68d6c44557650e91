"""The store: made once, moved as a whole, emptied of one study at a time."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from contracts.records import example_record, example_results, example_study_record
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from lossearch.errors import InputError, StoreError, UnknownNameError
from lossearch.records import Store
from lossearch.records import store as store_module
from lossearch.records.curves import write_part
from lossearch.records.mlflow.client import connect, quiet
from lossearch.records.mlflow.database import empty_database, relocate
from lossearch.records.mlflow.overview import NAME as OVERVIEW
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.optuna import open_storage
from lossearch.records.removal import remove_study
from lossearch.records.store import checked_name

FORK = multiprocessing.get_context("fork")


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two small studies, to be copied."""
    store = Store.open(tmp_path_factory.mktemp("recorded") / "here")
    for name in ("one", "two"):
        record(store, name)
    return store.root


def record(store: Store, name: str) -> None:
    store.write_study(example_study_record(name))
    optuna.create_study(storage=open_storage(store, name), study_name=name)
    write_part(store.study_dir(name), "search", 0, example_results(0, 3))
    view = MlflowView(store, name)
    view.open(example_study_record(name))
    view.write_trial(example_record(0))
    view.close()


def test_the_layout_is_as_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open()
    assert store.root == tmp_path / "mlruns"
    assert sorted(p.name for p in store.root.iterdir() if p.name != ".lock") == [
        "artifacts",
        "store.json",
        "studies",
    ]
    assert store.study_dir("a") == tmp_path / "mlruns" / "studies" / "a"
    assert not store.study_dir("a").exists()
    assert store.tracking_uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert store.artifacts == tmp_path / "mlruns" / "artifacts"
    assert json.loads((store.root / "store.json").read_text()) == {"format": 1, "root": str(store.root)}


def test_where_it_is_does_not_follow_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("here")
    monkeypatch.chdir("/")
    assert store.root == tmp_path / "here" == Store.open(tmp_path / "here").root


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store.open(tmp_path / "none", create=False)
    assert str(error.value) == (
        f"No store at {tmp_path}/none: nothing was recorded there. Say where it is with store='DIR'."
    )
    assert not (tmp_path / "none").exists()


def test_a_store_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as error:
        Store.open(tmp_path / "file" / "store")
    assert str(error.value) == (
        f"The store at {tmp_path}/file/store cannot be written: Not a directory. "
        "Name a directory you may write to with store='DIR'."
    )


@pytest.mark.parametrize("sign", ["%", "?"])
def test_a_path_that_no_database_address_carries_is_refused(tmp_path: Path, sign: str) -> None:
    with pytest.raises(StoreError) as error:
        Store.open(tmp_path / f"a{sign}20b")
    assert str(error.value) == (
        f"The store's path {tmp_path}/a{sign}20b contains {sign!r}, which the address of a database cannot carry. "
        "Name another directory with store='DIR'."
    )
    assert not list(tmp_path.iterdir())


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    root = Store.open(tmp_path).root
    (root / "store.json").write_text('{"format": 2, "root": "/x"}')
    with pytest.raises(StoreError) as error:
        Store.open(tmp_path)
    assert str(error.value) == (
        f"The store at {root} has format 2; this lossearch reads up to 1. Upgrade lossearch, or use another store=."
    )


def test_a_damaged_marker_is_named(tmp_path: Path) -> None:
    Store.open(tmp_path)
    (tmp_path / "store.json").write_text("{")
    with pytest.raises(
        StoreError, match=r"store\.json is damaged: .* no study is lost with it\. lossearch\.api\.repair\("
    ):
        Store.open(tmp_path)


def test_a_lock_held_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path)
    monkeypatch.setattr(store_module, "LOCK_SECONDS", 0.05)
    with store.lock("a"), pytest.raises(StoreError) as error, store.lock("a"):
        pass
    assert str(error.value) == (
        f"{store.study_dir('a')} has been locked by another process for 0 s. Wait for it, or end it, and try again."
    )


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("a/b", "a-b"),
        ("", "study"),
        ("../up", "up"),
        (".hidden", "hidden"),
        ("ends.", "ends"),
        ("two words", "two-words"),
        ("con", "con-study"),
        ("LPT1.x", "LPT1.x-study"),
        ("x" * 101, "x" * 100),
        ("größe", "gr-e"),
    ],
)
def test_a_name_that_is_no_directory_is_refused_with_one_that_is(tmp_path: Path, name: str, fit: str) -> None:
    with pytest.raises(InputError) as error:
        Store.open(tmp_path).study_dir(name)
    assert str(error.value) == (
        f"{name!r} cannot name a study. Allowed: up to 100 letters, digits, '_', '-' and '.', a letter or digit first "
        f"and no '.' last. Try {fit!r}."
    )


@given(st.text(max_size=120))
def test_the_name_offered_is_always_fit(name: str) -> None:
    try:
        assert checked_name(name) == name
    except InputError as error:
        offered = str(error).rpartition("Try ")[2].removesuffix(".").strip("'")
        assert checked_name(offered) == offered


def test_studies_are_listed_and_looked_up(recorded: Path, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(recorded, tmp_path / "copy"))
    (store.root / "studies" / "begun").mkdir()
    assert store.studies() == ("one", "two")
    assert store.read_study("one") == example_study_record("one")
    with pytest.raises(UnknownNameError) as error:
        store.read_study("tow")
    assert str(error.value) == (
        f"No study named 'tow'. Did you mean 'two'? Known: one, two. The store is {store.root}."
    )


# moving


def locations(store: Store) -> list[str]:
    with closing(sqlite3.connect(store.database)) as db:
        found = db.execute(
            "SELECT artifact_location FROM experiments UNION ALL SELECT artifact_uri FROM runs"
        )
        return [row[0] for row in found]


@pytest.mark.parametrize("name", ["there", "with space #1 ü_+&", "here2"])
def test_a_moved_store_finds_its_artifacts(recorded: Path, tmp_path: Path, name: str) -> None:
    before = shutil.copytree(recorded, tmp_path / "before" / "here")
    assert Store.open(before).root == before
    store = Store.open(before.rename(tmp_path / name))
    assert len(locations(store)) == 10
    assert all(place.startswith(f"{store.artifacts.as_uri()}/") for place in locations(store))
    client = connect(store, store.tracking_uri)
    experiment = client.get_experiment_by_name("one")
    (parent,) = client.search_runs([experiment.experiment_id], "tags.`lossearch.role` = 'study'")
    with quiet():
        path = client.download_artifacts(parent.info.run_id, "study.toml", str(tmp_path))
    assert Path(path).read_text() == example_study_record("one").config
    # and a study goes on where it was
    view = MlflowView(store, "one")
    view.open(example_study_record("one"))
    assert view.runs.keys() == {("search", 0)}
    view.close()


def test_only_whole_path_components_are_rewritten(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    places = ["/a/x/artifacts/1", "/a/x", "/a/xy/artifacts", "file:///a/x/artifacts/2", "s3://a/x/b", None]
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("CREATE TABLE experiments (artifact_location TEXT)")
        db.executemany("INSERT INTO experiments VALUES (?)", [(p,) for p in places])
    assert relocate(database, Path("/a/x"), Path("/b b/y")) == 3
    with closing(sqlite3.connect(database)) as db:
        found = [row[0] for row in db.execute("SELECT artifact_location FROM experiments")]
    assert found == [
        "/b b/y/artifacts/1",
        "/b b/y",
        "/a/xy/artifacts",
        "file:///b%20b/y/artifacts/2",
        "s3://a/x/b",
        None,
    ]


def test_a_move_that_cannot_be_finished_changes_nothing(recorded: Path, tmp_path: Path) -> None:
    root = shutil.copytree(recorded, tmp_path / "copy")
    (root / "mlflow.db").write_text("no database, though it has the name of one. " * 50)
    marker = (root / "store.json").read_text()
    with pytest.raises(
        StoreError, match=r"could not be rewritten: file is not a database\. Stop whatever has it open"
    ):
        Store.open(root)
    assert (root / "store.json").read_text() == marker


# two at once


def _open_all(folder: Path) -> None:
    empty_database.cache_clear()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    store = Store.open(folder)
    optuna.create_study(storage=open_storage(store, "a"), study_name="a", load_if_exists=True)
    view = MlflowView(store, "a")
    view.open(example_study_record("a"))


@pytest.mark.slow
@pytest.mark.parametrize("repeat", range(2))
def test_four_processes_make_one_store(tmp_path: Path, repeat: int) -> None:
    workers = [FORK.Process(target=_open_all, args=(tmp_path / "store",)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [w.exitcode for w in workers] == [0, 0, 0, 0]
    client = MlflowClient(tracking_uri=Store.open(tmp_path / "store").tracking_uri)
    experiment = client.get_experiment_by_name("a")
    assert len(client.search_runs([experiment.experiment_id])) == 1


# removing


def test_a_removed_study_is_gone_and_the_other_is_whole(recorded: Path, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(recorded, tmp_path / "copy"))
    kept = sorted(p for p in store.study_dir("two").rglob("*"))
    remove_study(store, "one")
    assert store.studies() == ("two",)
    assert sorted(p.name for p in (store.root / "studies").iterdir()) == ["two"]
    assert [p.name.rpartition("-")[0] for p in store.artifacts.iterdir()] == ["two"]
    assert sorted(p for p in store.study_dir("two").rglob("*")) == kept
    client = connect(store, store.tracking_uri)
    assert {e.name for e in client.search_experiments()} == {"Default", OVERVIEW, "two"}
    (overview,) = client.search_experiments(filter_string=f"name = '{OVERVIEW}'")
    assert [r.info.run_name for r in client.search_runs([overview.experiment_id])] == ["two"]
    record(store, "one")
    assert store.studies() == ("one", "two")


def test_removing_what_is_not_there_is_refused(recorded: Path, tmp_path: Path) -> None:
    store = Store.open(shutil.copytree(recorded, tmp_path / "copy"))
    with pytest.raises(UnknownNameError, match=r"^No study named 'three'\."):
        remove_study(store, "three")
    assert store.studies() == ("one", "two")


def test_a_study_in_a_database_is_removed_from_there(tmp_path: Path) -> None:
    store, url = Store.open(tmp_path / "store"), f"sqlite:///{tmp_path}/optuna.db"
    for name in ("one", "two"):
        store.write_study(example_study_record(name))
        optuna.create_study(storage=open_storage(store, name, url), study_name=name)
    remove_study(store, "one", storage_url=url)
    assert optuna.get_all_study_names(open_storage(store, "two", url)) == ["two"]
    assert not store.database.exists(), "removing makes nothing"

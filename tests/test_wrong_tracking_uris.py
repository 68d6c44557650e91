"""Where MLflow cannot be written, that is told at once: nothing waits for what will not come."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lossearch.errors import LossearchError
from lossearch.integrations.tracking import TrialSnapshot, open_run
from lossearch.records.mlflow.client import checked_uri, connect
from lossearch.records.store import Store

WRONG = {
    "a directory that cannot be made": "sqlite:////proc/none/mlflow.db",
    "a directory that cannot be written": "sqlite:////proc/mlflow.db",
    "a file for a directory": "sqlite:///{}/file/mlflow.db",
    "a directory": "sqlite:///{}/folder",
    "no database": "sqlite:///{}/file",
    "a file URI of a missing directory": "sqlite:///file:/nowhere/mlflow.db?uri=true",
    "a path with options": "sqlite:////proc/mlflow.db?timeout=9",
    "a driver and a path": "sqlite+pysqlite:////proc/mlflow.db",
    "a database server that is not there": "postgresql://me:word@127.0.0.1:1/db",
    "another": "mysql+pymysql://me:word@127.0.0.1:1/db",
    "a missing driver": "mysql+nodriver:///db",
    "a host that is not there": "http://no.such.host.invalid:5000",
    "a server that is not there": "http://127.0.0.1:1",
    "an unknown scheme": "nosuch://127.0.0.1/x",
    "no address": "//",
}


def _callback(uri: str, folder: Path) -> None:
    open_run(uri, "trials", "0", TrialSnapshot("val_f1", []))


def _store(uri: str, folder: Path) -> None:
    connect(Store.open(folder / "store"), uri)


@pytest.mark.parametrize("opens", [_callback, _store])
@pytest.mark.parametrize("form", WRONG.values(), ids=WRONG)
def test_a_wrong_tracking_uri_is_told_without_a_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opens: Callable[[str, Path], None], form: str
) -> None:
    (tmp_path / "file").write_text("not a database, and longer than the head of one " * 9)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(LossearchError):
        opens(form.format(tmp_path), tmp_path)
    assert waited == []
    assert {p.name for p in tmp_path.iterdir()} <= {"file", "file.lock", "folder", "store"}


@pytest.mark.parametrize("opens", [_callback, _store])
def test_options_of_a_path_are_no_part_of_the_file_s_name(
    tmp_path: Path, opens: Callable[[str, Path], None]
) -> None:
    opens(f"sqlite:///{tmp_path}/mlflow.db?timeout=9", tmp_path)
    assert not [p for p in tmp_path.iterdir() if "timeout" in p.name]
    with sqlite3.connect(tmp_path / "mlflow.db") as db:
        assert db.execute("SELECT count(*) FROM experiments").fetchone()[0] > 0


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
def test_a_database_in_memory_is_refused(uri: str) -> None:
    with pytest.raises(LossearchError, match="is in memory, and ends with this process"):
        checked_uri(uri)

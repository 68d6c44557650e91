"""Studies on servers that ask for a password, and what others on the machine see of it."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from postgres import Postgres, free_port, postgres

import lossearch
from lossearch import api
from lossearch.cli import invoke
from lossearch.config import make_config
from lossearch.errors import RunFailedError, StoreError
from lossearch.records import Store, patience
from lossearch.records.mlflow.client import reach
from lossearch.records.mlflow.server import start
from lossearch.records.optuna import reach_storage
from lossearch.study.progress import Listener

pytestmark = pytest.mark.slow

PASSWORD = "hunter/ %:'?#@hunter"  # noqa: S105 - of a server made here
WORD = "hunter"
ENCODED = quote(PASSWORD, safe="")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    # not below pytest's own directory, which the server's account may not enter
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder), PASSWORD) as running:
        yield running


@pytest.fixture(autouse=True)
def no_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))


def words(store: Path, server: Postgres, password: str | None = ENCODED) -> list[str]:
    given = ["run", "--data", "circles", "--losses", "bce", "--trials", "5", "--seeds", "1", "--epochs", "1"]
    given += ["--confirm-seeds", "0", "--store", str(store), "--name", "a", "--no-mlflow"]
    return [*given, "--storage", server.url(password)]


@pytest.mark.parametrize("password", ["wrong", None])
def test_a_wrong_password_is_told_within_seconds(server: Postgres, password: str | None) -> None:
    for reached in (reach, reach_storage):
        began = time.monotonic()
        with pytest.raises(StoreError, match="password") as told:
            reached(server.url(password))
        assert time.monotonic() - began < 20
        assert "\n" not in str(told.value)
        assert ("Passwords are not recorded" in str(told.value)) == (password is None)


def test_a_study_is_read_again_with_its_password_alone(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert invoke(words(store, server)) == 0
    report = ["report", "a", "--store", str(store)]
    capfd.readouterr()
    assert invoke(report) == 2
    refused = capfd.readouterr().err
    assert refused.startswith(f"Error: Study 'a' is recorded in {server.url()}, outside of the store, ")
    assert f" say so: --storage {server.url()}.\n" in refused
    report = [*report, "--storage"]
    assert invoke([*report, server.url()]) == 2
    refused = capfd.readouterr().err
    assert refused.startswith(f"Error: The Optuna storage {server.url()} cannot be opened: ")
    assert "give the URL with it, --storage URL, or PGPASSWORD or ~/.pgpass." in refused
    assert "Traceback" not in refused
    assert invoke([*report, server.url(ENCODED)]) == 0
    assert invoke([*report, server.url("wrong")]) == 2
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert invoke([*report, server.url()]) == 0
    assert invoke(words(store, server, None)) == 0
    monkeypatch.delenv("PGPASSWORD")
    assert len(lossearch.load("a", store, storage=server.url(ENCODED)).trials) == 5
    assert invoke(["rm", "a", "--yes", "--store", str(store), "--storage", server.url(ENCODED)]) == 0
    shown = capfd.readouterr()
    kept = "".join(p.read_bytes().decode("latin1") for p in store.rglob("*") if p.is_file())
    assert WORD not in kept + shown.out + shown.err


def test_a_storage_lost_on_the_way_is_a_failed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 1.0)

    class Stopping(Listener):
        def trial_done(self, record, done, total, best, failed):
            server.stop()

    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder), PASSWORD) as server:
        config = make_config(
            {
                "task": {"data": "circles"},
                "space": {"losses": ["bce"]},
                "budget": {"trials": 5, "seeds": 1, "confirm_seeds": 0},
                "train": {"epochs": 1},
                "records": {
                    "store": str(tmp_path / "store"),
                    "storage": server.url(ENCODED),
                    "mlflow": False,
                    "name": "a",
                },
            }
        )
        with pytest.raises(RunFailedError, match="was lost while the study ran: ") as told:
            api.run(config, listener=Stopping())
    assert WORD not in str(told.value)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_neither_side_of_a_tracking_server_keeps_its_password(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    class Watching(Listener):
        def trial_done(self, record, done, total, best, failed):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):  # it has ended meanwhile
                    seen.append(process.read_bytes().decode())

    server = start(Store.open(tmp_path / "server"), port=free_port(), say=lambda _: None)
    try:
        uri = server.url.replace("://", f"://me:{ENCODED}@")
        config = make_config(
            {
                "task": {"data": "circles"},
                "space": {"losses": ["bce"]},
                "budget": {"trials": 5, "seeds": 2, "confirm_seeds": 2},
                "train": {"epochs": 1, "workers": 2},
                "records": {"store": str(tmp_path / "store"), "tracking_uri": uri, "name": "a"},
            }
        )
        result = api.run(config, listener=Watching())
        assert result.run_id is not None
        assert api.sync("a", tmp_path / "store", tracking_uri=uri) == 0
    finally:
        server.stop()
    shown = capfd.readouterr()
    kept = "".join(p.read_bytes().decode("latin1") for p in tmp_path.rglob("*") if p.is_file())
    assert "mlflow" in "".join(seen)
    assert WORD not in kept + shown.out + shown.err + "".join(seen)

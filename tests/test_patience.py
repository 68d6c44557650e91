"""A storage whose server goes away in the middle of a study is waited for; nothing is written twice or by two."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from postgres import Postgres, postgres
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from test_claim import held_by_another

from lossearch import api
from lossearch.config import make_config
from lossearch.errors import RunFailedError, StoreError, StudyRunningError
from lossearch.records import Store, patience
from lossearch.records.claim import claim
from lossearch.records.optuna import open_storage
from lossearch.records.patience import Patience, StorageAwayError
from lossearch.study.progress import Listener

URL = "postgresql://me:hunter2@host/db"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSES", (0.01, 0.02))


def by_optuna(error: Exception) -> StorageInternalError:
    """Return an error as Optuna raises it."""
    found = StorageInternalError("An exception is raised during the commit.")
    found.__cause__ = error
    return found


LOST = OperationalError("select 1", {}, OSError("server closed the connection"))
AWAY = {
    "by Optuna": by_optuna(LOST),
    "by SQLAlchemy": LOST,
    "by the driver": InterfaceError("select 1", {}, OSError("connection already closed")),
    "at its opening": StorageAwayError("cannot be opened"),
}
REFUSED = {
    "a value": by_optuna(DataError("insert", {}, ValueError("value too long"))),
    "a study": StudyRunningError("is being run"),
    "code": ZeroDivisionError(),
}


def failing(*errors: Exception) -> Any:
    """Return a call that raises these in turn, and then returns 7."""
    left = iter(errors)

    def call() -> int:
        for error in left:
            raise error
        return 7

    return call


@pytest.mark.parametrize("error", AWAY.values(), ids=AWAY)
def test_what_is_away_is_asked_again_once_the_study_is_held_again(error: Exception) -> None:
    notes: list[str] = []
    held: list[int] = []
    asked = Patience(URL, lambda: held.append(1), notes.append)
    assert asked(failing(error, error, error)) == 7
    assert len(held) == 3
    (note,) = notes
    assert "postgresql://me@host/db does not answer; it is tried again for 30 s" in note


def test_a_server_that_is_not_there_yet_when_the_study_is_to_be_held_is_waited_for() -> None:
    hold = failing(LOST, LOST)
    assert Patience(URL, hold)(failing(LOST)) == 7
    assert hold() == 7


@pytest.mark.parametrize("error", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("after", [(), (LOST,)])
def test_what_is_refused_is_not_asked_again(error: Exception, after: tuple[Exception, ...]) -> None:
    call = failing(*after, error)
    with pytest.raises(type(error)) as found:
        Patience(URL)(call)
    assert found.value is error
    assert call() == 7


@pytest.mark.parametrize("url", [None, "sqlite:///here.db"])
def test_files_are_not_waited_for(url: str | None) -> None:
    call = failing(LOST)
    with pytest.raises(OperationalError):
        Patience(url)(call)
    assert call() == 7


def test_the_first_error_is_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)
    later = OperationalError("select 1", {}, OSError("connection refused"))
    with pytest.raises(OperationalError) as found:
        Patience(URL)(failing(LOST, *[later] * 1000))
    assert found.value is LOST


@pytest.mark.parametrize("obeyed", [True, False])
def test_what_was_written_without_saying_so_is_not_written_again(obeyed: bool) -> None:
    written: list[int] = []

    def write() -> None:
        first = not tried
        tried.append(1)
        if obeyed or not first:
            written.append(1)
        if first:
            raise LOST

    tried: list[int] = []
    Patience(URL).write(write, written=lambda: bool(written))
    assert written == [1]
    assert len(tried) == (1 if obeyed else 2)


@pytest.fixture
def server() -> Iterator[Postgres]:
    # not below pytest's own directory, which the server's account may not enter
    with tempfile.TemporaryDirectory() as folder, postgres(Path(folder)) as running:
        yield running


class Restarting(Listener):
    """Stops a server after a trial, and starts it again some seconds later; ``then`` is called once it answers."""

    def __init__(self, server: Postgres, after: int) -> None:
        self.server, self.after, self.notes = server, after, list[str]()

    def trial_done(self, record, done, total, best, failed):
        if done == self.after:
            self.server.stop()
            threading.Timer(2.0, self.server.start).start()

    def note(self, text):
        self.notes.append(text)


@pytest.mark.slow
@pytest.mark.parametrize("after", [2, 5])
def test_a_study_goes_on_once_its_storage_answers_again(server: Postgres, tmp_path: Path, after: int) -> None:
    """In its search, and where nothing but its answer is still to be read."""
    found = []
    for where, listener in (("a", Restarting(server, after)), ("b", Restarting(server, 99))):
        tables = {
            "task": {"data": "circles"},
            "space": {"losses": ["bce"]},
            "budget": {"trials": 5, "seeds": 1, "confirm_seeds": 0},
            "train": {"epochs": 1, "workers": 1},
            "records": {"store": str(tmp_path), "storage": server.url(), "mlflow": False, "name": where},
        }
        found.append(api.run(make_config(tables), listener=listener))
        assert any("does not answer" in note for note in listener.notes) is (where == "a")
    storage = open_storage(Store.open(tmp_path), "a", server.url())
    assert [t.number for t in optuna.load_study(study_name="a", storage=storage).trials] == [0, 1, 2, 3, 4]
    assert [r.value for r in found[0].trials] == [r.value for r in found[1].trials]


@pytest.mark.slow
def test_a_lost_connection_is_told_at_once(server: Postgres, tmp_path: Path) -> None:
    """Optuna would write again what the server may have written before it went away."""
    study = optuna.create_study(storage=open_storage(Store.open(tmp_path), "a", server.url()), study_name="a")
    trial = optuna.create_trial(value=1.0)
    study.add_trial(trial)
    server.stop()
    server.start()
    with pytest.raises(StorageAwayError) as told:
        study.add_trial(trial)
    assert "server closed the connection" in str(patience.root_of(told.value))
    study.add_trial(trial)
    assert len(study.trials) == 2


@pytest.mark.slow
def test_a_study_that_was_let_go_by_its_server_is_held_again(server: Postgres, tmp_path: Path) -> None:
    """Two stores stand for two machines that share nothing but the database."""
    here, there = Store.open(tmp_path / "here"), Store.open(tmp_path / "there")
    with claim(here, "one", server.url()) as hold:
        server.stop()
        with pytest.raises(StorageAwayError):
            hold()
        server.start()
        hold()
        with pytest.raises(StudyRunningError), claim(there, "one", server.url()):
            raise AssertionError
        server.stop()
        server.start()
        other = held_by_another(there, server.url())
        with pytest.raises(StudyRunningError, match=f"lossearch {other.pid} "):
            hold()
        other.communicate("")


def test_a_run_whose_study_another_took_has_failed() -> None:
    with (
        pytest.raises(RunFailedError, match=r"could not go on\. Study 'a' is being run"),
        patience.begun(),
    ):
        raise StudyRunningError("Study 'a' is being run by another process.")


def test_a_run_whose_mlflow_server_is_lost_at_its_opening_has_failed() -> None:
    for uri, error in (
        ("http://127.0.0.1:1", StoreError("gone")),
        ("sqlite:///here.db", AWAY["at its opening"]),
    ):
        with pytest.raises(RunFailedError, match="the same call again continues"), patience.tracked(uri):
            raise error


@pytest.mark.parametrize("uri", [None, "sqlite:///here.db"])
def test_a_view_that_is_refused_is_told_as_it_is(uri: str | None) -> None:
    with pytest.raises(StoreError, match="of another study"), patience.tracked(uri):
        raise StoreError("it is of another study")

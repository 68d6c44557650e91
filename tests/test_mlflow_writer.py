"""A study never waits for its MLflow view: one that fails, hangs, is slow or goes away ends and delays nothing."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from contracts.records import example_record, example_study_record
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from proxies import Proxy, serving
from sqlalchemy.exc import SQLAlchemyError

from lossearch.records import Store
from lossearch.records.mlflow.client import connect
from lossearch.records.mlflow.experiment import children
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.mlflow.writer import ViewWriter
from lossearch.records.trial import TrialRecord

N = 12
RECORDS = [example_record(n) for n in range(N)]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.open(tmp_path_factory.mktemp("made"))
    connect(store)
    return store


@pytest.fixture
def proxy(server_url: str) -> Iterator[Proxy]:
    with serving(server_url) as proxy:
        yield proxy


class Study:
    """A study's writer at a server, and what is behind it."""

    def __init__(self, store: Store, name: str, uri: str | None, said: list[str]) -> None:
        self.store, self.name, self.uri = store, name, uri
        self.view = self.open()
        self.writer = ViewWriter(self.view, said.append)

    def open(self) -> MlflowView:
        view = MlflowView(self.store, self.name, self.uri)
        view.open(example_study_record(self.name))
        return view

    def add(self, records: list[TrialRecord]) -> float:
        began = time.monotonic()
        for record in records:
            self.writer.add(record)
        return time.monotonic() - began

    def runs(self, uri: str | None = None) -> list[tuple[int, str]]:
        client = MlflowClient(tracking_uri=uri or self.view.uri)
        found = children(client, str(self.view.experiment_id))
        return sorted((int(r.data.tags["lossearch.trial"]), r.info.status) for r in found)

    def parent(self, uri: str | None = None) -> str:
        status: str = MlflowClient(tracking_uri=uri or self.view.uri).get_run(self.view.run_id).info.status
        return status


@pytest.fixture
def study(
    made_store: Store, proxy: Proxy, said: list[str], request: pytest.FixtureRequest
) -> Iterator[Study]:
    name = re.sub(r"\W+", "-", request.node.name).strip("-")
    study = Study(made_store, name, proxy.url, said)
    yield study
    study.writer.close("failed", seconds=0.0)


ALL = [(n, "FINISHED") for n in range(N)]


def eventually(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_all_is_there_at_the_end_and_no_thread_is_left(
    made_store: Store, said: list[str], request: pytest.FixtureRequest
) -> None:
    before = set(threading.enumerate())
    study = Study(made_store, "plain", None, said)
    assert study.add(RECORDS) < 0.5
    confirmed = [replace(example_record(n), stage="confirm") for n in range(2)]
    study.writer.sync_confirmation(confirmed, lambda _: None)
    study.writer.close("finished", metrics={"trials": float(N)})
    study.writer.close("failed")
    assert sorted(study.runs()) == sorted([*ALL, *ALL[:2]])
    assert study.parent() == "FINISHED"
    assert said == []
    assert set(threading.enumerate()) <= before


def test_runs_appear_while_the_study_goes_on(study: Study, said: list[str]) -> None:
    study.add(RECORDS)
    eventually(lambda: study.runs() == ALL)
    assert study.parent() == "RUNNING"
    study.writer.close("finished")
    assert (study.parent(), said) == ("FINISHED", [])


def test_a_slow_server_delays_nothing_but_the_end(study: Study, proxy: Proxy, said: list[str]) -> None:
    proxy.delay = 0.1
    assert study.add(RECORDS) < 0.5
    study.writer.close("finished")
    proxy.delay = 0.0
    assert (study.runs(), study.parent(), said) == (ALL, "FINISHED", [])


def test_a_wait_that_is_too_long_ends_with_the_study_closed_and_says_what_is_missing(
    study: Study, proxy: Proxy, said: list[str]
) -> None:
    proxy.delay = 0.15
    study.add(RECORDS)
    began = time.monotonic()
    study.writer.close("finished", seconds=3.0)
    assert time.monotonic() - began < 3.5
    proxy.delay = 0.0
    there = len(study.runs())
    assert 0 < there < N
    assert study.parent() == "FINISHED"
    missing = (
        f"MLflow at {proxy.url} has {there} of 12 runs of trials and confirmations. Nothing else is lost: "
        f"write what is missing with `lossearch sync {study.name} --tracking-uri {proxy.url}`."
    )
    assert said == [missing]
    again = study.open()
    assert again.sync(RECORDS, lambda _: None) == N - there
    again.close()
    assert study.runs() == ALL


@pytest.mark.parametrize("fault", ["hanging", "wrong"])
@pytest.mark.parametrize("moment", ["from the start", "midway"])
def test_a_server_that_fails_ends_nothing_and_is_told_once(
    study: Study, proxy: Proxy, said: list[str], fault: str, moment: str, server_url: str
) -> None:
    if moment == "midway":
        study.add(RECORDS[:5])
        eventually(lambda: len(study.runs()) == 5)
    setattr(proxy, fault, True)
    assert study.add(RECORDS[5 * (moment == "midway") :]) < 0.5
    began = time.monotonic()
    study.writer.close("finished", seconds=2.0)
    assert time.monotonic() - began < 2.5
    assert len(study.runs(server_url)) == 5 * (moment == "midway")
    assert study.parent(server_url) == "RUNNING"
    assert 1 <= len(said) <= 2
    assert f"lossearch sync {study.name}" in said[-1]
    # the server is well again: nothing is doubled, whatever it did with what it was asked
    setattr(proxy, fault, False)
    again = study.open()
    again.sync(RECORDS, lambda _: None)
    again.close()
    assert (study.runs(), study.parent()) == (ALL, "FINISHED")


def test_a_server_that_is_away_for_a_while_gets_all_later(
    study: Study, proxy: Proxy, said: list[str]
) -> None:
    proxy.wrong = True
    study.add(RECORDS[:6])
    eventually(lambda: bool(study.view.missed))
    time.sleep(1.5)
    proxy.wrong = False
    study.add(RECORDS[6:])
    study.writer.close("finished")
    assert (study.runs(), study.parent()) == (ALL, "FINISHED")
    assert [text.partition(":")[0] for text in said] == ["MLflow at http"]


def test_a_server_that_is_gone_is_not_waited_for(made_store: Store, server_url: str, said: list[str]) -> None:
    with serving(server_url) as proxy:
        study = Study(made_store, "gone", proxy.url, said)
    study.add(RECORDS)
    began = time.monotonic()
    study.writer.close("finished")
    assert time.monotonic() - began < 12
    assert len(said) == 2


def test_ctrl_c_ends_the_wait(study: Study, proxy: Proxy, said: list[str]) -> None:
    proxy.hanging = True
    study.add(RECORDS)
    timer = threading.Timer(1.0, signal.raise_signal, [signal.SIGINT])
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        study.writer.close("finished")
    assert time.monotonic() - began < 3
    assert f"lossearch sync {study.name}" in said[-1]


def test_a_study_that_is_interrupted_waits_two_seconds_at_most(study: Study, proxy: Proxy) -> None:
    proxy.hanging = True
    study.add(RECORDS)
    began = time.monotonic()
    study.writer.close("killed")
    assert time.monotonic() - began < 2.5


@pytest.mark.parametrize(
    "error",
    [MlflowException("x"), SQLAlchemyError("x"), OSError("x"), KeyError("x"), AssertionError()],
    ids=lambda e: type(e).__name__,
)
def test_whatever_a_view_raises_is_its_own_affair(
    made_store: Store, said: list[str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(made_store, f"raises-{type(error).__name__}", None, said)

    def broken(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("lossearch.records.mlflow.view.trial_row", broken)
        study.add(RECORDS)
        study.writer.close("finished", seconds=8.0)
    assert study.runs() == []
    assert study.parent() == "FINISHED", "its end can be written, its trials cannot"
    assert len(said) == 2

"""A whole `lossearch run` whose MLflow server is slow or lost at any moment: its time, its words, its exit code, its records."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from processes import ended_by
from proxies import Proxy, serving

import lossearch
from lossearch.api import run_study
from lossearch.cli import invoke
from lossearch.records import Store
from lossearch.records.mlflow import client, writer
from lossearch.records.mlflow.experiment import children
from lossearch.study.recorder import StudyRecorder

pytestmark = pytest.mark.usefixtures("undrawn")
WAIT = 3.0
"""Seconds that a run waits for its view here."""
ALONE = 60.0
"""Seconds that a run may take besides, on a busy machine."""
RUN = [
    *("run", "--data", "circles", "--losses", "bce,mse", "--activations", "sigmoid", "--trials", "10", "--seeds", "1"),
    *("--epochs", "1", "--confirm-seeds", "2", "--workers", "1", "--name", "study"),
]  # fmt: skip


@pytest.fixture
def proxy(server_url: str) -> Iterator[Proxy]:
    with serving(server_url) as proxy:
        yield proxy


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> Callable[..., tuple[int, str, str, float]]:
    """Return a function that runs a command at a store of the test's own: exit code, output, messages, seconds."""
    monkeypatch.setattr(writer, "WAIT_SECONDS", WAIT)
    # as a server's experiments are one to a name
    name = re.sub(r"\W+", "-", request.node.name).strip("-")

    def ran(*arguments: str) -> tuple[int, str, str, float]:
        began = time.monotonic()
        code = invoke([name if a == "study" else a for a in (*arguments, "--store", str(tmp_path / "store"))])
        seconds = time.monotonic() - began
        return code, *capfd.readouterr(), seconds

    return ran


def slow(proxy: Proxy, seconds: float = 0.15) -> None:
    """Delay each answer: by so much, a study's run takes longer than is waited for."""
    proxy.delay = seconds


def wrong(proxy: Proxy) -> None:
    proxy.wrong = True


def hang(proxy: Proxy) -> None:
    proxy.hanging = True


def go_down(proxy: Proxy) -> None:
    proxy.shutdown()
    proxy.server_close()


def mend(proxy: Proxy) -> None:
    proxy.delay, proxy.wrong, proxy.hanging = 0.0, False, False
    # calls that hang now are let go, those of a later fault are not
    proxy.released.set()
    proxy.released = threading.Event()


def at(moment: str, do: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do something after the fourth trial, or when all are searched and confirmed."""
    add, confirm = StudyRecorder.add, run_study.confirm_and_judge
    trials = iter(range(1, 1000))

    def added(*arguments: object) -> None:
        add(*arguments)
        if moment == "midway" and next(trials) == 4:
            do()

    def confirmed(*arguments: object) -> None:
        confirm(*arguments)
        if moment == "at the end":
            do()

    monkeypatch.setattr(StudyRecorder, "add", added)
    monkeypatch.setattr(run_study, "confirm_and_judge", confirmed)


def timed(of: type[writer.ViewWriter], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list to which each call of a view's methods, which a study waits for, adds its seconds."""
    seconds: list[float] = []

    def timing(method: Callable[..., None]) -> Callable[..., None]:
        def called(*arguments: object, **named: object) -> None:
            began = time.monotonic()
            method(*arguments, **named)
            seconds.append(time.monotonic() - began)

        return called

    for name in ("add", "sync", "sync_confirmation", "close"):
        monkeypatch.setattr(of, name, timing(getattr(of, name)))
    return seconds


def runs(uri: str, store: Path) -> tuple[str, list[str]]:
    """Return how a study ended, and how its runs did."""
    (name,) = Store.open(store).studies()
    study = Store.open(store).read_study(name)
    assert study.mlflow is not None
    mlflow = MlflowClient(uri)
    found = children(mlflow, study.mlflow.experiment_id)
    return mlflow.get_run(study.mlflow.run_id).info.status, sorted(r.info.status for r in found)


WHOLE = ("FINISHED", ["FINISHED"] * 12)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [go_down, wrong, hang])
def test_a_server_lost_before_the_start_is_told_at_once(
    fault: Callable[[Proxy], None],
    proxy: Proxy,
    run: Callable[..., tuple[int, str, str, float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(proxy)
    calls = 1 + int(client._FOR_CALLS["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
    assert calls * float(client._FOR_CALLS["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 30
    # MLflow's own would be minutes
    monkeypatch.setitem(client._FOR_CALLS, "MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    code, output, said, seconds = run(*RUN, "--tracking-uri", proxy.url)
    assert (code, output) == (2, "")
    assert re.search(rf"^Error: .*{re.escape(proxy.url)}.*--no-mlflow", said, re.MULTILINE)
    assert "Traceback" not in said
    assert seconds < calls * 2 + ALONE
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [slow, wrong, hang, go_down])
@pytest.mark.parametrize("moment", ["midway", "at the end"])
def test_a_run_never_waits_longer_than_it_says_and_sync_writes_the_rest(
    moment: str,
    fault: Callable[[Proxy], None],
    server_url: str,
    run: Callable[..., tuple[int, str, str, float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(server_url) as proxy:
        at(moment, lambda: fault(proxy), monkeypatch)
        waited = timed(writer.ViewWriter, monkeypatch)
        code, output, said, seconds = run(*RUN, "--tracking-uri", proxy.url)
        assert code == 0, said
        assert "bce/sigmoid" in output
        assert sum(waited) < WAIT + 2.0
        assert seconds < WAIT + ALONE
        assert (
            len(lossearch.load(Store.open(tmp_path / "store").studies()[0], tmp_path / "store").trials) == 10
        )
        # a call under way when it gave up may still be obeyed: what is said to be missing may be there
        assert "lossearch sync" in said or runs(server_url, tmp_path / "store") == WHOLE, said
        mend(proxy)
    with serving(server_url, int(proxy.url.rpartition(":")[2])) as again:
        if fault is slow:
            slow(again, 0.05)
        code, output, said, _ = run("sync", "study", "--tracking-uri", again.url)
        assert code == 0, said
    assert runs(server_url, tmp_path / "store") == WHOLE, output


@pytest.mark.slow
@pytest.mark.parametrize("fault", [wrong, hang, go_down])
def test_a_sync_that_cannot_write_all_does_not_end_with_0(
    fault: Callable[[Proxy], None],
    server_url: str,
    run: Callable[..., tuple[int, str, str, float]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(server_url) as proxy:
        at("midway", lambda: wrong(proxy), monkeypatch)
        assert run(*RUN, "--tracking-uri", proxy.url)[0] == 0
        mend(proxy)
        written = iter(range(1, 1000))
        log = MlflowClient.log_batch

        def logged(*arguments: object, **named: object) -> object:
            if next(written) == 5:
                fault(proxy)
            return log(*arguments, **named)

        monkeypatch.setattr(MlflowClient, "log_batch", logged)
        # a server that hangs is waited for as long as its user says
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        code, output, said, seconds = run("sync", "study", "--tracking-uri", proxy.url)
        assert code != 0, output
        assert said.startswith("Error: MLflow at"), said
        assert seconds < 2 * 2 + ALONE
        monkeypatch.undo()
        mend(proxy)
    with serving(server_url, int(proxy.url.rpartition(":")[2])) as again:
        assert run("sync", "study", "--tracking-uri", again.url)[0] == 0
    assert runs(server_url, tmp_path / "store") == WHOLE


@pytest.mark.slow
def test_sync_says_who_runs_a_study_and_that_one_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While another process runs it, and after that was killed."""
    store = ["--store", str(tmp_path / "store")]
    long = [sys.executable, "-m", "lossearch", *RUN, "--epochs", "300", "--trials", "60", *store]
    process = subprocess.Popen(long, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    refused: list[int] = []
    ended, _ = ended_by(
        process, signal.SIGKILL, "[", first=lambda: refused.append(invoke(["sync", "study", *store]))
    )
    assert (ended, refused) == (-signal.SIGKILL, [2])
    said = capsys.readouterr().err
    assert re.search(
        rf"^Error: Study 'study' is being run by process {process.pid} on \S+ \(since .*\)\. Wait for it",
        said,
    ), said
    assert invoke(["sync", "study", *store]) == 0, capsys.readouterr().err
    assert runs(f"sqlite:///{tmp_path}/store/mlflow.db", tmp_path / "store")[0] == "KILLED"

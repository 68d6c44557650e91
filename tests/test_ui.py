"""The MLflow UI on a store: from any directory, on this machine only, gone when it is ended."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from contracts.records import ended, example_record, example_results, example_study_record

from lossearch.cli import invoke
from lossearch.errors import InputError, RunFailedError, StoreError
from lossearch.records import Store
from lossearch.records.curves import mean_curves
from lossearch.records.mlflow import server as server_module
from lossearch.records.mlflow.client import connect
from lossearch.records.mlflow.dashboard import DIVERGED, LEARNING, PAIRS, RATES, TRIALS, View, page
from lossearch.records.mlflow.overview import find_overview, recorded_overview
from lossearch.records.mlflow.server import command, environment, start
from lossearch.records.mlflow.view import MlflowView
from lossearch.report.frames import best_records
from lossearch.training.contract import Outcome


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one study of some trials."""
    store = Store.open(tmp_path_factory.mktemp("recorded") / "a store")
    view = MlflowView(store, "circles")
    study = example_study_record("circles")
    view.open(study)
    records = []
    for n in range(24):
        results = example_results(n)
        record = example_record(n, results)
        if n % 9 == 5:
            record = ended(record, Outcome.DIVERGED, "loss was nan at step 3 (epoch 1, lr 0.9)")
        view.write_trial(record, mean_curves(results))
        records.append(record)
    view.close(best=[*best_records(records, direction=study.task.direction).values()])
    return store.root


@pytest.fixture(scope="module")
def store(recorded: Path) -> Store:
    return Store.open(recorded)


@pytest.fixture(scope="module")
def served(store: Store) -> Iterator[str]:
    """The address of a server of that store, for tests that only ask it."""
    server = start(store, port=_free_port(), say=lambda _: None)
    yield server.url
    server.stop()


def taken_port() -> socket.socket:
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.listen()
    return held


def get(url: str, host: str | None = None) -> bytes:
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body


def ask(url: str, what: str, **fields: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        get(f"{url}/api/2.0/mlflow/{what}?{urllib.parse.urlencode(fields)}")
    )
    return found


ENDINGS: dict[str, tuple[Callable[[int, int], None], int]] = {
    "SIGTERM": (lambda pid, _: os.kill(pid, signal.SIGTERM), 0),
    "SIGHUP": (lambda pid, _: os.kill(pid, signal.SIGHUP), 0),
    "SIGKILL": (lambda pid, _: os.kill(pid, signal.SIGKILL), -signal.SIGKILL),
    "Ctrl-C": (lambda _, terminal: ignore(os.write(terminal, b"\x03")), 0),
    "Ctrl-backslash": (lambda _, terminal: ignore(os.write(terminal, b"\x1c")), -signal.SIGQUIT),
    "the terminal is closed": (lambda _, terminal: os.close(terminal), 0),
}
"""How a command ends: what does it to a process at the terminal behind a descriptor, and the exit code."""


def ignore(_: object) -> None:
    """Give nothing back."""


def at_a_terminal(command: Sequence[str], **more: Any) -> tuple[subprocess.Popen[str], int]:
    """Start a command as the foreground process of a terminal of its own; returns the terminal's other end too."""
    terminal, its_end = pty.openpty()
    code = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], stdin=its_end, stderr=its_end, start_new_session=True, **more
    )
    os.close(its_end)
    return process, terminal


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="terminals and signals of POSIX")
@pytest.mark.parametrize("ending", ENDINGS)
def test_started_from_anywhere_it_serves_artifacts_and_ends_whole(
    recorded: Path, tmp_path: Path, ending: str
) -> None:
    """After a move, from the root directory, in a process of its own, whatever ends it."""
    moved = shutil.copytree(recorded, tmp_path / "moved")
    command = [sys.executable, "-m", "lossearch", "ui", str(moved), "--no-open", "--port", str(_free_port())]
    folders = {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    end, code = ENDINGS[ending]
    process, terminal = at_a_terminal(
        command, cwd="/", stdout=subprocess.PIPE, text=True, env={**os.environ, **folders}
    )
    with process, ExitStack() as stack:
        # what fails here must not wait for it
        stack.callback(process.kill)
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        url = next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        experiment = ask(url, "experiments/get-by-name", experiment_name="circles")["experiment"]
        assert experiment["artifact_location"].startswith(moved.as_uri())
        client = connect(Store.open(moved), Store.open(moved).tracking_uri)
        (parent,) = client.search_runs([experiment["experiment_id"]], "tags.`lossearch.role` = 'study'")
        listed = ask(url, "artifacts/list", run_id=parent.info.run_id)
        assert {f["path"] for f in listed["files"]} == {"study.toml", "study.json"}
        text = get(f"{url}/get-artifact?run_uuid={parent.info.run_id}&path=study.toml").decode()
        assert text == example_study_record("circles").config
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        end(process.pid, terminal)
        assert process.wait(20) == code
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert len(gone) == len(children)
    assert not alive
    assert list(tmp_path.iterdir()) == [moved], "no folder of the server is left"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", int(url.rpartition(":")[2])))


@pytest.mark.slow
def test_a_stranger_s_host_name_is_refused(served: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as error:
        get(f"{served}/api/2.0/mlflow/experiments/search", host="evil.example")
    assert error.value.code == 403
    error.value.close()


def _free_port() -> int:
    with taken_port() as held:
        return int(held.getsockname()[1])


def test_a_taken_port_that_was_asked_for_is_refused(store: Store) -> None:
    with taken_port() as held:
        port = held.getsockname()[1]
        with pytest.raises(InputError) as error:
            start(store, port=port)
    assert str(error.value) == (
        f"Port {port} of 127.0.0.1 is taken or not allowed. Give another --port, or none for the next free one."
    )


def test_a_taken_default_port_gives_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    with taken_port() as held:
        port = held.getsockname()[1]
        monkeypatch.setattr(server_module, "PORT", port)
        found = server_module._port("127.0.0.1", None, said.append)
    assert found > port
    assert said == [f"Port {port} is taken; using {found}."]


def test_all_ports_taken_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as held:
        port = held.getsockname()[1]
        monkeypatch.setattr(server_module, "PORT", port)
        monkeypatch.setattr(server_module, "PORTS_TRIED", 1)
        with pytest.raises(InputError) as error:
            server_module._port("127.0.0.1", None, print)
    assert str(error.value) == f"Ports {port} to {port} of 127.0.0.1 are all taken. Give one with --port."


def test_another_host_needs_to_be_meant(store: Store) -> None:
    with pytest.raises(InputError) as error:
        start(store, host="0.0.0.0")  # noqa: S104
    assert str(error.value) == (
        "--host 0.0.0.0 would let others in. The MLflow UI asks for no password: anyone who reaches it can read and "
        "delete every run. If that is meant, name the hosts it may be asked by: --allowed-hosts NAME."
    )


def test_the_command_is_right_from_anywhere(store: Store) -> None:
    words = command(store, "0.0.0.0", 5577, ["lab"])  # noqa: S104
    options = dict(zip(words[4::2], words[5::2], strict=True))
    assert words[1:4] == ["-m", "mlflow", "server"]
    assert options == {
        "--backend-store-uri": f"sqlite:///{store.root}/mlflow.db",
        "--artifacts-destination": store.artifacts.as_uri(),
        "--host": "0.0.0.0",  # noqa: S104
        "--port": "5577",
        "--workers": "1",
        "--allowed-hosts": "lab,lab:5577,localhost,localhost:5577,127.0.0.1,127.0.0.1:5577",
        "--cors-allowed-origins": "http://lab:5577,http://localhost:5577,http://127.0.0.1:5577",
    }
    assert "--allowed-hosts" not in command(store, "127.0.0.1", 5000)


@pytest.mark.parametrize(
    ("own", "telemetry"),
    [({}, "true"), ({"MLFLOW_DISABLE_TELEMETRY": "false"}, "false"), ({"DO_NOT_TRACK": "false"}, None)],
)
def test_the_child_sends_nothing_unless_its_user_says_so(own: dict[str, str], telemetry: str | None) -> None:
    child = environment({"PATH": "/bin", **own})
    assert child.get("MLFLOW_DISABLE_TELEMETRY") == telemetry
    assert child["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert child["PATH"] == "/bin"
    assert "MLFLOW_SERVER_ENABLE_JOB_EXECUTION" not in os.environ


def test_a_server_that_dies_at_once_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.exit('no such option: --workers')"
    monkeypatch.setattr(server_module, "command", lambda *_: [sys.executable, "-c", code])
    with pytest.raises(RunFailedError) as error:
        start(store, port=_free_port())
    assert str(error.value) == "The MLflow server ended at once. It said:\nno such option: --workers"


@pytest.mark.slow
def test_a_database_of_another_mlflow_is_named_with_what_upgrades_it(recorded: Path, tmp_path: Path) -> None:
    old = Store.open(shutil.copytree(recorded, tmp_path / "old"))
    with closing(sqlite3.connect(old.database)) as db, db:
        db.execute("UPDATE alembic_version SET version_num = 'acf3f17fdcc7'")
    with pytest.raises(StoreError, match=r"was written by another MLflow version .* mlflow db upgrade"):
        start(old, port=_free_port())


def test_the_table_of_all_studies_is_found_without_mlflow_as_with_it(store: Store, tmp_path: Path) -> None:
    client = connect(store, store.tracking_uri)
    assert recorded_overview(store.database) == find_overview(client) is not None
    empty = Store.open(tmp_path / "empty")
    connect(empty)
    assert recorded_overview(empty.database) is None


QUICK = """
import sys
from lossearch.cli import main, records
def said(text, **how):
    print(text, sorted({"torch", "mlflow", "pandas", "optuna"} & sys.modules.keys()), flush=True)
    if ": http" in text:
        print("mlflow" in sys.modules, flush=True)
        raise KeyboardInterrupt
records.echo = said
sys.argv[1:] = ["ui", sys.argv[1], "--no-open", "--port", sys.argv[2]]
main()
"""


@pytest.mark.slow
def test_its_first_word_waits_for_no_import_and_its_page_not_for_mlflow_s(
    recorded: Path, tmp_path: Path
) -> None:
    words = [sys.executable, "-c", QUICK, str(recorded), str(_free_port())]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    first, *_, last = done.stdout.splitlines()
    assert first == f"Starting the MLflow UI of {recorded} ... []"
    assert last == "False", done.stdout + done.stderr


def test_a_server_that_never_answers_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        server_module, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(99)"]
    )
    monkeypatch.setattr(server_module, "READY_SECONDS", 0.5)
    began = time.monotonic()
    with pytest.raises(RunFailedError, match=r"^The MLflow server did not answer in 0 s\."):
        start(store, port=_free_port())
    assert time.monotonic() - began < 10
    assert not [c for c in psutil.Process().children() if "sleep(99)" in " ".join(c.cmdline())]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium here")
@pytest.mark.parametrize(
    ("view", "shown"),
    [
        (TRIALS, {"24 matching runs", "Sort: score", "bce/sigmoid #0", "score"}),
        (PAIRS, {"matching runs", "Sort: score", "score", "val_accuracy_sd"}),
        (LEARNING, {"matching runs", "curve/val_accuracy", "(2)"}),
        (RATES, {"24 matching runs", "Parallel Coordinates", "lr_log10 vs. score", "(2)"}),
        (DIVERGED, {"3 matching runs", "Sort: n_diverged", "lossearch.reason"}),
    ],
)
def test_a_browser_shows_the_ready_views(
    store: Store, served: str, tmp_path: Path, view: View, shown: set[str]
) -> None:
    """The format is MLflow's own and undocumented, so this is what says that it still holds."""
    client = connect(store, store.tracking_uri)
    experiment = client.get_experiment_by_name("circles").experiment_id
    options = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1800,1500",
    ]
    options += [f"--user-data-dir={tmp_path}", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run(
        ["chromium", *options, f"{served}/{page(experiment, view)}"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    text = re.sub(r"<[^>]*>", "", re.sub(r"<(style|script).*?</\1>", "", done.stdout, flags=re.DOTALL))
    assert {words for words in (view.name, *shown) if words not in text} == set()
    assert "Error loading shared view state" not in text


@pytest.mark.parametrize(
    ("words", "place"),
    [([], "mlruns"), (["a b"], "a b"), (["--store", "c"], "c")],
)
def test_a_store_is_named_as_people_think_of_it(
    words: list[str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "lossearch.records.mlflow.server.serve", lambda store, **_: served.append(store.root) or 0
    )
    Store.open(tmp_path / place)
    assert invoke(["ui", *words]) == 0
    assert [root.name for root in served] == [place]


def test_two_stores_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["ui", "a", "--store", "b"]) == 2
    assert "Two stores: a and b. Name one." in capsys.readouterr().err

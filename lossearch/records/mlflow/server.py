"""The MLflow UI on a store: `mlflow server` as a child process, on this machine only unless asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, Any

from lossearch.errors import InputError, RunFailedError
from lossearch.records.mlflow.client import connect
from lossearch.records.mlflow.dashboard import LOSSES, TRIALS, page
from lossearch.records.store import Store

PORT = 5000
PORTS_TRIED = 50
READY_SECONDS = 90.0
STOP_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class Server:
    """A running MLflow server. ``url`` is what a browser on this machine opens."""

    url: str
    process: subprocess.Popen[bytes]
    output: IO[bytes]

    def wait(self) -> int:
        """Wait until the server ends and return its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server and every process it started; return when they are gone."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, sign)
                self.process.wait(STOP_SECONDS)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()
        self.output.close()

    def said(self) -> str:
        """Return the last lines of the server's own output."""
        self.output.seek(0)
        lines = self.output.read().decode(errors="replace").strip().splitlines()
        return "\n".join(lines[-8:])


def serve(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allowed_hosts: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> int:
    """Run the MLflow UI until it is interrupted (SIGINT or SIGTERM), then end it whole.

    Args:
        store: what to show.
        host: the interface to listen on; any but this machine's own needs ``allowed_hosts``.
        port: the port; None for 5000 or the next free one.
        allowed_hosts: names under which browsers may ask for it.
        say: told the address when it answers, the page of each study's trials, and what was changed.

    Returns:
        The exit code: 0 if it was interrupted, else the server's own.

    Raises:
        InputError: the port is taken, or the host would be reachable by others unasked.
        RunFailedError: the server did not start.
    """
    server: Server | None = None
    try:
        with _terminated_is_interrupted():
            server = start(store, host=host, port=port, allowed_hosts=allowed_hosts, say=say)
            say(f"MLflow UI of {store.root}: {server.url}/  (Ctrl-C ends it)")
            for name, (trials, charts) in pages(store).items():
                say(f"  trials of {name}, best first: {server.url}/{trials}")
                say(f"  charts of {name}, by loss: {server.url}/{charts}")
            return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if server is not None:
            server.stop()


def pages(store: Store) -> dict[str, tuple[str, str]]:
    """Return, for each study with MLflow runs of its own store, two pages: its trials, best first, and its charts."""
    found = {}
    for name in store.studies():
        study = store.read_study(name)
        if study.mlflow is not None and study.tracking_uri is None:
            experiment = study.mlflow.experiment_id
            found[name] = (page(experiment, TRIALS), page(experiment, LOSSES))
    return found


def start(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allowed_hosts: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Server:
    """Start the MLflow UI and return when it answers; see :func:`serve`."""
    if host not in _LOOPBACK and not allowed_hosts:
        raise InputError(
            f"--host {host} would let others in. The MLflow UI asks for no password: anyone who reaches it can "
            "read and delete every run. If that is meant, name the hosts it may be asked by: --allowed-hosts NAME."
        )
    # also says in plain words where the database is of another MLflow version
    connect(store)
    free = _port(host, port, say)
    if host not in _LOOPBACK:
        say("Warning: the MLflow UI asks for no password; whoever reaches it can read and delete every run.")
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
    process = subprocess.Popen(  # noqa: S603
        command(store, host, free, allowed_hosts),
        cwd=store.root,
        env=environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    shown = "127.0.0.1" if host in {"0.0.0.0", *_LOOPBACK} else host  # noqa: S104
    server = Server(f"http://{shown}:{free}", process, output)
    try:
        _wait_until_ready(server)
    except BaseException:
        server.stop()
        raise
    return server


def command(store: Store, host: str, port: int, allowed_hosts: Sequence[str] = ()) -> list[str]:
    """Return the command that starts the server; right from any working directory."""
    words = [sys.executable, "-m", "mlflow", "server"]
    words += ["--backend-store-uri", store.tracking_uri, "--artifacts-destination", store.artifacts.as_uri()]
    words += ["--host", host, "--port", str(port), "--workers", "1"]
    if allowed_hosts:
        names = dict.fromkeys([*allowed_hosts, "localhost", "127.0.0.1"])
        # MLflow compares the Host header as it is, port included
        words += ["--allowed-hosts", ",".join(f"{name},{name}:{port}" for name in names)]
        words += ["--cors-allowed-origins", ",".join(f"http://{name}:{port}" for name in names)]
    return words


def environment(current: Mapping[str, str]) -> dict[str, str]:
    """Return the child's environment: no job runner, no telemetry unless the user has decided on it."""
    child = {**current, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    if not {"MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"} & current.keys():
        child["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return child


def _port(host: str, port: int | None, say: Callable[[str], None]) -> int:
    if port is not None:
        if not _free(host, port):
            raise InputError(
                f"Port {port} of {host} is taken or not allowed. Give another --port, or none for the next free one."
            )
        return port
    for candidate in range(PORT, PORT + PORTS_TRIED):
        if _free(host, candidate):
            if candidate != PORT:
                say(f"Port {PORT} is taken; using {candidate}.")
            return candidate
    raise InputError(
        f"Ports {PORT} to {PORT + PORTS_TRIED - 1} of {host} are all taken. Give one with --port."
    )


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return False
    return True


def _wait_until_ready(server: Server) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise RunFailedError(f"The MLflow server ended at once. It said:\n{server.said()}")
        try:
            with direct.open(f"{server.url}/health", timeout=2):
                return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    raise RunFailedError(
        f"The MLflow server did not answer in {READY_SECONDS:.0f} s. It said:\n{server.said()}"
    )


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Make SIGTERM end this process as SIGINT does; only a main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> Any:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""The MLflow UI on a store: `mlflow server` as a child process, on this machine only unless asked."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lossearch._urls import Url
from lossearch.errors import InputError, RunFailedError, StoreError
from lossearch.records.links import refuse_links
from lossearch.records.mlflow import guard
from lossearch.records.mlflow.artifacts import places, require_inside
from lossearch.records.mlflow.client import client_of, have_database, settle_database, telling
from lossearch.records.mlflow.dashboard import OVERVIEW, page
from lossearch.records.mlflow.database import copy_database, naming_damage
from lossearch.records.mlflow.overview import recorded_overview
from lossearch.records.store import Store

PORT = 5000
PORTS_TRIED = 50
READY_SECONDS = 90.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass
class Server:
    """A running MLflow server. ``url`` is what a browser on this machine opens, ``folder`` the empty one that it runs in.

    ``database`` is the file that it shows.

    ``process`` is the server's guard, which ends it and removes the folder when this process is gone.
    """

    url: str
    database: Path
    process: subprocess.Popen[bytes]
    output: IO[bytes]
    folder: tempfile.TemporaryDirectory[str]

    def wait(self) -> int:
        """Wait until the server ends and return its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """End the server and every process it started; return when they are gone."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait()
        # those that are left where the server ended by itself
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.output.close()
        self.folder.cleanup()

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
    artifact_locations: Collection[str] = (),
) -> int:
    """Run the MLflow UI until it is interrupted, then end it whole.

    Args:
        store: what to show.
        host: the interface to listen on; any but this machine's own needs ``allowed_hosts``.
        port: the port; None for 5000 or the next free one.
        allowed_hosts: names under which browsers may ask for it.
        say: told the address when it answers, the page of each study's trials, and what was changed.
        artifact_locations: those outside of the store that may be shown.

    Returns:
        The exit code: 0 if it was interrupted, else the server's own.

    Raises:
        InputError: the port is taken, or the host would be reachable by others unasked.
        StoreError: the database cannot be read, or has artifacts outside of the store that may not.
        RunFailedError: the server did not start.
    """
    server: Server | None = None
    try:
        server = start(
            store,
            host=host,
            port=port,
            allowed_hosts=allowed_hosts,
            say=say,
            artifact_locations=artifact_locations,
        )
        say(f"MLflow UI of {store.root}: {_first_page(server)}  (Ctrl-C ends it)")
        for name, place in pages(store).items():
            say(f"  {name}: {server.url}/{place}")
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if server is not None:
            server.stop()


def _first_page(server: Server) -> str:
    """Return the address of the table of all studies, where there is one."""
    found = recorded_overview(server.database)
    return f"{server.url}/{page(found, OVERVIEW) if found else ''}"


def pages(store: Store) -> dict[str, str]:
    """Return, for each study with MLflow runs of its own store, the page of its pairs; the UI's menu of views has others."""
    found = {}
    for name in store.studies():
        try:
            study = store.read_study(name)
        except StoreError:
            continue  # a damaged study, which other commands tell of
        if study.mlflow is not None and study.tracking_uri is None:
            found[name] = page(study.mlflow.experiment_id)
    return found


def start(
    store: Store,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    allowed_hosts: Sequence[str] = (),
    say: Callable[[str], None] = print,
    artifact_locations: Collection[str] = (),
) -> Server:
    """Start the MLflow UI and return when it answers; see :func:`serve`."""
    if host not in _LOOPBACK and not allowed_hosts:
        raise InputError(
            f"--host {host} would let others in. The MLflow UI asks for no password: anyone who reaches it can "
            "read and delete every run. If that is meant, name the hosts it may be asked by: --allowed-hosts NAME."
        )
    folder = tempfile.TemporaryDirectory(prefix="lossearch-ui-")
    try:
        uri = _database(store, Path(folder.name), artifact_locations, say)
        free = _port(host, port, say)
    except BaseException:
        folder.cleanup()
        raise
    if host not in _LOOPBACK:
        say("Warning: the MLflow UI asks for no password; whoever reaches it can read and delete every run.")
    output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
    process = subprocess.Popen(  # noqa: S603
        # -I: Python imports from where a script is, and there are modules
        [sys.executable, "-I", guard.__file__, folder.name, *command(store, host, free, allowed_hosts, uri)],
        # never the store: Python imports from where it starts
        cwd=folder.name,
        env=environment(os.environ),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    shown = "127.0.0.1" if host in {"0.0.0.0", *_LOOPBACK} else host  # noqa: S104
    server = Server(f"http://{shown}:{free}", Path(uri.removeprefix("sqlite:///")), process, output, folder)
    try:
        _wait_until_ready(server)
    except RunFailedError:
        server.stop()
        # says in plain words why a database cannot be shown; not before, since MLflow's import takes a second
        with naming_damage(store.database):
            client_of(uri)
        raise
    except BaseException:
        server.stop()
        raise
    return server


def _database(store: Store, folder: Path, known: Collection[str], say: Callable[[str], None]) -> Url:
    """Return the URI of the database to show: the store's own, or a copy in a folder where that cannot be written.

    Raises:
        StoreError: it cannot be opened, or has artifacts outside of the store.
    """
    uri = Url(store.tracking_uri)
    if all(os.access(p, os.W_OK) for p in (store.root, store.database) if p.exists()):
        with store.lock():
            settle_database(store)
    else:
        copy = folder / store.database.name
        refuse_links(store.database)
        uri = Url(f"sqlite:///{copy.as_posix()}")
        with naming_damage(store.database), telling(uri):
            if store.database.is_file():
                copy_database(store.database, copy)
        have_database(copy, store.artifacts)
        store.relocate(copy)
        say(f"{store.root} cannot be written: this is a copy, and what is changed in it is not kept.")
    require_inside(store, places(Path(uri.removeprefix("sqlite:///"))), known)
    refuse_links(store.artifacts)
    return uri


def command(
    store: Store, host: str, port: int, allowed_hosts: Sequence[str] = (), uri: str | None = None
) -> list[str]:
    """Return the command that starts the server; right from any working directory.

    ``uri`` is the database, where it is not the store's own.
    """
    words = [sys.executable, "-m", "mlflow", "server"]
    words += ["--backend-store-uri", uri or store.tracking_uri]
    words += ["--artifacts-destination", store.artifacts.as_uri()]
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

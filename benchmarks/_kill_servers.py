"""Servers that are killed and started again: PostgreSQL and MLflow, each with all its processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any, Protocol

import psutil
import uvicorn
from _kill_runs import FORK
from mlflow.server import constants


class Server(Protocol):
    """What can be started, killed and started again under one address."""

    def start(self) -> None:
        """Start it, and return when it answers."""
        ...

    def kill(self) -> None:
        """Kill all its processes at once."""
        ...

    def end(self) -> None:
        """Leave nothing of it."""
        ...


class Postgres:
    """A server in a directory of its own, run by an account that it accepts."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        self.as_whom: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            folder.chmod(0o755)
            shutil.chown(folder, "nobody")
            self.as_whom["user"] = "nobody"
        self._do("initdb", "-D", self.data, "-U", "tester", "-A", "trust", "--no-sync")

    @staticmethod
    def missing() -> str:
        """Return what it needs and is not here, "" where all is."""
        return "" if shutil.which("initdb") else "PostgreSQL's initdb is not on the path"

    def start(self) -> None:
        """Start it; its log of what was not yet in its files is played back first."""
        options = f"-p {self.port} -k {self.data.parent} -c listen_addresses=127.0.0.1"
        # a killed one left its file, and perhaps shared memory that its last child still holds
        for _ in range(50):
            if self._do("pg_ctl", "-D", self.data, "-w", "-o", options, "start", check=False) == 0:
                return
            time.sleep(0.2)
        raise RuntimeError("PostgreSQL does not start again")

    def kill(self) -> None:
        """Kill the postmaster and every process of it."""
        if (file := self.data / "postmaster.pid").exists():
            kill_tree(int(file.read_text().split()[0]))

    def end(self) -> None:
        """Kill it for good."""
        self.kill()

    def new_database(self, name: str) -> str:
        """Make a database and return its URL."""
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", name)
        return f"postgresql+psycopg2://tester@127.0.0.1:{self.port}/{name}"

    def _do(self, *words: Any, check: bool = True) -> int:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run(words, check=check, **quiet, **self.as_whom).returncode


class Mlflow:
    """A tracking server on an sqlite file: MLflow's application, in a process forked off one that has imported it.

    The command `mlflow server` imports MLflow twice whenever it starts, which takes longer than a study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: ForkProcess | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = FORK.Process(target=_serve_mlflow, args=(self.folder, self.port))
        self.process.start()
        # an answer from its database, which it makes where there is none
        asked = f"{self.url}/api/2.0/mlflow/experiments/get?experiment_id=0"
        for _ in range(600):
            try:
                urllib.request.urlopen(asked, timeout=10).close()  # noqa: S310 - our own
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("The MLflow server does not answer")

    def kill(self) -> None:
        """Kill it with the processes that it started."""
        if self.process is not None and self.process.pid is not None:
            kill_tree(self.process.pid)
            self.process.join()

    def end(self) -> None:
        """Kill it for good."""
        self.kill()


class RayCluster:
    """A Ray cluster on this machine: a head, which stays, and a second node, which is killed and started again."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        # nobody else reaches it, and a token would have to be kept somewhere
        self.variables = {"RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "disabled"}
        self.head: subprocess.Popen[bytes] | None = None
        self.node: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start what does not run, and wait until it belongs to the cluster."""
        if self.head is None:
            port = self.address.rpartition(":")[2]
            self.head = self._started(
                "--head", "--port", port, "--include-dashboard", "false", "--num-cpus", "1"
            )
        self.node = self._started("--address", self.address, "--num-cpus", "1")

    def kill(self) -> None:
        """Kill the node with its workers."""
        assert self.node is not None
        kill_tree(self.node.pid)

    def end(self) -> None:
        """Kill all of it."""
        for process in (self.node, self.head):
            if process is not None:
                kill_tree(process.pid)

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        command = [
            str(Path(sys.executable).with_name("ray")),
            "start",
            *words,
            "--block",
            "--disable-usage-stats",
        ]
        process = subprocess.Popen(
            command,
            env=os.environ | self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if b"Ray runtime started" in line:
                # whatever else it says is read, so that it can go on saying it
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return process
        raise RuntimeError("Ray does not start")


def _serve_mlflow(folder: Path, port: int) -> None:
    """Be a tracking server, with what `mlflow server` tells its own by these variables."""
    os.setsid()
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.environ |= {
        constants.BACKEND_STORE_URI_ENV_VAR: f"sqlite:///{folder / 'server.db'}",
        constants.ARTIFACT_ROOT_ENV_VAR: "mlflow-artifacts:/",
        constants.ARTIFACTS_DESTINATION_ENV_VAR: str(folder / "artifacts"),
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
    }
    uvicorn.run("mlflow.server.fastapi_app:app", port=port, log_level="critical")


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, stopped first so that none starts another meanwhile."""
    try:
        root = psutil.Process(pid)
        root.suspend()
        every = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in every:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    # seen, not waited for: how a child of ours ended is for its owner to read
    while any(map(_lives, every)):
        time.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    """Return a port of this machine that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A throwaway PostgreSQL server on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Postgres:
    """A running server with a user ``tester`` and a database ``postgres``."""

    data: Path
    port: int

    def url(self, password: str | None = None, database: str = "postgres") -> str:
        login = "tester" if password is None else f"tester:{password}"
        return f"postgresql+psycopg2://{login}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.data.parent} -c listen_addresses=127.0.0.1"
        command = ["pg_ctl", "-D", self.data, "-w", "-o", options, "start"]
        subprocess.run(command, check=True, **_quiet(self.data.parent))

    def stop(self) -> None:
        command = ["pg_ctl", "-D", self.data, "-m", "immediate", "stop"]
        subprocess.run(command, check=False, **_quiet(self.data.parent))


@contextmanager
def postgres(folder: Path, password: str | None = None) -> Iterator[Postgres]:
    """Start a server that asks for the password, where there is one. Skips the test where there is no server."""
    pytest.importorskip("psycopg2")
    if shutil.which("initdb") is None:
        pytest.skip("no PostgreSQL server here")
    if os.geteuid() == 0:
        folder.chmod(0o755)
        shutil.chown(folder, "nobody")
    data, port = folder / "data", free_port()
    how = ["-A", "trust"]
    if password is not None:
        file = folder / "password"
        file.write_text(f"{password}\n")
        file.chmod(0o644)
        how = ["-A", "scram-sha-256", f"--pwfile={file}"]
    subprocess.run(["initdb", "-D", data, "-U", "tester", *how], check=True, **_quiet(folder))
    server = Postgres(data, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quiet(folder: Path) -> dict[str, object]:
    account = {"user": "nobody"} if os.geteuid() == 0 else {}
    return {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **account}

"""Runs of `lossearch` that are processes of their own, and what is left of them."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

FORK = multiprocessing.get_context("fork")
MARK = "LOSSEARCH_KILL"
"""The environment variable by which processes are known as those of a kill."""
_WORKER = "lossearch.training.workers.worker"
_TOLD = re.compile(r"^\[(\d+)/\d+\]", re.MULTILINE)
_IMPORTED = (
    "lossearch.api.run_study", "lossearch.api.report_sources", "lossearch.report.sections", "lossearch.report.markdown",
    "lossearch.report.html", "lossearch.training.population.train_chunk", "lossearch.cli", "lossearch.study.importance",
    "mlflow.store.tracking.sqlalchemy_store", "mlflow.tracking", "optuna.importance", "pyarrow.dataset", "opda",
    "mlflow.server.fastapi_app", "sklearn.datasets", "psycopg2", "pytorch_lightning.trainer", "optuna_dashboard._app",
    "lossearch.training.plain.train", "safetensors.torch",
)  # fmt: skip


def import_first() -> None:
    """Do once for all that are forked off this process what takes longer than they do: imports, an empty database."""
    for name in _IMPORTED:
        import_module(name)
    from lossearch.records.mlflow.database import empty_database

    empty_database()


def draw_first(root: Path, name: str) -> None:
    """Draw the report of a study once, likewise; no connection is left open, and nothing is trained."""
    import lossearch

    with tempfile.TemporaryDirectory() as folder:
        lossearch.load(name, root).save(Path(folder))


@dataclass
class Run:
    """One call of the command line in a forked process, whose output goes to files."""

    words: Sequence[str]
    folder: Path
    mark: str
    variables: Mapping[str, str] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        for name in ("output", "errors"):
            # there whenever it is killed
            (self.folder / name).touch()
        self.process = FORK.Process(
            target=_call, args=(self.words, self.folder, {MARK: self.mark, **self.variables})
        )
        self.process.start()

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.process.exitcode is not None

    def wait_until(self, moment: float, until: Callable[[], object] = lambda: False) -> None:
        """Wait until so many seconds after its start, until it ends, or until something is so."""
        while time.monotonic() < self.begun + moment and not self.ended and not until():
            time.sleep(0.02)

    def wait(self, seconds: float = 240.0) -> int | None:
        """Wait for its end and return its exit code; None, and it is killed, where that takes longer."""
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
        return code

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes that live."""
        try:
            return [p for p in psutil.Process(self.pid).children() if any(_WORKER in w for w in _words_of(p))]
        except psutil.NoSuchProcess:
            return []

    def output(self) -> str:
        """Return what it wrote to standard output."""
        return (self.folder / "output").read_text()

    def said(self) -> str:
        """Return what it wrote to standard error."""
        return (self.folder / "errors").read_text()

    def first_told(self) -> int:
        """Return the number of the first trial that it said to be done, counted from 1; 0 where it said none."""
        return next(iter(map(int, _TOLD.findall(self.said()))), 0)

    def told(self) -> int:
        """Return how many trials it had said to be done."""
        return max(map(int, _TOLD.findall(self.said())), default=0)


def _words_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _call(words: Sequence[str], folder: Path, variables: Mapping[str, str]) -> None:
    os.setsid()
    for number, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(folder / name, os.O_WRONLY), number)
    (folder / "tmp").mkdir()
    os.environ |= {**variables, "TMPDIR": str(folder / "tmp")}
    tempfile.tempdir = None
    os.chdir(folder)
    from lossearch.cli import invoke

    sys.exit(invoke(words))


def left(mark: str, seconds: float = 10.0) -> list[str]:
    """Return the processes of a kill that still live, after so many seconds at most."""
    deadline = time.monotonic() + seconds
    while (
        found := [p for p in psutil.process_iter() if _mark_of(p) == mark]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"process {p.pid} is left: {' '.join(_words_of(p))[:80]}" for p in found]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else process.environ().get(MARK)
    except psutil.Error:
        return None


def forked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, so that no connection that it opens is there when the next is forked."""
    with FORK.Pool(1) as pool:
        return pool.apply(function, arguments)

"""The process of one worker, as the pool sees it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO

from lossearch.tasks import Task
from lossearch.training.worker import Answer, Job, Recipe

_CODE = "import sys; sys.path[:] = {!r}; from lossearch.training.worker import main; main({})"


class UnableError(Exception):
    """Workers cannot do this; the message says why."""


@dataclass(eq=False)
class Worker:
    """A process and the connection to it. ``index`` is the job it has, if any."""

    process: subprocess.Popen[bytes]
    connection: Connection
    errors: IO[bytes]
    ready: bool = False
    index: int | None = None

    @classmethod
    def start(cls, recipe: Recipe) -> Worker:
        """Start a process that makes the task; it says when it is ready."""
        ours, theirs = Pipe()
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-c", _CODE.format(sys.path, theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(theirs.fileno(),),
            # Ctrl-C in a terminal goes to the parent alone, which then ends its workers
            start_new_session=True,
        )
        theirs.close()
        worker = cls(process, ours, errors)
        with suppress(OSError):  # one that died already is noticed when it is next heard
            ours.send(recipe)
        return worker

    def take(self, index: int, job: Job) -> None:
        """Begin a job; a worker that has died is noticed when it is next heard."""
        self.index = index
        with suppress(OSError):
            self.connection.send(job)

    def hear(self) -> Answer | None:
        """Return what it says, None where it has died."""
        try:
            answer: Answer = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.index = None
        return answer

    def welcome(self, answer: Answer, task: Task) -> None:
        """Check the first words of a worker: that it made the same task."""
        if answer.cannot:
            raise UnableError(f"a worker cannot make the task ({answer.cannot})")
        if answer.digest != task.digest:
            raise UnableError("workers make another task than this one from its recipe")
        self.ready = True

    def end(self) -> None:
        """Kill it and close what joins us."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.connection.close()
        self.errors.close()

    def obituary(self) -> str:
        """Return how it died, from its exit code and the last line it wrote."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            code = 0
        self.errors.seek(0)
        last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        hint = " (out of memory?)" if code == -9 else ""
        return how + hint + "".join(f": {line}" for line in last)

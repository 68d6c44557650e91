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

from lossearch.tasks.task import Task
from lossearch.training.workers.worker import Answer, Recipe, Work

_CODE = "import sys; sys.path[:] = {!r}; from lossearch.training.workers.worker import main; main({})"


class UnableError(Exception):
    """Workers cannot do this; the message says why."""


@dataclass(eq=False)
class Worker:
    """A process and the connection to it. ``index`` is the job it has, if any."""

    process: subprocess.Popen[bytes]
    connection: Connection
    errors: IO[bytes]
    told: bool = False
    ready: bool = False
    index: int | None = None

    @classmethod
    def start(cls) -> Worker:
        """Start a process. It says when it is there, is told what the task is, and says when it has it."""
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
        return cls(process, ours, errors)

    def take(self, index: int, work: Work) -> None:
        """Begin some work; a worker that has died is noticed when it is next heard."""
        self.index = index
        self._say(work)

    def _say(self, words: Work | Recipe) -> None:
        with suppress(OSError):
            self.connection.send(words)

    def hear(self) -> Answer | None:
        """Return what it says, None where it has died."""
        try:
            answer: Answer = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.index = None
        return answer

    def welcome(self, answer: Answer, recipe: Recipe, task: Task) -> None:
        """Tell a worker what the task is, then check that it made the same.

        Raises:
            UnableError: it did not.
        """
        if answer.cannot:
            raise UnableError(f"a worker cannot make the task ({answer.cannot})")
        if not self.told:
            self._say(recipe)
            self.told = True
            return
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

"""The process of one worker, as its group sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe, current_process
from multiprocessing.connection import Connection
from typing import IO

from lossearch.tasks.task import Task
from lossearch.training.workers.devices import VISIBLE
from lossearch.training.workers.executor import WorkersUnavailableError
from lossearch.training.workers.roster import Assigned
from lossearch.training.workers.worker import Job, MakeTask, Response

_CODE = "import sys; sys.path[:] = {!r}; from lossearch.training.workers.worker import main; main({})"


@dataclass(eq=False)
class Worker:
    """A process and the connection to it. ``job`` is the number of the one it has, if any."""

    process: subprocess.Popen[bytes]
    connection: Connection
    errors: IO[bytes]
    gpu: str | None = None
    task_sent: bool = False
    ready: bool = False
    job: int | None = None
    assigned: Assigned | None = None
    """What it has, for those who look on."""

    @classmethod
    def start(cls, gpu: str | None = None) -> Worker:
        """Start a process that sees one GPU, or all. It says when it is there, is told what the task is, and says when it has it."""
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
            env=None if gpu is None else {**os.environ, VISIBLE: gpu},
        )
        theirs.close()
        return cls(process, ours, errors, gpu)

    def assign(self, number: int, job: Job) -> None:
        """Begin a job; that a worker has died is noticed when it is next received from."""
        self.job = number
        gpu = "" if self.gpu is None else f" on GPU {self.gpu}"
        self.assigned = Assigned.of(f"process {self.process.pid}{gpu}", job)
        self._send(job)

    def _send(self, message: Job | MakeTask | bytes) -> None:
        with suppress(OSError):
            self.connection.send(message)

    def receive(self) -> Response | None:
        """Return what it has sent, None where it has died."""
        try:
            response: Response = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.job = self.assigned = None
        return response

    def set_up(self, response: Response, make_task: MakeTask, task: Task) -> None:
        """Tell a worker what the task is, then check that it made the same.

        Raises:
            WorkersUnavailableError: it did not.
        """
        if response.unable:
            raise WorkersUnavailableError(f"a worker cannot make the task ({response.unable})")
        if not self.task_sent:
            # tensors travel by shared memory, which is given to those who know the key
            self._send(bytes(current_process().authkey))
            self._send(make_task)
            self.task_sent = True
            return
        if response.digest != task.digest:
            raise WorkersUnavailableError("the task that workers make is not this one")
        self.ready = True

    def end(self) -> None:
        """Kill it and close what joins us."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.connection.close()
        self.errors.close()

    def exit_reason(self) -> str:
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

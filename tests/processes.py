"""Processes that are sent a signal in the middle of what they do."""

from __future__ import annotations

import subprocess
import time


def ended_by(process: subprocess.Popen[str], number: int, at: str, *, after: float = 0.0) -> tuple[int, str]:
    """Send a signal so many seconds after a line of standard error begins with ``at``.

    Returns the exit code, and what was still written to standard error.
    """
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(at):
            break
    time.sleep(after)
    process.send_signal(number)
    rest = process.stderr.read()
    return process.wait(120), rest

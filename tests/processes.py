"""Processes that are sent a signal in the middle of what they do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def ended_by(
    process: subprocess.Popen[str],
    number: int,
    at: str,
    *,
    after: float = 0.0,
    first: Callable[[], None] = lambda: None,
) -> tuple[int, str]:
    """Send a signal so many seconds after a line of standard error begins with ``at``, and after what is done ``first``.

    Returns the exit code, and what was still written to standard error.
    """
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(at):
            break
    time.sleep(after)
    first()
    process.send_signal(number)
    rest = process.stderr.read()
    return process.wait(120), rest

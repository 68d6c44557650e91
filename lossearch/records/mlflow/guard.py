"""Runs a server that does not outlive whoever started it, however that one ends. A script: nothing of lossearch is imported.

Started as ``python guard.py FOLDER COMMAND...`` in a process group of its own, with a pipe for standard input.
The system closes the pipe's other end when its holder dies, by SIGKILL too; then the group ends and FOLDER goes.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

STOP_SECONDS = 5.0
"""How long the group may take to end by itself."""
_POLL_SECONDS = 0.2


def main(folder: str, *command: str) -> int:
    """Run the command until it ends, and return its exit code; end it with the pipe."""
    # a handler, which the command does not inherit as it would SIG_IGN
    signal.signal(signal.SIGTERM, lambda *_: None)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603

    while child.poll() is None:
        if select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            os.killpg(0, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                child.wait(STOP_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)
            os.killpg(0, signal.SIGKILL)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""Signals that ask a command to end: its records are closed, and its exit code says what ended it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from lossearch._process import interrupts_heard
from lossearch.errors import SignalledError, signal_exit_code

INTERRUPTED = signal_exit_code(signal.SIGINT)
"""Exit code of a command ended by Ctrl-C."""
_ENDING = ("SIGTERM", "SIGHUP")
_PATIENCE = 5.0
"""Seconds in which a further signal adds nothing: they often come in twos, and the records are being closed."""


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is under way as Ctrl-C does, unless somebody handles or ignores them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    asked = -math.inf

    def end(number: int, _: FrameType | None) -> None:
        nonlocal asked
        if time.monotonic() - asked >= _PATIENCE:
            asked = time.monotonic()
            raise SignalledError(number)

    def forget() -> None:
        nonlocal asked
        asked = -math.inf

    try:
        for number in ours:
            signal.signal(number, end)
        with interrupts_heard(forget):
            yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def exit_code(ending: BaseException | None) -> int:
    """Return the exit code of a command that Ctrl-C or another signal ended."""
    return signal_exit_code(ending.number) if isinstance(ending, SignalledError) else INTERRUPTED

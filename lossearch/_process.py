"""The state of the caller's process, which is the same after a call as before it."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lossearch.errors import SignalledError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.05
"""After which a signal is sent again whose exception was lost."""


@contextmanager
def left_as_it_was() -> Iterator[None]:
    """Undo what libraries do to a process when they are imported or called.

    That is new environment variables, warning filters and their format, draws from Python's random state and a start method of
    multiprocessing. All of them are one to a process: of two threads one would restore the other's.
    """
    names, state, form = set(os.environ), random.getstate(), warnings.formatwarning
    method = multiprocessing.get_start_method(allow_none=True)
    with warnings.catch_warnings():
        # what tqdm says in a notebook when Optuna imports it, of a progress bar that is not shown
        warnings.filterwarnings("ignore", message="IProgress not found")
        try:
            yield
        finally:
            for name in os.environ.keys() - names:
                del os.environ[name]
            random.setstate(state)
            warnings.formatwarning = form
            if multiprocessing.get_start_method(allow_none=True) != method:
                multiprocessing.set_start_method(method, force=True)


@contextmanager
def unless_set(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside that the user has not set."""
    added = {k: v for k, v in variables.items() if k not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def handlers_kept() -> Iterator[None]:
    """Put back the handlers of signals that a library sets of its own accord inside."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # a handler that is not Python's cannot be put back, nor set by Python inside
    before = {n: h for n in signal.valid_signals() if (h := signal.getsignal(n)) is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@dataclass(frozen=True)
class _Unraisable:
    """A hook for exceptions that nobody can catch: of those that end the process the signal is sent again."""

    before: Callable[[UnraisableHookArgs], object]
    lost: Callable[[], object]
    waiting: list[threading.Timer] = field(default_factory=list)

    def __call__(self, found: UnraisableHookArgs) -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            self.before(found)
            return
        self.lost()
        value = found.exc_value
        number = value.number if isinstance(value, SignalledError) else signal.SIGINT
        again = threading.Timer(AGAIN_SECONDS, os.kill, (os.getpid(), number))
        again.daemon = True
        self.waiting.append(again)
        again.start()


@contextmanager
def interrupts_heard(lost: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Lose no Ctrl-C inside: Python drops an exception that a signal raises in a finaliser, and goes on.

    ``lost`` is called before the signal is sent again.
    """
    before = sys.unraisablehook
    if isinstance(before, _Unraisable):
        yield
        return
    sys.unraisablehook = hook = _Unraisable(before, lost)
    try:
        yield
    except BaseException:
        # what ends already is not ended again, in the middle of closing
        for again in hook.waiting:
            again.cancel()
        raise
    finally:
        sys.unraisablehook = before

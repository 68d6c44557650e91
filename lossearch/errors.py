"""The errors a user can meet, each with the exit code the command line gives it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from typing import Any

from lossearch._urls import hidden


class LossearchError(Exception):
    """Base of every error raised on purpose; ``str()`` of it is one message for the user.

    Example:
        >>> import lossearch
        >>> try:
        ...     lossearch.criterion("hinge/sigmoid")
        ... except lossearch.LossearchError as error:
        ...     print(type(error).__name__, error.exit_code)
        IllegalPairError 2
    """

    exit_code = 1

    def __init__(self, *args: Any) -> None:
        """Keep the message, without the passwords of URLs in it."""
        super().__init__(*(hidden(a) if isinstance(a, str) else a for a in args))

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InputError(LossearchError, ValueError):
    """What was asked for cannot be done; the message says what came, what is allowed, what to do.

    Example:
        >>> import lossearch
        >>> try:
        ...     lossearch.criterion("focal/sigmoid", gamma=-1.0)
        ... except lossearch.InputError as error:
        ...     print(error)
        focal: gamma must lie between 0 and 100; got -1.
    """

    exit_code = 2


class UnknownNameError(InputError, KeyError):
    """A name that is in no table."""


class IllegalPairError(InputError):
    """A loss met an activation or a target it is not defined on.

    Example:
        >>> import lossearch
        >>> try:
        ...     lossearch.criterion("bce/identity")
        ... except lossearch.IllegalPairError as error:
        ...     print(str(error).partition(".")[0])
        bce/identity: bce takes a number between 0 and 1; identity gives any real number
    """


class StudyMismatchError(InputError):
    """A study of this name exists and was declared differently."""


class StoreError(InputError):
    """The store cannot be opened, read or written."""


class DamagedError(StoreError):
    """A record is missing, or holds something else than what was written.

    ``path`` is its file, ``fault`` says what is wrong with it; the message says what to do besides.
    """

    def __init__(self, path: Path, fault: str, remedy: str) -> None:
        super().__init__(f"{path} {fault}. {remedy}")
        self.path, self.fault = path, fault


class StudyRunningError(StoreError):
    """Another process runs a study of this name."""


class RunFailedError(LossearchError, RuntimeError):
    """A study began and could not give an answer.

    Example:
        >>> import lossearch
        >>> try:
        ...     result = lossearch.load("circles").model
        ... except lossearch.RunFailedError as error:  # as where every trial failed
        ...     print(error)
    """


class TerminatedError(LossearchError):
    """A signal asked the process to end; ``exit_code`` is what shells make of it.

    Example:
        >>> import signal, lossearch
        >>> lossearch.TerminatedError(signal.SIGTERM).exit_code
        143
    """

    def __init__(self, number: int) -> None:
        super().__init__(
            f"{Signals(number).name} asked the process to end. What is done is kept; the same call again continues."
        )
        self.exit_code = signal_exit_code(number)


class SignalledError(KeyboardInterrupt):
    """A signal has asked the process to end: this passes through whatever is under way, as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(Signals(number).name)
        self.number = number


def signal_exit_code(number: int) -> int:
    """Return the exit code of a process that a signal ended."""
    return 128 + number


def refuse(problems: Sequence[str], error: type[InputError] = InputError) -> None:
    """Raise one error that lists every problem; do nothing where there is none."""
    if len(problems) == 1:
        raise error(problems[0])
    if problems:
        raise error("\n".join([f"{len(problems)} problems:", *(f"  - {p}" for p in problems)]))

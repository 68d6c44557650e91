"""The errors a user can meet, each with the exit code the command line gives it."""

from __future__ import annotations

from collections.abc import Sequence
from signal import Signals


class LossearchError(Exception):
    """Base of every error raised on purpose; ``str()`` of it is one message for the user."""

    exit_code = 1

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class InputError(LossearchError, ValueError):
    """What was asked for cannot be done; the message says what came, what is allowed, what to do."""

    exit_code = 2


class UnknownNameError(InputError, KeyError):
    """A name that is in no table."""


class IllegalPairError(InputError):
    """A loss met an activation or a target it is not defined on."""


class StudyMismatchError(InputError):
    """A study of this name exists and was declared differently."""


class StoreError(InputError):
    """The store cannot be opened, read or written."""


class RunFailedError(LossearchError, RuntimeError):
    """A study began and could not give an answer."""


class TerminatedError(LossearchError):
    """A signal asked the process to end; ``exit_code`` is what shells make of it."""

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

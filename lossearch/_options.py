"""What an option is called in messages: a parameter where Python asks, a flag on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_COMMAND: ContextVar[bool] = ContextVar("command", default=False)


_FLAGS = {"time": "time-column", "timeout": "time"}
"""Parameters whose flags have other names. The tables of the study file say so, which stand above this."""


def either(python: str, command: str) -> str:
    """Return the words for those who call from Python, or for those at the command line."""
    return command if _COMMAND.get() else python


def option(name: str, value: float | str | None = None) -> str:
    """Return how whoever asked writes an option of ``lossearch.search``, with a value where one is given.

    Example:
        >>> option("trials", 40), option("mlflow", False), option("tracking_uri")
        ('trials=40', 'mlflow=False', 'tracking_uri=')
        >>> with on_the_command_line():
        ...     option("trials", 40), option("mlflow", False), option("tracking_uri")
        ('--trials 40', '--no-mlflow', '--tracking-uri')
    """
    flag = _FLAGS.get(name, name).replace("_", "-")
    if isinstance(value, bool):
        return either(f"{name}={value}", f"--{flag}" if value else f"--no-{flag}")
    return (
        either(f"{name}=", f"--{flag}")
        if value is None
        else either(f"{name}={value!r}", f"--{flag} {shlex.quote(str(value))}")
    )


@contextmanager
def on_the_command_line() -> Iterator[None]:
    """Speak of flags inside."""
    before = _COMMAND.set(True)
    try:
        yield
    finally:
        _COMMAND.reset(before)

"""Options that several commands share, and types of option values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130
"""Exit code of a command ended by Ctrl-C."""


def debug_option(command: F) -> F:
    """Add --debug, which :func:`lossearch.cli.invoke` reads."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks.")(command)


def format_option(command: F) -> F:
    """Add --format table|json."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="How the answer is written to standard output.",
    )(command)


def store_option(command: F) -> F:
    """Add --store DIR."""
    return click.option(
        "--store", default="mlruns", show_default=True, metavar="DIR", help="Where the records are."
    )(command)


class LearningRateType(click.ParamType[Any]):
    """One number, or LOW:HIGH."""

    name = "low:high"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | tuple[float, float]:
        """Return a number or a pair of numbers; click's usage error where there is none."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        try:
            numbers = [float(part) for part in value.split(":")]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2):
            self.fail(f"{value!r} is neither a number nor LOW:HIGH, as in 1e-3:1.", param, ctx)
        return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


class SettingType(click.ParamType[Any]):
    """KEY=VALUE."""

    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Return key and value; click's usage error where there is no equals sign."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            self.fail(f"{value!r} is not of the form key=value, as in train.epochs=100.", param, ctx)
        return key.strip(), text.strip()

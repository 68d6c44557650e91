"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


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

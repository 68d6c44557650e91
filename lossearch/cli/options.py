"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lossearch.cli.completion import study_names

F = TypeVar("F", bound=Callable[..., Any])


def study_argument(command: F) -> F:
    """Add NAME, of a study."""
    return click.argument("name", shell_complete=study_names)(command)


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


def trust_option(command: F) -> F:
    """Add --trust NAME."""
    return click.option(
        "--trust",
        multiple=True,
        metavar="NAME",
        help="Run this code (module:function) that the records name. Repeatable.",
    )(command)


def store_option(command: F) -> F:
    """Add --store DIR."""
    return click.option(
        "--store", default="mlruns", show_default=True, metavar="DIR", help="Where the records are."
    )(command)


def storage_option(command: F) -> F:
    """Add --storage URL."""
    return click.option(
        "--storage",
        metavar="URL",
        help="The study's Optuna storage again, where that is outside of the store: no other is opened.",
    )(command)


def storages_option(command: F) -> F:
    """Add --storage URL, of several studies."""
    return click.option(
        "--storage",
        multiple=True,
        metavar="URL",
        help="An Optuna storage of these studies outside of the store: no other is opened. Repeatable.",
    )(command)


def tracking_option(command: F) -> F:
    """Add --tracking-uri URI."""
    return click.option(
        "--tracking-uri",
        metavar="URI",
        help="The study's MLflow server again, where that is outside of the store: no other is opened.",
    )(command)

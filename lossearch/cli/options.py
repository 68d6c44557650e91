"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lossearch.cli.completion import study_names
from lossearch.errors import InputError
from lossearch.kinds import KINDS

F = TypeVar("F", bound=Callable[..., Any])


def study_argument(command: F) -> F:
    """Add NAME, of a study."""
    return click.argument("name", shell_complete=study_names)(command)


def studies_argument(command: F) -> F:
    """Add NAME..., of one study or several, each once."""
    return click.argument(
        "names",
        nargs=-1,
        required=True,
        metavar="NAME...",
        callback=lambda _, __, names: tuple(dict.fromkeys(names)),
        shell_complete=study_names,
    )(command)


def task_option(what: str) -> Callable[[F], F]:
    """Add [KIND] and --task KIND, which mean the same, as ``task``; ``what`` a kind of task has."""

    def add(command: F) -> F:
        kinds = click.Choice(list(KINDS))
        named = click.option(
            "--task", type=kinds, help=f"The same as KIND: only the {what} of this kind of task."
        )
        return click.argument("kind", required=False, type=kinds, metavar="[KIND]")(named(command))

    return add


def the_task(kind: str | None, task: str | None) -> str | None:
    """Return the kind of task that was named by ``[KIND]`` or by ``--task``, None where none was.

    Raises:
        InputError: both name one, and not the same.
    """
    if None not in (kind, task) and kind != task:
        raise InputError(f"Two kinds of task: {kind} and {task}. Name one.")
    return kind or task


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

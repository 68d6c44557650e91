"""What the commands write: tables for people, JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table


def show(*parts: RenderableType) -> None:
    """Write renderables and lines of text to standard output."""
    from lossearch.api.progress import console

    out = console()
    for part in parts:
        out.print(part)


def echo(text: str, *, err: bool = False) -> None:
    """Write a line as it is, but for what would steer a terminal."""
    import click

    from lossearch._text import printable

    click.echo(printable(text), err=err)


def write_json(value: Any, stream: TextIO | None = None) -> None:
    """Write one JSON document."""
    from lossearch._json import dumps

    print(dumps(value, indent=2), file=stream or sys.stdout)


@contextmanager
def only_json(form: str) -> Iterator[TextIO]:
    """Give the stream for the answer; where it is JSON, everything else printed goes to standard error."""
    answer = sys.stdout
    if form == "json":
        with redirect_stdout(sys.stderr):
            yield answer
    else:
        yield answer


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in plain words why what --output names cannot be written.

    Raises:
        InputError: instead of an error of the system.
    """
    from lossearch.errors import InputError

    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror or error}. Name another place with --output."
        ) from error


def table(rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    """Return rows as a table; columns are those of the first row."""
    from rich.table import Table

    names = list(rows[0] if rows else ())
    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        numeric = all(_is_number(row.get(name)) for row in rows)
        # the first column says what a row is of
        drawn.add_column(
            name, justify="right" if numeric else "left", overflow="fold", no_wrap=name == names[0]
        )
    for row in rows:
        drawn.add_row(*(_cell(row.get(name)) for name in names))
    return drawn


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_cell(v)}" for k, v in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_cell, value))
    return "" if value is None else str(value)

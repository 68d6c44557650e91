"""What the commands write: tables for people, JSON for machines."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def show(*parts: RenderableType) -> None:
    """Write renderables and lines of text to standard output."""
    from lossearch.api.progress import console

    out = console()
    for part in parts:
        out.print(part)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: numpy scalars as numbers, non-finite numbers as null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, Iterable):
        return [plain(v) for v in value]
    return str(value)


def write_json(value: Any, stream: TextIO | None = None) -> None:
    """Write one JSON document."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    print(text, file=stream or sys.stdout)


@contextmanager
def only_json(form: str) -> Iterator[TextIO]:
    """Give the stream for the answer; where it is JSON, everything else printed goes to standard error."""
    answer = sys.stdout
    if form == "json":
        with redirect_stdout(sys.stderr):
            yield answer
    else:
        yield answer


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = (), title: str = "") -> Table:
    """Return rows as a table; columns are those of the first row unless named."""
    from rich.table import Table

    names = list(columns) or list(rows[0] if rows else ())
    drawn = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in names:
        numeric = all(_is_number(row.get(name)) for row in rows)
        drawn.add_column(name, justify="right" if numeric else "left", overflow="fold")
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

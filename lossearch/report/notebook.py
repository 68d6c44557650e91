"""What a terminal is shown as HTML, for notebooks: tables and sentences in the colours of the page they stand in."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from rich.console import Group, RenderableType
from rich.text import Text

from lossearch._text import printable
from lossearch.report.layout import Column, Fitted

_LINE = "1px solid color-mix(in srgb, currentColor 30%, transparent)"
_HEAD, _BODY = '<th style="{}">{}</th>', '<td style="{}">{}</td>'
_CELL = "padding:.15em .7em;white-space:nowrap;color:inherit;background:none"


def as_html(part: RenderableType) -> str:
    """Return a table, a sentence or a group of these as HTML.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(part, Group):
        return "".join(map(as_html, part.renderables))
    if isinstance(part, Fitted):
        return _table(part.columns, part.bold_row, part.below)
    if isinstance(part, str | Text):
        return _paragraph(part if isinstance(part, Text) else Text(part))
    if (inner := getattr(part, "__rich__", None)) is not None:
        return as_html(inner())
    raise TypeError(f"{type(part).__name__} has no form in HTML.")


def _paragraph(text: Text) -> str:
    if not text.plain:
        return ""
    style = {"bold": "font-weight:bold", "dim": "opacity:.7"}.get(str(text.style), "")
    return Markup('<p style="margin:.3em 0;max-width:60em;{}">{}</p>').format(style, printable(text.plain))


def _table(columns: Sequence[Column], bold_row: int | None, below: int) -> str:
    rows = len(columns[0].cells) if columns else 0
    head = Markup().join(_cell(_HEAD, c, c.heading, f"border-bottom:{_LINE}") for c in columns)
    body = Markup().join(
        Markup("<tr>{}</tr>").format(
            Markup().join(_cell(_BODY, c, c.cells[i], _style(i, rows, bold_row, below)) for c in columns)
        )
        for i in range(rows)
    )
    return Markup(
        '<div style="overflow-x:auto"><table style="border-collapse:collapse;color:inherit">'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(head, body)


def _style(row: int, rows: int, bold_row: int | None, below: int) -> str:
    """Return how a row looks: bold, or the first under the line."""
    if below and row == rows - below:
        return f"border-top:{_LINE}"
    return "font-weight:bold" if row == bold_row else ""


def _cell(form: str, column: Column, text: str, style: str) -> Markup:
    align = "right" if column.numeric else "left"
    return Markup(form).format(f"{_CELL};text-align:{align};{style}", printable(text))  # noqa: S704 - ours

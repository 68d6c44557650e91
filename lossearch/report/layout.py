"""Columns of text laid out so that numbers stay whole at any width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from lossearch._text import escaped

_GAP = 2
_WORDS = 24
_LINES = box.Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
"""A line under the headings, and one above the last rows: rich's boxes of one line have a blank row there."""


@dataclass(frozen=True)
class Column:
    """A heading and its cells.

    ``splits`` cells may break after a slash, ``wraps`` cells between words; ``short`` is a heading for
    narrow screens; a ``detail`` column goes under the first splitting one where there is no room beside it;
    one that ``goes`` is left out where there is no room at all, the highest first.
    """

    heading: str
    cells: tuple[str, ...]
    numeric: bool = False
    splits: bool = False
    wraps: bool = False
    detail: bool = False
    short: str = ""
    goes: int = 0

    @property
    def width(self) -> int:
        """Cells that the column needs."""
        widest = max(
            cell_len(line) for text in (self.heading, *self.cells) for line in text.split("\n") or [""]
        )
        return min(widest, _WORDS) if self.wraps else widest


class Fitted:
    """A table in the widest of its layouts that fits.

    The last rows, as many as are ``below``, stand under a line. Details go under what they belong to, pairs are split, headings are short, and at last columns are left out, which is said below.
    """

    def __init__(self, columns: Sequence[Column], *, bold_row: int | None = None, below: int = 0) -> None:
        self.columns = tuple(
            c if c.wraps or c.splits else replace(c, cells=tuple(aligned(c.cells))) for c in columns
        )
        self.bold_row = bold_row
        self.below = below

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        layouts = _layouts(self.columns, options.max_width)
        chosen = next((c for c in layouts if _needs(c) <= options.max_width), layouts[-1])
        yield self._table(chosen)
        if gone := [
            c.heading for c in self.columns if c.goes and c.heading not in _headings(self.columns, chosen)
        ]:
            yield Text(f"In a wider terminal: {', '.join(gone)}.", style="dim")

    def _table(self, columns: Sequence[Column]) -> Table:
        table = Table(box=_LINES, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for column in columns:
            table.add_column(
                Text(column.heading),
                justify="right" if column.numeric else "left",
                no_wrap=not (column.wraps or column.splits),
                min_width=None if column.wraps or column.splits else column.width,
                overflow="fold",
            )
        rows = list(zip(*(c.cells for c in columns), strict=True))
        for i, cells in enumerate(rows):
            if self.below and i == len(rows) - self.below:
                table.add_section()
            table.add_row(*map(Text, cells), style="bold" if i == self.bold_row else None)
        return table


def _needs(columns: Sequence[Column]) -> int:
    return sum(c.width for c in columns) + _GAP * (len(columns) - 1)


def _layouts(columns: tuple[Column, ...], room: int) -> list[tuple[Column, ...]]:
    under = _with_details_under(columns)
    short = tuple(replace(c, heading=c.short or c.heading) for c in under)
    split = _with_long_pairs_split(short, room)
    order = sorted({c.goes for c in columns if c.goes}, reverse=True)
    fewer = [tuple(c for c in short if not c.goes or c.goes < least) for least in order]
    last = [_with_long_pairs_split(columns, room) for columns in fewer[-1:]]
    return [columns, under, _with_long_pairs_split(under, room), split, *fewer, *last]


def _headings(columns: Sequence[Column], chosen: Sequence[Column]) -> set[str]:
    """Return the whole headings of the columns that were chosen."""
    shown = {c.heading for c in chosen}
    return {c.heading for c in columns if {c.heading, c.short} & shown}


def _with_long_pairs_split(columns: tuple[Column, ...], room: int) -> tuple[Column, ...]:
    left = room - _needs([c for c in columns if not c.splits]) - _GAP
    return tuple(
        replace(c, cells=tuple(_split(t) if max(map(cell_len, t.split("\n"))) > left else t for t in c.cells))
        if c.splits
        else c
        for c in columns
    )


def _with_details_under(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    details = [c.cells for c in columns if c.detail]
    kept = [c for c in columns if not c.detail]
    at = next((i for i, c in enumerate(kept) if c.splits), None)
    if at is None or not details:
        return columns
    cells = zip(kept[at].cells, *details, strict=True)
    kept[at] = replace(kept[at], cells=tuple("\n  ".join(t for t in texts if t) for texts in cells))
    return tuple(kept)


def _split(text: str) -> str:
    head, slash, tail = text.partition("/")
    return f"{head}/\n  {tail}" if slash else text


def aligned(texts: Sequence[str]) -> list[str]:
    """Return ``a ± b`` texts padded so that the signs stand under each other; other texts as they are."""
    parts = [t.partition(" ± ") for t in texts]
    left = max((len(a) for a, sign, _ in parts if sign), default=0)
    right = max((len(b) for _, sign, b in parts if sign), default=0)
    return [f"{a:>{left}} ± {b:<{right}}".rstrip() if sign else f"{a:>{left}}" for a, sign, b in parts]


def markdown_table(columns: Sequence[Column]) -> list[str]:
    """Return the lines of a Markdown table."""
    rule = "| " + " | ".join("---:" if c.numeric else "---" for c in columns) + " |"
    rows = zip(*(c.cells for c in columns), strict=True)
    return [_markdown_row(c.heading for c in columns), rule, *map(_markdown_row, rows)]


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(escaped(c) for c in cells) + " |"

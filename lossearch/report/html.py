"""A report as one HTML page that needs nothing else: no network, and all of it is there without its script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from lossearch._text import printable
from lossearch.report.figures.canvas import Picture, legend_figure, panel_figure, svg
from lossearch.report.sources import Report, Section, Table

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN = 8
"""Panels of a picture that are shown at once; the others are folded."""
_WIDE = 5.0
"""Inches from which on a panel has a line of its own."""
_WIDEST = 8.0
"""Inches of a single wide panel up to which its figure stands beside the text."""
_BESIDE = 10.0
"""Inches of panels up to which a figure stands beside the text, or another figure."""
_LETTERS = 76
"""Letters of a row, with room between columns, up to which a table does."""
_GAP = 3


@dataclass(frozen=True)
class _Drawing:
    """A picture as SVG elements."""

    picture: Picture
    legend: Markup | None
    panels: tuple[Markup, ...]

    @property
    def wide(self) -> bool:
        """Whether each panel has a line of its own."""
        return self.picture.size[0] > _WIDE

    @property
    def small(self) -> bool:
        """Whether it stands beside the text."""
        return len(self.panels) * self.picture.size[0] <= (_WIDEST if self.wide else _BESIDE)


@dataclass(frozen=True)
class _Cells:
    """What a section shows in two columns beside each other, and what over the whole width."""

    small_figures: tuple[_Drawing, ...]
    large_figures: tuple[_Drawing, ...]
    small_tables: tuple[Table, ...]
    large_tables: tuple[Table, ...]

    @property
    def text_above(self) -> bool:
        """Whether the text has a line of its own: beside the first of several figures it would leave a gap."""
        return len(self.small_figures) > 1 and not self.small_tables


def _cells(section: Section) -> _Cells:
    drawings = [_drawn(picture) for picture in section.pictures]
    small = [t for t in section.tables if _is_small(t)]
    return _Cells(
        tuple(d for d in drawings if d.small),
        tuple(d for d in drawings if not d.small),
        tuple(small),
        tuple(t for t in section.tables if t not in small),
    )


def _is_small(table: Table) -> bool:
    if any(c.wraps for c in table.columns):
        return False
    words = ([*c.cells, *c.heading.split()] for c in table.columns)
    return sum(max(map(len, found), default=0) + _GAP for found in words) <= _LETTERS


def to_html(report: Report) -> str:
    """Return a report as an HTML page."""
    drawn = {section.name: _cells(section) for section in report.sections}
    return _template().render(report=report, drawn=drawn, shown=SHOWN)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lossearch.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters["breakable"] = breakable
    return environment.get_template("report.html")


def breakable(text: str) -> Markup:
    """Return text whose long names may be broken after a slash or an underscore."""
    return Markup(re.sub(r"(?<=\w)[/_](?=\w)", r"\g<0><wbr>", str(escape(printable(text)))))  # noqa: S704 - escaped here


def _drawn(picture: Picture) -> _Drawing:
    """Return a picture as SVG elements."""
    figures = [panel_figure(picture, panel) for panel in picture.panels]
    legend = legend_figure(figures)
    panels = tuple(
        Markup(svg(figure, f"{picture.name}{i}", panel.alt))  # noqa: S704 - svg escapes what it is given
        for i, (figure, panel) in enumerate(zip(figures, picture.panels, strict=True))
    )
    if legend is None:
        return _Drawing(picture, None, panels)
    return _Drawing(picture, Markup(svg(legend, f"{picture.name}key", "Legend", tight=True)), panels)  # noqa: S704

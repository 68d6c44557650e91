"""A report as one HTML page that needs nothing else: no network, no script."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from lossearch._text import printable
from lossearch.report.figures.canvas import Picture, legend_figure, panel_figure, svg
from lossearch.report.sources import Report

if TYPE_CHECKING:
    from jinja2 import Template

SHOWN = 8
"""Panels of a picture that are shown at once; the others are folded."""
_WIDE = 5.0
"""Inches from which on a panel has a line of its own."""


def to_html(report: Report) -> str:
    """Return a report as an HTML page."""
    drawn = {section.name: [(p, *_drawn(p)) for p in section.pictures] for section in report.sections}
    return _template().render(report=report, drawn=drawn, shown=SHOWN, wide=_WIDE)


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


def _drawn(picture: Picture) -> tuple[Markup | None, list[Markup]]:
    """Return the legend and the panels of a picture as SVG elements."""
    figures = [panel_figure(picture, panel) for panel in picture.panels]
    legend = legend_figure(figures)
    panels = [
        Markup(svg(figure, f"{picture.name}{i}", panel.alt))  # noqa: S704 - svg escapes what it is given
        for i, (figure, panel) in enumerate(zip(figures, picture.panels, strict=True))
    ]
    if legend is None:
        return None, panels
    return Markup(svg(legend, f"{picture.name}key", "Legend", tight=True)), panels  # noqa: S704

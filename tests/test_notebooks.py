"""What a notebook shows: tables and sentences as HTML, escaped, and figures to change."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from report_sources import Study, sources
from rich.console import Group
from rich.text import Text
from test_html import make_report

from lossearch.api.plots import Plots
from lossearch.errors import InputError
from lossearch.report import frames
from lossearch.report.layout import Column, Fitted
from lossearch.report.leaderboard import make_leaderboard
from lossearch.report.notebook import as_html


class Tables(HTMLParser):
    """The cells of the tables in a text; fails where an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_leaderboard_is_a_table_with_the_cells_of_the_terminal(kind):
    found = sources(Study(kind))
    board = frames.confirmed_leaderboard(found.board, found.verdict, found.confirmed, found.study.space.pairs)
    shown = make_leaderboard(board, found.study, found.verdict, found.confirmed)
    text = as_html(shown)
    head, *rows = Tables(text).rows
    assert head == [c.heading for c in shown.columns]
    assert rows == [
        list(map(str.strip, cells)) for cells in zip(*(c.cells for c in shown.columns), strict=True)
    ]
    for sentence in (*shown.answer, shown.basis):
        assert sentence in re.sub(r"&#39;", "'", text)
    assert not re.search(r"(?<!-)color:(?!inherit)", text), "the page's own colours, light or dark"


def test_names_are_escaped():
    nasty = "<script>alert(1)</script>\x1b[31m"
    text = as_html(Group(nasty, Text(nasty), Fitted([Column(nasty, (nasty,))], bold_row=0)))
    assert "<script" not in text
    assert "\x1b" not in text


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="int has no form in HTML"):
        as_html(3)  # type: ignore[arg-type]


def test_a_verdict_prints_its_sentences_and_shows_them():
    verdict = sources(Study()).verdict
    assert str(verdict).splitlines() == [s for s in verdict.sentences if s]
    assert verdict._repr_html_().count("<p") == len(str(verdict).splitlines())


def test_every_figure_of_a_report_is_drawn_anew_each_time():
    plot = Plots(make_report(sources(Study())))
    assert {"scores", "learning_curves", "lr_sensitivity", "confusion"} <= set(plot)
    for name in plot:
        figure = plot[name]
        assert isinstance(figure, Figure)
        assert figure is not plot[name]
    figure = plot.curves()
    figure.suptitle("mine")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert plot.curves()._suptitle.get_text() != "mine"


def test_each_method_draws_and_a_figure_that_is_not_there_is_told_with_those_that_are():
    plot = Plots(make_report(sources(Study())))
    for method in (
        plot.leaderboard,
        plot.differences,
        plot.curves,
        plot.learning_rate,
        plot.confusion,
        plot.calibration,
        plot.budget,
    ):
        assert isinstance(method(), Figure)
    with pytest.raises(InputError, match=r"no figure 'confusion'\. .*It has: scores, "):
        Plots(make_report(sources(Study("regression")))).confusion()

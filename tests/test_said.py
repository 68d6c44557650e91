"""Every figure says its values where it is pointed at: whose they are, and the numbers that are drawn there."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from contracts.problems import every_pair, problem
from evidence import evidence
from matplotlib.backends.backend_agg import FigureCanvasAgg
from report_sources import Study, sources

from lossearch.diagnostics.pareto import Objectives, Pareto, points
from lossearch.kinds import KINDS
from lossearch.metrics.registry import is_given
from lossearch.pairs import Criterion
from lossearch.records.confirmations import BaselineScores
from lossearch.report import figures
from lossearch.report.comparison import comparison_report
from lossearch.report.figures.canvas import Panel, Picture, panel_figure
from lossearch.report.figures.plane import Plane
from lossearch.report.figures.said import (
    TARGET,
    Box,
    Dot,
    said_elements,
    said_of,
    say,
    say_across,
    say_along,
    say_within,
    spread_over,
)
from lossearch.report.formatting import number, rate
from lossearch.report.html import to_html
from lossearch.report.sections import make_report
from lossearch.report.sources import Report, Section
from lossearch.verdict.across_tasks.compare import compare_studies
from lossearch.verdict.across_tasks.comparison import StudyScores
from lossearch.verdict.decision import judge

SEEDS = 4
COMPARED = "compared"
REPORTS = [*KINDS, COMPARED]
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.]*\w)")


def three_pairs(task):
    """The conventional pair of a task and two more that its metric can judge."""
    rng = torch.Generator().manual_seed(0)

    def said(pair):
        fold = task.fold(0)
        raw = torch.randn(8, pair.width(task.n_out), generator=rng, dtype=torch.float64)
        return Criterion(pair, statistics=fold.statistics).predictions(raw)

    able = [p for p in every_pair(task) if p.name.count("/") == 1 and is_given(task.metric, said(p))]
    first = next(p for p in able if p.name == KINDS[task.kind].conventional)
    return [first, *(p for p in able if p.name != first.name)][:3]


@cache
def records_of(kind):
    """Records of a study of a kind of task, with all that a report draws from."""
    task = problem(kind, rows=120, train=40)
    pairs, fold = three_pairs(task), task.fold(0)
    target = KINDS[kind].tensor(fold.validation.y)
    rng = torch.Generator().manual_seed(1)

    def predicted(pair):
        raw = torch.randn(len(target), pair.width(task.n_out), generator=rng, dtype=torch.float64)
        return Criterion(pair, statistics=fold.statistics).predictions(raw)

    said = {pair.name: [predicted(pair) for _ in range(SEEDS)] for pair in pairs}
    found = evidence(task.metric, said, target, kind=kind, constant=0.4)
    names = tuple(p.name for p in pairs)
    made = sources(Study(kind, pairs=names, metric=task.metric.name), confirmed=False)
    like = sources(Study())
    direction = task.metric.direction
    verdict = judge(found, direction=direction, conventional=names[0], search_scores=dict.fromkeys(names, 0.5),
                    validation_scores=dict.fromkeys(names, 0.45), draws=200)  # fmt: skip
    level = verdict.ranking[0].score
    baseline = BaselineScores("class shares", "prior", (1, 2), {f"test_{task.metric.name}": (level, level)}, (level - 1, level + 1))  # fmt: skip
    confirmations = [
        replace(c, point=made.trials[5 * i].point, judged=f"test_{task.metric.name}",
                values={f"test_{task.metric.name}": (0.5, 0.6), f"val_{task.metric.name}": (0.5, 0.6)})
        for i, c in enumerate(like.confirmed.confirmations)
    ]  # fmt: skip
    confirmed = replace(like.confirmed, metric=task.metric.name, confirmations=tuple(confirmations), baselines=(baseline,))  # fmt: skip
    two = Objectives((task.metric.name, "other"), (direction, "minimize"))
    trials = [(r.point.pair, r.number, r.point.lr, r.value, 0.1 * r.number) for r in made.trials]
    pareto = Pareto(two, points("search", trials, two), points("confirm", trials[::5], two))
    return replace(made, verdict=verdict, evidence=found, confirmed=confirmed, pareto=pareto, planes=planes_of(kind, names))  # fmt: skip


def planes_of(kind, names):
    shows = KINDS[kind].surface
    if shows is None:
        return ()
    x, y = np.linspace(-2, 2, 30), np.linspace(-1, 1, 30)
    grid = np.random.default_rng(0).random((30, 30))
    grid = np.round(2 * grid) if shows == "label" else grid
    rows = np.column_stack([x, y])
    return tuple(Plane(n, x, y, grid, rows, np.arange(30.0) % 2, shows) for n in names)


@cache
def compared():
    rng = np.random.default_rng(0)
    studies = [
        StudyScores(f"task{i}", "binary", "accuracy", "maximize", "adam", "test", dict(zip(("a/x", "b/y", "c/z"), rng.random(3).tolist(), strict=True)))
        for i in range(8)
    ]  # fmt: skip
    comparisons, _ = compare_studies(studies)
    return comparisons


@cache
def report_of(kind):
    """The report of a kind of task, or a comparison's."""
    return comparison_report(compared(), ()) if kind == COMPARED else make_report(records_of(kind))


@cache
def drawn(kind):
    """Every panel of a report, with its picture and its figure."""
    pictures = [p for section in report_of(kind).sections for p in section.pictures]
    return [(p, panel, panel_figure(p, panel)) for p in pictures for panel in p.panels]


def numbers(text):
    return {t.lstrip("+") for t in NUMBER.findall(text)}


def written(value):
    """Every way a number is written."""
    return {number(value), rate(value)}


def numeric(axis):
    """Whether an axis has numbers on it."""
    if not axis.get_visible():
        return False
    labels = [t.get_text() for t in axis.get_ticklabels() if t.get_text()]
    return bool(labels) and all(re.fullmatch(r"[-\d.e+]+", t.replace("\N{MINUS SIGN}", "-")) for t in labels)


def drawn_values(ax, place):
    """What a mark has to say: for each number that is drawn there every way to write it."""
    if isinstance(place, Box):
        return of_strip(ax, place) if place.get_transform() != ax.transData else of_cell(ax, place)
    shown = place.points[-1:] if len(place.points) > 2 else place.points
    return [written(v) for i, axis in enumerate((ax.xaxis, ax.yaxis)) if numeric(axis) for v in shown[:, i]]


def of_strip(ax, place):
    """Where the strip is, and what every line that is drawn point by point has there."""
    low, high = place.points[:, 0]
    found = []
    for line in ax.lines:
        x, y = (np.asarray(v, dtype=float) for v in line.get_data())
        inside = (low <= x) & (x <= high)
        if len(x) > 2 and inside.any():
            middle = np.flatnonzero(inside)[np.argmin(abs(x[inside] - (low + high) / 2))]
            found += [written(x[middle]), *([written(y[middle])] if np.isfinite(y[middle]) else [])]
    return found


def of_cell(ax, place):
    """What stands in the middle of a cell, or else the number that its colour stands for."""
    x, y = place.points.mean(axis=0)
    texts = [t.get_text() for t in ax.texts if t.get_position() == (x, y)]
    if texts:
        return [{text} for text in texts]
    (image,) = ax.images
    left, right, *ends = image.get_extent()
    bottom, top = ends if image.origin == "lower" else ends[::-1]
    values = image.get_array()
    row, column = (
        int((at - start) / (end - start) * n)
        for at, start, end, n in zip((y, x), (bottom, left), (top, right), values.shape, strict=True)
    )
    return [written(float(values[row, column]))]


def of_trial(text, records):
    """The numbers of the trial that a text names, whose pair it must name too; none where it names none."""
    named = re.search(r"(\S+), trial (\d+): |trial (\d+), (\S+): ", text)
    if named is None:
        return []
    pair, trial = (named[1], named[2]) if named[1] else (named[4], named[3])
    record = records[int(trial)]
    assert record.point.pair == pair
    return [written(record.value)]


def says(text, alternatives):
    """Whether one of several ways to write a number is in a text, or one that has more digits."""
    found = numbers(text)
    if found & alternatives:
        return True
    digits = {w: len(w.partition(".")[2]) for w in alternatives if re.fullmatch(r"\d\.\d+", w)}
    return any(abs(float(n) - float(w)) <= 0.51 / 10**d for w, d in digits.items() for n in found)


class TestEveryFigure:
    @pytest.mark.parametrize("kind", REPORTS)
    def test_each_axes_says_something_somewhere(self, kind):
        silent = [
            (picture.name, panel.title, i)
            for picture, panel, figure in drawn(kind)
            for i, ax in enumerate(figure.axes)
            if not said_of(ax)
        ]
        assert silent == []

    @pytest.mark.parametrize("kind", REPORTS)
    def test_each_text_names_its_pair(self, kind):
        named = pairs_of(kind)
        for picture, panel, figure in drawn(kind):
            own = [name for name in named if re.match(rf"{re.escape(name)}(\W|$)", panel.title)] or named
            for place in (p for ax in figure.axes for p in said_of(ax)):
                assert any(name in place.text for name in own), (picture.name, place.text)

    @pytest.mark.parametrize("kind", REPORTS)
    def test_each_text_has_the_numbers_that_are_drawn_there(self, kind):
        records = {} if kind == COMPARED else {r.number: r for r in records_of(kind).trials}
        for picture, _, figure in drawn(kind):
            for ax in figure.axes:
                for place in said_of(ax):
                    wanted = [*drawn_values(ax, place), *of_trial(place.text, records)]
                    assert wanted, (picture.name, place.text)
                    lacking = [w for w in wanted if not says(place.text, w)]
                    assert lacking == [], (picture.name, place.text)

    @pytest.mark.parametrize("kind", REPORTS)
    def test_what_an_axis_is_called_has_the_number_of_that_axis(self, kind):
        for picture, _, figure in drawn(kind):
            for ax in figure.axes:
                for place in (p for p in said_of(ax) if isinstance(p, Dot)):
                    for i, axis in enumerate((ax.xaxis, ax.yaxis)):
                        called = axis.get_label_text().partition(" (")[0] or "-"
                        said = re.search(rf"\b{re.escape(called)} ([-\d.e+]+)", place.text)
                        assert said is None or says(said[1], written(place.points[0, i])), (
                            picture.name,
                            place.text,
                        )

    def test_the_reports_draw_figures_of_every_sort(self):
        """What no kind of task draws here is not looked at above."""
        sorts = {
            m.name
            for m in pkgutil.iter_modules(figures.__path__, f"{figures.__name__}.")
            if makes_pictures(m.name)
        }
        seen = {panel.draw.func.__module__ for kind in REPORTS for _, panel, _ in drawn(kind)}
        assert seen == sorts

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_report_draws_all_that_its_kind_of_task_names(self, kind):
        pictures = {s.name: [p.name for p in s.pictures] for s in report_of(kind).sections}
        planes = KINDS[kind].surface is not None
        assert len(pictures.pop("predictions")) == len(KINDS[kind].figures) + planes
        assert sorted(name for names in pictures.values() for name in names) == [
            "budget", "differences", "learning_curves", "lr_sensitivity", "optimism", "parallel", "pareto", "scores",
        ]  # fmt: skip


def pairs_of(kind):
    if kind == COMPARED:
        return [pair for c in compared() for pair in c.pairs]
    return [*records_of(kind).order, *(b.name for b in records_of(kind).confirmed.baselines)]


def makes_pictures(module):
    found = inspect.getmembers(importlib.import_module(module), inspect.isfunction)
    return any(
        f.__module__ == module
        and "Picture" in str(f.__annotations__.get("return"))
        and not name.startswith("_")
        for name, f in found
    )


def figure_with(draw):
    panel = Panel("", "alt", draw)
    figure = panel_figure(Picture("p", "t", (panel,)), panel)
    FigureCanvasAgg(figure).draw()
    return figure


class TestMarks:
    def test_nothing_of_them_is_drawn(self):
        def plain(ax):
            ax.plot([0, 1], [0, 1])

        def marked(ax):
            plain(ax)
            say(ax, 0.5, 0.5, "dot")
            say_along(ax, [0, 9], [0, 9], "line")
            say_within(ax, (0, 5), (0, 5), "cell")
            say_across(ax, [0.2, 0.8], ["one", "two"])

        with_, without = (np.asarray(figure_with(draw).canvas.buffer_rgba()) for draw in (marked, plain))
        np.testing.assert_array_equal(with_, without)

    def test_each_lies_where_it_is_drawn(self):
        def draw(ax):
            ax.set(xlim=(0, 10), ylim=(0, 10))
            say(ax, 5, 5, "dot")
            say_along(ax, [0, 10], [5, 5], "line")
            say_within(ax, (0, 10), (0, 5), "cell")
            say_across(ax, [2, 8], ["one", "two"])

        figure = figure_with(draw)
        (ax,) = figure.axes
        text = said_elements(figure)
        scale = 72 / figure.dpi
        left, right = ax.bbox.x0 * scale, ax.bbox.x1 * scale
        top, bottom = (
            (figure.bbox.height - y) * scale if (y := ax.bbox.y1) else 0,
            (figure.bbox.height - ax.bbox.y0) * scale,
        )
        middle = (left + right) / 2, (top + bottom) / 2
        places = {
            t: [float(v) for v in re.findall(r"-?[\d.]+", m)]
            for m, t in re.findall(r"<(?:circle|polyline|path) ([^>]*)><title>(\w+)<", text)
        }
        assert places["dot"] == pytest.approx([*middle, TARGET / 2], abs=0.06)
        assert places["line"] == pytest.approx([left, middle[1], right, middle[1]], abs=0.06)
        assert places["cell"] == pytest.approx([left, middle[1], right, bottom, left], abs=0.06)
        assert places["one"] == pytest.approx([left, top, middle[0], bottom, left], abs=0.06)
        assert places["two"] == pytest.approx([middle[0], top, right, bottom, middle[0]], abs=0.06)

    def test_what_a_hand_cannot_tell_apart_says_its_own_together(self):
        def draw(ax):
            ax.set(xlim=(0, 1), ylim=(0, 1))
            for i in range(5):
                say(ax, 0.5 + i * 1e-6, 0.5, f"near {i}")
            say(ax, 0.9, 0.5, "far & <b>")
            say(ax, np.nan, 0.5, "nowhere")

        titles = re.findall(r"<title>([^<]*)</title>", said_elements(figure_with(draw)))
        assert titles == ["near 0\nnear 1\nnear 2\nand 2 more", "far &amp; &lt;b&gt;"]

    def test_so_many_points_are_as_many_places_as_can_be_pointed_at(self):
        def draw(ax):
            for x, y in np.random.default_rng(0).random((4000, 2)):
                say(ax, x, y, f"{x}")

        figure = figure_with(draw)
        box = figure.axes[0].bbox
        most = (box.width * 72 / figure.dpi / TARGET * 2 + 2) * (
            box.height * 72 / figure.dpi / TARGET * 2 + 2
        )
        assert 500 < said_elements(figure).count("<title>") < most

    @pytest.mark.parametrize(
        ("count", "most", "places"), [(3, 25, [0, 1, 2]), (101, 3, [0, 50, 100]), (1, 25, [0])]
    )
    def test_places_are_spread_from_end_to_end(self, count, most, places):
        assert spread_over(count, most).tolist() == places


BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
HIT = """
<script>
  const at = (selector, x, y) => {
    const box = document.querySelector(selector).getBoundingClientRect();
    const hit = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
    return hit.querySelector("title")?.textContent ?? hit.tagName;
  };
  document.title = [at(".said circle", 0.5, 0.5), at(".said polyline", 0.25, 0.5), at(".said path", 0.5, 0.9)].join("; ");
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_a_browser_finds_what_is_said_under_the_pointer(tmp_path):
    def draw(ax):
        ax.set(xlim=(0, 10), ylim=(0, 10))
        say_within(ax, (0, 10), (0, 4), "cell")
        say_along(ax, [0, 10], [5, 5], "line")
        say(ax, 5, 8, "dot")

    section = Section("one", "One", pictures=(Picture("p", "t", (Panel("", "alt", draw),)),))
    page = tmp_path / "page.html"
    page.write_text(to_html(Report("t", "s", (), (), (section,))) + HIT, encoding="utf-8")
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=5000", "--window-size=1000,1000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<title>dot; line; cell</title>" in done.stdout

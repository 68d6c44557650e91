"""A report is one valid page that needs nothing else, says what is missing, and is safe with any name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import warnings
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
import torch
from evidence import evidence
from matplotlib.colors import to_rgb
from report_sources import FRESH, Study, sources

import lossearch
from lossearch import cli
from lossearch._options import on_the_command_line
from lossearch.kinds import Predictions
from lossearch.metrics.registry import METRICS
from lossearch.report.figures import plane
from lossearch.report.figures.canvas import (
    Panel,
    Picture,
    legend_figure,
    panel_figure,
    save,
    svg,
    whole_figure,
)
from lossearch.report.figures.classes import confusion_picture
from lossearch.report.html import SHOWN, to_html
from lossearch.report.markdown import save_pictures, to_markdown
from lossearch.report.sections import make_report
from lossearch.study.progress import Listener

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use", "image", "rect", "circle", "line"}
SECTIONS = (
    "leaderboard", "differences", "optimism", "metrics", "learning_rates", "learning_curves", "predictions",
    "effects", "ladders", "fairness", "budget", "trials", "notes", "reproduce",
)  # fmt: skip


class Page(HTMLParser):
    """A page's elements, and whether each is closed where it was opened."""

    def __init__(self, text):
        super().__init__()
        text = text.replace("<wbr>", "")
        self.open, self.tags, self.ids, self.texts, self.wrong = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def part_of(study, *names):
    """The page of some sections of a report only."""
    report = make_report(sources(study))
    return to_html(replace(report, sections=tuple(s for s in report.sections if s.name in names)))


@cache
def page_of(study, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return to_html(make_report(sources(study, **options)))


def said(found):
    """All sentences of a report, without its figures."""
    return " ".join(s for section in make_report(found).sections for s in section.text)


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def made(request):
    return request.param, page_of(Study(request.param))


class TestPage:
    def test_every_element_is_closed_and_every_id_is_its_own(self, made):
        page = Page(made[1])
        assert page.wrong == []
        assert page.open == []
        assert len(page.ids) == len(set(page.ids))
        assert made[1].startswith("<!doctype html>")

    def test_it_has_a_language_a_charset_and_every_section(self, made):
        page = Page(made[1])
        assert page.all("html") == [{"lang": "en"}]
        assert {"charset": "utf-8"} in page.all("meta")
        # of the made-up studies only that of two classes has a loss that contains another
        wanted = [name for name in SECTIONS if name != "ladders" or made[0] == "binary"]
        assert [a["id"] for a in page.all("section")] == wanted
        linked = [a["href"] for a in page.all("a")]
        assert linked == [f"#{name}" for name in wanted]

    def test_it_loads_nothing(self, made):
        text = made[1]
        page = Page(text)
        assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
        assert page.all("script") == [{}]
        assert not re.search(r"fetch|XMLHttp|import|eval|innerHTML", text[text.index("<script>") :])
        addresses = [
            v
            for _, attrs in page.tags
            for k, v in attrs.items()
            if k in ("src", "href", "xlink:href", "srcset")
        ]
        assert addresses
        assert all(a.startswith(("#", "data:image/png;base64,")) for a in addresses)
        bare = text.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1999/xlink", "")
        assert "http:" not in bare
        assert "https:" not in bare
        assert "@import" not in text
        assert set(re.findall(r"url\((.)", text)) <= {"#"}

    def test_what_a_name_points_to_is_there(self, made):
        page = Page(made[1])
        wanted = set(re.findall(r"url\(#([^)]*)\)", made[1]))
        wanted |= {
            v[1:] for _, a in page.tags for k, v in a.items() if k in ("href", "xlink:href") and v[:1] == "#"
        }
        assert wanted <= set(page.ids)

    def test_text_has_a_line_of_its_own_above_several_figures_and_stands_beside_one(self, made):
        sections = {
            m[1]: m[0] for m in re.finditer(r'<section id="(\w+)".*?</section>', made[1], flags=re.DOTALL)
        }
        figures = {name: text.count("<figure>") for name, text in sections.items()}
        above = {name for name, text in sections.items() if 'class="text above"' in text}
        assert above == ({"predictions"} if figures["predictions"] > 1 else set())
        assert figures["leaderboard"] == 1

    def test_every_figure_says_in_words_what_it_shows(self, made):
        drawn = Page(made[1]).all("svg")
        assert len(drawn) > 15
        assert all(a["role"] == "img" and a["aria-label"].strip() for a in drawn)
        assert sum(len(a["aria-label"]) > 40 for a in drawn) > 10

    def test_tables_name_their_rows_and_columns(self, made):
        page = Page(made[1])
        assert len(page.all("table")) == len(page.all("caption")) >= 6
        assert {a.get("scope") for a in page.all("th")} == {"col", "row"}

    def test_figures_take_the_page_s_colours(self, made):
        figures = re.findall(r"<svg.*?</svg>", made[1], flags=re.DOTALL)
        assert all("#1b1b1b" not in f and "#0072b2" not in f for f in figures)
        assert "prefers-color-scheme: dark" in made[1]
        assert "@media print" in made[1]
        for variable in set(re.findall(r"var\(--([a-z]+)\)", made[1])):
            assert made[1].count(f"--{variable}:") == 2, variable

    def test_it_is_small(self, made):
        assert len(made[1].encode()) < 3e6

    def test_it_says_the_verdict_first(self, made):
        found = sources(Study(made[0]))
        page = Page(made[1])
        said = [s for s in found.verdict.sentences if s]
        assert all(s in page.text for s in said)
        assert page.text.index(said[0]) < page.text.index("Leaderboard")
        assert found.verdict.recommended in page.text

    def test_the_figures_suit_the_kind_of_task(self, made):
        captions = made[1]
        if made[0] == "regression":
            assert "residual" in captions
            assert "Confusion" not in captions
        else:
            for word in ("Confusion", "ROC", "Calibration"):
                assert word in captions

    def test_all_sections_have_the_pairs_in_the_order_of_the_leaderboard(self):
        found = sources(Study())
        turned = replace(found.verdict, ranking=found.verdict.ranking[::-1])
        report = make_report(replace(found, verdict=turned))
        panels = {
            s.name: [p.title.split("\n")[0] for p in s.pictures[0].panels]
            for s in report.sections
            if s.pictures
        }
        ranked = [r.pair for r in turned.ranking]
        for name in ("learning_rates", "learning_curves", "predictions"):
            assert [p for p in panels[name] if p in ranked] == [p for p in ranked if p in panels[name]]

    def test_the_same_records_give_the_same_page(self):
        pages = [part_of(Study("regression"), "predictions", "budget") for _ in range(2)]
        assert pages[0] == pages[1]

    def test_a_pair_without_probabilities_is_left_out_of_the_calibration(self):
        found = sources(Study())
        verdict = replace(found.verdict, recommended="hinge/identity")
        assert "No probabilities, so no calibration: hinge/identity." in said(replace(found, verdict=verdict))


HOSTILE = '<script>alert("x")</script>&amp;\' id="a" url(#b) $x_1$ {{ 7 * 7 }} #0072b2'


def contrast(one, other):
    """The ratio of two colours that WCAG 2 asks to be at least 4.5."""
    channels = np.array([one, other])
    linear = np.where(channels <= 0.03928, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    dark, light = np.sort(linear @ (0.2126, 0.7152, 0.0722)) + 0.05
    return light / dark


class TestNames:
    def test_no_name_is_read_as_markup(self):
        study = Study("multiclass", HOSTILE, classes=(HOSTILE, "b", "c"), notes=(HOSTILE,))
        text = part_of(study, "learning_rates", "predictions", "notes")
        page = Page(text)
        assert page.wrong == []
        assert page.open == []
        assert page.all("script") == [{}]
        assert text.count("<script") == 1
        assert page.text.count(HOSTILE) >= 3
        assert " 49 " not in page.text
        assert len(page.ids) == len(set(page.ids))

    def test_hostile_pairs_stay_text_in_figures_too(self):
        pairs = ("bce/sigmoid", '<b>"&/x', 'url(#y)/id="z')
        text = part_of(Study(pairs=pairs), "leaderboard", "learning_rates")
        page = Page(text)
        assert page.wrong == []
        assert "b" not in {tag for tag, _ in page.tags}
        for pair in pairs:
            assert page.text.count(pair) > 3

    @pytest.mark.parametrize("names", [("Größe", "Äpfel", "Straße"), ("误差", "正确", "猫")])
    def test_labels_of_any_script_are_text(self, names, tmp_path):
        text = part_of(Study("multiclass", classes=names), "predictions")
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        again = path.read_text(encoding="utf-8")
        figures = " ".join(re.findall(r"<svg.*?</svg>", again, flags=re.DOTALL))
        assert all(name in figures for name in names)

    def test_long_class_names_are_cut_and_many_classes_are_drawn(self):
        names = tuple(f"Donaudampfschifffahrtsgesellschaft {i}" for i in range(14))
        text = part_of(Study("multiclass", classes=names), "predictions")
        assert "Donaudampfsch…" in text

    @pytest.mark.parametrize(
        ("names", "rotation"), [(("stayed", "left"), 0), (("a rather long", "name of each", "of three"), 90)]
    )
    def test_names_of_columns_stand_upright_where_they_fit(self, names, rotation):
        rows = len(names)
        target = torch.arange(rows).repeat(10)
        said = {"a/x": [Predictions(label=target)]}
        kind = "binary" if rows == 2 else "multiclass"
        shape = target.double().unsqueeze(1) if rows == 2 else target
        picture = confusion_picture(evidence(METRICS["accuracy"], said, shape, kind=kind), ["a/x"], names)
        figure = panel_figure(picture, picture.panels[0])
        figure.canvas.draw()
        labels = figure.axes[0].get_xticklabels()
        assert [label.get_text() for label in labels] == list(names)
        assert {label.get_rotation() for label in labels} == {rotation}
        ends = [label.get_window_extent() for label in labels]
        assert all(left.x1 < right.x0 for left, right in pairwise(ends))

    @pytest.mark.parametrize("right", range(0, 101, 10))
    def test_numbers_in_cells_are_legible_however_alike_the_cells_are(self, right):
        target = torch.arange(2).repeat(50)
        label = torch.where(torch.arange(100) < right, target, 1 - target)
        said = {"a/x": [Predictions(label=label)]}
        found = evidence(METRICS["accuracy"], said, target.double().unsqueeze(1), kind="binary")
        picture = confusion_picture(found, ["a/x"], ())
        (ax,) = panel_figure(picture, picture.panels[0]).axes
        for text in ax.texts:
            paint = to_rgb(ax.images[0].cmap(float(text.get_text())))
            assert contrast(to_rgb(text.get_color()), paint) > 4.5, text.get_text()

    def test_twenty_pairs_are_folded(self):
        pairs = ("bce/sigmoid", *(f"one_vs_rest_squared_hinge_{i}/identity" for i in range(19)))
        text = part_of(Study(pairs=pairs), "learning_rates", "reproduce")
        assert f"<summary>{20 - SHOWN} more</summary>" in text


class TestMissing:
    def test_without_a_confirmation_it_says_so(self):
        page = Page(page_of(Study(), confirmed=False))
        assert page.wrong == []
        assert [a["id"] for a in page.all("section")] == list(SECTIONS)
        for words in (
            "This is not a verdict: the best points were not trained again on fresh seeds",
            "There is no confirmation to compare pairs by.",
            "There is no confirmation, so no predictions were kept.",
            "Without a confirmation the search's optimism is not known: only fresh seeds can tell",
        ):
            assert words in page.text

    def test_confirmed_and_not_compared(self):
        found = sources(Study())
        told = make_report(replace(found, verdict=None))
        assert told.lead[0].startswith(
            "Confirmed on 5 fresh seeds: bce/sigmoid at lr 0.1 scores accuracy 0.902"
        )
        assert told.lead[-1] == "This is not a verdict: no pairs are compared."
        assert "what fresh seeds scored stands at the top" in said(replace(found, verdict=None))

    def test_nothing_was_chosen_where_each_pair_has_one_point(self):
        found = sources(Study())
        text = said(replace(found, study=replace(found.study, selected=False)))
        assert "Each pair has one point, so none was chosen by its score" in text
        assert "too good" not in text

    def test_without_curves_it_says_so(self):
        text = said(sources(Study(), curves=False))
        assert "The curves are not recorded." in text
        assert "This needs the curves, which are not recorded." in text

    def test_without_a_single_score(self):
        full = sources(Study(), confirmed=False, curves=False)
        empty = replace(full, trials=[], board=full.board.iloc[:0])
        assert make_report(empty).lead[0] == "No pair has enough finished trials for a rank."
        text = said(empty)
        assert "No trial has a score yet." in text
        assert "Fewer than two trials have a score." in text
        assert "No scores are recorded." in text
        assert Page(to_html(make_report(empty))).wrong == []

    def test_one_pair(self):
        report = make_report(sources(Study(pairs=("bce/sigmoid",)), confirmed=False))
        assert [s.name for s in report.sections] == [name for name in SECTIONS if name != "ladders"]

    def test_one_confirmed_pair_has_nothing_to_compare_with(self):
        found = sources(Study())
        alone = replace(
            found.verdict, comparisons=(), ranking=found.verdict.ranking[:1], tied=(found.verdict.leader,)
        )
        text = said(replace(found, verdict=alone))
        assert "One pair was confirmed: there is nothing to compare it with." in text

    def test_rows_without_a_test_part_are_named(self):
        found = sources(Study())
        text = said(replace(found, verdict=replace(found.verdict, part="validation")))
        assert "these are validation rows, on which the epoch may have been chosen" in text

    def test_of_a_pair_that_diverged_throughout_no_predictions_are_drawn(self):
        found = sources(Study())
        gone = {p: np.ones(FRESH, dtype=bool) for p in found.evidence.pairs}
        report = make_report(replace(found, evidence=replace(found.evidence, diverged=gone)))
        (section,) = (s for s in report.sections if s.name == "predictions")
        assert section.pictures == ()


def test_the_plane_shows_what_is_predicted_and_the_rows():
    grid = np.linspace(-1, 1, 20)
    surface = plane.Plane(
        "bce/sigmoid", grid, grid, np.tile(np.linspace(0, 1, 20), (20, 1)), np.array([[0.5, 0.5], [-0.5, 0.0]]),
        np.array([1.0, 0.0]), "probability", ("Länge", "宽度"),
    )  # fmt: skip
    picture = plane.plane_picture([surface], ("nein", "ja"))
    assert picture.note == "blue: nein, orange: ja, white: undecided"
    assert picture.panels[0].alt.startswith(
        "What bce/sigmoid predicts over the plane of Länge and 宽度, with 2 rows"
    )
    (ax,) = panel_figure(picture, picture.panels[0]).axes
    assert ax.get_xlabel() == "Länge"
    assert sorted(tuple(line.get_xydata()[0]) for line in ax.lines) == [(-0.5, 0.0), (0.5, 0.5)]
    bare = replace(surface, inputs=np.empty((0, 2)), target=np.empty(0), shows="value")
    (panel,) = plane.plane_picture([bare]).panels
    assert panel.alt == "What bce/sigmoid predicts over the plane of Länge and 宽度."
    assert plane.plane_picture([replace(surface, shows="label", grid=surface.grid + 6)]) is None
    assert plane.plane_picture([]) is None


class TestCanvas:
    def picture(self, panels=3):
        def draw(*axes):
            axes[0].plot([0, 1], [0, 1], label="line")
            axes[0].set_ylabel("y")

        return Picture("p", "title", tuple(Panel(f"panel {i}", f"alt {i}", draw) for i in range(panels)))

    def test_one_sheet_and_single_panels_show_the_same_axes(self):
        picture = self.picture()
        whole = whole_figure(picture)
        alone = [panel_figure(picture, p) for p in picture.panels]
        assert [ax.get_title() for ax in whole.axes] == [f.axes[0].get_title() for f in alone]
        assert [t.get_text() for t in whole.legends[0].get_texts()] == ["line"]
        assert [t.get_text() for t in legend_figure(alone).legends[0].get_texts()] == ["line"]

    def test_a_sheet_has_its_title_once_and_its_legend_inside(self):
        def draw(*axes):
            for i in range(5):
                axes[0].plot([0, 1], [0, i], label=f"a rather long label of a line, number {i}")

        figure = whole_figure(Picture("p", "Calibration on test rows", (Panel("Calibration", "alt", draw),)))
        assert figure.axes[0].get_title() == ""
        figure.canvas.draw()
        inside = figure.legends[0].get_window_extent()
        assert inside.x0 >= 0
        assert inside.x1 <= figure.bbox.x1

    def test_no_label_no_key(self):
        assert legend_figure([]) is None

    def test_state_is_left_as_it_was(self, tmp_path):
        before = dict(mpl.rcParams)
        figure = panel_figure(self.picture(1), self.picture(1).panels[0])
        svg(figure, "a", "b")
        save(figure, tmp_path / "a.png")
        assert dict(mpl.rcParams) == before

    def test_svg_has_its_words_as_text_and_its_own_names(self):
        figure = panel_figure(self.picture(2), self.picture(2).panels[0])
        one, other = svg(figure, "a", 'says "<hi>"'), svg(figure, "b", "other")
        assert "panel 0" in re.sub(r"<[^>]*>", " ", one)
        assert 'aria-label="says &#34;&lt;hi&gt;&#34;"' in one
        ids = [set(re.findall(r'\bid="([^"]*)"', text)) for text in (one, other)]
        assert ids[0]
        assert not ids[0] & ids[1]


class TestMarkdown:
    def test_it_has_the_same_sections_tables_and_alt_texts(self):
        report = make_report(sources(Study("regression")))
        text = to_markdown(report)
        for section in report.sections:
            assert f"## {section.title}" in text
        tables = [t for s in report.sections for t in (*s.tables, *s.details)]
        assert len(re.findall(r"^\| (?:---:?|---)", text, flags=re.MULTILINE)) == len(tables)
        assert "](<" not in text

    def test_pictures_are_png_files(self, tmp_path):
        report = make_report(sources(Study(), curves=False))
        small = replace(report, sections=report.sections[:2])
        files = save_pictures(small, tmp_path / "figures")
        assert sorted(files) == ["differences", "scores"]
        assert all(f.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" for f in files.values())
        text = to_markdown(small, {k: f"figures/{v.name}" for k, v in files.items()})
        assert "](<figures/scores.png>)" in text

    def test_no_name_is_read_as_markup(self):
        text = to_markdown(make_report(sources(Study(name="<b>*x*</b>", notes=("a | b",)))))
        assert text.startswith("# \\<b\\>\\*x\\*\\</b\\>\n")
        assert "a \\| b" in text


BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser here")
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_browser_shows_it_without_a_word_and_nothing_sticks_out_on_a_phone(kind, tmp_path):
    page = tmp_path / "page.html"
    names = ("Größe", "误差", "Donaudampfschifffahrtsgesellschaft")
    page.write_text(page_of(Study(kind, classes=names)), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<iframe src='{page.name}' width=390 height=800 onload='document.title=String("
        "this.contentDocument.documentElement.scrollWidth)'></iframe>"
    )
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, env={**os.environ}
    )
    (width,) = re.findall(r"<title>(\d+)</title>", done.stdout)
    assert int(width) <= 390


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A small study of two inputs, run to its end."""
    store = tmp_path_factory.mktemp("ran") / "store"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 2))
    y = np.where((x**2).sum(axis=1) > 1.4, "außen", "内")
    return lossearch.search(
        x, y, losses=["bce", "hinge"], trials=15, seeds=2, confirm_seeds=4, epochs=4, store=store, name="small",
        mlflow=False, workers=1, listener=Listener(),
    )  # fmt: skip


class TestStudy:
    def test_the_page_of_a_real_study_has_everything(self, ran):
        report = ran.report()
        pictures = {p.name for s in report.sections for p in s.pictures}
        assert pictures == {
            "scores", "differences", "optimism", "lr_sensitivity", "learning_curves", "confusion", "ranking",
            "calibration", "plane", "budget", "parallel", "pareto",
        }  # fmt: skip
        page = Page(to_html(report))
        assert page.wrong == []
        assert "außen" in page.text
        assert "内" in page.text

    def test_a_loaded_study_has_the_same_report_but_for_the_rows_on_the_plane(self, ran):
        loaded = lossearch.load("small", ran.store.root)
        pictures = [{p.name: p for s in r.report().sections for p in s.pictures} for r in (ran, loaded)]
        alts = [{n: [a.alt for a in p.panels] for n, p in found.items()} for found in pictures]
        with_rows, without = (a.pop("plane") for a in alts)
        assert alts[0] == alts[1]
        assert "24 rows" in with_rows[0]
        assert "rows" not in without[0]

    def test_the_files_beside_an_mlflow_run(self, ran, tmp_path, monkeypatch):
        names = [p.name for p in ran.save(tmp_path)]
        assert sorted(names) == [
            "differences.png", "leaderboard.csv", "leaderboard.md", "learning_curves.png", "lr_sensitivity.png",
            "report.html", "report.md", "scores.png", "study.toml",
        ]  # fmt: skip
        assert all((tmp_path / name).stat().st_size > 100 for name in names)
        assert "](<lr_sensitivity.png>)" in (tmp_path / "report.md").read_text(encoding="utf-8")
        monkeypatch.setattr("lossearch.api.report_sources.FIGURES", ())
        other = tmp_path / "other"
        other.mkdir()
        assert "report.html" not in [p.name for p in ran.save(other, report=False)]

    def test_the_command_writes_one_page(self, ran, tmp_path, monkeypatch, capfd):
        monkeypatch.chdir(tmp_path)
        assert cli.invoke(["report", "small", "--store", str(ran.store.root), "--format", "html"]) == 0
        told = capfd.readouterr()
        assert told.out == "Report: small.html\n"
        assert told.err == "Drawing the report of small ...\n"
        page = Page((tmp_path / "small.html").read_text(encoding="utf-8"))
        assert page.wrong == []
        assert "außen" in page.text
        assert [p.name for p in tmp_path.iterdir()] == ["small.html"]

    def test_the_command_writes_markdown(self, ran, tmp_path, capfd):
        asked = ["report", "small", "--store", str(ran.store.root), "--format", "markdown"]
        assert cli.invoke(asked) == 0
        shown, told = capfd.readouterr()
        assert told == "Drawing the report of small ...\n"
        with on_the_command_line():
            assert shown == to_markdown(lossearch.load("small", ran.store.root).report())
        file = tmp_path / "said.md"
        assert cli.invoke([*asked, "--output", str(file)]) == 0
        assert "](<said-figures/plane.png>)" in file.read_text(encoding="utf-8")
        assert (tmp_path / "said-figures" / "plane.png").exists()

    def test_what_cannot_be_written_is_said(self, ran, tmp_path, capfd):
        asked = ["report", "small", "--store", str(ran.store.root)]
        there = str(tmp_path / "no" / "x.html")
        assert cli.invoke([*asked, "--format", "html", "--output", there]) == 2
        told = capfd.readouterr().err
        folder = tmp_path / "no"
        assert f"{there} cannot be written: there is no directory {folder}. Make it, or name another" in told
        assert cli.invoke([*asked, "--output", str(tmp_path / "x.txt")]) == 2
        assert "--output goes with --format html or markdown, not table: name" in capfd.readouterr().err

    @pytest.mark.parametrize(("name", "first"), [("x.html", "<!doctype html>"), ("x.md", "# small")])
    def test_the_ending_of_a_file_says_its_format(self, ran, tmp_path, name, first):
        file = tmp_path / name
        assert cli.invoke(["report", "small", "--store", str(ran.store.root), "--output", str(file)]) == 0
        assert file.read_text(encoding="utf-8").lower().startswith(first)

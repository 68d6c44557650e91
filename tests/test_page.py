"""A report page answers a pointer and a click, names classes, and claims no more than its numbers hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from evidence import evidence
from report_sources import Study, sources

import lossearch
from lossearch import cli
from lossearch.api.comparison import compare, log_comparison
from lossearch.api.store_report import report_all
from lossearch.diagnostics.agreement import Preference, agreement_sentence, preferences
from lossearch.diagnostics.pareto import Objectives, Pareto, points
from lossearch.diagnostics.tuning_curves import TuningCurve
from lossearch.errors import InputError
from lossearch.kinds import Predictions
from lossearch.metrics.registry import METRICS
from lossearch.records.mlflow.client import connect
from lossearch.records.mlflow.overview import find_overview
from lossearch.records.store import Store
from lossearch.report.figures.canvas import panel_figure, svg
from lossearch.report.figures.labels import beside
from lossearch.report.figures.pareto import pareto_picture
from lossearch.report.figures.training import BAND_FROM, sensitivity_picture
from lossearch.report.figures.tuning_curves import tuning_picture
from lossearch.report.formatting import class_names
from lossearch.report.html import to_html
from lossearch.report.index import StudyRow, index_report
from lossearch.report.layout import Column
from lossearch.report.sections import make_report
from lossearch.report.sources import Report, Section, Table
from lossearch.study.progress import Listener

BROWSER = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)


def section_of(found, name):
    return next(s for s in make_report(found).sections if s.name == name)


def words_of(found, name):
    """The text of a section, what its figures say included."""
    report = make_report(found)
    page = to_html(replace(report, sections=tuple(s for s in report.sections if s.name == name)))
    return re.sub(r"<(?!title)[^>]*>", " ", page[page.index("<section") : page.index("<footer")])


class TestClasses:
    @pytest.mark.parametrize("name", ["predictions", "tuned"])
    def test_where_a_class_has_a_name_it_is_called_so(self, name):
        tuned = pd.DataFrame(
            [{
                "pair": "bce/sigmoid", "metric": "accuracy", "tuned": "threshold", "setting": 0.1, "before": 0.8,
                "after": 0.9, "gain": 0.1, "ci_low": 0.05, "ci_high": 0.15, "seeds": 5,
            }]
        )  # fmt: skip
        named = replace(sources(Study(classes=("stayed", "left"))), tuned=tuned)
        text = words_of(named, name)
        assert "left" in text
        assert "class 1" not in text
        assert "class 1" in words_of(replace(sources(Study()), tuned=tuned), name)

    def test_a_number_is_no_name_by_itself(self):
        assert class_names(("3", "yes"), 2) == ("class 3", "yes")
        assert class_names((), 2) == ("class 0", "class 1")


def told(labels, other):
    """Evidence of two pairs: which share of rows each gets right."""
    target = torch.tensor([0, 1] * 100)
    shares = {"a/x": labels, "b/x": other}
    rng = np.random.default_rng(0)
    said = {
        pair: [
            Predictions(
                label=torch.from_numpy(np.where(rng.random(200) < share, target, 1 - target)).to(torch.uint8)
            )
            for _ in range(8)
        ]
        for pair, share in shares.items()
    }
    return evidence(METRICS["accuracy"], said, target.double().unsqueeze(1), kind="binary")


def board(**scores):
    rows = [
        {"metric": m, "direction": "maximize", "pair": p, "mean": v, "rank": 1 + (v < max(of.values()))}
        for m, of in scores.items()
        for p, v in of.items()
    ]
    return pd.DataFrame(rows)


class TestPreferences:
    scores = board(f1_macro={"a/x": 0.6, "b/x": 0.5}, accuracy={"a/x": 0.8, "b/x": 0.801})

    def test_a_difference_within_its_uncertainty_is_none(self):
        found = preferences(self.scores, "f1_macro", lambda _: told(0.80, 0.801))
        assert found == (Preference("accuracy", "b/x", sure=False),)
        assert agreement_sentence(self.scores, "f1_macro", found) == (
            "a/x is best by f1_macro. The only other metric agrees within its uncertainty."
        )

    def test_a_larger_one_is_told(self):
        found = preferences(self.scores, "f1_macro", lambda _: told(0.6, 0.9))
        assert found == (Preference("accuracy", "b/x", sure=True),)
        assert agreement_sentence(self.scores, "f1_macro", found) == (
            "a/x is best by f1_macro. 1 of 1 other metrics prefers another by more than the uncertainty over seeds and "
            "rows (accuracy: b/x)."
        )

    def test_without_predictions_it_is_not_known(self):
        found = preferences(self.scores, "f1_macro", lambda _: None)
        assert found == (Preference("accuracy", "b/x"),)
        assert "whether by more than chance is not known" in agreement_sentence(
            self.scores, "f1_macro", found
        )

    def test_the_more_pairs_the_surer_it_has_to_be(self):
        many = {f"{i}/x": 0.1 for i in range(40)}
        more = board(f1_macro={"a/x": 0.6, "b/x": 0.5, **many}, accuracy={"a/x": 0.8, "b/x": 0.85, **many})
        seen = told(0.80, 0.85)
        assert preferences(self.scores, "f1_macro", lambda _: seen)[0].sure is True
        assert preferences(more, "f1_macro", lambda _: seen)[0].sure is False


class TestFigures:
    def test_every_value_is_told_where_it_is_pointed_at(self):
        found = sources(Study())
        for name, wanted in {
            "leaderboard": len(found.verdict.ranking),
            "differences": len(found.verdict.ranking) - 1,
            "learning_rates": len(found.trials),
        }.items():
            said = re.findall(r"<title>([^<]*)</title>", to_page(found, name).partition("<body>")[2])
            assert len(said) == wanted, name
            assert all(re.search(r"\d", text) for text in said)

    def test_what_is_told_is_text_whatever_it_holds(self):
        picture = section_of(sources(Study(pairs=("bce/sigmoid", '<b>"&#0072b2/x'))), "leaderboard").pictures[
            0
        ]
        drawn = svg(panel_figure(picture, picture.panels[0]), "a", "b")
        assert '&lt;b&gt;"&amp;#0072b2/x: ' in drawn
        assert "<b>" not in drawn

    @pytest.mark.parametrize(("trials", "bands"), [(BAND_FROM - 1, 0), (BAND_FROM, 1)])
    def test_few_learning_rates_have_no_band(self, trials, bands):
        study = sources(Study()).study
        frame = pd.DataFrame(
            {
                "pair": "bce/sigmoid", "lr": np.geomspace(1e-4, 1, trials), "value": 0.8, "sd": 0.1,
                "outcome": "completed", "trial": range(trials),
            }
        )  # fmt: skip
        picture = sensitivity_picture(frame, study)
        (ax,) = panel_figure(picture, picture.panels[0]).axes
        assert sum(type(c).__name__ == "FillBetweenPolyCollection" for c in ax.collections) == bands
        assert picture.note.startswith("bands: sd" if bands else "bars: sd")

    def test_confirmed_pairs_are_numbered_in_the_order_of_the_leaderboard(self):
        two = Objectives(("accuracy", "log_loss"), ("maximize", "minimize"))
        rows = [("b/x", 0, 0.1, 0.9, 0.3), ("a/x", 1, 0.1, 0.91, 0.5), ("c/x", 2, 0.1, 0.7, 0.8)]
        pareto = Pareto(two, points("search", rows, two), points("confirm", rows, two))
        picture = pareto_picture(pareto, ("a/x", "b/x", "c/x"))
        (ax,) = panel_figure(picture, picture.panels[1]).axes
        names = [n for n in ax.get_legend_handles_labels()[1] if n != "front"]
        assert names == ["1 a/x", "2 b/x", "3 c/x"]
        places = {t.get_text(): tuple(np.round(t.xy, 2)) for t in ax.texts}
        assert places == {"1": (0.91, 0.5), "2": (0.9, 0.3), "3": (0.7, 0.8)}

    def test_intervals_do_not_press_the_points_together(self):
        from lossearch.diagnostics.pareto import Interval

        two = Objectives(("accuracy", "log_loss"), ("maximize", "minimize"))
        rows = [("b/x", 0, 0.1, 0.900, 0.3), ("a/x", 1, 0.1, 0.901, 0.31)]
        wide = {p: Interval(0.9, 0.1, 1.0) for p in ("a/x", "b/x")}
        pareto = Pareto(
            two, points("search", rows, two), points("confirm", rows, two), intervals=(wide, wide)
        )
        picture = pareto_picture(pareto, ("a/x", "b/x"))
        (ax,) = panel_figure(picture, picture.panels[1]).axes
        assert np.ptp(ax.get_xlim()) < 0.003

    def test_labels_of_points_at_one_place_do_not_hide_each_other(self):
        picture = section_of(sources(Study()), "leaderboard").pictures[0]
        figure = panel_figure(picture, picture.panels[0])
        ax = figure.axes[0]
        beside(ax, np.full(4, 0.85), np.zeros(4), list("1234"))
        offsets = {t.xyann for t in ax.texts if t.get_text() in "1234"}
        assert len(offsets) == 4


def to_page(found, name):
    report = make_report(found)
    return to_html(replace(report, sections=tuple(s for s in report.sections if s.name == name)))


SORTED = """
<script>
  const column = (table, at) => [...table.tBodies[0].rows].map((row) => row.cells[at].textContent).join("|");
  const table = document.querySelector("table"), headers = table.tHead.rows[0].cells, seen = [];
  for (const at of [1, 1, 1, 0]) {
    headers[at].querySelector("button").click();
    seen.push([...headers].map((h) => h.getAttribute("aria-sort")).join(" ") + ": " + column(table, at));
  }
  document.title = seen.join("; ");
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser here")
def test_a_click_on_a_header_sorts_a_table(tmp_path):
    table = Table("c", (Column("pair", ("b", "a", "c")), Column("x", ("+2", "-", "10.5 *"), numeric=True)))
    page = tmp_path / "page.html"
    page.write_text(to_html(Report("t", "s", (), (), (Section("one", "One", tables=(table,)),))) + SORTED)
    command = [
        BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=5000", "--dump-dom", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    (seen,) = re.findall(r"<title>([^<]*: [^<]*)</title>", done.stdout)
    assert seen.split("; ") == [
        "none ascending: +2|10.5 *|-",
        "none descending: 10.5 *|+2|-",
        "none none: +2|-|10.5 *",
        "ascending none: a|b|c",
    ]


class TestIndex:
    def rows(self):
        return [
            StudyRow(
                "old",
                "binary",
                "accuracy",
                0.0,
                20,
                "bce/sigmoid",
                0.741,
                0.01,
                0.0,
                ("bce/sigmoid",),
                3,
                "old.html",
            ),
            StudyRow("new one%", "regression", "rmse", 1e9, 10, page="new one%.html"),
        ]

    def test_a_study_has_a_row_and_a_link_to_its_page(self):
        page = to_html(index_report("store", self.rows(), {"lost": "study.json is damaged"}))
        assert re.findall(r'<th scope="row"><a href="([^"]*)">([^<]*)</a>', page) == [
            ("new%20one%25.html", "new one%"), ("old.html", "old"),
        ]  # fmt: skip
        cells = re.sub(r"<[^>]*>", "|", page)
        for shown in (
            "|bce/sigmoid|",
            "|0.741|",
            "|1 of 3|",
            "|20|",
            "|1970-01-01 00:00|",
            "|study.json is damaged|",
        ):
            assert shown in cells, shown

    def test_without_studies_it_says_so(self):
        assert "There is no study that can be shown." in to_html(index_report("store", (), {}))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two small studies, one named as the index is; MLflow has the other."""
    root = tmp_path_factory.mktemp("store") / "store"
    rng = np.random.default_rng(0)
    for name in ("index", "other"):
        x = rng.normal(size=(120, 3))
        lossearch.search(
            x, (x[:, 0] > 0).astype(int), losses=["bce", "mse"], activations=["sigmoid"], trials=10, seeds=1,
            confirm_seeds=2, epochs=2, store=root, name=name, workers=1, listener=Listener(), mlflow=name == "other",
        )  # fmt: skip
    return root


class TestStore:
    def test_all_reports_are_written_and_linked(self, store, tmp_path, capfd):
        folder = tmp_path / "reports"
        assert cli.invoke(["report", "--all", "--store", str(store), "--output", str(folder)]) == 0
        told = capfd.readouterr()
        assert "2 reports beside it" in told.out
        assert told.err.splitlines() == [
            "Drawing the report of index (1 of 2) ...",
            "Drawing the report of other (2 of 2) ...",
        ]
        index = (folder / "index.html").read_text(encoding="utf-8")
        linked = re.findall(r'<a href="([^"#]*)">', index)
        assert sorted(linked) == ["_index.html", "other.html"]
        assert {p.name for p in folder.iterdir()} == {"index.html", *linked}
        assert "logistic regression" in (folder / "other.html").read_text(encoding="utf-8")

    def test_a_damaged_study_is_named_and_the_others_are_written(self, store, tmp_path):
        broken = tmp_path / "store"
        shutil.copytree(store, broken)
        (broken / "studies" / "index" / "study.json").write_text("{", encoding="utf-8")
        found = report_all(tmp_path / "reports", broken)
        assert [p.name for p in found] == ["index.html", "other.html"]
        assert "Studies that cannot be read" in found[0].read_text(encoding="utf-8")

    @pytest.mark.parametrize(
        ("asked", "told"),
        [
            ([], "Name a study, or write the reports of all: lossearch report --all."),
            (["other", "--all"], "--all is of every study of a store; got 'other' too."),
            (["--all", "--format", "json"], "--all writes HTML, not json."),
            (["other", "--storage", "a", "--storage", "b"], "Give --storage once."),
        ],
    )
    def test_what_does_not_go_together_is_refused(self, store, asked, told, capfd):
        assert cli.invoke(["report", *asked, "--store", str(store)]) == 2
        assert told in capfd.readouterr().err

    def test_a_store_without_studies_has_no_index(self, tmp_path):
        Store.open(tmp_path / "store")
        with pytest.raises(InputError, match="No studies in"):
            report_all(tmp_path / "reports", tmp_path / "store")
        assert not (tmp_path / "reports").exists()

    def test_a_comparison_is_one_page_and_stands_in_mlflow_once(self, store, tmp_path, capfd):
        file = tmp_path / "made" / "comparison.html"
        asked = ["compare", "index", "other", "--store", str(store), "--output", str(file)]
        for _ in range(2):
            assert cli.invoke(asked) == 0
        told = capfd.readouterr()
        assert "In MLflow too: experiment 'lossearch overview'." in told.out
        assert told.err == "Drawing the comparison ...\n" * 2
        page = file.read_text(encoding="utf-8")
        for shown in ("Comparison over tasks", "Scores on each task", "Pairs by average rank", "<svg"):
            assert shown in page
        assert not re.search(r'(?:src|href)="(?!#|data:)', page)
        client = connect(Store.open(store))
        runs = client.search_runs([str(find_overview(client))])
        (run,) = (r for r in runs if r.info.run_name == "comparison of index, other")
        assert [a.path for a in client.list_artifacts(run.info.run_id)] == ["comparison.html"]
        assert run.data.metrics["studies"] == 2
        assert run.info.status == "FINISHED"

    def test_a_comparison_of_studies_that_mlflow_has_not_is_no_run(self, store, tmp_path):
        without = tmp_path / "store"
        shutil.copytree(store, without)
        opened = Store.open(without)
        for name in ("index", "other"):
            opened.write_study(replace(opened.read_study(name), mlflow=None))
        assert log_comparison(compare(["index", "other"], without), without) is None


@pytest.mark.parametrize(("high", "bands", "ends"), [(np.inf, 0, 1), (0.95, 1, 0)])
def test_a_band_of_trials_is_drawn_where_both_its_ends_are_known(high, bands, ends):
    curve = TuningCurve("a/x", 6, np.linspace(0.7, 0.8, 6), np.full(6, 0.6), np.full(6, high), 0.95)
    picture = tuning_picture([curve], sources(Study()).study)
    (ax,) = panel_figure(picture, picture.panels[0]).axes
    assert sum(type(c).__name__ == "FillBetweenPolyCollection" for c in ax.collections) == bands
    assert sum(line.get_linestyle() == ":" for line in ax.lines) == ends

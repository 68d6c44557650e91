"""Records to leaderboard, published comparison, curves; tables at every width; figures without global state."""

from __future__ import annotations

import io
import json
import math
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass, replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from contracts.records import example_study_record
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread
from report_sources import Study as ReportedStudy
from report_sources import sources
from rich.console import Console
from scipy.stats import rankdata

from lossearch.cli.dry_run import rejects_table
from lossearch.config import PublishedRow
from lossearch.pairs import Rejection
from lossearch.records.trial import TrialRecord
from lossearch.report import frames
from lossearch.report.figures.canvas import save, whole_figure
from lossearch.report.figures.training import curves_picture, sensitivity_picture
from lossearch.report.formatting import as_published, number, plus_minus, rate
from lossearch.report.layout import Column, Fitted, aligned
from lossearch.report.leaderboard import make_leaderboard
from lossearch.report.published import published_numbers, published_table
from lossearch.report.sentences import gain_sentence
from lossearch.space import Point
from lossearch.training.contract import Outcome


def study_record(name: str, metric: str, direction: str = "maximize", conventional: str = "bce/sigmoid"):
    base = example_study_record(name)
    return replace(
        base,
        task=replace(base.task, metric=metric, direction=direction),
        search=replace(base.search, seeds=5),
        conventional=conventional,
        min_trials=2,
    )


STUDY = study_record("circles", "accuracy")
LONG = "one_vs_rest_squared_hinge/identity"


def record(
    number, pair, lr, value, *, outcome=Outcome.COMPLETED, sd=0.006, own=(), other=(), seeds=5, **scores
):
    spread = {"val_accuracy": sd, **dict.fromkeys(scores, 2 * sd)} if value is not None else {}
    found = {"val_accuracy": value, "val_loss": 0.4, **scores} if value is not None else {}
    point = Point(pair, lr, own, other)
    return TrialRecord(
        number,
        "search",
        point,
        "zero_one",
        tuple(range(seeds)),
        outcome,
        value,
        7,
        scores=found,
        spread=spread,
    )


def board_of(records, pairs, **options):
    asked = {
        "direction": "maximize",
        "metric": "accuracy",
        "conventional": "bce/sigmoid",
        "min_trials": 2,
    } | options
    return frames.search_leaderboard(records, pairs=pairs, **asked)


@pytest.fixture
def records():
    return [
        record(0, "bce/sigmoid", 0.01, 0.84, val_f1=0.8, train_accuracy=0.9),
        record(1, "bce/sigmoid", 0.1, 0.85, val_f1=0.81, train_accuracy=0.91),
        record(2, "bce/sigmoid", 1.0, 0.5, outcome=Outcome.DIVERGED, sd=0.0),
        record(3, "focal/sigmoid", 0.1, 0.80, own=(("gamma", 2.0),), other=(("batch_size", 32),)),
        record(4, "focal/sigmoid", 0.01, 0.87, own=(("gamma", 0.5),), other=(("batch_size", 16),), sd=0.03),
        record(5, "focal/sigmoid", 0.03, None, outcome=Outcome.PRUNED),
        record(6, LONG, 0.1, 0.85),
        record(7, LONG, 0.3, 0.70),
        record(8, LONG, 0.03, None, outcome=Outcome.FAILED),
        record(9, "mse/sigmoid", 0.1, 0.99),
        record(10, "mae/tanh", 0.1, None, outcome=Outcome.FAILED),
    ]


PAIRS = ("bce/sigmoid", "focal/sigmoid", LONG, "mse/sigmoid", "mae/tanh", "hinge/tanh")


class TestLeaderboard:
    def test_every_column_of_every_pair(self, records):
        board = board_of(records, PAIRS)
        assert list(board["pair"]) == [
            "focal/sigmoid",
            "bce/sigmoid",
            LONG,
            "mse/sigmoid",
            "mae/tanh",
            "hinge/tanh",
        ]
        assert list(board["rank"].astype(object)) == [1, 2, 2, pd.NA, pd.NA, pd.NA]
        assert list(board["trials"]) == [3, 3, 2, 1, 0, 0]
        assert list(board["diverged"]) == [0, 1, 0, 0, 0, 0]
        assert list(board["failed"]) == [0, 0, 1, 0, 1, 0]
        assert list(board["lr_at_edge"]) == [True, False, False, False, False, False]
        assert list(board["params"]) == ["gamma=0.5, batch_size=16", "", "", "", "", ""]
        np.testing.assert_allclose(board["score"], [0.87, 0.85, 0.85, 0.99, np.nan, np.nan])
        np.testing.assert_allclose(board["gain"], [0.02, 0, 0, 0.14, np.nan, np.nan], atol=1e-12)
        np.testing.assert_allclose(board["lr"], [0.01, 0.1, 0.1, 0.1, np.nan, np.nan])
        np.testing.assert_allclose(board["sd"], [0.03, 0.006, 0.006, 0.006, np.nan, np.nan])
        np.testing.assert_allclose(board["val_f1"], [np.nan, 0.81, np.nan, np.nan, np.nan, np.nan])
        assert list(board["loss"]) == [p.partition("/")[0] for p in board["pair"]]
        assert list(board["activation"]) == [p.partition("/")[2] for p in board["pair"]]
        assert "val_loss" not in board.columns

    def test_less_is_better_turns_order_and_gain(self, records):
        board = board_of(records, PAIRS, direction="minimize", min_trials=1)
        best = board.set_index("pair")
        assert best.loc["bce/sigmoid", "score"] == 0.5
        assert board["pair"].iloc[0] == "bce/sigmoid"
        assert best.loc[LONG, "gain"] == pytest.approx(-0.2)

    def test_a_diverged_trial_counts_with_the_constant_predictor_s_value(self):
        only = [record(0, "bce/sigmoid", 0.1, 0.5, outcome=Outcome.DIVERGED)]
        row = board_of(only, ["bce/sigmoid"], min_trials=1).iloc[0]
        assert (row["score"], row["trials"], row["diverged"], row["rank"]) == (0.5, 1, 1, 1)

    def test_one_seed_has_no_spread(self):
        row = board_of([record(0, "bce/sigmoid", 0.1, 0.5, seeds=1, sd=0.0)], ["bce/sigmoid"]).iloc[0]
        assert math.isnan(row["sd"])

    def test_nothing_tried(self):
        board = board_of([], PAIRS)
        assert list(board["pair"]) == list(PAIRS)
        assert board["score"].isna().all()
        assert board["rank"].isna().all()

    def test_it_is_plain_json(self, records):
        rows = json.loads(board_of(records, PAIRS).to_json(orient="records"))
        assert rows[0]["pair"] == "focal/sigmoid"
        assert rows[-1]["score"] is None

    @given(
        st.dictionaries(
            st.sampled_from([f"l{i}/a" for i in range(8)]),
            st.lists(st.sampled_from([0.1, 0.2, 0.3, -1.0]), max_size=4),
            min_size=1,
        ),
        st.sampled_from(["maximize", "minimize"]),
        st.integers(1, 3),
        st.randoms(),
    )
    def test_ranks_are_those_of_scipy_whatever_the_order_of_records(self, values, direction, least, random):
        made = [(p, v) for p, vs in values.items() for v in vs]
        recs = [record(i, p, 0.1, v) for i, (p, v) in enumerate(made)]
        random.shuffle(recs)
        board = board_of(recs, list(values), direction=direction, min_trials=least, conventional="l0/a")
        pick = max if direction == "maximize" else min
        best = {p: pick(vs) for p, vs in values.items() if len(vs) >= least}
        sign = -1 if direction == "maximize" else 1
        expected = dict(zip(best, rankdata([sign * v for v in best.values()], method="min"), strict=True))
        got = {p: r for p, r in zip(board["pair"], board["rank"], strict=True) if not pd.isna(r)}
        assert got == expected
        assert list(got.values()) == sorted(got.values())
        assert sorted(board["pair"]) == sorted(values)


class TestOtherFrames:
    def test_lr_sensitivity_has_every_trial_in_order(self, records):
        frame = frames.lr_sensitivity(records, metric="accuracy")
        assert len(frame) == len(records)
        assert list(frame[frame["pair"] == "bce/sigmoid"]["lr"]) == [0.01, 0.1, 1.0]
        assert list(frame[frame["pair"] == "bce/sigmoid"]["outcome"]) == [
            "completed",
            "completed",
            "diverged",
        ]
        assert frame[frame["outcome"].isin(["failed", "pruned"])]["value"].isna().all()

    def test_curves_are_mean_and_sd_over_the_seeds_there_are(self):
        rng = np.random.default_rng(0)
        rows = [
            {"trial": t, "pair": "p/a", "lr": 0.1, "seed": s, "epoch": e, "val_accuracy": rng.normal()}
            for t in (3, 4)
            for s in range(3)
            for e in range(1, 1001 if s else 11)  # seed 0 diverged after epoch 10
        ]
        frame = pd.DataFrame(rows)
        found = frames.curves(frame, {"p/a": 4, "q/a": 99}, points=50)
        assert len(found) <= 50
        assert {found["epoch"].iloc[0], found["epoch"].iloc[-1]} == {1, 1000}
        assert list(found["seeds"].unique()) == [3, 2]
        for row in found.itertuples():
            own = frame[(frame["trial"] == 4) & (frame["epoch"] == row.epoch)]["val_accuracy"]
            assert row.mean == pytest.approx(np.mean(own), abs=1e-12)
            assert row.sd == pytest.approx(np.std(own, ddof=1), abs=1e-12)

    def test_curves_of_nothing_have_their_columns(self):
        empty = pd.DataFrame(columns=["trial", "pair", "lr", "seed", "epoch", "val_accuracy"])
        assert list(frames.curves(empty, {"p/a": 0}).columns) == [
            "pair", "trial", "lr", "curve", "epoch", "mean", "sd", "seeds",
        ]  # fmt: skip

    def test_published_has_both_metrics(self, records):
        rows = [
            PublishedRow(
                pair="bce/sigmoid", label="binary_crossentropy", metric="accuracy", train=0.836, test=0.852
            ),
            PublishedRow(pair="bce/sigmoid", label="x", metric="f1", test=0.74, note="another rule"),
            PublishedRow(pair="msle/identity", label="msle", metric="accuracy", train=0.165),
        ]
        found = published_numbers(rows, records, metric="accuracy", direction="maximize")
        assert list(zip(found["label"], found["metric"], strict=True)) == [
            ("binary_crossentropy", "accuracy"), ("x", "f1"), ("x", "accuracy"), ("msle", "accuracy"),
        ]  # fmt: skip
        np.testing.assert_allclose(found["validation"], [0.85, 0.81, 0.85, np.nan])
        np.testing.assert_allclose(found["train"], [0.91, np.nan, 0.91, np.nan])
        np.testing.assert_allclose(found["published_test"], [0.852, 0.74, np.nan, np.nan])
        assert list(found["trained"]) == [True, True, True, False]


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "sd", "text"),
        [
            (0.84912, 0.0061, "0.849 ± 0.006"),
            (0.84912, 0.0123, "0.849 ± 0.012"),
            (0.84, 2.15, "0.8 ± 2.1"),
            (56789.0, 1234.0, "56800 ± 1200"),
            (53.04, 0.96, "53.0 ± 1.0"),
            (0.84912, 0.0, "0.8491 ± 0"),
            (0.84912, math.nan, "0.8491"),
            (1.234e-7, 5e-9, "(1.23 ± 0.05)e-7"),
            (1.0e9, 2.5e8, "(1.00 ± 0.25)e9"),
            (-0.0001, 0.01, "0.000 ± 0.010"),
            (0.0, 0.0, "0 ± 0"),
            (math.nan, 0.1, "-"),
            (None, None, "-"),
        ],
    )
    def test_digits_follow_the_spread(self, value, sd, text):
        assert plus_minus(value, sd) == text

    @given(
        st.floats(-1e12, 1e12).filter(lambda v: v == 0 or abs(v) > 1e-12),
        st.floats(1e-12, 1e12),
    )
    def test_what_is_written_is_within_a_sixth_of_the_spread(self, value, sd):
        text = plus_minus(value, sd)
        inner, _, power = text.removeprefix("(").partition(")e")
        shown, _, spread = inner.partition(" ± ")
        scale = 10.0 ** int(power or 0)
        if sd > 1e-6 * abs(value):
            assert abs(float(shown) * scale - value) <= sd / 6
            assert abs(float(spread) * scale - sd) <= sd / 6
        assert len(text) <= 32

    def test_alone(self):
        assert number(0.01234, 0.0061, signed=True) == "+0.012"
        assert number(-0.01234, 0.0061, signed=True) == "-0.012"
        assert number(123456.7) == "1.235e+05"
        assert (rate(0.0031622), rate(1e-5), rate(math.nan)) == ("0.00316", "1e-05", "-")
        assert (as_published(0.74), as_published(0.0), as_published(None)) == ("0.740", "0.000", "-")

    def test_signs_stand_under_each_other(self):
        assert aligned(["0.85 ± 0.10", "-", "12.849 ± 0.006"]) == [
            "  0.85 ± 0.10",
            "     -",
            "12.849 ± 0.006",
        ]


def printed(renderable, width, **options):
    stream = io.StringIO()
    Console(file=stream, width=width, **options).print(renderable)
    return stream.getvalue()


class TestTables:
    def test_the_leaderboard_at_eighty_columns(self, records):
        board = board_of(records, PAIRS)
        text = "\n".join(line.rstrip() for line in printed(make_leaderboard(board, STUDY), 80).splitlines())
        assert text == (
            "#  pair                        best lr  accuracy         gain  trials  diverged\n"
            "───────────────────────────────────────────────────────────────────────────────\n"
            "1  focal/sigmoid               0.01*    0.870 ± 0.030  +0.020       3         0\n"
            "     gamma=0.5, batch_size=16\n"
            "2  bce/sigmoid                 0.1      0.850 ± 0.006    ref.       3         1\n"
            "2  one_vs_rest_squared_hinge/  0.1      0.850 ± 0.006   0.000       2         0\n"
            "     identity\n"
            "-  mse/sigmoid                 0.1      0.990 ± 0.006  +0.140       1         0\n"
            "-  mae/tanh                    -            -               -       0         0\n"
            "-  hinge/tanh                  -            -               -       0         0\n"
            "\n"
            "No gain: focal/sigmoid leads the conventional bce/sigmoid by 0.020 accuracy,\n"
            "within the spread over seeds (sd 0.030).\n"
            "* The best learning rate of focal/sigmoid is the lowest or highest tried, so\n"
            "better ones may lie beyond, and losses may differ there: search wider, as a new\n"
            "study (lr=(0.0001, 1)).\n"
            "Not ranked, fewer than 2 finished trials: mse/sigmoid.\n"
            "2 failed trials are not counted.\n"
            "accuracy: mean ± sd over 5 seeds, validation rows, best epoch; higher is better.\n"
            "Optimiser: sgd. Gain: over the conventional pair bce/sigmoid (ref.). These are\n"
            "the search's own scores and optimistic: each is the best of many trials, on the\n"
            "rows it was chosen on. There is no verdict: it was not run to its end. The same\n"
            "call goes on from there, and ends with one."
        )

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            (
                {"planned": 60},
                "11 of 60 trials are done. The same call goes on from there, and ends with one.",
            ),
            (
                {"planned": 11},
                "its 11 trials are done, and the best of each pair not yet trained again on fresh seeds. The same call",
            ),
            (
                {"planned": 60, "config": "[budget]\nconfirm_seeds = 0"},
                "run it with confirm_seeds above 0 for one.",
            ),
            ({"planned": 11, "unjudged": "The test rows are one only."}, "The test rows are one only."),
            (
                {"planned": 11, "search": replace(STUDY.search, mode="adaptive")},
                "in mode 'adaptive' pairs get different budgets",
            ),
        ],
        ids=[
            "interrupted",
            "interrupted in its confirmation",
            "none asked for",
            "not to be compared",
            "adaptive",
        ],
    )
    def test_it_says_why_there_is_no_verdict(self, records, changed, why):
        shown = make_leaderboard(board_of(records, PAIRS), replace(STUDY, **changed)).basis
        assert shown.partition("There is no verdict: ")[2].startswith(why)

    @pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
    def test_no_number_and_no_name_is_cut_at_any_width(self, records, width):
        board = board_of(records, PAIRS)
        text = printed(make_leaderboard(board, STUDY), width)
        assert all(len(line) <= width for line in text.splitlines())
        for score in ("0.870 ± 0.030", "0.850 ± 0.006", "0.990 ± 0.006"):
            assert score in text
        squeezed = text.replace(" ", "").replace("\n", "")
        if width >= 80:
            for pair in PAIRS:
                loss, _, activation = pair.partition("/")
                assert f"{loss}/" in text
                assert activation in text
        assert "…" not in squeezed

    @pytest.mark.parametrize("width", range(60, 200, 4))
    def test_names_of_confirmed_pairs_are_whole_and_columns_go_instead(self, width):
        found = sources(ReportedStudy())
        board = frames.confirmed_leaderboard(
            found.board, found.verdict, found.confirmed, found.study.space.pairs
        )
        table = make_leaderboard(board, found.study, found.verdict, found.confirmed)
        text = printed(table, width)
        assert all(len(line) <= width for line in text.splitlines())
        rows = text.rpartition("───")[2].partition("\n\n")[0]
        for pair in ReportedStudy().names:
            loss, _, activation = pair.partition("/")
            split = f"{loss}/ " in rows and re.search(rf"^ +{activation}\b", rows, re.MULTILINE)
            assert pair in rows or split
        gone = re.search(r"In a wider terminal: ([^.]*)\.", " ".join(text.split()))
        headings = text.split("───")[0]
        for column in table.columns:
            shown = column.heading in headings or (column.short and column.short in headings)
            assert shown or column.detail or column.heading in gone[1].split(", ")

    def test_numbers_of_a_column_have_as_many_decimals(self):
        found = sources(ReportedStudy())
        board = frames.confirmed_leaderboard(
            found.board, found.verdict, found.confirmed, found.study.space.pairs
        )
        board["sd"] = [10.0 ** -(2 + n) for n in range(len(board))]
        columns = {c.heading: c.cells for c in make_leaderboard(board, found.study, found.verdict).columns}
        for heading in ("test accuracy", "validation", "search"):
            assert len({len(cell.partition(".")[2]) for cell in columns[heading]}) == 1

    def test_plain_where_there_is_no_terminal_and_coloured_where_there_is(self, records):
        table = make_leaderboard(board_of(records, PAIRS), STUDY)
        assert "\x1b" not in printed(table, 100)
        assert "\x1b" in printed(table, 100, force_terminal=True, color_system="standard")

    def test_names_with_brackets_are_not_read_as_markup(self):
        shown = printed(Fitted([Column("[bold]x", ("[red]a/b",), splits=True)]), 80)
        assert "[bold]x" in shown
        assert "[red]a/b" in shown

    @pytest.mark.parametrize(
        ("leader", "reference", "seeds", "sentence"),
        [
            (0.90, 0.85, 5, "focal/sigmoid leads the conventional bce/sigmoid by 0.050 accuracy, more than the spread over seeds (sd 0.010)."),
            (0.855, 0.85, 5, "No gain: focal/sigmoid leads the conventional bce/sigmoid by 0.005 accuracy, within the spread over seeds (sd 0.010)."),
            (0.80, 0.85, 5, "No gain: no pair beats the conventional bce/sigmoid."),
            (0.85, 0.85, 5, "No gain: no pair beats the conventional bce/sigmoid."),
            (0.90, 0.85, 1, "focal/sigmoid leads the conventional bce/sigmoid by 0.05 accuracy; with one seed its spread is unknown, so this may be noise."),
            (0.90, None, 5, "The conventional pair bce/sigmoid has no score, so no gain can be stated."),
        ],
    )  # fmt: skip
    def test_no_gain_is_said(self, leader, reference, seeds, sentence):
        recs = [record(0, "focal/sigmoid", 0.1, leader, sd=0.01, seeds=seeds)]
        recs += [record(1, "bce/sigmoid", 0.1, reference, sd=0.01, seeds=seeds)] if reference else []
        board = board_of(recs, ["bce/sigmoid", "focal/sigmoid"], min_trials=1)
        assert gain_sentence(board, STUDY) == sentence

    def test_nothing_ranked_is_said(self):
        assert gain_sentence(board_of([], PAIRS), STUDY) == "No pair has enough finished trials for a rank."
        assert "bce/sigmoid" in printed(make_leaderboard(board_of([], PAIRS), STUDY), 80)

    def test_published_beside_ours(self, records):
        rule = "Scores between -0.5 and 0.5 count as wrong."
        rows = [
            PublishedRow(pair="bce/sigmoid", label="bce", metric="accuracy", train=0.84, test=0.852),
            PublishedRow(pair=LONG, label="hinge", metric="f1", train=0.792, test=0.74, note=rule),
            PublishedRow(pair="msle/identity", label="msle", metric="accuracy", test=0.1),
        ]
        frame = published_numbers(rows, records, metric="accuracy", direction="maximize")
        for width in (80, 120):
            text = printed(published_table(frame, STUDY), width)
            assert all(len(line) <= width for line in text.splitlines())
            for part in ("0.840", "0.852", "0.792", "0.740", "0.850 ± 0.006", "f1 [1]", f"[1] {rule}"):
                assert part in text
            assert "msle/identity: no finished trial here." in text
            assert f"Published names: {LONG} as hinge." in text.replace("\n", " ")

    def testrejects_table(self):
        text = printed(rejects_table([Rejection("hinge/sigmoid", "It cannot.", "Use hinge/identity.")]), 80)
        assert "hinge/sigmoid  It cannot. Use hinge/identity." in text
        assert printed(rejects_table([]), 80) == "Every combination asked for is legal.\n"

    def test_markdown_is_a_table_with_nothing_read_as_markup(self, records):
        text = make_leaderboard(board_of(records, PAIRS), STUDY).to_markdown("study")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        cells = [line.replace("\\|", "").count("|") for line in lines]
        assert len(lines) == 2 + len(PAIRS)
        assert set(cells) == {9}
        assert (
            "| 1 | focal/sigmoid | 0.01\\* | 0.870 ± 0.030 | +0.020 | 3 | 0 | gamma=0.5, batch\\_size=16 |"
            in lines
        )
        assert "No gain: " in text


@dataclass
class Drawn:
    curves: pd.DataFrame
    sensitivity: pd.DataFrame


@pytest.fixture
def drawn(records):
    rows = [
        {
            "trial": t, "pair": p, "lr": 0.1, "seed": s, "epoch": e,
            "train_loss": 10.0 ** (3 - e), "val_loss": 1 / e, "train_accuracy": 1 - 1 / e, "val_accuracy": 1 - 1.1 / e,
        }
        for t, p in enumerate(PAIRS) for s in range(3) for e in range(1, 9)
    ]  # fmt: skip
    curves = frames.curves(pd.DataFrame(rows), {p: t for t, p in enumerate(PAIRS)})
    return Drawn(curves, frames.lr_sensitivity(records, metric="accuracy"))


class TestFigures:
    def test_they_are_png_and_leave_no_state(self, drawn, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            before = dict(mpl.rcParams)
            for name, figure in (
                ("curves", whole_figure(curves_picture(drawn.curves, STUDY))),
                ("lr", whole_figure(sensitivity_picture(drawn.sensitivity, STUDY))),
            ):
                path = save(figure, tmp_path / f"{name}.png")
                image = imread(path)
                assert image.shape[0] > 200
                assert image.std() > 0.01
            assert dict(mpl.rcParams) == before

    def test_a_panel_a_pair_with_both_curves_and_bands(self, drawn):
        figure = whole_figure(curves_picture(drawn.curves, STUDY))
        assert len(figure.axes) == 2 * len(PAIRS)
        titles = [ax.get_title() for ax in figure.axes]
        assert [t.partition("\n")[0] for t in titles if t] == list(PAIRS)
        for ax in figure.axes:
            assert sorted(line.get_label() for line in ax.lines) == ["training", "validation"]
            assert len(ax.collections) == 2
        lower = [ax for ax in figure.axes if ax.get_xlabel() == "epoch"]
        assert len({ax.get_ylim() for ax in lower}) == 1
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["training", "validation"]

    def test_the_best_and_the_diverged_are_marked(self, drawn):
        figure = whole_figure(sensitivity_picture(drawn.sensitivity, STUDY))
        panels = {ax.get_title(): ax for ax in figure.axes}
        assert list(panels) == ["mse/sigmoid", "focal/sigmoid", "bce/sigmoid", LONG]
        marks = {line.get_label(): line for line in panels["bce/sigmoid"].lines}
        assert marks["best"].get_xydata().tolist() == [[0.1, 0.85]]
        assert marks["diverged (scores as a constant)"].get_xdata().tolist() == [1.0]
        assert panels["bce/sigmoid"].get_xscale() == "log"
        assert len({(ax.get_xlim(), ax.get_ylim()) for ax in figure.axes}) == 1

    def test_one_far_off_score_does_not_hide_the_rest(self):
        recs = [record(i, "mse/identity", 10.0**-i, 10.0 + i) for i in range(8)]
        recs.append(record(8, "mse/identity", 1e-8, 1e9))
        study = study_record("d", "rmse", "minimize", "mse/identity")
        (ax,) = whole_figure(sensitivity_picture(frames.lr_sensitivity(recs, metric="rmse"), study)).axes
        assert ax.get_ylim()[1] < 30
        assert "far outside" in ax.get_legend_handles_labels()[1]

    @pytest.mark.parametrize("name", ["Größe", "误差 über $x_1", "a\\b{c}", "%s ^ _"])
    def test_labels_of_any_script_are_drawn_without_a_word(self, drawn, name, tmp_path):
        study = study_record(name, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            path = save(whole_figure(sensitivity_picture(drawn.sensitivity, study)), tmp_path / "x.png")
        assert path.stat().st_size > 10_000

    def test_nothing_to_draw_is_an_empty_figure(self, tmp_path):
        empty = frames.lr_sensitivity([], metric="accuracy")
        save(whole_figure(sensitivity_picture(empty, STUDY)), tmp_path / "a.png")
        save(
            whole_figure(curves_picture(frames.curves(pd.DataFrame(columns=["trial", "epoch"]), {}), STUDY)),
            tmp_path / "b.png",
        )
        assert (tmp_path / "b.png").exists()

    def test_pyplot_mlflow_and_optuna_are_not_imported(self):
        code = (
            "import sys, lossearch.report.figures, lossearch.report.leaderboard;"
            "print([m for m in ('matplotlib.pyplot','mlflow','optuna','pytorch_lightning') if m in sys.modules])"
        )
        assert (
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
            == "[]\n"
        )

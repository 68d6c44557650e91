"""Baselines: what needs no search, scored on the rows that the confirmed pairs are judged on."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from confirming import REAL, Notes, X, prepared, searched, way
from report_sources import Study, sources
from rich.console import Console
from sklearn.linear_model import LogisticRegression

from lossearch._json import dumps
from lossearch.confirm import baselines as module
from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.selection import select_points
from lossearch.diagnostics.pareto import Interval, intervals
from lossearch.kinds import KINDS, Predictions
from lossearch.metrics.joined import each_field
from lossearch.metrics.metric import LOGGED
from lossearch.metrics.registry import constant_score, is_given, metrics_for, scores
from lossearch.records.confirmations import FILE, PREFIX, BaselineScores, read_confirmed
from lossearch.records.evidence import read_evidence
from lossearch.report import frames
from lossearch.report.figures.intervals import scores_picture
from lossearch.report.html import to_html
from lossearch.report.layout import Fitted
from lossearch.report.leaderboard import make_leaderboard
from lossearch.report.notebook import as_html
from lossearch.report.sections import make_report

RNG = np.random.default_rng(3)
ROWS, INPUTS = 400, 3
TARGETS = {
    "binary": lambda s: (s[:, :1] > 0.3).double(),
    "multiclass": lambda s: torch.bucketize(s[:, 0].contiguous(), torch.tensor([-0.5, 0.5])),
    "ordinal": lambda s: torch.bucketize(s[:, 0].contiguous(), torch.tensor([-0.5, 0.5])),
    "multilabel": lambda s: (s[:, :2] > 0).double(),
    "regression": lambda s: s[:, :2].double() * 7 + 100,
    "probabilistic": lambda s: s[:, :1].double() * 7 + 100,
    "count": lambda s: torch.floor(torch.exp(s[:, :1].double().clamp(max=2))),
    "positive": lambda s: torch.exp(s[:, :1].double().clamp(-2, 2)),
}
OUTPUTS = {"multiclass": 3, "ordinal": 3, "multilabel": 2, "regression": 2}
LINEAR = [kind for kind in KINDS if KINDS[kind].baselines]


def linear_problem(kind):
    x = RNG.normal(size=(ROWS, INPUTS))
    noisy = x + 0.3 * RNG.normal(size=x.shape)
    return x, KINDS[kind].tensor(TARGETS[kind](torch.from_numpy(noisy)))


class TestKinds:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_kind_says_in_its_own_file_what_it_is_held_against(self, kind):
        assert "baselines" in vars(type(KINDS[kind]))

    @pytest.mark.parametrize("kind", LINEAR)
    def test_each_has_a_name_in_mlflow_that_no_constant_predictor_has(self, kind):
        keys = [b.key for b in KINDS[kind].baselines]
        assert len({*keys, *(m.constant for m in metrics_for(kind))}) == len(keys) + len(
            {m.constant for m in metrics_for(kind)}
        )

    def test_every_kind_that_has_any_is_tested_here(self):
        assert set(LINEAR) == set(TARGETS)

    @pytest.mark.parametrize("kind", LINEAR)
    def test_every_metric_can_score_them_and_they_learn_what_is_linear(self, kind):
        x, y = linear_problem(kind)
        n_out = OUTPUTS.get(kind, 1)
        for baseline in KINDS[kind].baselines:
            said = each_field(baseline.fit(x, y, None, n_out)(x), lambda t: t.unsqueeze(0))
            for metric in metrics_for(kind):
                assert is_given(metric, said) or metric.needs == "density", metric.name
            found = scores(metrics_for(kind), said, y)
            assert all(v.shape == (1,) and torch.isfinite(v).all() for v in found.values())
            judge = next(m for m in metrics_for(kind) if m.name == KINDS[kind].default_metric(y.numpy())[0])
            constant = constant_score(judge, kind, y, y, n_out)
            assert judge.sign * float(found[judge.name][0]) > judge.sign * constant

    @pytest.mark.parametrize("kind", LINEAR)
    def test_rows_of_weight_zero_teach_nothing(self, kind):
        x, y = linear_problem(kind)
        n_out = OUTPUTS.get(kind, 1)
        weight = np.repeat([1.0, 0.0], ROWS // 2)
        fit = KINDS[kind].baselines[0].fit
        turned = torch.cat([y[: ROWS // 2], y[ROWS // 2 :].flip(0)])
        found = [fit(x, target, weight, n_out)(x) for target in (y, turned)]
        for field in ("probability", "value", "distribution"):
            one, other = (getattr(f, field) for f in found)
            if one is not None:
                np.testing.assert_allclose(one, other, rtol=1e-6)

    def test_a_class_that_no_training_row_has_is_never_predicted(self):
        x, y = linear_problem("multiclass")
        kept = (y != 1).numpy()
        said = KINDS["multiclass"].baselines[0].fit(x[kept], y[kept], None, 3)(x)
        assert said.probability.shape == (ROWS, 3)
        assert (said.probability[:, 1] == 0).all()
        torch.testing.assert_close(said.probability.sum(dim=1), torch.ones(ROWS, dtype=torch.float64))

    @pytest.mark.parametrize("kind", ["binary", "multiclass", "ordinal"])
    def test_rows_of_one_class_leave_nothing_to_fit(self, kind):
        x, y = linear_problem(kind)
        assert KINDS[kind].baselines[0].fit(x, torch.zeros_like(y), None, 3) is None

    def test_a_label_that_no_training_row_has_stays_away(self):
        x, y = linear_problem("multilabel")
        y[:, 1] = 0
        said = KINDS["multilabel"].baselines[0].fit(x, y, None, 2)(x)
        assert (said.probability[:, 1] == 0).all()
        assert said.label[:, 0].any()


def confirm(study, folder, n=3):
    selection = select_points(study.plan, searched(study.plan), study.min_trials)
    return Confirmer(study.plan, way(study), folder, Notes())(selection, n)


class TestConfirmation:
    def test_they_are_scored_on_the_judged_rows_of_the_same_seeds(self, tmp_path):
        study = prepared()
        found = confirm(study, tmp_path)
        constant, linear = found.baselines
        assert (constant.name, linear.name) == ("majority class", "logistic regression")
        assert constant.seeds == linear.seeds == found.seeds
        assert constant.values == {"test_accuracy": found.constants["test"]["accuracy"]}  # noqa: PD011
        task = study.plan.task
        for i, seed in enumerate(found.seeds):
            train, test = task.fold(seed).train, task.test(seed)
            oracle = LogisticRegression().fit(train.x.double().numpy(), train.y.ravel().numpy())
            right = oracle.score(test.x.double().numpy(), test.y.ravel().numpy())
            assert linear.values["test_accuracy"][i] == pytest.approx(right)  # noqa: PD011
        assert read_confirmed(tmp_path) == found

    def test_real_targets_are_predicted_in_their_own_units(self, tmp_path):
        found = confirm(prepared(REAL, ("mse",), None), tmp_path)
        constant, linear = found.baselines
        assert constant.name == "mean of the training rows"
        # the targets are linear, but for a noise of 0.1
        assert linear.scores["test_rmse"] < 0.2 < constant.scores["test_rmse"]

    def test_a_constant_of_several_labels_is_called_so(self, tmp_path):
        found = confirm(prepared((X > 0).astype(int), ("bce",), None), tmp_path)
        assert [b.name for b in found.baselines] == [
            "majority class of each label", "logistic regression, label by label",
        ]  # fmt: skip

    def test_by_a_metric_that_only_a_module_knows_there_is_no_constant(self):
        task = prepared().plan.task
        scored = {"test": {"accuracy": (0.5, 0.6)}}
        (known,) = module.constant_baseline(task, "test", (1, 2), scored, lambda _: None)
        assert known.seeds == (1, 2)
        logged = replace(task, metric=replace(task.metric, needs=LOGGED))
        assert module.constant_baseline(logged, "test", (1, 2), scored, lambda _: None) == ()
        unknown = {"test": {"accuracy": (0.5, math.nan)}}
        assert module.constant_baseline(task, "test", (1, 2), unknown, lambda _: None) == ()

    def test_more_seeds_leave_the_scores_of_the_first(self, tmp_path):
        study = prepared()
        few, more = (confirm(study, tmp_path, n) for n in (2, 4))
        for before, after in zip(few.baselines, more.baselines, strict=True):
            assert after.seeds == more.seeds
            assert all(after.values[name][:2] == values for name, values in before.values.items())  # noqa: PD011

    @pytest.mark.parametrize("test", [0.2, False])
    @pytest.mark.parametrize("groups", [None, np.arange(150) // 2])
    def test_intervals_are_those_that_the_same_predictions_would_have_of_a_pair(self, tmp_path, groups, test):
        study = prepared(groups=groups, task={"hidden": [4], "test": test})
        found = confirm(study, tmp_path)
        like = read_evidence(tmp_path, "binary", "accuracy")
        task, (constant, linear) = study.plan.task, found.baselines
        said = {"majority": [], "linear": []}
        for seed, rows in zip(found.seeds, like.rows, strict=True):
            fold = task.fold(seed)
            train, judged = fold.train, fold.validation if test is False else task.test(seed)
            oracle = LogisticRegression().fit(train.x.double().numpy(), train.y.ravel().numpy())
            labels = torch.from_numpy(oracle.predict(judged.x.double().numpy()))
            most = torch.full((len(judged),), float(train.y.mean() > 0.5), dtype=torch.float64)
            assert torch.equal(judged.y, like.target[torch.from_numpy(rows)])
            said["linear"].append(Predictions(label=labels.to(torch.uint8)))
            said["majority"].append(Predictions(label=most.to(torch.uint8)))
        ended = {name: np.zeros(len(found.seeds), bool) for name in said}
        expected = intervals(replace(like, predictions=said, diverged=ended))
        for baseline in (constant, linear):
            wanted = expected[baseline.key]
            assert baseline.interval == pytest.approx((wanted.low, wanted.high))
            assert wanted.low < baseline.scores[f"{PREFIX[found.part]}accuracy"] < wanted.high

    def test_an_interval_of_very_many_numbers_is_not_known(self, tmp_path, monkeypatch):
        rows = 3 * prepared().plan.task.sizes["test"]
        monkeypatch.setattr(module, "MOST_JUDGED", rows)
        assert None not in [b.interval for b in confirm(prepared(), tmp_path / "some").baselines]
        monkeypatch.setattr(module, "MOST_JUDGED", rows - 1)
        assert [b.interval for b in confirm(prepared(), tmp_path / "many").baselines] == [None, None]

    def test_one_seed_has_no_interval(self, tmp_path):
        assert [b.interval for b in confirm(prepared(), tmp_path, 1).baselines] == [None, None]

    def test_they_cost_little(self, tmp_path, monkeypatch):
        study = prepared()
        numbers = study.plan.task.fold(0).train.x.numel()
        monkeypatch.setattr(module, "MOST_NUMBERS", 2 * numbers)
        assert [len(b.seeds) for b in confirm(study, tmp_path / "few").baselines] == [3, 2]
        monkeypatch.setattr(module, "MOST_NUMBERS", numbers - 1)
        assert [b.name for b in confirm(study, tmp_path / "none").baselines] == ["majority class"]

    def test_records_of_earlier_releases_have_none(self, tmp_path):
        study = prepared()
        found = confirm(study, tmp_path)
        path = tmp_path / FILE
        plain = json.loads(path.read_text(encoding="utf-8"))
        del plain["baselines"]
        path.write_text(dumps(plain), encoding="utf-8")
        before = read_confirmed(tmp_path)
        assert before == replace(found, baselines=())
        # and are not trained again for their sake
        assert confirm(study, tmp_path) == before

    @pytest.mark.parametrize("wrong", [np.inf, 1e30])
    def test_rows_that_cannot_be_computed_with_end_no_confirmation(self, tmp_path, wrong):
        study = prepared(REAL, ("mse",), None)
        part = study.plan.task.test(0)
        broken = replace(part, x=torch.full_like(part.x, wrong))
        plan = replace(study.plan, task=replace(study.plan.task, test=lambda _: broken))
        found = confirm(replace(study, plan=plan), tmp_path)
        assert found.pairs == ("mse/identity",)
        assert all(math.isfinite(v) for b in found.baselines for v in b.scores.values())

    def test_a_kind_without_a_linear_model_has_the_constant_alone(self, tmp_path):
        found = confirm(
            prepared(
                np.angle(np.exp(1j * X[:, 0])),
                ("sine_cosine_mse",),
                None,
                task={"kind": "angles", "hidden": [4]},
            ),
            tmp_path,
        )
        assert len(found.baselines) == 1


SIMPLE = (
    BaselineScores("majority class", "majority", (1, 2), {"test_accuracy": (0.5, 0.5)}),
    BaselineScores(
        "logistic regression", "linear", (1, 2), {"test_accuracy": (0.8, 0.82), "test_mcc": (0.6, 0.62)}, (0.7, 0.88),
    ),
)  # fmt: skip


def with_baselines(kind="binary"):
    found = sources(Study(kind))
    return replace(found, confirmed=replace(found.confirmed, baselines=SIMPLE))


def board_of(found):
    return frames.confirmed_leaderboard(found.board, found.verdict, found.confirmed, found.study.space.pairs)


@pytest.mark.parametrize("scores", SIMPLE, ids=lambda s: s.key)
def test_scores_are_read_as_written_and_of_an_earlier_release_without_interval(scores):
    written = scores.as_json()
    assert BaselineScores.from_json(written) == scores
    earlier = {name: value for name, value in written.items() if name not in ("key", "interval")}
    found = BaselineScores.from_json(earlier)
    assert found == replace(scores, key=found.key, interval=None)


class TestShown:
    def test_the_table_has_a_row_a_baseline_below_the_pairs(self):
        found = with_baselines()
        table = make_leaderboard(board_of(found), found.study, found.verdict, found.confirmed)
        assert table.below == 2
        cells = {c.heading: c.cells[-2:] for c in table.columns}
        assert cells["pair"] == ("majority class", "logistic regression")
        assert [float(v) for v in cells["test accuracy"]] == [0.5, 0.81]
        assert cells["95 % interval"] == ("unknown", "0.70 to 0.88")
        assert set(cells["tied"]) == {"-"}
        said = [n for n in table.notes if n.startswith("Baselines (majority class, logistic regression)")]
        assert len(said) == 1
        assert "the verdict leaves them out" in said[0]

    @pytest.mark.parametrize("width", [50, 80, 120, 200])
    def test_a_line_and_no_blank_row_is_above_them(self, width):
        found = with_baselines()
        table = make_leaderboard(board_of(found), found.study, found.verdict, found.confirmed)
        console = Console(width=width, record=True, file=io.StringIO())
        console.print(Fitted(table.columns, below=table.below))
        lines = console.export_text().splitlines()
        last = next(i for i, line in enumerate(lines) if "majority class" in line)
        assert set(lines[last - 1]) == {"─"}
        assert lines[last - 1] == lines[1]
        assert any("gamma" in line for line in lines)
        assert all(re.search(r"\w|─", line) for line in lines)
        assert any("logistic" in line for line in lines[last:])

    def test_markdown_has_them_too(self):
        found = with_baselines()
        table = make_leaderboard(board_of(found), found.study, found.verdict, found.confirmed)
        assert "| logistic regression |" in table.to_markdown()

    def test_a_notebook_draws_a_line_above_them(self):
        found = with_baselines()
        table = make_leaderboard(board_of(found), found.study, found.verdict, found.confirmed)
        rows = re.findall("<tr>.*?</tr>", as_html(table))
        assert ["border-top" in row for row in rows[1:]] == [False, False, False, True, False]

    def test_the_page_shows_them_in_table_figure_and_facts(self):
        found = with_baselines()
        report = make_report(found)
        section = next(s for s in report.sections if s.name == "leaderboard")
        assert section.tables[0].below == 2
        assert "Baselines: " in section.pictures[0].panels[0].alt
        assert dict(report.facts)["logistic regression, the same rows"] == "0.810 (0.700 to 0.880)"
        assert dict(report.facts)["majority class, the same rows"] == "0.500 (unknown)"
        assert to_html(replace(report, sections=(section,))).count("<tr class=below>") == 2

    def test_where_no_pairs_are_compared_a_sentence_has_them(self):
        found = with_baselines()
        said = make_leaderboard(found.board, found.study, None, found.confirmed).notes
        assert (
            "Baselines on the same rows, with nothing searched: majority class 0.5 ± 0; logistic regression "
            in " ".join(said)
        )

    def test_without_any_nothing_is_said(self):
        found = sources(Study())
        table = make_leaderboard(board_of(found), found.study, found.verdict, found.confirmed)
        assert table.below == 0
        assert not any("Baselines" in n for n in table.notes)
        assert "aseline" not in to_html(replace(make_report(found), sections=make_report(found).sections[:1]))

    def test_a_level_far_off_is_not_drawn(self):
        verdict = sources(Study()).verdict
        levels = {"near": Interval(verdict.ranking[0].score, 0.0, 1.0), "far": Interval(-50.0, -51.0, -49.0)}
        near = scores_picture(verdict, levels)
        assert "near" in near.panels[0].alt
        assert "far" not in near.panels[0].alt

    def test_frames_has_the_judge_s_scores(self):
        found = with_baselines()
        table = frames.baselines(found.confirmed)
        expected = pd.DataFrame(
            {
                "baseline": ["majority class", "logistic regression"],
                "score": [0.5, 0.81],
                "ci_low": [math.nan, 0.7],
                "ci_high": [math.nan, 0.88],
                "sd": [0.0, math.sqrt(2) / 100],
                "seeds": [2, 2],
            }
        )
        pd.testing.assert_frame_equal(table, expected)
        assert frames.baselines(None).empty

"""Studies over two metrics: both objectives in Optuna, the front, resume, and what is refused."""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from confirming import BINARY, REAL, Notes, X, prepared
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from sklearn.metrics import log_loss

import lossearch
from lossearch import api, cli
from lossearch.api.result import Result
from lossearch.config import config_toml, make_config, parse_config
from lossearch.data.sources import from_arrays
from lossearch.diagnostics.pareto import Objectives, front_sentence, objectives, points
from lossearch.errors import IllegalPairError, InputError, StudyMismatchError
from lossearch.kinds import Predictions
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import METRICS
from lossearch.records.curves import read_curves
from lossearch.records.study import SpaceRecord
from lossearch.records.trial import TrialRecord
from lossearch.report.html import to_html
from lossearch.space import Dimension, Point
from lossearch.study.importance import within_pairs
from lossearch.study.samplers import propose
from lossearch.study.trial_value import Objective, summarise
from lossearch.training.contract import Outcome, Replicate, ReplicateResult

TWO = ["accuracy", "log_loss"]
QUICK: dict[str, Any] = {
    "losses": ["bce", "mse"],
    "activations": ["sigmoid"],
    "metric": TWO,
    "trials": 24,
    "seeds": 2,
    "confirm_seeds": 0,
    "epochs": 4,
    "batch_size": 32,
    "optimizer": "sgd",
    "lr": (1e-3, 1.0),
    "workers": 1,
    "mlflow": False,
    "name": "two",
}
UP_DOWN = Objectives(("accuracy", "log_loss"), ("maximize", "minimize"))


def quick(store: Path, listener: Any = None, **changed: Any) -> Result:
    return lossearch.search(X, BINARY, store=store, listener=listener or Notes(), **{**QUICK, **changed})


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return quick(tmp_path_factory.mktemp("store"), confirm_seeds=4, mlflow=True)


def brute_front(rows: list[tuple[float, float]]) -> set[int]:
    """Rows that no other one beats, more of the first and less of the second being better; by definition."""
    return {
        i
        for i, (a, b) in enumerate(rows)
        if not any((c >= a and d <= b) and (c > a or d < b) for c, d in rows)
    }


# What Optuna has


def test_the_optuna_study_has_both_objectives(two: Result) -> None:
    study = two.study
    assert study.directions == [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    assert study.metric_names == TWO
    for record, trial in zip(two.trials, study.trials, strict=True):
        assert trial.values == [record.value, record.scores["val_log_loss"]]
        assert record.value == record.scores["val_accuracy"]


def test_optunas_best_trials_are_our_front(two: Result) -> None:
    found = two.pareto
    ours = found[found["stage"] == "search"]
    assert sorted(ours["trial"]) == sorted(t.number for t in two.study.best_trials)
    for row in ours.to_dict("records"):
        assert two.study.trials[row["trial"]].values == [row["accuracy"], row["log_loss"]]
    assert list(ours["accuracy"]) == sorted(ours["accuracy"], reverse=True)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optunas_own_plot_draws_the_front(two: Result) -> None:
    axes = optuna.visualization.matplotlib.plot_pareto_front(two.study)
    assert {axes.get_xlabel(), axes.get_ylabel()} == set(TWO)


def test_both_values_are_of_the_epoch_that_the_first_has_chosen(two: Result) -> None:
    curves = read_curves(two.folder, "search")
    for record in two.trials:
        own = curves[curves["trial"] == record.number]
        judged = own.groupby("epoch")["val_accuracy"].mean()
        assert record.epoch == judged.idxmax()
        at = own[own["epoch"] == record.epoch]
        assert record.value == pytest.approx(at["val_accuracy"].mean())
        assert record.scores["val_log_loss"] == pytest.approx(at["val_log_loss"].mean())
        assert record.spread["val_log_loss"] == pytest.approx(at["val_log_loss"].std(ddof=1))
        # at every epoch, so that it is there whatever epoch is chosen
        assert np.isfinite(own["val_log_loss"]).all()


# The front


@given(
    st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), min_size=1, max_size=25)
)
def test_the_front_is_that_of_the_definition_and_of_optuna(rows: list[tuple[float, float]]) -> None:
    table = points("search", [("a/x", i, 0.1, a, b) for i, (a, b) in enumerate(rows)], UP_DOWN)
    ours = set(table["trial"][table["front"]])
    assert ours == brute_front(rows)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trials([optuna.create_trial(values=row) for row in rows])
    assert ours == {t.number for t in study.best_trials}


def test_a_point_without_either_score_is_no_point() -> None:
    rows = [("a/x", 0, 0.1, 0.9, math.nan), ("b/x", 1, 0.1, 0.8, 0.5)]
    assert list(points("search", rows, UP_DOWN)["pair"]) == ["b/x"]
    nothing = points("confirm", [], UP_DOWN)
    assert nothing.empty
    assert front_sentence(nothing, nothing, UP_DOWN) == "No trial has both accuracy and log_loss."


def test_confirmed_pairs_come_first_with_their_means_over_fresh_seeds(two: Result) -> None:
    assert two.confirmed is not None
    found = two.pareto[two.pareto["stage"] == "confirm"]
    means = {
        c.point.pair: (float(np.mean(c.values["test_accuracy"])), float(np.mean(c.values["test_log_loss"])))
        for c in two.confirmed.confirmations
    }
    pairs = list(means)
    assert set(found["pair"]) == {pairs[i] for i in brute_front(list(means.values()))}
    for row in found.to_dict("records"):
        assert (row["accuracy"], row["log_loss"]) == pytest.approx(means[row["pair"]])
        assert row["trial"] == two.confirmed[row["pair"]].trial
    assert list(two.pareto["stage"]) == ["confirm"] * len(found) + ["search"] * (len(two.pareto) - len(found))


# What is told of it


def test_the_judge_decides_as_ever(two: Result) -> None:
    assert two.verdict is not None
    assert two.declared.task.metric == two.verdict.metric == "accuracy"
    assert two.objectives == UP_DOWN
    assert list(two.leaderboard["score"]) == sorted(two.leaderboard["score"], reverse=True)


def output(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command writes to standard output."""
    capfd.readouterr()
    assert cli.invoke(arguments) == 0
    return capfd.readouterr().out


def test_the_answer_names_the_front(two: Result, capfd: pytest.CaptureFixture[str]) -> None:
    listed = ", ".join(two.pareto["pair"][two.pareto["stage"] == "confirm"])
    assert two.pareto_sentence == f"On the front of accuracy and log_loss: {listed}."
    line = ["report", "two", "--store", str(two.store.root)]
    assert " ".join(two.pareto_sentence.split()) in " ".join(output(capfd, *line).split())
    told = json.loads(output(capfd, *line, "--format", "json"))
    assert [(r["stage"], r["trial"]) for r in told["pareto"]] == list(
        zip(two.pareto["stage"], two.pareto["trial"], strict=True)
    )


def test_the_records_alone_give_the_same_result(two: Result) -> None:
    again = lossearch.load("two", two.store.root)
    assert again.trials == two.trials
    assert again.pareto.equals(two.pareto)
    assert [row["name"] for row in api.studies(two.store.root)] == ["two"]
    assert api.studies(two.store.root)[0]["problem"] == ""


def test_mlflow_has_both_scores_of_every_trial_and_the_front(two: Result) -> None:
    client = MlflowClient(two.store.tracking_uri)
    parent = client.get_run(str(two.run_id)).data.tags
    assert parent["lossearch.front"] == two.pareto_sentence
    assert "maximize `accuracy` on validation rows, recorded as `score`" in parent["mlflow.note.content"]
    assert "minimize `log_loss` beside it, recorded as `val_log_loss`" in parent["mlflow.note.content"]
    runs = client.search_runs([str(two.experiment_id)], "tags.`lossearch.role` = 'trial'")
    assert sorted((r.data.metrics["score"], r.data.metrics["val_log_loss"]) for r in runs) == sorted(
        (t.values[0], t.values[1]) for t in two.study.trials
    )


def test_without_a_confirmation_the_front_is_of_trials(tmp_path: Path) -> None:
    result = quick(tmp_path, trials=10, metric="accuracy, log_loss")
    assert set(result.pareto["stage"]) == {"search"}
    assert result.pareto_sentence is not None
    assert result.pareto_sentence.startswith(
        "On the front of accuracy and log_loss, by the search's own scores: "
    )
    for pair, own in result.pareto.groupby("pair"):
        many = "s" if len(own) > 1 else ""
        assert f"{pair} (trial{many} {', '.join(map(str, own['trial']))})" in result.pareto_sentence


def test_the_report_draws_the_front(two: Result) -> None:
    report = two.report()
    section = next(s for s in report.sections if s.name == "metrics")
    (picture,) = section.pictures
    assert [p.title for p in picture.panels] == ["trials", "confirmed"]
    for pair in two.pareto["pair"]:
        assert any(pair in p.alt for p in picture.panels)
    assert section.text[1] == (
        "accuracy alone chose epochs and decided which pair is best; the search looked for good points by accuracy "
        "and log_loss."
    )
    assert two.pareto_sentence in section.text
    page = to_html(report)
    assert "On the front, which no other trial equals" in page
    assert "accuracy (maximize), log_loss (minimize)" in page


def test_a_study_of_one_metric_shows_the_front_and_does_not_speak_of_it(tmp_path: Path) -> None:
    result = quick(tmp_path, metric="accuracy", trials=15, losses=["bce", "hinge"], activations=None)
    assert result.pareto_sentence is None
    assert result.as_json()["pareto"] is None
    assert result.objectives == Objectives(("accuracy", "log_loss"), ("maximize", "minimize"), sought=False)
    section = next(s for s in result.report().sections if s.name == "metrics")
    assert [p.name for p in section.pictures] == ["pareto"]
    assert section.text[1] == "Only accuracy decided anything here."
    hinges = sorted(p for p in result.declared.space.pairs if p.startswith("hinge/"))
    assert hinges
    said = next(s for s in section.text if s.startswith("Not drawn, without log_loss: "))
    assert sorted(said.removeprefix("Not drawn, without log_loss: ").rstrip(".").split(", ")) == hinges


def test_the_other_metric_of_a_study_of_one_is_of_another_nature() -> None:
    for judge, other in (("accuracy", "log_loss"), ("auroc", "log_loss"), ("brier", "accuracy")):
        found = objectives(judge, METRICS[judge].direction, "binary", None)
        assert found is not None
        assert (found.metrics, found.sought) == ((judge, other), False)
    assert objectives("rmse", "minimize", "regression", None) is None
    assert objectives("my_own", "minimize", "binary", None) is None


# Identity and resume


def test_only_a_study_of_two_names_its_objectives() -> None:
    one, both = prepared(task={"metric": "accuracy"}).plan, prepared(task={"metric": TWO}).plan
    assert "objectives" not in one.identity()["task"]
    assert prepared(task={"metric": ["accuracy"]}).plan.digest() == one.digest()
    found = both.identity()["task"]
    assert found.pop("objectives") == {"accuracy": "maximize", "log_loss": "minimize"}
    assert found == one.identity()["task"]
    swapped = prepared(task={"metric": TWO[::-1]}).plan
    assert len({one.digest(), both.digest(), swapped.digest()}) == 3


def test_a_study_does_not_go_on_under_other_metrics(two: Result) -> None:
    with pytest.raises(StudyMismatchError, match=r"\n  - task\.objectives\n"):
        quick(two.store.root, metric="accuracy", confirm_seeds=4)
    with pytest.raises(StudyMismatchError, match=r'task\.metric: "accuracy" -> "log_loss"'):
        quick(two.store.root, metric=TWO[::-1], confirm_seeds=4)


class Breaks(Notes):
    """Interrupts a search after so many trials."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after

    def trial_done(self, record: TrialRecord, done: int, *rest: Any) -> None:
        super().trial_done(record, done, *rest)
        if done == self.after:
            raise KeyboardInterrupt


def test_an_interrupted_study_goes_on_to_the_same_end(two: Result, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path, Breaks(17))
    assert len(lossearch.load("two", tmp_path).trials) == 17
    whole = quick(tmp_path)
    assert [t.point.pair for t in whole.trials] == [t.point.pair for t in two.trials]
    # fewer trained together round differently, by the last bits of float32
    assert numbers(whole) == pytest.approx(numbers(two), rel=1e-4)


def numbers(result: Result) -> list[float]:
    return [v for t in result.study.trials for v in (t.params["lr"], *t.values)]


def test_the_same_command_again_trains_nothing(two: Result) -> None:
    heard = Notes()
    assert quick(two.store.root, heard, confirm_seeds=4).trials == two.trials
    assert not [s for s in heard.said if s.startswith("Confirming")]


def test_a_trial_is_reproduced(two: Result) -> None:
    assert two.rerun(two.trials[5].number).reproduced


# The model is told both


def test_the_model_is_told_both_values() -> None:
    places = np.linspace(0, 1, 21).tolist()
    told = [({"x": x}, (-abs(x - 0.2), abs(x - 0.8))) for x in places]

    def asked(values: Any, directions: tuple[str, ...]) -> list[float]:
        return [
            float(propose([Dimension("x", 0.0, 1.0)], values, 1, sampler="tpe", directions=directions, seed=s, taken=21)[0]["x"])
            for s in range(20)
        ]  # fmt: skip

    # the first alone is best at 0.2, the second alone at 0.8; between them all is on the front
    first = asked([(point, values[:1]) for point, values in told], ("maximize",))
    second = asked([(point, values[1:]) for point, values in told], ("minimize",))
    both = asked(told, ("maximize", "minimize"))
    assert np.median(first) == pytest.approx(0.2, abs=0.1)
    assert np.median(second) == pytest.approx(0.8, abs=0.1)
    assert np.mean([0.15 < x < 0.85 for x in both]) > 0.8
    assert 0.3 < np.median(both) < 0.7
    assert both == asked(told, ("maximize", "minimize"))


def test_the_second_metric_changes_which_points_are_tried(two: Result, tmp_path: Path) -> None:
    alone = quick(tmp_path, metric="accuracy")
    cover = 2 * 7
    assert [t.point for t in alone.trials[:cover]] == [t.point for t in two.trials[:cover]]
    assert [t.value for t in alone.trials[:cover]] == [t.value for t in two.trials[:cover]]
    assert [t.point for t in alone.trials] != [t.point for t in two.trials]


def test_mode_adaptive_learns_from_both_and_prunes_nothing(tmp_path: Path) -> None:
    result = quick(tmp_path, mode="adaptive", trials=18, epochs=8)
    assert {t.outcome for t in result.trials} == {Outcome.COMPLETED}
    assert "prune" not in result.declared.identity()["search"]
    ours = set(result.pareto["trial"][result.pareto["stage"] == "search"])
    assert ours == {t.number for t in result.study.best_trials}


# Constants


def test_a_diverged_trial_scores_what_a_constant_predictor_does(tmp_path: Path) -> None:
    result = quick(
        tmp_path, losses=None, activations=None, pairs=["mse/identity"], lr=(10.0, 1e4), trials=10, epochs=8
    )
    gone = [r for r in result.trials if r.outcome is Outcome.DIVERGED]
    assert gone
    assert result.prepared is not None
    task = result.prepared.plan.task
    expected = []
    for seed in gone[0].seeds:
        fold = task.fold(seed)
        y, share = fold.validation.y.numpy().ravel(), float(fold.train.y.double().mean())
        accuracy = np.mean(y == (share > 0.5))
        expected.append((accuracy, log_loss(y, np.full(len(y), share), labels=[0, 1])))
    for record in gone:
        values = result.study.trials[record.number].values
        assert values == pytest.approx(np.mean(expected, axis=0).tolist())


def test_a_replicate_that_diverged_counts_as_its_constant_at_the_trials_epoch() -> None:
    point = Point("bce/sigmoid", 0.1)
    curves = {"val_accuracy": np.array([0.6, 0.9, 0.8]), "val_log_loss": np.array([0.6, 0.5, 0.1])}
    results = [
        ReplicateResult(Replicate(point, 1), Outcome.COMPLETED, curves, 1.0),
        ReplicateResult(Replicate(point, 2), Outcome.DIVERGED, {}, 1.0, reason="loss was inf"),
    ]
    record = summarise(
        TrialRecord(0, "cover", point, "zero_one"),
        results,
        [
            Objective(METRICS["accuracy"], {1: 0.5, 2: 0.4}),
            Objective(METRICS["log_loss"], {1: 0.69, 2: 0.7}),
        ],
        epochs=3,
        policy="best",
    )
    assert record.epoch == 2
    assert record.value == pytest.approx((0.9 + 0.4) / 2)
    assert record.scores["val_log_loss"] == pytest.approx((0.5 + 0.7) / 2)
    assert record.spread["val_log_loss"] == pytest.approx(np.std([0.5, 0.7], ddof=1))


# What is asked for


def test_two_names_are_a_list_or_have_a_comma_between() -> None:
    listed = make_config({"task": {"metric": TWO}})
    assert listed.task.metric == ("accuracy", "log_loss")
    assert make_config({"task": {"metric": "accuracy, log_loss"}}) == listed
    assert make_config({"task": {"metric": ["accuracy"]}}).task.metric == "accuracy"
    assert parse_config(config_toml(listed)) == listed
    assert tomllib.loads(config_toml(listed))["task"]["metric"] == ["accuracy", "log_loss"]


def test_the_command_line_takes_two(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    line = [
        "run",
        "--data",
        "circles",
        "--metric",
        "acc,log_loss",
        "--losses",
        "bce",
        "--dry-run",
        "--format",
        "json",
    ]
    plan = json.loads(output(capfd, *line, "--store", str(tmp_path / "s")))
    assert plan["identity"]["task"]["objectives"] == {"accuracy": "maximize", "log_loss": "minimize"}
    assert (
        "second objective log_loss (minus mean log probability of the true class; less is better); accuracy alone "
        "chooses epochs and judges"
    ) in plan["notes"]


def share_wrong(said: Predictions, target: torch.Tensor) -> torch.Tensor:
    assert said.label is not None
    return torch.ne(said.label, target.reshape(-1)).double().mean(-1)


def test_metrics_of_ones_own_go_beside_names() -> None:
    wrong = Metric("share_wrong", ("binary",), "minimize", share_wrong, "label", "majority")
    data, tables = (
        from_arrays(X, BINARY, name="small"),
        {"budget": {"trials": 10}, "space": {"losses": ["bce"]}},
    )
    plan = api.plan(make_config(tables), dataset=data, metric=["log_loss", wrong]).plan
    assert plan.identity()["task"]["objectives"] == {"log_loss": "minimize", "share_wrong": "minimize"}
    assert wrong in plan.task.metrics
    with pytest.raises(InputError) as caught:
        api.plan(make_config(tables), dataset=data, metric=["log_loss", "accuracy", wrong])
    assert str(caught.value) == (
        "A study has one metric or two; got 3: of three, nearly every trial is better than any other in one. Keep the "
        "two that matter (log_loss, accuracy); every usual metric is recorded and reported anyway."
    )


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            ["accuracy", "log_loss", "ece"],
            (
                "[task] metric takes one metric or two; got 3: of three, nearly every trial is better than any other in "
                "one. Keep the two that matter (accuracy, log_loss); every usual metric is recorded and reported anyway, "
                "unusual ones by metrics = [...]."
            ),
        ),
        (["accuracy", "accuracy"], "[task] metric names accuracy more than once."),
        ("accuracy,", '[task] metric must be a list of names, as in ["a", "b"]; got ["accuracy", ""].'),
        (
            ["accuracy", "val_loss"],
            (
                "[task] metric cannot be 'val_loss': values of different losses have different units. Name what judges "
                "them all alike, such as accuracy or rmse."
            ),
        ),
    ],
)
def test_what_is_no_pair_of_metrics_is_refused(metric: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        make_config({"task": {"metric": metric}})
    assert str(caught.value) == message


def test_one_metric_by_two_names_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        prepared(task={"metric": ["accuracy", "acc"]})
    assert str(caught.value) == "Both metrics are accuracy. Give it once, or another beside it."


def test_nothing_is_pruned_by_one_of_two() -> None:
    with pytest.raises(InputError) as caught:
        prepared(task={"metric": TWO}, budget={"mode": "adaptive", "prune": True})
    assert str(caught.value) == (
        "prune = true does not go with two metrics: a trial that lags by the first may lead by the second. Leave prune "
        "out, or judge by one metric."
    )


def test_a_pair_that_does_not_give_an_objective_is_not_searched() -> None:
    with pytest.raises(IllegalPairError) as caught:
        prepared(losses=("bce", "hinge"), activations=("identity", "sigmoid"), task={"metric": TWO})
    assert "hinge can be trained on this task, but not judged by what was asked for:" in str(caught.value)
    assert "cannot be trained" not in str(caught.value)
    assert (
        "hinge/identity: log_loss reads the probability, and this pair gives none. Judge by accuracy alone to search "
        "it."
    ) in str(caught.value)
    tables = {"task": {"metric": TWO}, "budget": {"trials": 200}}
    found = api.plan(make_config(tables), dataset=from_arrays(X, BINARY, name="small")).plan.space
    assert not [p for p in found.names if p.startswith("hinge")]
    assert "hinge/identity" in [r.name for r in found.rejections]
    with pytest.raises(IllegalPairError, match=r"^hinge/tanh: log_loss reads the probability"):
        quick(Path("unused"), losses=None, activations=None, pairs=["hinge/tanh"])


def test_a_pair_that_the_only_metric_cannot_judge_is_refused_before_it_is_trained() -> None:
    with pytest.raises(IllegalPairError) as caught:
        prepared(losses=("bce", "hinge"), activations=("identity",), task={"metric": "log_loss"})
    assert (
        "hinge/identity: log_loss reads the probability, and this pair gives none. Judge by a metric that does not, to "
        "search it." in str(caught.value)
    )


def test_regression_has_pairs_of_metrics_too(tmp_path: Path) -> None:
    options = {
        **QUICK,
        "losses": ["mse", "mae"],
        "activations": None,
        "metric": ["rmse", "mae"],
        "trials": 10,
    }
    result = lossearch.search(X, REAL, store=tmp_path, listener=Notes(), **options)
    assert sorted(result.pareto["trial"]) == sorted(t.number for t in result.study.best_trials)


# What a pair's score depends on


def test_importances_within_a_pair_find_the_number_that_matters() -> None:
    rng = np.random.default_rng(0)
    gammas, rates = rng.uniform(0, 5, 60), 10 ** rng.uniform(-3, 0, 60)
    records = [
        TrialRecord(
            i, "cover", Point("focal/sigmoid", lr, (("gamma", gamma),)), "zero_one", (0,), Outcome.COMPLETED,
            0.9 - 0.05 * abs(gamma - 2) + 0.001 * np.log10(lr), 1,
        )
        for i, (gamma, lr) in enumerate(zip(gammas.tolist(), rates.tolist(), strict=True))
    ]  # fmt: skip
    gamma = {"low": 0.0, "high": 5.0, "log": False, "integer": False}
    pairs = {"focal/sigmoid": {"focal.gamma": gamma}, "bce/sigmoid": {}}
    space = SpaceRecord(kind="binary", lr=(1e-3, 1.0), pairs=pairs)
    (found,) = within_pairs(records, space, direction="maximize").items()
    assert found[0] == "focal/sigmoid"
    assert found[1]["focal.gamma"] > 0.9
    assert within_pairs(records[:49], space, direction="maximize") == {}
    choices = {"focal/sigmoid": {"focal.gamma": gamma, "batch_size": {"choices": [16, 64]}}}
    assert within_pairs(records, replace(space, pairs=choices), direction="maximize") == {}

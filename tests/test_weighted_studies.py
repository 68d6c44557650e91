"""Weights from the call or the study file to the answer: where they come from, what is refused, what is said."""

from __future__ import annotations

from importlib import import_module
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

import lossearch
from lossearch.api import search_study
from lossearch.api.answer import render, weighting
from lossearch.cli import run as command
from lossearch.config import TrainTable, config_toml, make_config, parse_config
from lossearch.data.sources import from_arrays, read_data
from lossearch.diagnostics.weighting import WeightingEffect, weighting_effects
from lossearch.errors import IllegalPairError, InputError
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.study.prepare import prepare
from lossearch.study.resolve import refuse_configured
from lossearch.tasks.build import make_task
from lossearch.tasks.weights import class_weights

DRAWS = np.random.default_rng(0)
X = DRAWS.normal(size=(240, 3))
SCORE = X[:, 0] + 0.4 * DRAWS.normal(size=240)
Y = (SCORE > 1.0).astype(int)
W = DRAWS.uniform(0, 2, size=240)
QUICK = {"epochs": 2, "seeds": 2, "confirm_seeds": 2, "mlflow": False}


def planned(x=X, y=Y, **keywords):
    """Return what would be done, without doing it."""
    weights = keywords.pop("sample_weight", None)
    tables: dict = {"train": {}, "space": {}, "task": {}}
    homes = {"class_weight": "train", "pos_weight": "train", "kind": "task"}
    for name, value in keywords.items():
        tables[homes.get(name, "space")][name] = value
    return prepare(make_config(tables), dataset=from_arrays(x, y, sample_weight=weights))


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (W[:-1], r"shape \(239,\)"),
        (np.stack([W, W], axis=1), r"shape \(240, 2\)"),
        (-W, "below 0 in"),
        (np.where(W > 1, np.nan, W), "no finite number in"),
        (np.where(W > 1, np.inf, W), "no finite number in"),
        (np.zeros(240), "0 in all 240 rows"),
        (W * 1e300, "divide it by a constant"),
        (W * 1e-300, "divide it by a constant"),
        (np.array(["a"] * 240), "no finite number in 240"),
        ("heavy", "give the values themselves"),
        (3.0, "sample_weight has shape"),
    ],
)
def test_weights_of_rows_that_cannot_be_are_refused(weights, words):
    with pytest.raises(InputError, match=words):
        lossearch.search(X, Y, sample_weight=weights, **QUICK)


@pytest.mark.parametrize(
    "weights",
    [W, W.tolist(), pd.Series(W), W[:, None], pd.DataFrame({"w": W}), np.round(W).astype(int), W > 1],
)
def test_weights_of_rows_come_in_any_form(weights):
    found = from_arrays(X, Y, sample_weight=weights).sample_weight
    assert found.shape == (240,)
    np.testing.assert_array_equal(found, np.asarray(weights, dtype=float).reshape(-1))


@pytest.mark.parametrize(
    ("y", "given", "words"),
    [
        (SCORE, {"class_weight": "balanced"}, "class_weight has no meaning for regression tasks"),
        (SCORE, {"class_weight": ["none", "balanced"]}, "class_weight has no meaning for regression tasks"),
        (SCORE, {"pos_weight": 2}, "pos_weight has no meaning for regression tasks"),
        (Y, {"class_weight": {2: 1.0}}, "names '2', and y holds 0 and 1"),
        (Y, {"class_weight": ["balanced", {"yes": 1.0}]}, "names 'yes'"),
        (Y, {"class_weight": {0: -1, 1: 1}}, "above 0"),
        (Y, {"class_weight": "balancd"}, '"balanced"'),
        (Y, {"class_weight": 5}, "must be"),
        (Y, {"class_weight": []}, "something to choose from"),
        (Y, {"class_weight": ["none", "none"]}, "each once"),
        (Y, {"class_weight": "balanced", "pos_weight": 3.0}, "both class_weight and pos_weight"),
        (Y, {"pos_weight": [1.0, 2.0]}, "2 numbers, and there is 1 label"),
        (Y, {"pos_weight": -1}, "above 0"),
        (Y, {"pos_weight": 1e300}, "to 1e"),
        (Y, {"class_weight": [1, 5]}, "got 1"),
        (Y, {"class_weight": ["none", "balanced"], "settings": {"class_weight": {"choices": ["none", "balanced"]}}}, "give it once"),
        (Y, {"class_weight": "balanced", "settings": {"pos_weight": [1, 9]}}, "both weight the classes"),
        ((SCORE[:, None] > [0.5, 1.0]).astype(int), {"class_weight": "balanced"}, "pos_weight weights its classes"),
        (np.digitize(SCORE, [0, 1]), {"pos_weight": "balanced"}, "class_weight weights its classes"),
    ],
)  # fmt: skip
def test_weights_without_meaning_are_refused(y, given, words):
    with pytest.raises(InputError, match=words):
        planned(y=y, **given)


def test_a_part_without_weight_is_refused():
    y = np.tile([0, 1], 120)
    rows = {"train": "0:100", "validation": "100:170", "test": "170:240"}
    data = from_arrays(X, y, sample_weight=np.where(np.arange(240) < 100, 0.0, 1.0))
    with pytest.raises(InputError, match="training rows of a seed"):
        make_task(data, rows=rows)


def test_losses_whose_rows_cannot_be_weighted_are_left_out_or_refused():
    @lossearch.loss(task="binary", encoding="zero_one", source="ours", weightable=False)
    def ranked(output, target):
        """Compare each row with the mean of its batch."""
        return (output - output.mean() - target).square()

    def with_loss(weights, **space):
        config = make_config({"space": space})
        return prepare(config, dataset=from_arrays(X, Y, sample_weight=weights), losses=[ranked])

    assert "ranked/identity" in with_loss(None, losses=["bce", "ranked"]).plan.space.names
    with pytest.raises(IllegalPairError, match="depends on the other rows"):
        with_loss(W, losses=["bce", "ranked"])


def test_a_module_of_ones_own_weights_its_rows_itself():
    refuse_configured(TrainTable(class_weight=["none", "balanced"]), "Net")
    with pytest.raises(InputError, match="both module and sample_weight"):
        make_config({"task": {"module": "a:B", "sample_weight": "w"}})


# --- labels as they stand in y -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (-1, 1), (0.0, 1.0), ("no", "yes"), (False, True), (3, 17), ("1", "2")]
)
def test_labels_are_those_of_y(low, high):
    y = np.array([low, high], dtype=object if isinstance(low, str) else None)[Y]
    plan = planned(y=y, class_weight={low: 1, high: 4}).plan
    (table,) = class_weights(plan.task, plan.task.fold(0), plan.settings.class_weight, "none")
    assert table[1] / table[0] == pytest.approx(4)


def test_classes_go_by_their_names_where_the_data_have_them():
    def of(given):
        config = make_config({"task": {"data": "breast_cancer"}, "train": {"class_weight": given}})
        return prepare(config).plan

    plan = of({"malignant": 3.0})
    (table,) = class_weights(plan.task, plan.task.fold(0), plan.settings.class_weight, "none")
    assert table[0] / table[1] == pytest.approx(3)
    with pytest.raises(InputError, match="names '0', and y holds malignant and benign"):
        of({0: 3.0})


# --- where weights come from -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("stream", [None, True])
def test_a_column_holds_the_weights(suffix, stream, tmp_path):
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=Y, w=W)
    path = tmp_path / f"rows.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    found = read_data(str(path), target="y", sample_weight="w", stream=stream)
    np.testing.assert_allclose(found.sample_weight, W, rtol=1e-12)
    task = make_task(found)
    assert task.fold(0).train.x.shape[1] == 3, "the weights are no feature"
    train = task.fold(0).train
    np.testing.assert_allclose(train.sample_weight, W[train.rows], rtol=1e-12)
    held = task.test(0)
    np.testing.assert_allclose(held.sample_weight, W[held.rows], rtol=1e-12)
    with pytest.raises(InputError, match="no column 'v'"):
        read_data(str(path), target="y", sample_weight="v")


def test_streamed_rows_weigh_what_they_weigh_in_memory(tmp_path):
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=Y, w=W)
    frame.to_parquet(tmp_path / "rows.parquet")
    scores = {}
    for stream in (True, False):
        result = lossearch.search(
            data=str(tmp_path / "rows.parquet"), target="y", sample_weight="w", class_weight="balanced", stream=stream,
            pairs=["bce/sigmoid"], lr=0.01, batch_size=1000, store=tmp_path, name=f"s{stream}",
            rows={"train": "0:140", "validation": "140:190", "test": "190:240"}, precision="64-true", **QUICK,
        )  # fmt: skip
        scores[stream] = result.trials[0].scores["train_loss"]
    assert scores[True] == pytest.approx(scores[False], rel=1e-9)


def test_given_parts_weigh_as_much_as_the_others():
    found = from_arrays(X, Y, sample_weight=10 * W, validation=(X[:5], Y[:5]))
    assert found.sample_weight[240:].tolist() == [pytest.approx(10 * W.mean())] * 5


def test_built_in_data_and_data_sets_of_torch_take_no_column():
    with pytest.raises(InputError, match="takes no sample_weight"):
        lossearch.search(data="circles", sample_weight="w")
    data = torch.utils.data.TensorDataset(torch.zeros(4, 2), torch.zeros(4))
    with pytest.raises(InputError, match="no columns of names"):
        lossearch.search(data=data, sample_weight="w")
    with pytest.raises(InputError, match="goes with X and y"):
        lossearch.search(data=data, sample_weight=[1, 2, 3, 4])


# --- every way of saying it --------------------------------------------------------------------------

WAYS = [
    ({"class_weight": "balanced"}, "balanced", ["--class-weight", "balanced"], 'class_weight = "balanced"'),
    ({"class_weight": {0: 1, 1: 5}}, '{"0": 1.0, "1": 5.0}', ["--class-weight", "{0 = 1, 1 = 5}"], "class_weight = {0 = 1, 1 = 5}"),
    ({"class_weight": [None, "balanced"]}, ("none", "balanced"), ["--class-weight", "none,balanced"], 'class_weight = ["none", "balanced"]'),
    (
        {"class_weight": ["none", {1: 5, 0: 1}]}, ("none", '{"0": 1.0, "1": 5.0}'), ["--class-weight", '["none", {0 = 1, 1 = 5}]'],
        'class_weight = ["none", {0 = 1, 1 = 5}]',
    ),
    ({"pos_weight": 3}, "3.0", ["--pos-weight", "3"], "pos_weight = 3"),
    ({"pos_weight": np.float32(3)}, "3.0", ["--pos-weight", "3.0"], "pos_weight = 3.0"),
    ({"pos_weight": [1, 2.5]}, "[1.0, 2.5]", ["--pos-weight", "[1, 2.5]"], "pos_weight = [1, 2.5]"),
    ({"pos_weight": ["none", "balanced"]}, ("none", "balanced"), ["--pos-weight", "none, balanced"], 'pos_weight = ["none", "balanced"]'),
]  # fmt: skip


@pytest.mark.parametrize(("given", "read", "flags", "line"), WAYS, ids=[w[3] for w in WAYS])
def test_python_file_and_command_line_say_the_same(given, read, flags, line, monkeypatch):
    ((name, _),) = given.items()
    from_file = parse_config(f"[train]\n{line}\n")
    assert getattr(from_file.train, name) == read
    assert parse_config(config_toml(from_file)) == from_file
    seen = []
    monkeypatch.setattr(search_study, "run", lambda config, **_: seen.append(config))
    lossearch.search(X, Y, **given)
    monkeypatch.setattr(
        import_module("lossearch.cli.run"), "_run", lambda config, *_, **__: seen.append(config)
    )
    done = CliRunner().invoke(command, ["--data", "circles", *flags], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [getattr(config.train, name) for config in seen] == [read, read]


# --- weights or none as part of the space ------------------------------------------------------------


def test_weights_or_none_are_searched_with_the_same_budget_for_every_pair(tmp_path):
    result = lossearch.search(
        X, Y, losses=["bce", "hinge"], trials=21, class_weight=["none", "balanced"], store=tmp_path, **QUICK
    )
    own = {r.point.settings["class_weight"] for r in result.trials}
    assert own == {"none", "balanced"}
    assert set(result.leaderboard["trials"]) == {7}
    assert result.leaderboard["params"].str.contains("class_weight=").all()
    said = weighting(result)
    assert said[0].startswith("Weighting the classes")
    assert all(pair in said[0] for pair in result.leaderboard["pair"])
    matters = next(s for s in result.report().sections if s.name == "effects")
    assert said[0] in matters.text
    text = Console(width=10_000, file=StringIO(), color_system=None)
    text.print(render(result))
    for told in said:
        assert told in result.verdict.sentences
        assert text.file.getvalue().count(told) == 1
        assert told in result.report().lead
    assert result.declared.space.pairs["bce/sigmoid"]["class_weight"] == {"choices": ["none", "balanced"]}
    again = lossearch.load(result.name, store=tmp_path)
    assert again.best.settings["class_weight"] in own
    assert again.model.corrects_probabilities == (again.best.settings["class_weight"] == "balanced")


def test_a_searched_range_of_pos_weight(tmp_path):
    result = lossearch.search(
        X, Y, pairs=["bce/sigmoid"], trials=6, settings={"pos_weight": {"low": 1.0, "high": 20.0, "log": True}},
        store=tmp_path, **QUICK,
    )  # fmt: skip
    values = [r.point.settings["pos_weight"] for r in result.trials]
    assert len(set(values)) > 2
    assert result.model.corrects_probabilities


def test_what_weighting_did_is_counted_by_pair():
    def trial(number, way, value, pair="bce/sigmoid"):
        return TrialRecord(
            number, "search", Point(pair, 0.1, other=(("class_weight", way),)), "zero_one", value=value,
            spread={"val_f1": 0.05},
        )  # fmt: skip

    records = [
        trial(0, "none", 0.5),
        trial(1, "none", 0.6),
        trial(2, "balanced", 0.8),
        trial(3, "none", 0.7, "a/b"),
    ]
    searched = {p: {"class_weight": {}} for p in ("bce/sigmoid", "a/b")} | {"c/d": {}}
    (found,) = weighting_effects(records, searched, metric="f1", direction="maximize")
    assert found == WeightingEffect(
        "bce/sigmoid", "class_weight", "balanced", 0.6, 0.8, pytest.approx(0.2), 0.05, (2, 1)
    )
    assert found.clear
    (worse,) = weighting_effects(records, searched, metric="f1", direction="minimize")
    assert worse.gain == pytest.approx(-0.3)


# --- identity ----------------------------------------------------------------------------------------


def test_weights_are_part_of_a_studys_identity():
    digests = [
        planned().plan.digest(),
        planned(sample_weight=W).plan.digest(),
        planned(sample_weight=W + 1).plan.digest(),
        planned(class_weight="balanced").plan.digest(),
        planned(class_weight={0: 1, 1: 2}).plan.digest(),
        planned(pos_weight=2.0).plan.digest(),
        planned(class_weight=["none", "balanced"]).plan.digest(),
    ]
    assert len(set(digests)) == len(digests)


def test_a_study_without_weights_has_the_identity_that_it_had():
    identity = planned().plan.identity()
    assert not {"class_weight", "pos_weight"} & identity["train"].keys()
    circles = prepare(
        make_config({"task": {"data": "circles"}, "train": {"epochs": 4}, "budget": {"seeds": 2}})
    )
    assert circles.plan.digest() == "e7a58127d6d56405"

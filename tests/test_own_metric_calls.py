"""How often a metric of the user's own is called, and that calling it less changes no number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
import torch
from evidence import evidence
from hypothesis import given, settings
from hypothesis import strategies as st

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import Predictions
from lossearch.metrics.own import as_metric
from lossearch.verdict.bootstrap import resample

X = np.random.default_rng(0).normal(size=(200, 2)).astype("float32")
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(int)
DRAWS = 300


class Counted:
    """A function that knows how often it was called."""

    def __init__(self, function):
        self.function, self.calls, self.__name__ = function, 0, function.__name__

    def __call__(self, y_true, y_pred):
        self.calls += 1
        return self.function(y_true, y_pred)


class CountedProbabilities(Counted):
    def __call__(self, y_true, y_prob):
        return super().__call__(y_true, y_prob)


def cost(y_true, y_pred):
    return float(np.where(y_true > y_pred, 5.0, y_true != y_pred).mean())


def cost_of_rows(y_true, y_pred):
    return np.where(y_true > y_pred, 5.0, y_true != y_pred)


def f2(y_true, y_pred):
    hit = ((y_true == 1) & (y_pred == 1)).sum()
    return 5 * hit / max(1, 4 * (y_true == 1).sum() + (y_pred == 1).sum())


def capped(y_true, y_pred):
    return min(cost(y_true, y_pred), 0.6)


def alternating(y_true, y_pred):
    """The mean of the first rows: their order counts."""
    return float((y_true == y_pred)[: max(1, len(y_true) // 2)].mean())


def insists_on_rows(y_true, y_pred):
    if len(y_true) < 2:
        raise RuntimeError("too few")
    return cost(y_true, y_pred)


def no_number_of_one(y_true, y_pred):
    return cost(y_true, y_pred) if len(y_true) > 1 else float("nan")


def squared(y_true, y_pred):
    return float(((y_true - y_pred) ** 2).mean())


def rooted(y_true, y_pred):
    return squared(y_true, y_pred) ** 0.5


def middle(y_true, y_pred):
    return float(np.median(abs(y_true - y_pred)))


def of_labels(function, seed, rows, seeds=5, classes=2, field=Counted):
    """Return an evidence of two pairs' labels under some seeds, judged by a counted function."""
    r = np.random.default_rng(seed)
    y = np.r_[0:classes, r.integers(0, classes, rows - classes)]
    called = field(function)
    said = {}
    for pair in ("bce/sigmoid", "hinge/tanh"):
        wrong = r.random((seeds, rows)) < 0.2
        label = torch.from_numpy(np.where(wrong, (y + 1) % classes, y))
        p = torch.from_numpy(r.random((seeds, rows)).astype("float32"))
        said[pair] = [Predictions(label[s], p[s], p[s].logit()) for s in range(seeds)]
    metric = as_metric(called, "binary" if classes == 2 else "multiclass", "maximize")
    return evidence(metric, said, torch.from_numpy(y), kind=metric.kinds[0]), called


def anew(found):
    """Return what the same evidence comes to where every draw is scored by the function."""
    return resample(replace(found, metric=replace(found.metric, by_row=False)), DRAWS, 0)


@pytest.mark.parametrize(
    "function", [cost, cost_of_rows, f2, capped, alternating, insists_on_rows, no_number_of_one]
)
@pytest.mark.parametrize("classes", [2, 3])
def test_labels_score_on_drawn_rows_what_the_function_says_of_them(function, classes):
    found, _ = of_labels(function, 1, 40, classes=classes)
    fast, slow = resample(found, DRAWS, 0), anew(found)
    assert np.allclose(fast.by_rows, slow.by_rows, rtol=1e-12, atol=0)
    assert np.array_equal(fast.scores, slow.scores)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([cost, f2, capped]), st.integers(12, 60))
def test_any_labels_do_so(seed, function, rows):
    found, _ = of_labels(function, seed, rows, seeds=2)
    assert np.allclose(resample(found, 100, 0).by_rows, resample(replace(found, metric=replace(found.metric, by_row=False)), 100, 0).by_rows)  # fmt: skip


@pytest.mark.parametrize("function", [squared, rooted, middle])
def test_probabilities_and_values_do_so(function):
    r = np.random.default_rng(3)
    y = torch.from_numpy(r.normal(size=30).astype("float32"))
    said = {"mse/identity": [Predictions(value=y + torch.from_numpy(r.normal(size=30).astype("float32"))) for _ in range(4)]}  # fmt: skip
    called = Counted(function)
    found = evidence(as_metric(called, "regression", "minimize"), said, y, kind="regression")
    fast = resample(found, DRAWS, 0)
    of_rows = called.calls
    assert np.allclose(fast.by_rows, anew(found).by_rows, rtol=1e-5)
    assert (of_rows < 4 * DRAWS / 2) == (function is squared)
    of_p, _ = of_labels(squared, 3, 30, field=CountedProbabilities)
    assert of_p.metric.needs == "probability"
    assert np.allclose(resample(of_p, DRAWS, 0).by_rows, anew(of_p).by_rows, rtol=1e-5)


@pytest.mark.parametrize(
    ("function", "most"),
    [
        # every class taken for every other; the rows as they are; some draws, to see that it is a mean
        (cost, 4 + 2 * 5 + 7 * 2 * 5),
        (cost_of_rows, 4 + 2 * 5 + 7 * 2 * 5),
        (f2, 4 + 2 * 5 + 7 * 2 * 5 + DRAWS * 2 * 5),
    ],
)
def test_a_mean_over_rows_is_called_a_few_times_whatever_the_draws(function, most):
    found, called = of_labels(function, 2, 100)
    resample(found, DRAWS, 0)
    assert called.calls <= most


def test_many_rows_of_few_kinds_are_few_calls():
    found, called = of_labels(cost, 2, 2000)
    resample(replace(found, target=found.target[:, None]), DRAWS, 0)
    assert called.calls <= 4 + 2 * 5 + 7 * 2 * 5


def test_models_that_predict_the_same_are_scored_once():
    called = Counted(f2)
    label = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]])
    found = as_metric(called, "binary", "maximize").fn(Predictions(label=label), torch.tensor([0, 1, 0, 0]))
    assert called.calls == 2
    assert found.tolist() == [f2(np.array([0, 1, 0, 0]), one) for one in label.numpy()]


def searched(metric, name, **more):
    return lossearch.search(
        X, Y, losses=["bce"], metric=metric, name=name, trials=5, seeds=2, confirm_seeds=4, epochs=3,
        store="s", mlflow=False, **more,
    )  # fmt: skip


def test_a_search_calls_it_for_replicates_epochs_and_parts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called = Counted(cost)
    result = searched((called, "minimize"), "own")
    assert result.verdict is not None
    replicates = 5 * 2 + 4
    # training and validation rows after each epoch; the confirmed ones' test rows; what is constant; the verdict's
    assert called.calls <= replicates * 3 * 2 + replicates + 4 * 2 + 2 * 4 + 110
    plain = searched("accuracy", "ours")
    own = searched((hits, "maximize"), "same")
    assert own.leaderboard["ci_low"].tolist() == pytest.approx(plain.leaderboard["ci_low"].tolist(), abs=0.02)


def hits(y_true, y_pred):
    return (y_true == y_pred).mean()


def test_one_number_a_row_is_its_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, many = (searched((f, "minimize"), f.__name__) for f in (cost, cost_of_rows))
    assert [r.value for r in one.trials] == pytest.approx([r.value for r in many.trials])
    assert one.leaderboard["ci_low"].tolist() == pytest.approx(many.leaderboard["ci_low"].tolist())


def per_class(y_true, y_pred):
    return sklearn.metrics.f1_score(y_true, y_pred, average=None)


def test_what_is_neither_says_so():
    metric = as_metric(per_class, "binary", "maximize")
    with pytest.raises(
        InputError, match=r"metric per_class gave an array of shape \(2,\) for 4 rows. Return one"
    ):
        metric.fn(Predictions(label=torch.tensor([[0, 1, 1, 0]])), torch.tensor([0, 1, 0, 0]))

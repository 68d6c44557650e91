"""Precision, recall and F1 of a binary task are those of its class 1, and say which that is."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lossearch
from lossearch.kinds import Predictions
from lossearch.metrics.registry import find_metric, metrics_for
from lossearch.records.evidence import known_metric

X = np.random.default_rng(0).normal(size=(150, 2)).astype("float32")
RARE = np.where(X[:, 0] + 0.3 * X[:, 1] > 0.9, "yes", "no")
OF_CLASS = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}


def searched(y, metric, losses, name):
    return lossearch.search(
        X, y, losses=losses, metric=metric, name=name, trials=10, seeds=1, confirm_seeds=2, epochs=4, store="s",
        mlflow=False,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30), st.sampled_from([*OF_CLASS])
)
def test_they_are_scikit_learns(rows, name):
    true, label = (torch.tensor(column).long() for column in zip(*rows, strict=True))
    found = float(
        find_metric(name, "binary").fn(Predictions(label=label[None], score=label[None].float()), true)[0]
    )
    if true.any():
        assert found == pytest.approx(OF_CLASS[name](true, label, zero_division=0))
    else:
        assert np.isnan(found)
        assert find_metric(name, "binary").undefined(true) == "none of its rows is of class 1"


@pytest.mark.parametrize("name", [*OF_CLASS])
def test_a_row_weighs_what_it_may_change(name):
    target = torch.tensor([1, 0, 0, 0, 1, 0])
    metric = find_metric(name, "binary")
    assert metric.leverage(target).tolist() == [0.5] * 6
    assert metric.leverage(target[:, None].float()).tolist() == [0.5] * 6


def test_f1_of_two_classes_is_that_of_the_later_one_which_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = searched(RARE, "f1", ["bce"], "rare")
    assert result.declared.task.metric == "f1"
    notes = " ".join(result.declared.notes)
    assert "metric f1: as asked (F1 of class 1, which is 'yes'; more is better)" in notes
    assert "which is 'yes'" in str(result.report())
    labels = result.model.predict(X)
    assert set(labels) <= {"no", "yes"}
    turned = searched(np.where(RARE == "yes", "a", "b"), "precision", ["bce"], "turned")
    assert "precision of class 1, which is 'b'" in " ".join(turned.declared.notes)


def test_f1_of_three_classes_says_that_it_is_their_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    result = searched(y, "f1", ["cross_entropy"], "three")
    assert result.declared.task.metric == "f1_macro"
    assert "metric f1_macro: 'f1', as asked (F1, mean over classes; more is better)" in " ".join(
        result.declared.notes
    )


def test_recorded_means_over_classes_stay_what_they_are():
    assert known_metric("f1_macro", "binary").fn is known_metric("f1_macro", "multiclass").fn
    assert {"f1", "precision", "recall"}.isdisjoint(m.name for m in metrics_for("binary"))

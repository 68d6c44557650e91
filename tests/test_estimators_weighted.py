"""Weights of rows and of classes in the estimators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.metrics import recall_score
from sklearn.model_selection import cross_validate

from lossearch import InputError, LossSearchClassifier, LossSearchRegressor

TINY = {
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 10,
    "hidden": (8,),
    "lr": 0.03,
    "batch_size": 16,
    "random_state": 0,
}
X, Y = make_classification(200, weights=[0.85], class_sep=0.7, flip_y=0.05, random_state=0)
NAMES = np.where(Y == 1, "yes", "no")
WEIGHTS = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)


def classifier(**given):
    return LossSearchClassifier(**{**TINY, "losses": ["bce"], **given})


def regressor(**given):
    return LossSearchRegressor(**{**TINY, "losses": ["mse"], **given})


@pytest.fixture(scope="module")
def unweighted():
    return classifier().fit(X, NAMES)


def test_equal_weights_are_none(unweighted):
    found = classifier().fit(X, NAMES, sample_weight=np.full(len(X), 2.5))
    assert np.allclose(found.predict_proba(X), unweighted.predict_proba(X), atol=1e-5)


def test_rows_of_weight_0_are_not_there():
    some = WEIGHTS > 0
    table = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    weighted = classifier().fit(table, NAMES, sample_weight=WEIGHTS, groups=None)
    without = classifier().fit(table[some], NAMES[some], sample_weight=WEIGHTS[some].tolist())
    assert np.array_equal(weighted.predict_proba(table), without.predict_proba(table))


def test_weights_move_what_is_predicted():
    y = X[:, 0].copy()
    y[::2] += 10
    light, heavy = (
        regressor(epochs=30)
        .fit(X, y, sample_weight=np.where(np.arange(len(X)) % 2, other, 1.0))
        .predict(X)
        .mean()
        for other in (1e-3, 1e3)
    )
    assert light > 9
    assert heavy < 1


@pytest.mark.parametrize("weighting", ["balanced", {"no": 1, "yes": 8}])
def test_class_weights_find_more_of_the_rare_class(unweighted, weighting):
    found = classifier(class_weight=weighting).fit(X, NAMES)
    before, after = (recall_score(NAMES, e.predict(X), pos_label="yes") for e in (unweighted, found))
    assert after > before
    share = found.predict_proba(X)[:, 1].mean()
    assert abs(share - Y.mean()) < 0.1  # corrected: classes as they occur


def test_numbers_and_truth_values_are_weighed_by_what_they_are():
    for y, weighting in ((Y, {0: 1, 1: 8}), (Y == 1, {False: 1, True: 8})):
        found = classifier(class_weight=weighting).fit(X, y)
        assert found.model_.class_weights is not None


def test_of_several_weightings_the_best_is_searched():
    found = classifier(class_weight=["none", "balanced"], metric="balanced_accuracy", trials=10).fit(X, NAMES)
    assert found.best_.settings["class_weight"] in {"none", "balanced"}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.zeros(200), "zero"),
        (np.ones(199), "shape"),
        (-np.ones(200), "[Nn]egative"),
        (np.full(200, np.nan), "NaN"),
    ],
)
def test_what_is_no_weight_is_refused(weights, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit(X, NAMES, sample_weight=weights)


def test_a_class_that_is_not_in_y_is_refused():
    with pytest.raises(InputError, match="maybe"):
        classifier(class_weight={"no": 1, "maybe": 2}).fit(X, NAMES)


def test_weights_are_routed():
    with config_context(enable_metadata_routing=True):
        model = (
            regressor()
            .set_fit_request(sample_weight=True, groups=False)
            .set_score_request(sample_weight=True)
        )
        given = {"params": {"sample_weight": WEIGHTS}, "cv": 2, "return_estimator": True}
        found = cross_validate(model, X, X[:, 0], **given)
    for estimator in found["estimator"]:
        assert estimator.model_.origin.rows < 100  # those without weight are left out


def test_with_a_store_other_weights_are_another_study(tmp_path):
    given = {"store": tmp_path / "runs", "mlflow": False}
    names = {
        classifier(**given).fit(X, NAMES, sample_weight=w).result_.name
        for w in (None, WEIGHTS, WEIGHTS, WEIGHTS + 1)
    }
    assert len(names) == 3

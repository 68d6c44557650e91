"""The estimators within scikit-learn: searched over, stacked, calibrated, weighed, in threads and processes."""

from __future__ import annotations

import random
import sys
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.datasets import make_blobs
from sklearn.ensemble import StackingRegressor, VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import lossearch
from lossearch import LossSearchClassifier, LossSearchRegressor

TINY = {
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 20,
    "hidden": (8,),
    "lr": 0.03,
    "batch_size": 16,
    "random_state": 0,
}
X, Y = make_blobs(60, centers=2, cluster_std=1.0, random_state=0)
NUMBERS = X @ [1.5, -2.0] + 3


def classifier(**given):
    return LossSearchClassifier(**{**TINY, "losses": ["log_loss"], **given})


def regressor(**given):
    return LossSearchRegressor(**{**TINY, "losses": ["mse"], **given})


@lossearch.loss(
    task="binary", encoding="plus_minus_one", domain="real", source="ours", example=(0.5, 1.0, 0.25)
)
def own_margin(output, target):
    """max(0, 1 - s f)^2"""
    return (1 - output * target).clamp(min=0).square()


def test_clones_have_the_parameters_and_nothing_learned():
    one = classifier(losses=[own_margin, "focal"], params={"focal.gamma": 2.0}).fit(X, Y)
    other = clone(one)
    assert {k: v for k, v in other.get_params().items() if k != "losses"} == {
        k: v for k, v in one.get_params().items() if k != "losses"
    }
    assert [str(x) for x in other.losses] == ["own_margin", "focal"]
    assert not hasattr(other, "result_")
    other.set_params(epochs=2, losses=["bce"], params=None)
    assert other.fit(X, Y).result_.config.train.epochs == 2
    assert one.result_.config.train.epochs == 20


def test_in_a_pipeline_behind_columns_of_names():
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "city": np.where(Y == 1, "Rome", "Oslo")})
    columns = make_column_transformer(
        (StandardScaler(), ["a", "b"]), (OneHotEncoder(sparse_output=False), ["city"])
    )
    model = make_pipeline(columns, classifier()).set_output(transform="pandas")
    model.fit(table, Y)
    assert model.score(table, Y) > 0.9
    assert list(model[-1].feature_names_in_) == [
        "standardscaler__a",
        "standardscaler__b",
        "onehotencoder__city_Oslo",
        "onehotencoder__city_Rome",
    ]
    assert "LossSearchClassifier" in model._repr_html_()


def test_cross_validation_by_a_metric_of_scikit_learn():
    found = cross_val_score(classifier(), X, Y, cv=2, scoring="roc_auc")
    assert (found > 0.9).all()
    found = cross_validate(regressor(), X, NUMBERS, cv=2, return_estimator=True)
    assert [e.n_features_in_ for e in found["estimator"]] == [2, 2]


@pytest.mark.slow
def test_a_grid_over_our_own_options():
    grid = GridSearchCV(classifier(), {"losses": [["bce"], "mse"], "optimizer": ["sgd", "adam"]}, cv=2)
    grid.fit(X, Y)
    assert len(grid.cv_results_["params"]) == 4
    assert grid.best_score_ > 0.8
    assert np.isfinite(grid.cv_results_["mean_test_score"]).all()


@pytest.mark.slow
def test_random_options():
    found = RandomizedSearchCV(
        regressor(), {"lr": [0.01, 0.03, 0.1], "hidden": [(4,), (8, 8)]}, n_iter=2, cv=2, random_state=0
    ).fit(X, NUMBERS)
    assert found.best_estimator_.hidden in {(4,), (8, 8)}


def test_a_wrong_option_is_a_failed_fit_of_the_grid():
    grid = GridSearchCV(classifier(), {"optimizer": ["adam", "no_such"]}, cv=2, error_score=-1.0)
    with pytest.warns(FitFailedWarning, match="no_such"):
        grid.fit(X, Y)
    assert grid.cv_results_["mean_test_score"].min() == -1.0
    assert grid.best_params_ == {"optimizer": "adam"}


def test_calibrated_probabilities_of_a_pair_that_gives_none():
    found = CalibratedClassifierCV(classifier(losses="hinge"), cv=2).fit(X, Y)
    proba = found.predict_proba(X)
    assert np.allclose(proba.sum(axis=1), 1)
    assert ((proba[:, 1] > 0.5) == Y).mean() > 0.9


def test_votes_beside_another_model():
    both = VotingClassifier([("net", classifier()), ("linear", LogisticRegression())], voting="soft").fit(
        X, Y
    )
    alone = np.mean([e.predict_proba(X) for e in both.estimators_], axis=0)
    assert np.allclose(both.predict_proba(X), alone)


def test_stacked_and_on_another_scale_of_the_target():
    found = TransformedTargetRegressor(regressor(epochs=40), func=np.log1p, inverse_func=np.expm1)
    positive = np.exp(NUMBERS / 10)
    assert found.fit(X, positive).score(X, positive) > 0.8
    stacked = StackingRegressor([("net", regressor()), ("linear", LinearRegression())], cv=2)
    assert stacked.fit(X, NUMBERS).predict(X).shape == (60,)


def test_importance_of_columns():
    table = pd.DataFrame({"useful": X[:, 1], "noise": np.random.default_rng(0).normal(size=60)})
    found = permutation_importance(
        regressor(epochs=40).fit(table, X[:, 1]), table, X[:, 1], n_repeats=3, random_state=0
    )
    useful, noise = found.importances_mean
    assert useful > 10 * abs(noise)


def test_several_columns_of_classes_by_one_model_each():
    both = np.column_stack([Y, X[:, 0] > 0])
    assert MultiOutputClassifier(classifier()).fit(X, both).predict(X).shape == (60, 2)


def test_groups_are_routed():
    groups = np.repeat(np.arange(12), 5)
    with config_context(enable_metadata_routing=True):
        model = classifier().set_fit_request(groups=True, sample_weight=False)
        found = cross_validate(
            model, X, Y, cv=GroupKFold(2), params={"groups": groups}, return_estimator=True
        )
    notes = [" ".join(e.result_.declared.notes) for e in found["estimator"]]
    assert all("by whole groups" in n for n in notes)


def test_dumped_and_loaded_by_joblib(tmp_path):
    for model, y in ((classifier(losses=[own_margin]), Y), (regressor(), NUMBERS)):
        model.fit(X, y)
        joblib.dump(model, tmp_path / "model.joblib")
        back = joblib.load(tmp_path / "model.joblib")
        assert np.array_equal(back.predict(X), model.predict(X))
        assert back.best_ == model.best_


def state():
    return [
        random.getstate(),
        [str(part) for part in np.random.get_state()],  # noqa: NPY002 - the one that others use
        torch.get_rng_state().tolist(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        warnings.filters.copy(),
    ]


def test_fits_in_threads_are_what_they_are_alone_and_leave_nothing():
    def fitted(seed):
        return classifier(random_state=seed, epochs=3).fit(X, Y)

    alone = [fitted(seed).predict_proba(X) for seed in range(2)]
    before, interval = state(), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        together = joblib.Parallel(n_jobs=2, backend="threading")(
            joblib.delayed(fitted)(seed) for seed in range(2)
        )
    finally:
        sys.setswitchinterval(interval)
    assert state() == before
    assert all(np.array_equal(a, b.predict_proba(X)) for a, b in zip(alone, together, strict=True))


@pytest.mark.slow
def test_fits_in_processes_are_what_they_are_alone(tmp_path):
    given = {"cv": 2, "method": "predict_proba"}
    alone = cross_val_predict(classifier(), X, Y, **given)
    assert np.array_equal(cross_val_predict(classifier(), X, Y, n_jobs=2, **given), alone)
    stored = classifier(store=tmp_path / "runs", mlflow=False)
    assert np.array_equal(cross_val_predict(stored, X, Y, n_jobs=2, **given), alone)

"""The pair that an estimator fits is one of those it was asked for; the conventional one is searched beside them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_wine, make_blobs
from sklearn.model_selection import GridSearchCV

import lossearch
from lossearch import LossSearchClassifier, LossSearchRegressor
from lossearch.config import make_config
from lossearch.data.sources import from_arrays
from lossearch.errors import InputError, RunFailedError
from lossearch.kinds import KINDS
from lossearch.space import Space
from lossearch.study.prepare import prepare

TINY = {"seeds": 1, "epochs": 3, "hidden": (8,), "lr": 0.01, "batch_size": 16, "random_state": 0}
X, Y = make_blobs(90, centers=3, cluster_std=0.6, random_state=0)
NUMBERS = X @ [1.5, -2.0] + 3
CASES = {
    "classifier": (LossSearchClassifier, Y, "multiclass", "ovr_hinge/identity"),
    "regressor": (LossSearchRegressor, NUMBERS, "regression", "log_cosh/identity"),
}


@pytest.mark.parametrize("confirm_seeds", [0, 2])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("named", ["losses", "pairs"])
def test_the_only_pair_asked_for_is_fitted(case, confirm_seeds, named):
    cls, y, kind, pair = CASES[case]
    given = {named: [pair.partition("/")[0] if named == "losses" else pair]}
    found = cls(**TINY, **given, confirm_seeds=confirm_seeds).fit(X, y)
    assert found.best_.pair == found.model_.point.pair == found.criterion_.pair.name == pair
    assert len(found.history_) == 3
    assert set(found.leaderboard_["pair"]) == {pair, KINDS[kind].conventional}
    assert pickle.loads(pickle.dumps(found)).best_ == found.best_  # noqa: S301 - our own


def test_an_activation_asked_for_is_fitted():
    found = LossSearchClassifier(**TINY, losses=["mse"], activations=["tanh"], confirm_seeds=0).fit(X, Y == 1)
    assert found.best_.pair == "mse/tanh"
    assert "bce/sigmoid" in set(found.leaderboard_["pair"])


@pytest.mark.parametrize(("mode", "confirm_seeds"), [("equal", 0), ("equal", 2), ("adaptive", 2)])
def test_of_several_asked_for_the_best_ranked_is_fitted(mode, confirm_seeds):
    many = {**TINY, "lr": (0.001, 0.1), "trials": 15, "mode": mode, "confirm_seeds": confirm_seeds}
    found = LossSearchClassifier(**many, losses=["ovr_hinge", "mae"]).fit(X, Y)
    board = found.leaderboard_ if mode == "equal" else found.result_.search_leaderboard
    others = board.loc[board["pair"] != "cross_entropy/softmax", "pair"].tolist()
    take = found.result_.recommended
    wanted = others[0] if take is None or take.pair not in others else take.pair
    assert found.best_.pair == wanted
    assert len(others) >= 2


def test_the_added_pair_is_asked_for_where_it_stands_for_one_of_a_family():
    config = make_config({"task": {"kind": "regression"}, "space": {"losses": ["quantiles"]}})
    space = prepare(config, dataset=from_arrays(X, NUMBERS)).plan.space
    assert (space.added, space.asked) == ("", space.names)
    assert [r.name for r in space.rejections if "same as mse/identity" in str(r)] == ["expectile/identity"]


def test_a_family_of_which_nothing_can_be_trained_is_refused(monkeypatch):
    monkeypatch.setattr(Space, "asked", ())
    with pytest.raises(InputError, match="No pair that was asked for can be trained"):
        LossSearchRegressor(**TINY, losses=["quantiles"], confirm_seeds=0).fit(X, NUMBERS)


def test_the_conventional_pair_is_fitted_where_it_is_asked_for():
    found = LossSearchClassifier(**TINY, losses=["ovr_hinge", "cross_entropy"], confirm_seeds=2).fit(X, Y)
    assert found.best_ == found.result_.best


def test_a_grid_search_over_losses_compares_them():
    x, y = load_wine(return_X_y=True)
    names = ["cross_entropy", "ovr_hinge", "mae", "focal"]
    grid = GridSearchCV(
        LossSearchClassifier(**TINY, confirm_seeds=0), {"losses": [[name] for name in names]}, cv=2
    ).fit(x, y)
    (asked,) = grid.best_params_["losses"]
    assert grid.best_estimator_.best_.loss == asked
    assert len(np.unique(grid.cv_results_["mean_test_score"])) > 1


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    return lossearch.search(
        X, Y, losses=["ovr_hinge"], lr=0.01, seeds=1, confirm_seeds=2, epochs=3,
        store=tmp_path_factory.mktemp("asked") / "runs", mlflow=False,
    )  # fmt: skip


def test_a_result_fits_the_best_of_some_pairs(studied):
    for pair in ("ovr_hinge/identity", "cross_entropy/softmax"):
        assert studied.best_among([pair]).pair == studied.fit(pairs=[pair]).point.pair == pair
    assert studied.best_among(studied.leaderboard["pair"].tolist()) == studied.best
    with pytest.raises(RunFailedError, match="no ranked pair among mae/softmax: 0 of 0 trials"):
        studied.best_among(["mae/softmax"])


def test_asking_by_name_for_what_is_added_changes_no_study(studied):
    plan = studied.prepared.plan
    assert (plan.space.added, plan.space.asked) == ("cross_entropy/softmax", ("ovr_hinge/identity",))
    again = lossearch.search(
        X, Y, losses=["cross_entropy", "ovr_hinge"], lr=0.01, seeds=1, confirm_seeds=2, epochs=3,
        store=studied.store.root, name=studied.name, mlflow=False,
    )  # fmt: skip
    assert again.prepared.plan.space.added == ""
    assert again.declared.created == studied.declared.created

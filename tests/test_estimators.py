"""The scikit-learn estimators: what they fit, what they tell of it, and what they leave behind."""

from __future__ import annotations

import copy
import io
import os
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from scipy import sparse
from sklearn.datasets import load_diabetes, load_iris, make_blobs, make_multilabel_classification
from sklearn.exceptions import NotFittedError

import lossearch
from lossearch import LossSearchClassifier, LossSearchRegressor
from lossearch.config import KEYS
from lossearch.errors import StoreError
from lossearch.estimators.options import IN_SEARCH, OWN_WORDS, search_options
from lossearch.pairs.legality import find_pair
from lossearch.training.workers.group import cores

TINY = {"seeds": 1, "confirm_seeds": 0, "epochs": 10, "hidden": (8,), "lr": 0.03, "batch_size": 16}
X, Y = make_blobs(90, centers=3, cluster_std=0.6, random_state=0)
NUMBERS = X @ [1.5, -2.0] + 3


def classifier(**given):
    return LossSearchClassifier(**{**TINY, "losses": ["log_loss"], "random_state": 0, **given})


def regressor(**given):
    return LossSearchRegressor(**{**TINY, "losses": ["mse"], "random_state": 0, **given})


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, Y)


def test_what_a_fitted_classifier_tells(fitted):
    assert fitted.score(X, Y) > 0.9
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert (fitted.n_features_in_, fitted.n_outputs_) == (2, 1)
    assert fitted.best_.pair == "cross_entropy/softmax"
    assert isinstance(fitted.result_, lossearch.Result)
    assert fitted.leaderboard_["pair"].tolist() == ["cross_entropy/softmax"]
    assert isinstance(fitted.criterion_, lossearch.Criterion)
    assert 1 <= fitted.n_iter_ <= 10
    assert [h["epoch"] for h in fitted.history_] == list(range(1, 11))
    assert {"train_loss", "val_accuracy"} <= fitted.history_[0].keys()


def test_probabilities_scores_and_classes_agree(fitted):
    found, proba, score = fitted.predict(X), fitted.predict_proba(X), fitted.decision_function(X)
    assert proba.shape == score.shape == (90, 3)
    assert np.allclose(proba.sum(axis=1), 1)
    assert np.array_equal(proba.argmax(axis=1), found)
    assert np.array_equal(score.argmax(axis=1), found)
    assert np.allclose(np.log(proba), fitted.predict_log_proba(X))


def test_a_row_is_predicted_alike_alone_and_among_others(fitted):
    for name in ("predict_proba", "decision_function"):
        whole = getattr(fitted, name)(X)
        alone = np.concatenate([getattr(fitted, name)(row[None]) for row in X])
        assert np.allclose(whole, alone, rtol=1e-12, atol=1e-12)


def test_the_module_gives_the_probabilities_by_plain_torch(fitted):
    inputs = (X - X.mean(axis=0)) / X.std(axis=0)
    raw = fitted.module_(torch.as_tensor(inputs, dtype=torch.float32))
    assert np.allclose(raw.softmax(dim=1).detach().numpy(), fitted.predict_proba(X), atol=1e-5)


@pytest.fixture(scope="module")
def binary():
    return classifier(losses=["bce", "hinge"]).fit(X, np.where(Y == 1, "yes", "no"))


def having(found, pair):
    """Return a fitted estimator whose model is of another pair."""
    point = replace(found.best_, pair=pair, definition=find_pair(pair, "binary"))
    other = copy.copy(found)
    other.model_ = replace(found.model_, point=point)
    return other


@pytest.mark.parametrize(
    "pair",
    ["bce/sigmoid", "hinge/identity", "hinge/tanh", "squared_hinge/tanh", "mse/identity", "mae/sigmoid"],
)
def test_of_two_classes_scores_above_0_are_the_second(binary, pair):
    found = having(binary, pair)
    score = found.decision_function(X)
    assert score.shape == (90,)
    assert np.array_equal(np.where(score > 0, "yes", "no"), found.predict(X))
    assert len(np.unique(score)) == 90


def test_labels_are_predicted_as_0_and_1():
    x, y = make_multilabel_classification(120, random_state=0, n_classes=4)
    found = classifier().fit(x, y)
    assert found.predict(x).shape == (120, 4)
    assert set(np.unique(found.predict(x))) <= {0, 1}
    assert found.predict_proba(x).shape == (120, 4)
    assert np.array_equal(found.decision_function(x) > 0, found.predict(x) == 1)
    assert np.array_equal(classifier().fit(x, sparse.csr_array(y)).predict(x), found.predict(x))


@pytest.mark.parametrize("others", [1, 2])
def test_labels_of_all_rows_or_none_are_predicted_as_they_are(others):
    first = np.column_stack([Y == 1, X[:, 0] > 0])[:, :others].astype(int)
    y = np.column_stack([np.zeros(90, int), first, np.ones(90, int)])
    found = classifier().fit(X, y)
    alone = classifier().fit(X, first if others > 1 else first[:, 0])
    assert found.n_outputs_ == len(found.classes_) == others + 2
    assert np.array_equal(found.predict(X)[:, 1:-1], alone.predict(X).reshape(90, others))
    for name, low, high in (("predict", 0, 1), ("predict_proba", 0, 1), ("decision_function", -1, 1)):
        values = getattr(found, name)(X)
        assert values.shape == (90, others + 2)
        assert set(values[:, 0]) == {low}
        assert set(values[:, -1]) == {high}


@pytest.mark.parametrize("others", [1, 2])
def test_numbers_that_never_vary_are_predicted_as_they_are(others):
    first = np.column_stack([NUMBERS, -NUMBERS])[:, :others]
    found = regressor().fit(X, np.column_stack([first, np.full(90, 3.5)]))
    assert found.predict(X).shape == (90, others + 1)
    assert set(found.predict(X)[:, -1]) == {3.5}
    alone = regressor().fit(X, first if others > 1 else first[:, 0])
    assert np.array_equal(found.predict(X)[:, :-1], alone.predict(X).reshape(90, others))
    with pytest.raises(lossearch.InputError, match="one value only"):
        regressor().fit(X, np.full((90, 2), 3.5))


def test_values_come_back_in_their_own_units():
    found = regressor(epochs=30).fit(X, NUMBERS)
    assert found.score(X, NUMBERS) > 0.9
    assert found.predict(X).shape == (90,)


def test_several_values_a_row():
    both = np.column_stack([NUMBERS, -10 * NUMBERS])
    found = regressor(epochs=30).fit(X, both)
    assert found.n_outputs_ == 2
    assert found.predict(X).shape == (90, 2)
    assert found.score(X, both) > 0.8


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes", "perhaps"],
        ["1", "2", "10"],
        ["1,5", "2.5", "NA"],
        ["2020-01-01", "2020-01-02", "2020-01-03"],
        ["a", "a ", "A"],
        [-1, 5, 2**40],
        [0.5, 1.5, 2.5],
    ],
)
def test_classes_come_back_as_they_stood_in_y(labels):
    y = np.array(labels)[Y]
    if y.dtype.kind == "f":
        y = y * 2  # whole, or they would be no classes to scikit-learn
    found = classifier().fit(X, y)
    assert found.classes_.dtype == np.unique(y).dtype
    assert np.array_equal(found.classes_, np.unique(y))
    assert found.score(X, y) > 0.9


@pytest.mark.parametrize("make", [pd.Series, pd.Categorical, list, lambda y: pd.Series(y, dtype="string")])
def test_targets_in_whatever_holds_them(make):
    y = np.array(["b", "a", "c"])[Y]
    assert classifier().fit(X, make(y)).score(X, y) > 0.9


def test_truth_values_are_two_classes():
    found = classifier().fit(X, Y == 1)
    assert found.predict(X).dtype == bool


def test_a_table_is_read_column_by_column():
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "city": np.array(["Rome", "Oslo", "Bonn"])[Y]})
    table.loc[3, "a"] = np.nan
    found = classifier().fit(table, Y)
    assert found.feature_names_in_.tolist() == ["a", "b", "city"]
    assert found.score(table, Y) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        found.predict(table[["b", "a", "city"]])


def test_rows_without_names_are_taken_for_the_columns_that_were_fitted(fitted):
    table = pd.DataFrame(X, columns=["a", "b"])
    found = classifier().fit(table, Y)
    with pytest.warns(UserWarning, match="feature names"):
        assert np.array_equal(found.predict(X), found.predict(table))
    assert np.array_equal(found.predict(table), fitted.predict(X))


def test_sparse_rows_are_dense_rows(fitted):
    found = classifier().fit(sparse.csr_matrix(X), Y)
    assert np.array_equal(found.predict_proba(sparse.coo_array(X)), fitted.predict_proba(X))


def test_images_are_taken_by_their_network():
    images = np.random.default_rng(0).normal(size=(60, 1, 6, 6))
    y = np.arange(60) % 3
    images[y == 1, :, :3] += 3
    found = classifier(model="cnn", hidden=(4,)).fit(images, y)
    assert found.predict(images).shape == (60,)


def test_the_same_whole_number_gives_the_same(fitted):
    again = classifier().fit(X, Y)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    other = classifier(random_state=1).fit(X, Y)
    assert not np.array_equal(other.predict_proba(X), fitted.predict_proba(X))


def seeds(state, n=2):
    return [search_options(classifier(random_state=state))["seed"] for _ in range(n)]


def test_a_random_state_goes_on_between_fits():
    one, two = seeds(np.random.RandomState(3))
    assert one != two
    assert seeds(np.random.RandomState(3)) == [one, two]
    assert seeds(3) == seeds(np.int64(3)) == [one, one]


def test_none_draws_from_numpy_as_everywhere_in_scikit_learn():
    before = np.random.get_state()  # noqa: NPY002 - what scikit-learn draws from
    try:
        np.random.seed(5)  # noqa: NPY002 - what scikit-learn draws from
        one = seeds(None)
        np.random.seed(5)  # noqa: NPY002 - what scikit-learn draws from
        assert seeds(None) == one
    finally:
        np.random.set_state(before)  # noqa: NPY002 - what scikit-learn draws from


def test_nothing_is_left_where_no_store_is_named(tmp_path, monkeypatch):
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    found = classifier().fit(X, Y)
    assert list(here.iterdir()) == list(temporary.iterdir()) == []
    assert not found.result_.store.root.exists()
    assert found.result_.tied == ()
    assert "cross_entropy" in repr(found.result_)


@pytest.mark.parametrize(
    "look",
    [
        lambda r: r.curves,
        lambda r: r.study,
        lambda r: r.model,
        lambda r: r.fit(),
        lambda r: r.evidence(),
        lambda r: r.report(),
        lambda r: r.folder,
    ],
)
def test_what_was_temporary_says_that_it_is_gone(fitted, look):
    with pytest.raises(StoreError, match="store=DIR"):
        look(fitted.result_)


def test_the_answer_stays():
    found = classifier(confirm_seeds=2, seeds=1).fit(X, Y)
    kept = pickle.loads(pickle.dumps(found)).result_  # noqa: S301 - our own
    assert [r.pair for r in kept.verdict.ranking] == ["cross_entropy/softmax"]
    assert kept.as_json()["best"]["pair"] == "cross_entropy/softmax"
    assert len(kept.pareto) > 0
    assert kept.confirmed.seeds
    assert kept.config.train.epochs == 10
    assert Console(file=io.StringIO()).print(kept.render()) is None


def test_an_interrupted_fit_leaves_nothing_either(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(lossearch.InputError, match="No multiclass loss"):
        classifier(losses=["no_such"]).fit(X, Y)
    assert list(tmp_path.iterdir()) == []


def test_a_named_store_is_gone_on_with_where_all_is_the_same(tmp_path):
    given = {"store": tmp_path / "runs", "name": "blobs", "mlflow": False}
    one = classifier(**given).fit(X, Y)
    begun = one.result_.declared.created
    assert one.result_.name == "blobs"
    assert lossearch.load("blobs", tmp_path / "runs").best == one.best_
    again = classifier(**given).fit(X, Y)
    assert (again.result_.name, again.result_.declared.created) == ("blobs", begun)
    assert np.array_equal(again.predict_proba(X), one.predict_proba(X))
    others = [classifier(**given).fit(X[::-1], Y), classifier(**given, schedule="cosine").fit(X, Y)]
    names = {e.result_.name for e in others}
    assert len(names) == 2
    assert all(name.startswith("blobs-") for name in names)
    later = classifier(**given, schedule="cosine").fit(X, Y)
    assert later.result_.declared.created == others[1].result_.declared.created


def test_a_study_that_another_process_runs_is_left_to_it(tmp_path):
    from lossearch.records.claim import claim
    from lossearch.records.store import Store

    given = {"store": tmp_path / "runs", "name": "blobs", "mlflow": False}
    with claim(Store.open(tmp_path / "runs"), "blobs"):
        assert classifier(**given).fit(X, Y).result_.name.startswith("blobs-")


def test_a_fitted_one_survives_pickling_without_its_data(fitted):
    stored = pickle.dumps(fitted)
    back = pickle.loads(stored)  # noqa: S301 - our own
    assert np.array_equal(back.predict_proba(X), fitted.predict_proba(X))
    assert back.leaderboard_.equals(fitted.leaderboard_)
    many = classifier(epochs=2).fit(np.repeat(X, 20, axis=0), np.repeat(Y, 20))
    assert len(pickle.dumps(many)) < len(stored) + 20 * X.nbytes / 4


def test_its_model_can_be_saved(fitted, tmp_path):
    fitted.model_.save(tmp_path / "model")
    back = lossearch.load_model(tmp_path / "model")
    assert np.array_equal(back.predict(X), fitted.predict(X))


def test_before_it_is_fitted_it_says_so():
    for name in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), name)(X)
    for name in ("best_", "leaderboard_", "module_", "criterion_", "n_iter_"):
        assert not hasattr(classifier(), name)


def test_a_pair_without_probabilities_has_none_and_says_which_do(binary):
    found = having(binary, "hinge/tanh")
    assert not hasattr(found, "predict_proba")
    with pytest.raises(AttributeError, match="predict_proba") as caught:
        found.predict_proba(X)
    told = str(caught.value.__cause__)
    assert "hinge/tanh" in told
    assert "bce/sigmoid" in told
    assert hasattr(binary, "predict_proba")


@pytest.mark.slow
def test_judging_by_probabilities_leaves_pairs_that_give_them():
    found = classifier(losses=None, metric="log_loss").fit(X, Y == 1)
    kept = set(found.leaderboard_["pair"])
    assert "bce/sigmoid" in kept
    assert not {pair for pair in kept if pair.startswith("hinge")}


@pytest.mark.parametrize("rows", [2, 3, 5, 9])
def test_of_few_rows_all_are_trained_and_judged_on(rows):
    with pytest.warns(UserWarning, match="all rows train and validate"):
        found = regressor(epochs=2).fit(X[:rows], NUMBERS[:rows])
    assert found.model_.origin.rows == rows


def test_a_class_of_one_row_is_learned_too():
    y = Y.copy()
    y[0] = 7
    with pytest.warns(UserWarning, match="A class has a single row"):
        found = classifier().fit(X, y)
    assert found.classes_.tolist() == [0, 1, 2, 7]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y[1] = 7
        classifier().fit(X, y)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.ones(90), "1 class"),
        (NUMBERS, "continuous"),
        (np.column_stack([Y, Y]), "multioutput"),
        (np.where(Y == 1, np.nan, Y), "NaN"),
        (Y[:-1], "inconsistent"),
        (None, "requires y"),
    ],
)
def test_targets_that_are_none_are_refused_in_scikit_learns_words(y, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit(X, y)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (X[:, 0], "Reshape your data"),
        (pd.Series(X[:, 0]), "2-dimensional container"),
        (np.where(X > 2, np.inf, X), "infinity"),
        (X + 1j, "Complex"),
        (X[:1], "minimum of 2"),
        (pd.DataFrame(X)[:1], "minimum of 2"),
        (X[:0], "minimum of 2"),
    ],
)
def test_rows_that_are_none_are_refused_in_scikit_learns_words(x, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit(x, Y[: len(x)])


def test_wrong_parameters_are_refused_by_fit_and_not_before():
    wrong = classifier(optimizer="no_such")
    with pytest.raises(lossearch.InputError, match="no_such"):
        wrong.fit(X, Y)


@pytest.mark.parametrize(("cls", "task"), [(LossSearchClassifier, "count"), (LossSearchRegressor, "binary")])
def test_a_task_of_the_other_estimator_is_refused(cls, task):
    with pytest.raises(lossearch.InputError, match=f"task='{task}' is not for {cls.__name__}"):
        cls(task=task).fit(X, Y == 1)


def test_classes_without_an_order_are_refused():
    with pytest.raises(lossearch.InputError, match="of type NoneType, str"):
        classifier().fit(X, np.array(["a", None, "b"], dtype=object)[Y])


def test_two_classes_as_one_of_several_are_scored_as_two_are():
    found = classifier(task="multiclass").fit(X, Y == 1)
    score = found.decision_function(X)
    assert score.shape == (90,)
    assert np.array_equal(score > 0, found.predict(X))
    assert np.allclose(found.predict_proba(X)[:, 1], 1 / (1 + np.exp(-score)))


def test_tensors_of_a_training_loop_are_rows(fitted):
    found = classifier().fit(torch.tensor(X, requires_grad=True), torch.tensor(Y))
    assert np.array_equal(found.predict_proba(torch.tensor(X)), fitted.predict_proba(X))


def test_options_in_scikit_learns_ways():
    options = search_options(classifier(hidden=16, n_jobs=-1))
    assert (options["hidden"], options["sampler"]) == ([16], "qmc")
    assert options["workers"] == cores()
    assert search_options(classifier(n_jobs=-1000))["workers"] == 1
    assert search_options(classifier())["workers"] == 1
    assert search_options(classifier(mode="adaptive"))["sampler"] == "tpe"


def test_groups_are_never_divided():
    groups = np.repeat(np.arange(30), 3)
    found = regressor().fit(X, NUMBERS, groups=groups)
    assert "by whole groups" in " ".join(found.result_.declared.notes)


def test_a_test_part_is_kept_from_the_model():
    found = classifier(test_fraction=0.2, confirm_seeds=2).fit(X, Y)
    assert found.model_.origin.rows == 72
    assert found.result_.confirmed.part == "test"


@pytest.mark.parametrize("cls", [LossSearchClassifier, LossSearchRegressor])
def test_every_parameter_is_documented_and_is_one_of_search(cls):
    known = {key.parameter for key in KEYS} | {"class_weight"}
    for name in cls().get_params():
        assert f"\n        {name}: " in cls.__doc__
        assert IN_SEARCH.get(name, name) in known or name in OWN_WORDS


def test_progress_is_told_only_where_it_is_asked_for(capfd):
    regressor(epochs=2).fit(X, NUMBERS)
    assert capfd.readouterr() == ("", "")
    regressor(epochs=2, verbose=1).fit(X, NUMBERS)
    assert "trials" in capfd.readouterr().err


@pytest.mark.slow
def test_the_default_budget_finds_good_models():
    x, y = load_iris(return_X_y=True)
    found = LossSearchClassifier(losses=["log_loss", "mse"], random_state=0).fit(x, y)
    assert found.score(x, y) > 0.93
    assert found.result_.verdict is not None
    assert found.result_.config.train.epochs == 30
    x, y = load_diabetes(return_X_y=True)
    found = LossSearchRegressor(losses=["mse"], random_state=0).fit(x, y)
    assert found.score(x, y) > 0.4


def test_the_working_directory_is_not_in_it(fitted):
    assert os.fspath(Path.cwd()) not in pickle.dumps(fitted).decode("latin1")

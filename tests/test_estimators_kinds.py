"""The estimators on each kind of task: which is reached how, what is predicted, and what ``score`` says of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score, r2_score
from sklearn.model_selection import cross_val_score

from lossearch import LossSearchClassifier, LossSearchRegressor
from lossearch.errors import InputError
from lossearch.estimators.scores import explained_of_angles, overlap
from lossearch.kinds import KINDS

RNG = np.random.default_rng(0)
TINY = {
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 3,
    "hidden": (8,),
    "lr": 0.03,
    "batch_size": 16,
    "random_state": 0,
}
X = RNG.normal(size=(60, 2))
ANGLES = np.arctan2(X[:, 1], X[:, 0])
SHARES = np.abs(RNG.normal(size=(60, 3)))
SHARES /= SHARES.sum(axis=1, keepdims=True)
MASKS = RNG.integers(0, 2, (48, 6, 5))
IMAGES = (MASKS + 0.2 * RNG.normal(size=MASKS.shape))[:, None]
LABELS = np.column_stack([X[:, 0] > 0, X[:, 1] > 0]).astype(int)
OF_CLASSES = {
    "binary": (X, ANGLES > 0),
    "multiclass": (X, np.digitize(ANGLES, [-1, 1])),
    "ordinal": (X, np.digitize(ANGLES, [-1, 1])),
    "multilabel": (X, LABELS),
    "segmentation": (IMAGES, MASKS),
}
OF_NUMBERS = {
    "regression": (X, ANGLES),
    "probabilistic": (X, ANGLES),
    "positive": (X, np.exp(ANGLES)),
    "count": (X, np.round(np.exp(ANGLES))),
    "angles": (X, ANGLES),
    "compositional": (X, SHARES),
}


def masks(**given):
    return LossSearchClassifier(**{**TINY, "hidden": (3,), "losses": ["bce"], "epochs": 15, **given})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_reached_by_its_name_or_refused_with_what_to_use(kind):
    if kind == "reconstruction":
        for estimator in (LossSearchRegressor, LossSearchClassifier):
            with pytest.raises(InputError, match=r"lossearch.search\(X, task='reconstruction'\) does it"):
                estimator(task=kind, **TINY).fit(X, X)
        return
    estimator = LossSearchClassifier if kind in OF_CLASSES else LossSearchRegressor
    x, y = {**OF_CLASSES, **OF_NUMBERS}[kind]
    conventional = [KINDS[kind].conventional]
    found = estimator(task=kind, pairs=conventional, **{**TINY, "hidden": (3,)}).fit(x, y)
    assert (found.model_.kind, found.best_.pair) == (kind, conventional[0])
    assert found.predict(x).shape == y.shape
    assert np.isfinite(found.score(x, y))
    assert found.score(x, y) <= 1


# --- angles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [0, 2 * np.pi, -2 * np.pi])
def test_the_score_of_angles_heeds_no_turn(turn):
    found = LossSearchRegressor(task="angles", losses=["sine_cosine_mse"], **{**TINY, "epochs": 30}).fit(
        X, ANGLES
    )
    assert found.score(X, ANGLES + turn) == pytest.approx(found.score(X, ANGLES))
    assert found.score(X, ANGLES) > 0.5
    assert np.abs(found.predict(X)).max() <= np.pi


def test_it_is_1_for_the_truth_and_0_for_the_mean_direction():
    both = np.column_stack([ANGLES, ANGLES + 3])
    assert explained_of_angles(both, both + 2 * np.pi) == pytest.approx(1)
    middle = np.arctan2(np.sin(both).mean(axis=0), np.cos(both).mean(axis=0))
    assert explained_of_angles(both, np.tile(middle, (60, 1))) == pytest.approx(0)
    assert explained_of_angles(np.ones(5), np.ones(5)) == 1
    assert explained_of_angles(np.ones(5), np.zeros(5)) == 0


def test_of_small_angles_it_is_the_coefficient_of_determination():
    true = 1e-3 * RNG.normal(size=50)
    predicted, weight = true + 3e-4 * RNG.normal(size=50), RNG.uniform(size=50)
    assert explained_of_angles(true, predicted, weight) == pytest.approx(
        r2_score(true, predicted, sample_weight=weight), rel=1e-5
    )


# --- masks --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_masks():
    return masks().fit(IMAGES, MASKS)


def test_masks_come_back_as_they_came(of_masks):
    assert of_masks.model_.kind == "segmentation"
    found, proba, score = (
        getattr(of_masks, f)(IMAGES) for f in ("predict", "predict_proba", "decision_function")
    )
    assert found.shape == proba.shape == score.shape == MASKS.shape
    assert np.array_equal(found, proba >= 0.5)
    assert np.array_equal(found, score >= 0)
    each = [jaccard_score(a.ravel(), b.ravel(), zero_division=1) for a, b in zip(MASKS, found, strict=True)]
    assert of_masks.score(IMAGES, MASKS) == pytest.approx(np.mean(each))
    weight = RNG.uniform(size=len(MASKS))
    assert of_masks.score(IMAGES, MASKS, weight) == pytest.approx(np.average(each, weights=weight))
    assert of_masks.score(IMAGES, MASKS) > 0.8


@pytest.mark.parametrize(
    "change",
    [
        lambda y: (255 * y).astype(np.uint8),
        lambda y: y.astype(bool),
        torch.as_tensor,
        lambda y: y[:, None],
        lambda y: y.reshape(len(y), -1),
    ],
)
def test_masks_in_other_forms(of_masks, change):
    y = change(MASKS)
    flat = y.ndim == 2
    found = masks(task="segmentation" if flat else None).fit(IMAGES, y)
    values = np.asarray(y)
    again = found.predict(IMAGES)
    assert again.shape == (values.shape if flat else MASKS.shape)
    assert set(np.unique(again)) <= set(np.unique(values))
    assert again.dtype == np.unique(values).dtype
    assert np.array_equal(again.reshape(MASKS.shape) != 0, of_masks.predict(IMAGES) != 0)
    assert found.score(IMAGES, values.reshape(again.shape)) == pytest.approx(of_masks.score(IMAGES, MASKS))


def test_pixels_that_never_vary_stay():
    y = MASKS.copy()
    y[:, 0, 0] = 0
    assert masks(task="segmentation", epochs=2).fit(IMAGES, y.reshape(len(y), -1)).predict(IMAGES).shape == (
        48,
        30,
    )


def test_they_are_cross_validated():
    found = cross_val_score(masks(epochs=5), IMAGES, MASKS, cv=2)
    assert found.shape == (2,)
    assert np.isfinite(found).all()


def test_an_empty_mask_left_empty_counts_1():
    true, predicted = np.array([[0, 0], [1, 0]]), np.array([[0, 0], [1, 1]])
    assert overlap(true, predicted) == 0.75


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (MASKS + MASKS[::-1], "masks of several classes are not known"),
        (MASKS * 0.5, "needs masks of 0 and 1"),
        (MASKS[:-1], "inconsistent"),
        (np.zeros_like(MASKS), "there is nothing to predict"),
    ],
)
def test_what_are_no_masks_is_told(y, words):
    with pytest.raises(ValueError, match=words):
        masks().fit(IMAGES, y)


def test_the_regressor_says_whose_task_they_are():
    with pytest.raises(InputError, match="task='segmentation' is not for LossSearchRegressor"):
        LossSearchRegressor(task="segmentation", **TINY).fit(IMAGES, MASKS)

"""What scikit-learn asks of every estimator, by its own checks, and of its columns and outputs by its own tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    estimator_checks_generator,
)

from lossearch import LossSearchClassifier, LossSearchRegressor

TINY = {"lr": 0.02, "seeds": 1, "confirm_seeds": 0, "epochs": 20, "batch_size": 16, "hidden": (16,)}
ESTIMATORS = (LossSearchClassifier(losses=["log_loss"], **TINY), LossSearchRegressor(losses=["mse"], **TINY))

EXPECTED_TO_FAIL = {
    f"check_sample_weight_equivalence_on_{form}_data": "rows are drawn for batches and for validation, so a row of "
    "weight two is not two rows; scikit-learn declares the same of its forests, bagging and boosting"
    for form in ("dense", "sparse")
}
"""Checks that cannot pass, and why."""

QUICK = {
    "check_complex_data",
    "check_dict_unchanged",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_n_features_in_after_fitting",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
}
"""Checks that fit once at most; the others take minutes together."""


def _name(check: Any) -> str:
    while hasattr(check, "func"):
        check = check.func
    return str(check.__name__)


def _all_checks() -> Iterator[Any]:
    for estimator in ESTIMATORS:
        for given, check in estimator_checks_generator(estimator):
            name = _name(check)
            marks = [] if name in QUICK else [pytest.mark.slow]
            if name in EXPECTED_TO_FAIL:
                marks.append(pytest.mark.xfail(reason=EXPECTED_TO_FAIL[name], strict=True))
            yield pytest.param(given, check, marks=marks, id=f"{type(given).__name__}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(_all_checks()))
def test_check(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without it one check is skipped
    check(estimator)


def test_quick_checks_are_checks():
    known = {_name(check) for estimator in ESTIMATORS for _, check in estimator_checks_generator(estimator)}
    assert known >= QUICK
    assert known >= EXPECTED_TO_FAIL.keys()


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_columns_are_known_by_their_names(estimator):
    check_dataframe_column_names_consistency(type(estimator).__name__, estimator)

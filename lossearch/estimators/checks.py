"""What an estimator is given as X and y, checked in scikit-learn's words, and what of it a search is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    check_consistent_length,
    column_or_1d,
    validate_data,
)

from lossearch.data.arrays import categorical_of
from lossearch.data.containers import plain
from lossearch.data.rows import Array
from lossearch.data.splits import Labels, too_few
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS, Kind

FEWEST = 2
MOST_AXES = 2
"""Of targets that are no masks."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets as a search is given them; ``codes`` as their kind has them in memory, ``classes`` as they stood in y.

    ``constant`` holds the columns that have one value only, which are not searched: column -> value.
    """

    kind: str
    given: Any
    codes: Array
    classes: Array | None = None
    constant: Mapping[int, float] = field(default_factory=dict)

    @property
    def n_outputs(self) -> int:
        """How many values a row are predicted."""
        return len(self.constant) + (1 if self.codes.ndim == 1 else self.codes.shape[1])

    def scarcity(self, share: float) -> str:
        """Return why no such share of the rows can validate, in a sentence; '' where it can."""
        strata, n = KINDS[self.kind].strata(self.codes), len(self.codes)
        if strata is not None and np.unique(strata, return_counts=True)[1].min() < FEWEST:
            return "A class has a single row."
        names = () if self.classes is None else tuple(map(str, self.classes))
        return too_few(Labels(n, strata, classes=names), np.arange(n), share, "validation")


def is_table(x: Any) -> bool:
    """Return whether X has named columns, of whatever library."""
    named = isinstance(x, pd.DataFrame) or hasattr(x, "__dataframe__") or hasattr(x, "__arrow_c_stream__")
    return named and len(getattr(x, "shape", ())) == 2


def rows(estimator: BaseEstimator, x: Any, *, reset: bool) -> Any:
    """Return X checked: a table as it is, anything else as an array or a sparse matrix; missing values stay.

    Args:
        estimator: is given ``n_features_in_`` and ``feature_names_in_``, or is held to them.
        x: what the user gave.
        reset: whether it is fitted now.

    Raises:
        ValueError: X is no table of samples, is empty, infinite or complex, or not as the estimator was fitted on.
    """
    fewest = FEWEST if reset else 1
    x = plain(x) if isinstance(x, torch.Tensor) else x
    if not is_table(x):
        return validate_data(
            estimator, x, reset=reset, accept_sparse=True, dtype=None, ensure_all_finite="allow-nan",
            allow_nd=True, ensure_min_samples=fewest,
        )  # fmt: skip
    validate_data(estimator, x, reset=reset, skip_check_array=True)
    n, columns = x.shape
    if n < fewest:
        raise ValueError(
            f"Found array with {n} sample(s) (shape={n, columns}) while a minimum of {fewest} is required by "
            f"{type(estimator).__name__}."
        )
    return x


@dataclass(frozen=True, eq=False)
class Rows:
    """Checked rows, and what each has besides."""

    x: Any
    y: Any
    groups: Any = None
    sample_weight: Any = None

    def weighing(self, estimator: BaseEstimator) -> Rows:
        """Return the rows that weigh anything, with their weights as float64.

        Raises:
            ValueError: weights are not one number from 0 up for each row, or all are 0.
        """
        if self.sample_weight is None or self.y is None:
            return self
        check_consistent_length(self.x, self.y)
        weights = _check_sample_weight(self.sample_weight, self.x, dtype=np.float64, ensure_non_negative=True)
        weighing = np.flatnonzero(weights)
        if len(weighing) == 0:
            raise ValueError(
                f"All sample weights are zero: {type(estimator).__name__} has nothing to learn from."
            )
        if len(weighing) == len(weights):
            return replace(self, sample_weight=weights)
        x, y, groups = (
            None if v is None else _safe_indexing(v, weighing) for v in (self.x, self.y, self.groups)
        )
        return Rows(x, y, groups, weights[weighing])


def _plain(estimator: BaseEstimator, x: Any, y: Any) -> Array:
    """Return y as an array (N,) or (N, T) of finite numbers, or of names.

    Raises:
        ValueError: there is none, it has missing values, or X has another number of rows.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )
    found = check_array(
        plain(y, "y") if sparse.issparse(y) or isinstance(y, torch.Tensor) else y,
        dtype=None,
        ensure_2d=False,
        ensure_min_samples=0,
        input_name="y",
        estimator=estimator,
    )
    check_consistent_length(x, found)
    one = found.ndim == 1 or found.shape[1] == 1
    return np.asarray(column_or_1d(found, warn=True) if one else found)


def class_targets(estimator: BaseEstimator, x: Any, y: Any, kind: str | None) -> Targets:
    """Return classes (N,), labels (N, L) of 0 and 1, or masks (N, H, W).

    Raises:
        ValueError: y holds numbers that are no classes, a single class, or several columns of classes.
    """
    asked = kind and _asked(kind, estimator, numbers=False)
    if asked and KINDS[asked].maps:
        return _mask_targets(estimator, x, y, asked)
    if not asked and _axes(y) > MOST_AXES:
        return _mask_targets(estimator, x, y, next(k.name for k in KINDS.values() if _are_masks(k)))
    dtype = categorical_of(y)
    y = _plain(estimator, x, y)
    _refuse_mixed(y)
    check_classification_targets(y)
    if type_of_target(y) == "multilabel-indicator":
        codes, constant = _varying(y.astype(np.int64))
        return Targets(asked or _kind_of(codes), codes, codes, np.arange(y.shape[1]), constant)
    if y.ndim != 1:
        raise ValueError(
            f"y has {y.shape[1]} columns, and not of 0 and 1 alone: multiclass-multioutput targets are not supported. "
            "Give one column, or wrap the estimator in sklearn.multioutput.MultiOutputClassifier."
        )
    ordered = dtype is not None and bool(dtype.ordered)
    classes, codes = _in_order(y, dtype) if ordered else np.unique(y, return_inverse=True)
    if len(classes) < FEWEST:
        raise ValueError(
            f"{type(estimator).__name__} requires at least 2 classes in y; got 1 class: {classes[0]!r}."
        )
    # names of classes are names, whatever they look like
    text = isinstance(classes[0], str)
    named = pd.Categorical.from_codes(codes, pd.Index(classes).astype(str), ordered=ordered)
    given = pd.Series(named) if text else y
    return Targets(asked or _kind_of(codes.astype(str).astype(object), ordered), given, codes, classes)


def _axes(y: Any) -> int:
    """Return how many axes targets have, as far as they say so."""
    return np.ndim(y) if isinstance(y, list | tuple) else int(getattr(y, "ndim", 1))


def _are_masks(kind: Kind) -> bool:
    return kind.maps and not kind.form.numbers


def _mask_targets(estimator: BaseEstimator, x: Any, y: Any, kind: str) -> Targets:
    """Return masks, (N, H, W), or (N, P) where that is how they come.

    Raises:
        ValueError: y holds no masks, or X has another number of rows.
    """
    found = check_array(
        plain(y, "y"), dtype=None, ensure_2d=False, allow_nd=True, ensure_min_samples=0, input_name="y", estimator=estimator
    )  # fmt: skip
    check_consistent_length(x, found)
    misfit = KINDS[kind].misfit(found)
    refuse([f"{misfit}."] if misfit else [])
    return Targets(kind, found, (found != 0).reshape(len(found), -1), np.unique(found))


def _in_order(y: Array, dtype: Any) -> tuple[Array, Array]:
    """Return the classes that occur, in the order of their type, and the place of each row's among them."""
    occurring = set(y)
    classes = [value for value in dtype.categories if value in occurring]
    return np.array(classes, dtype=y.dtype), pd.Categorical(y, categories=classes).codes.astype(np.int64)


def _refuse_mixed(y: Array) -> None:
    """Refuse names among other things, which have no order.

    Raises:
        InputError: there are such.
    """
    kinds = {type(v) for v in y.flat} if y.dtype == object else set()
    if len(kinds) > 1 and any(issubclass(k, str) for k in kinds):
        found = ", ".join(sorted(k.__name__ for k in kinds))
        raise InputError(f"y holds objects of type {found}: give names alone, or numbers alone.")


def _asked(kind: str, estimator: BaseEstimator, *, numbers: bool) -> str:
    """Return the kind of task that is asked for.

    Raises:
        InputError: it is for the other estimator.
    """
    if KINDS[kind].own_inputs:
        raise InputError(
            f"task={kind!r} predicts X itself, and {type(estimator).__name__} predicts y: "
            f"lossearch.search(X, task={kind!r}) does it, and its result.model predicts."
        )
    fit = [k.name for k in KINDS.values() if k.form.numbers is numbers and not k.own_inputs]
    if KINDS[kind].name not in fit:
        raise InputError(
            f"task={kind!r} is not for {type(estimator).__name__}; its tasks are {', '.join(fit)}."
        )
    return kind


def _kind_of(y: Array, ordered: bool = False) -> str:
    """Return the kind of task that classes ask for, numbers as names; ``ordered`` if their type has an order."""
    known = [k for k in KINDS.values() if not k.form.numbers]
    in_order = [k.name for k in known if ordered and k.asks_in_order(y) is not None]
    return in_order[0] if in_order else next(k.name for k in known if k.asks(y) is not None)


def number_targets(estimator: BaseEstimator, x: Any, y: Any, kind: str | None) -> Targets:
    """Return numbers (N,) or (N, T), in float64.

    Raises:
        ValueError: y holds no finite numbers.
    """
    asked = kind and _asked(kind, estimator, numbers=True)
    y = _plain(estimator, x, y)
    y = check_array(y, dtype="numeric", ensure_2d=False, input_name="y", estimator=estimator).astype(
        np.float64
    )
    y, constant = _varying(y)
    return Targets(asked or next(k.name for k in KINDS.values() if k.fallback), y, y, constant=constant)


def _varying(y: Array) -> tuple[Array, dict[int, float]]:
    """Return the columns that vary, one alone as (N,), and the values of those that do not: column -> value.

    Where none varies all are returned, for the search to say so.
    """
    same = np.ptp(y, axis=0) == 0 if y.ndim == 2 else np.zeros(1, dtype=bool)
    if same.all() or not same.any():
        return y, {}
    kept = y[:, ~same]
    constant = {int(i): y[0, i].item() for i in np.flatnonzero(same)}
    return kept[:, 0] if kept.shape[1] == 1 else kept, constant

"""Features and targets made ready for a network, by what the training rows say.

Which columns there are, and so how many inputs the network has, is fixed once: from the training rows,
or, where each seed draws its own, from all rows but the test part. Everything with a number in it (medians, means, spreads, which categories are frequent) is
fitted on the training rows of each seed. An input that does not vary over the training rows, such as a
category they lack, is 0 in every part: its weight would never be trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lossearch.data.rows import Array, Features, take
from lossearch.errors import InputError
from lossearch.kinds import TargetStatistics

MAX_CATEGORIES = 30
"""A text column gives at most this many inputs; rarer names share the last."""
ID_SHARE = 0.5
Transform = Callable[[Features], Array]


@dataclass(frozen=True)
class Plan:
    """Which columns of a table are used, and how; empty for arrays of more than two axes."""

    numeric: tuple[Any, ...] = ()
    missing: tuple[Any, ...] = ()
    categorical: tuple[Any, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    scale: bool = True
    notes: tuple[str, ...] = ()

    def words(self) -> str:
        """Return one line for the records."""
        parts = [f"{len(self.numeric)} numeric{' (standardised)' if self.scale else ''}"]
        parts += [f"{len(self.categorical)} categorical (one-hot)"] if self.categorical else []
        parts += [f"{len(self.missing)} imputed"] if self.missing else []
        return ", ".join(parts)


def _imputed(columns: Sequence[Any]) -> str:
    shown = ", ".join(repr(c) for c in columns[:5]) + (", ..." if len(columns) > 5 else "")
    return f"missing values in {shown}: the training rows' median, and an input that says so"


def _plan_table(x: pd.DataFrame, scale: bool) -> Plan:
    """Choose the columns of a table of float64 and text columns, from the rows that may be training rows."""
    numeric, missing, categorical, notes = [], [], [], []
    for name in x.columns:
        column = x[name]
        different = column.nunique(dropna=True)
        if different < 2 and not (different == 1 and column.isna().any()):
            notes.append(
                f"column {name!r} is left out: it has {'one value only' if different else 'no values'}"
            )
        elif column.dtype == np.float64:
            numeric.append(name)
            missing += [name] if column.isna().any() else []
        elif different > max(MAX_CATEGORIES, ID_SHARE * len(column)):
            notes.append(f"column {name!r} is left out: {different} different names in {len(column)} rows")
        else:
            categorical.append(name)
            if different > MAX_CATEGORIES:
                notes.append(
                    f"column {name!r}: the {MAX_CATEGORIES - 1} most frequent of {different} names, the rest as one"
                )
    if not numeric and not categorical:
        raise InputError("No feature column is left: " + "; ".join(notes) + ".")
    if missing:
        notes.append(_imputed(missing))
    categories = tuple(tuple(sorted(x[name].unique())) for name in categorical)
    return Plan(tuple(numeric), tuple(missing), tuple(categorical), categories, scale, tuple(notes))


def make_plan(x: Features, rows: Array, *, scale: bool = True) -> Plan:
    """Return which columns a network is given.

    Args:
        x: cleaned features.
        rows: the rows that may be training rows.
        scale: whether numeric inputs are standardised.

    Raises:
        InputError: no column varies.
    """
    known = take(x, rows)
    if isinstance(known, pd.DataFrame):
        return _plan_table(known, scale)
    if known.ndim > 2:
        return Plan(scale=scale)
    gaps = np.isnan(known).any(axis=0) if known.dtype.kind == "f" else np.zeros(known.shape[1], dtype=bool)
    if all(len(np.unique(column[~pd.isna(column)])) < 2 for column in known.T):
        raise InputError("X has one value only in every column: there is nothing to learn from.")
    missing = tuple(np.flatnonzero(gaps).tolist())
    notes = (_imputed(missing),) if missing else ()
    return Plan(tuple(range(known.shape[1])), missing, scale=scale, notes=notes)


def transformer(plan: Plan) -> ColumnTransformer:
    """Return what makes inputs of a table or of an (N, F) array, not yet fitted."""
    numbers = [SimpleImputer(strategy="median", keep_empty_features=True)]
    numbers += [StandardScaler()] if plan.scale else []
    steps = [("number", make_pipeline(*numbers), list(plan.numeric))] if plan.numeric else []
    if plan.missing:
        steps.append(("missing", MissingIndicator(features="all"), list(plan.missing)))
    if plan.categorical:
        encoder = OneHotEncoder(
            categories=[list(c) for c in plan.categories],
            max_categories=MAX_CATEGORIES,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
        )
        steps.append(("category", encoder, list(plan.categorical)))
    return ColumnTransformer(steps, sparse_threshold=0)


def _fit_table(plan: Plan, train: Features) -> Transform:
    fitted = transformer(plan)
    inputs = np.asarray(fitted.fit_transform(train), dtype=np.float64)
    varies = inputs.max(axis=0) > inputs.min(axis=0)

    def transform(x: Features) -> Array:
        inputs: Array = np.asarray(fitted.transform(x), dtype=np.float64)
        return np.where(varies, inputs, 0.0)

    return transform


def image_statistics(plan: Plan, train: Array) -> tuple[float, float]:
    """Return the one mean and the one spread by which arrays of more than two axes are scaled."""
    mean, spread = (train.mean(), train.std()) if plan.scale else (0.0, 1.0)
    return mean, spread if spread > 0 else 1.0


def _fit_images(plan: Plan, train: Array) -> Transform:
    mean, spread = image_statistics(plan, train)

    def transform(x: Features) -> Array:
        values: Array = (np.asarray(x, dtype=np.float64) - mean) / spread
        return values

    return transform


def fit(plan: Plan, train: Features) -> Transform:
    """Return the map from features to network inputs that the training rows fix.

    Tables and (N, F) arrays become (N, inputs), the same number whatever the rows; arrays of more axes
    keep their shape and are scaled by one mean and one standard deviation.
    """
    if isinstance(train, pd.DataFrame) or train.ndim == 2:
        return _fit_table(plan, train)
    return _fit_images(plan, train)


def target_statistics(y: Array, *, standardize: bool = True) -> TargetStatistics:
    """Return mean, standard deviation and mean absolute value of each output over training rows.

    Args:
        y: (N, T) training targets.
        standardize: where false, the statistics leave targets as they are.
    """
    if not standardize:
        same = (1.0,) * y.shape[1]
        return TargetStatistics((0.0,) * y.shape[1], same, same)
    spread, size = y.std(axis=0), np.abs(y).mean(axis=0)
    return TargetStatistics(
        tuple(map(float, y.mean(axis=0))),
        tuple(map(float, np.where(spread > 0, spread, 1.0))),
        tuple(map(float, np.where(size > 0, size, 1.0))),
    )

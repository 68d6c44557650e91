"""Features and targets made ready for a network, by what the training rows say.

Which columns there are, and so how many inputs the network has, is fixed once: from the training rows,
or, where each seed draws its own, from all rows but the test part. Everything with a number in it (medians, means, spreads, which categories are frequent) is
fitted on the training rows of each seed. An input that does not vary over the training rows, such as a
category they lack, is 0 in every part: its weight would never be trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lossearch.data.inputs import ArrayInputs, Category, Inputs, MatrixInputs, Number, TableInputs, select
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


def fit_inputs(plan: Plan, train: Features) -> Inputs:
    """Return how rows become network inputs, by what the training rows say.

    Tables and (N, F) arrays become (N, inputs), the same number whatever the rows; arrays of more axes
    keep their shape and are scaled by one mean and one standard deviation.
    """
    if not isinstance(train, pd.DataFrame) and train.ndim > 2:
        mean, spread = (float(train.mean()), float(train.std())) if plan.scale else (0.0, 1.0)
        return ArrayInputs(tuple(train.shape[1:]), mean, spread if spread > 0 else 1.0)
    fitted = _fit_numbers(plan, train), plan.missing, _fit_categories(plan, train)
    inputs = TableInputs(*fitted) if isinstance(train, pd.DataFrame) else MatrixInputs(*fitted)
    values = inputs.of_cleaned(train)
    constant = np.flatnonzero(values.max(axis=0) == values.min(axis=0))
    return replace(inputs, constant=tuple(constant.tolist()))


def _fit_numbers(plan: Plan, train: Features) -> tuple[Number, ...]:
    if not plan.numeric:
        return ()
    values = select(train, plan.numeric)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    scaler = StandardScaler().fit(imputer.fit_transform(values))
    scaling = (
        (scaler.mean_, scaler.scale_)
        if plan.scale
        else ([0.0] * len(plan.numeric), [1.0] * len(plan.numeric))
    )
    fitted = zip(plan.numeric, imputer.statistics_, *scaling, strict=True)
    return tuple(Number(column, *map(float, row)) for column, *row in fitted)


def _fit_categories(plan: Plan, train: Features) -> tuple[Category, ...]:
    if not plan.categorical or not isinstance(train, pd.DataFrame):
        return ()
    encoder = OneHotEncoder(
        categories=[list(c) for c in plan.categories],
        max_categories=MAX_CATEGORIES,
        handle_unknown="infrequent_if_exist",
    ).fit(train[list(plan.categorical)])
    found = []
    for column, names, rare in zip(
        plan.categorical, encoder.categories_, encoder.infrequent_categories_, strict=True
    ):
        infrequent = () if rare is None else tuple(map(str, rare))
        frequent = tuple(str(n) for n in names if str(n) not in set(infrequent))
        found.append(Category(column, frequent, infrequent))
    return tuple(found)


def fit(plan: Plan, train: Features) -> Transform:
    """Return the map from cleaned features to network inputs that the training rows fix."""
    return fit_inputs(plan, train).of_cleaned


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

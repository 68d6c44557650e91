"""Features and targets made ready for a network, by what the training rows say.

Which columns there are, and so how many inputs the network has, is fixed once: from the training rows,
or, where each seed draws its own, from all rows but the test part. Everything with a number in it (medians, means, spreads, which categories are frequent) is
fitted on the training rows of each seed. An input that does not vary over the training rows, such as a
category they lack, is 0 in every part: its weight would never be trained.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from lossearch._moments import Floats, mean_and_std, power_of_two
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
    """Which columns of a table are used, and how; for arrays of more than two axes, which of them is the channels'.

    ``channels_first`` says that networks are given that axis first.
    """

    numeric: tuple[Any, ...] = ()
    missing: tuple[Any, ...] = ()
    categorical: tuple[Any, ...] = ()
    categories: tuple[tuple[str, ...], ...] = ()
    scale: bool = True
    notes: tuple[str, ...] = ()
    channel_axis: int | None = None
    channels_first: bool = False

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


def make_plan(x: Features, rows: Array, *, scale: bool = True, channels_first: bool = False) -> Plan:
    """Return which columns a network is given.

    Args:
        x: cleaned features.
        rows: the rows that may be training rows.
        scale: whether numeric inputs are standardised.
        channels_first: whether the network takes images as (N, C, H, W) alone.

    Raises:
        InputError: no column varies.
    """
    known = take(x, rows)
    if isinstance(known, pd.DataFrame):
        return _plan_table(known, scale)
    if known.ndim > 2:
        return _plan_array(known, scale, channels_first)
    gaps = np.isnan(known).any(axis=0) if known.dtype.kind == "f" else np.zeros(known.shape[1], dtype=bool)
    if all(len(np.unique(column[~pd.isna(column)])) < 2 for column in known.T):
        raise InputError("X has one value only in every column: there is nothing to learn from.")
    missing = tuple(np.flatnonzero(gaps).tolist())
    notes = (_imputed(missing),) if missing else ()
    return Plan(tuple(range(known.shape[1])), missing, scale=scale, notes=notes)


def _plan_array(x: Array, scale: bool, channels_first: bool) -> Plan:
    """Choose the axis by whose channels an array of more than two axes is scaled."""
    axis = channel_axis(x)
    last = axis == x.ndim - 1
    moved = channels_first and last and x.ndim == 4
    notes = []
    if moved:
        notes.append(f"images have their {x.shape[-1]} channels last; the network is given them first")
    if scale and axis is None:
        notes.append("inputs are standardised by one mean and one standard deviation: no axis holds channels")
    elif scale and axis is not None and x.shape[axis] > 1:
        notes.append(
            f"inputs are standardised by channel: {x.shape[axis]} on axis {axis} of (N, "
            f"{', '.join(map(str, x.shape[1:]))})"
        )
    return Plan(scale=scale, notes=tuple(notes), channel_axis=axis, channels_first=moved)


def channel_axis(x: Array) -> int | None:
    """Return the axis that holds channels or features of an array (N, ...) of more than two axes, None for none.

    Of four axes or more it is the second, (N, C, H, W), or the last where that has the 3 or 4 of coloured images,
    or the 1 of square grey ones, and the others are larger. Of three it is the one along which location and
    spread differ more, the last of (N, time, features), the second of (N, features, time); none where they differ
    little. Rows and columns of grey images reach the same ends of one range, and are none.
    """
    if x.ndim > 3:
        *pixels, last = x.shape[1:]
        image = min(pixels) >= _PIXELS and (last in _COLOURS or (last == 1 and len(set(pixels)) == 1))
        return x.ndim - 1 if image else 1
    moments = {axis: _by_channel(x, axis) for axis in (2, 1)}
    low, high = float(moments[2].low.min()), float(moments[2].high.max())
    near = 0.1 * (high - low) if math.isfinite(high - low) else math.inf
    if min(x.shape[1:]) >= _PIXELS and all(
        np.mean((m.low <= low + near) & (m.high >= high - near)) >= 0.5 for m in moments.values()
    ):
        return None
    axis = max(moments, key=lambda axis: moments[axis].unlikeness)
    return axis if moments[axis].unlikeness > _ALIKE else None


_ALIKE = math.log(2)
_COLOURS = (3, 4)
_PIXELS = 6
"""Fewer rows or columns are no image."""


@dataclass(frozen=True)
class _Moments:
    """What the channels along one axis are like, an entry a channel."""

    low: Floats
    high: Floats
    mean: Floats
    std: Floats

    @property
    def unlikeness(self) -> float:
        """How far location and spread of the channels lie apart, 0 where they are all the same."""
        spread = self.std[self.std > 0]
        if not len(spread):
            return float(np.ptp(self.mean) > 0)
        within = np.exp(np.log(spread).mean())
        unlike = np.log(spread.max() / spread.min()) + np.log1p(np.ptp(self.mean / within))
        return float(unlike)


def _all_but(x: Array, axis: int | None) -> tuple[int, ...]:
    return tuple(a for a in range(x.ndim) if a != axis)


def _by_channel(x: Array, axis: int) -> _Moments:
    others = _all_but(x, axis)
    low, high = (np.asarray(f(axis=others), dtype=np.float64) for f in (x.min, x.max))
    return _Moments(low, high, *mean_and_std(x, others))


def fit_inputs(plan: Plan, train: Features) -> Inputs:
    """Return how rows become network inputs, by what the training rows say.

    Tables and (N, F) arrays become (N, inputs), the same number whatever the rows; arrays of more axes keep
    their axes and are scaled channel by channel.
    """
    if not isinstance(train, pd.DataFrame) and train.ndim > 2:
        return _fit_array(plan, train)
    fitted = _fit_numbers(plan, train), plan.missing, _fit_categories(plan, train)
    inputs = TableInputs(*fitted) if isinstance(train, pd.DataFrame) else MatrixInputs(*fitted)
    values = inputs.of_cleaned(train)
    constant = np.flatnonzero(values.max(axis=0) == values.min(axis=0))
    return replace(inputs, constant=tuple(constant.tolist()))


def _fit_array(plan: Plan, train: Array) -> ArrayInputs:
    axis = plan.channel_axis
    width = 1 if axis is None else train.shape[axis]
    mean, std = np.zeros(width), np.ones(width)
    if plan.scale:
        mean, std = map(np.atleast_1d, mean_and_std(train, _all_but(train, axis)))
        std = np.where(std > 0, std, 1.0)
    return ArrayInputs(
        tuple(train.shape[1:]), tuple(mean.tolist()), tuple(std.tolist()), axis, plan.channels_first
    )


def _fit_numbers(plan: Plan, train: Features) -> tuple[Number, ...]:
    if not plan.numeric:
        return ()
    values = select(train, plan.numeric)
    # no column's sums or squares overflow in units of a power of two, which rounds nothing
    unit = power_of_two(np.fmax.reduce(np.abs(values), axis=0, initial=0.0))
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    filled = imputer.fit_transform(values / unit)
    mean, scale = np.zeros(len(unit)), np.ones(len(unit))
    if plan.scale:
        scaler = StandardScaler().fit(filled)
        # not its scale_, which is 1 where many rows lie far from 0 for their spread
        std = np.sqrt(scaler.var_)
        rounding = 8 * np.finfo(np.float64).eps * np.abs(scaler.mean_)
        mean, scale = scaler.mean_ * unit, np.where(std > rounding, std * unit, 1.0)
    fitted = zip(plan.numeric, imputer.statistics_ * unit, mean, scale, strict=True)
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


def target_statistics(y: Array, *, standardize: bool = True, pooled: bool = False) -> TargetStatistics:
    """Return mean, standard deviation, mean absolute value and range of each output over training rows, and of logarithms.

    Args:
        y: (N, T) training targets.
        standardize: where false, the statistics leave targets as they are, but for losses that need their range.
        pooled: whether all but the mean are of all outputs together, as of a picture's pixels.
    """
    low, high = y.min(axis=0), y.max(axis=0)
    if pooled:
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    ends = tuple(map(float, low)), tuple(map(float, high))
    if not standardize:
        same = (1.0,) * y.shape[1]
        return TargetStatistics((0.0,) * y.shape[1], same, same, *ends)
    (mean, spread), (size, _) = mean_and_std(y), mean_and_std(np.abs(y))
    if pooled:
        spread, size = np.full_like(spread, np.sqrt(np.mean(spread**2))), np.full_like(size, size.mean())
    log_mean, log_spread = mean_and_std(np.log(y)) if y.min() > 0 else ((), np.empty(0))
    return TargetStatistics(
        tuple(map(float, mean)),
        _or_one(spread),
        _or_one(size),
        *ends,
        log_mean=tuple(map(float, log_mean)),
        log_std=_or_one(log_spread),
    )


def _or_one(sizes: Array) -> tuple[float, ...]:
    """Return what to divide by: 1 where these are 0."""
    return tuple(map(float, np.where(sizes > 0, sizes, 1.0)))

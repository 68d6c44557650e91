"""Single targets among classes that would silently change what is predicted are told by value and row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lossearch.data.sources import from_arrays
from lossearch.errors import InputError
from lossearch.kinds import read_target


def whole(classes: int, n: int = 120) -> np.ndarray[Any, Any]:
    return (np.arange(n) % classes).astype(float)


def put(y: Any, **odd: float) -> np.ndarray[Any, Any]:
    y = y.copy()
    for row, value in odd.items():
        y[int(row[1:])] = value
    return y


def message(y: Any) -> str:
    with pytest.raises(InputError) as caught:
        read_target(y)
    return str(caught.value)


@pytest.mark.parametrize(
    ("classes", "odd", "rest", "told"),
    [
        (whole(3), {"r17": 7.5}, "0, 1 and 2 in 119", "7.5 in row 17"),
        (whole(3), {"r17": 0.5}, "0, 1 and 2 in 119", "0.5 in row 17"),
        (whole(2), {"r17": 999}, "0 and 1 in 119", "999 in row 17"),
        (whole(2), {"r17": -999}, "0 and 1 in 119", "-999 in row 17"),
        (
            whole(3, 1000),
            {"r17": 999, "r400": -999, "r5": 0.25},
            "0, 1 and 2 in 997",
            "-999 in row 400, 0.25 in row 5 and 999 in row 17",
        ),
        (whole(3, 1000), {"r17": 999, "r18": 999}, "0, 1 and 2 in 998", "999 in rows 17, 18"),
        (whole(2) * 2 - 1, {"r17": 99}, "-1 and 1 in 119", "99 in row 17"),
        (whole(3) + 2019, {"r17": 1}, "2019, 2020 and 2021 in 119", "1 in row 17"),
        (whole(10), {"r17": 3.5}, "0, 1, 2, 3, 4 and 5 more in 119", "3.5 in row 17"),
    ],
)
def test_a_stray_value_is_refused_by_name(classes: Any, odd: dict[str, float], rest: str, told: str) -> None:
    y = put(classes, **odd)
    assert message(y) == (
        f"y holds {rest} of {len(y)} rows, and {told}: correct such rows, or leave them out. If they are right, say what "
        "is predicted: kind = 'regression'."
    )
    assert read_target(y, "regression").kind == "regression"
    assert read_target(y[y == classes]).kind in {"binary", "multiclass"}


def test_stray_text_among_numbers_too() -> None:
    y = np.array([f"{v:.0f} pts" for v in whole(3)], dtype=object)
    y[17] = "7.5 pts"
    assert "7.5 in row 17" in message(y)


@pytest.mark.parametrize("value", [2, 5, 9, -1])
def test_a_lone_value_near_two_classes_is_named_with_the_reason(value: float) -> None:
    found = read_target(put(whole(2), r17=value))
    assert f"; without row 17, which alone holds {value}, they would be classes" in found.reason


@pytest.mark.parametrize(
    "y",
    [
        np.linspace(0, 1, 100),
        np.r_[np.zeros(60), np.ones(20), np.linspace(0.1, 0.9, 20)],  # often at the ends
        np.r_[np.zeros(90), 10.0 ** np.arange(10)],
        np.arange(100.0),
        np.r_[np.arange(50.0), 7.5],
        np.r_[whole(3), 3.0, 3.0, 3.0, 3.0],
        np.repeat([1.0, 10.0, 100.0], 30),
        np.array([True, False] * 20),
        np.array([0.5, 1.5] * 30),
        np.array([0.0, 0.5, 1.0] * 30),
    ],
)
def test_other_targets_are_read(y: Any) -> None:
    assert "which alone" not in read_target(y).reason


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 4), st.integers(60, 600))
def test_counts_are_counts(seed: int, mean: float, n: int) -> None:
    g = np.random.default_rng(seed)
    y = g.poisson(g.gamma(1.0, mean, n)).astype(float)
    assume(len(np.unique(y)) > 2)
    assert read_target(y).kind in {"count", "multiclass"} or (y == 0).sum() < 2


def test_a_class_that_pandas_takes_for_missing() -> None:
    y = pd.Series([None, "B"] * 20, dtype=object)
    with pytest.raises(InputError, match=r"If 'NA' or 'None' is a class, .* keep_default_na=False"):
        from_arrays(np.arange(40.0), y)
    with pytest.raises(InputError, match=r"leave those rows out\.$"):
        from_arrays(np.arange(40.0), [None, 1.0] * 20)

"""Statistics that neither overflow nor lose digits, and the axis by which inputs are scaled."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import lossearch
from lossearch import _moments
from lossearch.data.preparation import channel_axis, fit_inputs, make_plan
from lossearch.data.sources import from_arrays
from lossearch.errors import IllegalPairError, InputError
from lossearch.kinds import TargetStatistics
from lossearch.pairs import find_pair
from lossearch.study.progress import Listener
from lossearch.tasks.build import make_task

RNG = np.random.default_rng(0)
N = 60
LABELS = np.arange(N) % 2
MAX = np.finfo(np.float64).max


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30),
    st.sampled_from([1, 4, 2**22]),
)
def test_mean_and_std_are_those_of_exact_arithmetic(values: list[float], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_moments, "_NUMBERS", at_once)
        mean, std = _moments.mean_and_std(np.array(values)[:, None])
    exact = [Fraction(v) for v in values]
    center = sum(exact) / len(exact)
    variance = sum((v - center) ** 2 for v in exact) / len(exact)
    size = max(abs(v) for v in exact)
    assert abs(Fraction(float(mean[0])) - center) <= size * Fraction(1, 10**14)
    assert abs(Fraction(float(std[0])) ** 2 - variance) <= size**2 * Fraction(1, 10**13) + Fraction(
        1, 10**320
    )
    assert (std[0] == 0) == (len(set(exact)) == 1 or float(std[0]) == 0.0)


@pytest.mark.parametrize("value", [0.1, 1e5 + 1 / 3, -MAX, 5e-324])
def test_equal_values_have_no_spread(value: float) -> None:
    mean, std = _moments.mean_and_std(np.full((7, 1), value))
    assert (float(mean[0]), float(std[0])) == (value, 0.0)


def test_half_precision_is_summed_in_double() -> None:
    x = RNG.integers(0, 256, size=(500, 40, 40)).astype(np.float16)
    mean, std = _moments.mean_and_std(x, (0, 1, 2))
    assert float(mean) == pytest.approx(x.astype(np.float64).mean(), rel=1e-12)
    assert float(std) == pytest.approx(x.astype(np.float64).std(), rel=1e-12)


SENSORS = RNG.normal(size=(N, 12, 5)) * [1, 1000, 0.01, 3, 1] + [0, 0, 0, 500, 0]
DIGITS = load_digits().images
COLOURS = RNG.integers(0, 256, size=(N, 9, 9, 3))


@pytest.mark.parametrize(
    ("x", "axis"),
    [
        (SENSORS, 2),
        (SENSORS.transpose(0, 2, 1), 1),
        (DIGITS, None),
        (DIGITS / 16 - 0.5, None),
        (DIGITS[:, None], 1),
        (DIGITS[..., None], 3),
        (COLOURS, 3),
        (COLOURS.transpose(0, 3, 1, 2), 1),
        (RNG.normal(size=(N, 22, 50, 1)), 1),
        (RNG.normal(size=(N, 12, 50)), None),
        (RNG.normal(size=(N, 2, 1, 1)), 1),
        (RNG.normal(size=(N, 3, 4, 5, 6)), 1),
    ],
)
def test_the_axis_of_channels(x: np.ndarray, axis: int | None) -> None:
    assert channel_axis(x) == axis


def test_every_channel_is_standardised_by_its_own_training_rows() -> None:
    train = SENSORS[:40]
    inputs = fit_inputs(make_plan(SENSORS, np.arange(N)), train)
    flat = inputs(train).reshape(-1, 5)
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(flat.std(axis=0), 1, atol=1e-12)
    again = type(inputs).from_json(inputs.as_json())
    np.testing.assert_array_equal(again(SENSORS), inputs(SENSORS))
    assert inputs.example().shape == (2, 12, 5)


def test_inputs_of_the_first_release_are_read() -> None:
    old = {"form": "array", "shape": [2, 3], "mean": 5.0, "scale": 2.0}
    inputs = fit_inputs(make_plan(SENSORS, np.arange(N)), SENSORS).from_json(old)
    np.testing.assert_allclose(inputs(np.full((1, 2, 3), 7.0)), 1.0)


def test_what_is_done_with_channels_is_said() -> None:
    notes = make_task(from_arrays(SENSORS, LABELS)).notes
    assert "inputs are standardised by channel: 5 on axis 2 of (N, 12, 5)" in notes
    notes = make_task(from_arrays(COLOURS, LABELS), model="cnn").notes
    assert "images have their 3 channels last; the network is given them first" in notes
    grey = "inputs are standardised by one mean and one standard deviation: no axis holds channels"
    assert grey in make_task(from_arrays(DIGITS, load_digits().target)).notes


def test_a_cnn_is_given_channels_first_and_other_networks_images_as_they_are() -> None:
    task = make_task(from_arrays(COLOURS, LABELS), model="cnn")
    assert task.fold(0).train.x.shape[1:] == (3, 9, 9)
    assert make_task(from_arrays(COLOURS, LABELS)).fold(0).train.x.shape[1:] == (9, 9, 3)


@pytest.mark.parametrize("column", [MAX, 1e200, 1e-200, 5e-320])
def test_a_column_of_any_size_is_standardised(column: float) -> None:
    x = np.stack([RNG.normal(size=N), np.where(LABELS, column, -column)], axis=1)
    inputs = make_task(from_arrays(x, LABELS)).fold(0).train.x
    assert torch.isfinite(inputs).all()
    assert inputs[:, 1].abs().max() == pytest.approx(1, abs=0.2)


def message(call: Any, error: type[Exception] = InputError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


FAR = 1e5 + 1e-3 * RNG.normal(size=N)
X = RNG.normal(size=(N, 2))


def test_targets_that_float32_cannot_tell_apart_are_not_trained_on_as_they_come() -> None:
    task = make_task(from_arrays(X, FAR))
    for name in ("mse/exp", "msle/softplus"):
        said = message(lambda name=name: find_pair(name, "regression", task.facts), IllegalPairError)
        assert "cannot tell them apart" in said or "real" in said
    assert "cannot tell them apart" in message(
        lambda: find_pair("msle/softplus", "regression", task.facts), IllegalPairError
    )
    assert find_pair("mse/identity", "regression", task.facts).encoding.name == "standardised"
    whole = make_task(from_arrays(X, FAR), dtype=torch.float64)
    assert find_pair("msle/softplus", "regression", whole.facts).name == "msle/softplus"
    near = make_task(from_arrays(X, np.abs(FAR - 1e5)))
    assert find_pair("msle/softplus", "regression", near.facts).name == "msle/softplus"


@pytest.mark.parametrize(
    ("y", "options", "words"),
    [
        (FAR, {"standardize_target": False}, "float32 does not tell such numbers apart"),
        (2**60 + 60 * np.arange(N), {}, "subtract an offset"),
        (1e200 * RNG.normal(size=N), {}, "Give y in another unit"),
        (1e-200 * RNG.normal(size=N), {}, "Give y in another unit"),
    ],
)
def test_targets_beyond_the_numbers_there_are_are_refused(
    y: Any, options: dict[str, Any], words: str
) -> None:
    assert words in message(lambda: make_task(from_arrays(X, y), kind="regression", **options))


def test_whole_numbers_that_float64_holds_are_taken() -> None:
    assert make_task(from_arrays(X, 2**60 + 10**9 * np.arange(N)), kind="regression").n_out == 1


def test_a_criterion_keeps_the_digits_of_its_statistics_whatever_type_its_module_is_cast_to() -> None:
    mean, std = float(FAR.mean()), float(FAR.std())
    criterion = lossearch.criterion(
        "mse/identity", task="regression", statistics=TargetStatistics((mean,), (std,), (mean,))
    )
    y = torch.as_tensor(FAR)
    raw = ((y - mean) / std).float()
    for cast in (criterion.half, criterion.float, criterion.bfloat16, criterion.double):
        cast()
        assert float(criterion(raw, y)) < 1e-12
        np.testing.assert_allclose(criterion.predict(raw), FAR, rtol=0, atol=1e-6 * std)


def test_a_model_that_gives_no_number_says_so(tmp_path: Path) -> None:
    result = lossearch.search(
        X, LABELS, pairs=["bce/sigmoid"], lr=0.01, seeds=1, confirm_seeds=2, epochs=2, mlflow=False,
        workers=1, store=tmp_path, listener=Listener(),
    )  # fmt: skip
    rows = X.copy()
    rows[[3, 7]] = 1e300
    said = message(lambda: result.model.predict(rows))
    assert "not a finite number for 2 of 60 rows (rows 3, 7)" in said


FRAME = pd.DataFrame(X, columns=["a", "b"], index=range(100, 100 + N))
TARGET = pd.Series(FAR, index=FRAME.index)


def test_rows_of_pandas_that_are_in_another_order_are_told() -> None:
    for part in ({}, {"validation": (FRAME, TARGET[::-1])}):
        y = TARGET if part else TARGET[::-1]
        assert "the same index in another order" in message(
            lambda part=part, y=y: from_arrays(FRAME, y, **part)
        )
    other = from_arrays(FRAME, TARGET.reset_index(drop=True))
    assert any("different indexes" in note for note in other.notes)
    assert not any("index" in note for note in from_arrays(FRAME, TARGET).notes)


@pytest.mark.parametrize("dtype", [">f8", "<f8", np.longdouble, ">f4", "<f4"])
@pytest.mark.parametrize("form", ["array", "frame", "mapped", "images"])
def test_numbers_of_any_byte_order_and_length_are_the_same_numbers(
    dtype: Any, form: str, tmp_path: Path
) -> None:
    x = RNG.integers(0, 9, size=(N, 3, 6, 6) if form == "images" else (N, 3)).astype(np.float64)
    given_as = x.astype(dtype)
    if form == "frame":
        given_as = pd.DataFrame(given_as)
    if form == "mapped":
        np.save(tmp_path / "x.npy", given_as)
        given_as = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = make_task(from_arrays(given_as, (FAR - 1e5).astype(dtype))).fold(0).train
    assert torch.equal(
        found.x, make_task(from_arrays(pd.DataFrame(x) if form == "frame" else x, FAR)).fold(0).train.x
    )

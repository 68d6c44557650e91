"""Angles: read modulo a turn, learned without a seam, scored the short way round."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import lossearch
from lossearch._angles import wrapped
from lossearch.errors import InputError
from lossearch.kinds import KINDS, infer_kind, read_target
from lossearch.losses import losses_for
from lossearch.metrics.registry import METRICS

RNG = np.random.default_rng(0)
POINTS = 2 * RNG.standard_normal((40, 2))
LENGTH, DIRECTION = np.hypot(*POINTS.T), np.arctan2(POINTS[:, 1], POINTS[:, 0])
TURNED = RNG.uniform(-np.pi, np.pi, 40)
APART = np.abs(np.angle(np.exp(1j * (DIRECTION - TURNED))))
# smoothed at the origin
LONG = np.sqrt(LENGTH**2 + 1e-6)
ORACLES = {
    "sine_cosine_mse/identity": (POINTS, np.abs(POINTS @ [1, 1j] - np.exp(1j * TURNED)) ** 2 / 2, 1e-9),
    "cosine_angle/identity": (POINTS, 1 - LENGTH / LONG * np.cos(DIRECTION - TURNED), 1e-9),
    "angular_mae/identity": (100 * POINTS, APART, 1e-3),
    "von_mises_nll/identity": (POINTS, -stats.vonmises.logpdf(TURNED, LENGTH, DIRECTION), 1e-9),
    "mse/identity": (DIRECTION[:, None], (DIRECTION - TURNED) ** 2, 1e-9),
}  # fmt: skip


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("turns", [0, 1, -1])
def test_oracles(name: str, turns: int) -> None:
    raw, expected, off = ORACLES[name]
    crit = lossearch.criterion(name, task="angles")
    found = crit.per_sample(torch.as_tensor(raw), torch.as_tensor(TURNED + 2 * np.pi * turns))
    np.testing.assert_allclose(found, expected, rtol=off, atol=off)
    np.testing.assert_allclose(crit.predict(torch.as_tensor(raw)), DIRECTION, rtol=1e-12)


def test_every_loss_has_an_oracle() -> None:
    assert {f"{name}/identity" for name in losses_for("angles")} == set(ORACLES)


@given(st.floats(-13, 13), st.integers(-2, 2))
def test_angles_a_turn_apart_are_one(angle: float, turns: int) -> None:
    near = float(wrapped(torch.tensor(angle, dtype=torch.float64)))
    assert -math.pi < near <= math.pi
    other = float(wrapped(torch.tensor(angle + turns * 2 * math.pi, dtype=torch.float64)))
    assert abs(np.angle(np.exp(1j * (near - other)))) < 1e-12
    assert float(wrapped(torch.tensor(near, dtype=torch.float64))) == near


def test_they_are_asked_for_by_name() -> None:
    assert infer_kind(TURNED)[0] == "regression"
    target = read_target(np.stack([TURNED + 2 * np.pi, TURNED], axis=1), "angles")
    np.testing.assert_allclose(target.y[:, 0], target.y[:, 1], atol=1e-12)


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0.5, 90.0, 3.0], r"y holds 90 \(row 1\), and angles are in radians.*np\.deg2rad\(y\)"),
        ([0, 1, 2, 3, 4, 5, 6], r"y holds whole numbers alone.*period of 24"),
        ([0.5, np.inf, 3.0], r"y holds inf \(row 1\)"),
        (["n", "s", "n"], "y holds names"),
    ],
)
def test_what_is_no_angle_is_refused(y: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_target(np.array(y), "angles")


def test_the_constant_predictor_knows_the_seam() -> None:
    y = torch.tensor([3.0, -3.0, 3.1, -3.1, 3.14, 0.1], dtype=torch.float64)
    middle = float(KINDS["angles"].constant("median", y, 1, 1).value.squeeze())
    assert abs(middle) > 3
    mean = float(KINDS["angles"].constant("mean", y, 1, 1).value.squeeze())
    assert mean == pytest.approx(np.angle(np.exp(1j * y.numpy()).mean()))
    circular = stats.circmean(y.numpy(), high=np.pi, low=-np.pi)
    assert mean == pytest.approx(circular)


def test_a_study_across_the_seam(tmp_path) -> None:
    result = lossearch.search(
        data="wind", task="angles", losses=["sine_cosine_mse", "von_mises_nll", "mse"],
        data_options={"n_samples": 400}, trials=15, seeds=1, confirm_seeds=3, epochs=10, store=tmp_path,
        mlflow=False, name="wind", workers=1,
    )  # fmt: skip
    score = result.leaderboard.set_index("pair")["score"]
    assert score["mse/identity"] > 2 * score["sine_cosine_mse/identity"]
    x = RNG.normal(size=(5, 3))
    assert (np.abs(result.model.predict(x)) <= np.pi).all()
    assert lossearch.load("wind", tmp_path).leaderboard.equals(result.leaderboard)
    assert result.declared.task.metric == "angular_error"
    assert METRICS["angular_error"].high == math.pi

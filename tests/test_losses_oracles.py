"""Every loss against somebody else's code: torch, scikit-learn, scipy, numpy, Keras, and values tutorials print."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import special, stats
from sklearn import metrics as sk

from lossearch.kinds import TargetStatistics
from lossearch.losses import ACTIVATIONS, BUILT_IN, losses_for
from lossearch.pairs import Pair, criterion, pair_up

EVERY = list(BUILT_IN)
PAIRS = [p for x in EVERY for a in ACTIVATIONS.values() if isinstance(p := pair_up(x, a), Pair)]


def pair_id(pair):
    return f"{pair.kind}-{pair.name}"


# --- oracles: raw output and raw target to one value a row, by somebody else's code --------------------

RNG = np.random.default_rng(0)
Z1 = 3 * RNG.standard_normal(40)
Y01 = RNG.integers(0, 2, 40)
REAL = 2 * RNG.standard_normal(40)
POSITIVE = RNG.exponential(2.0, 40)
ZC = 3 * RNG.standard_normal((40, 4))
YC = RNG.integers(0, 4, 40)

t = torch.as_tensor
ONE_HOT = np.eye(4)[YC]
P1, PC = special.expit(Z1), special.softmax(ZC, axis=1)


def torch_rows(fn, z, y, **options):
    return fn(t(z), t(y), reduction="none", **options).numpy()


def sigmoid_focal_of_torchvision(z, y, alpha, gamma):
    p = special.expit(z)
    ce = torch_rows(F.binary_cross_entropy_with_logits, z, y.astype(float))
    p_t = p * y + (1 - p) * (1 - y)
    weight = alpha * y + (1 - alpha) * (1 - y) if alpha >= 0 else 1.0
    return weight * ce * (1 - p_t) ** gamma


def skl_hinge(z, y):
    # sklearn wants both classes: the second row is right by far, so the mean is half of the first
    return np.array([2 * sk.hinge_loss([c, 1 - c], [x, 99 * (1 - 2 * c)]) for c, x in zip(y, z, strict=True)])


S = 2 * Y01 - 1
BINARY = {
    ("bce/sigmoid", ()): [torch_rows(F.binary_cross_entropy_with_logits, Z1, Y01.astype(float)), np.logaddexp(0, -S * Z1)],
    ("focal/sigmoid", (("gamma", 2.0),)): [sigmoid_focal_of_torchvision(Z1, Y01, -1, 2.0)],
    ("focal/sigmoid", (("gamma", 0.5), ("alpha", 0.25))): [sigmoid_focal_of_torchvision(Z1, Y01, 0.25, 0.5)],
    ("focal/sigmoid", (("gamma", 0.0),)): [special.xlog1py(Y01 - 1, -P1) - special.xlogy(Y01, P1)],
    ("hinge/identity", ()): [skl_hinge(Z1, Y01)],
    ("hinge/identity", (("margin", 0.5),)): [np.maximum(0, 0.5 - S * Z1)],
    ("hinge/tanh", ()): [np.maximum(0, 1 - S * np.tanh(Z1))],
    ("squared_hinge/identity", ()): [skl_hinge(Z1, Y01) ** 2],
    ("squared_hinge/tanh", ()): [np.maximum(0, 1 - S * np.tanh(Z1)) ** 2],
    ("mse/sigmoid", ()): [(P1 - Y01) ** 2],
    ("mse/tanh", ()): [torch_rows(F.mse_loss, np.tanh(Z1), S.astype(float))],
    ("mse/identity", ()): [(1 - S * Z1) ** 2],
    ("mae/sigmoid", ()): [torch_rows(F.l1_loss, P1, Y01.astype(float))],
    ("mae/tanh", ()): [np.abs(np.tanh(Z1) - S)],
    ("mae/identity", ()): [np.abs(Z1 - S)],
}  # fmt: skip


def skl_crammer_singer(z, y):
    return [sk.hinge_loss([c], [row], labels=range(4)) for c, row in zip(y, z, strict=True)]


LOG_PC = special.log_softmax(ZC, axis=1)
PY = PC[np.arange(40), YC]
SC = 2 * ONE_HOT - 1
MULTICLASS = {
    ("cross_entropy/softmax", ()): [
        torch_rows(F.cross_entropy, ZC, YC),
        [sk.log_loss([y], [p], labels=range(4)) for y, p in zip(YC, PC, strict=True)],
    ],
    ("cross_entropy_one_hot/softmax", ()): [torch_rows(F.cross_entropy, ZC, ONE_HOT)],
    ("kl_div/softmax", ()): [special.rel_entr(ONE_HOT, PC).sum(1), torch_rows(F.kl_div, LOG_PC, ONE_HOT).sum(1)],
    ("focal/softmax", (("gamma", 2.0),)): [-((1 - PY) ** 2) * np.log(PY)],
    ("focal/softmax", (("gamma", 0.0),)): [torch_rows(F.cross_entropy, ZC, YC)],
    ("label_smoothing_ce/softmax", (("smoothing", 0.2),)): [torch_rows(F.cross_entropy, ZC, YC, label_smoothing=0.2)],
    ("label_smoothing_ce/softmax", (("smoothing", 0.0),)): [torch_rows(F.cross_entropy, ZC, YC)],
    ("mse/softmax", ()): [((PC - ONE_HOT) ** 2).sum(1), 1 - 2 * PY + (PC**2).sum(1)],
    ("mse/identity", ()): [torch_rows(F.mse_loss, ZC, ONE_HOT).sum(1)],
    ("mae/softmax", ()): [torch_rows(F.l1_loss, PC, ONE_HOT).sum(1), 2 * (1 - PY)],
    ("mae/identity", ()): [np.abs(ZC - ONE_HOT).sum(1)],
    ("crammer_singer/identity", ()): [skl_crammer_singer(ZC, YC)],
    ("ovr_hinge/identity", ()): [np.maximum(0, 1 - SC * ZC).sum(1)],
    ("ovr_hinge/identity", (("margin", 0.5),)): [np.maximum(0, 0.5 - SC * ZC).sum(1)],
    ("ovr_squared_hinge/identity", ()): [(np.maximum(0, 1 - SC * ZC) ** 2).sum(1)],
}  # fmt: skip


def skl_rows(fn, y, f):
    return [fn([a], [b]) for a, b in zip(y, f, strict=True)]


SOFTPLUS = np.logaddexp(0, Z1)
CLAMPED = np.log1p(np.maximum(Z1, 1e-7)) - np.log1p(np.maximum(REAL, 1e-7))
REGRESSION = {
    ("mse/identity", (), "REAL"): [torch_rows(F.mse_loss, Z1, REAL), skl_rows(sk.mean_squared_error, REAL, Z1)],
    ("mae/identity", (), "REAL"): [torch_rows(F.l1_loss, Z1, REAL), skl_rows(sk.mean_absolute_error, REAL, Z1)],
    ("rmse/identity", (), "REAL"): [(Z1 - REAL) ** 2],
    ("huber/identity", (("delta", 1.0),), "REAL"): [
        torch_rows(F.huber_loss, Z1, REAL, delta=1.0),
        special.huber(1.0, Z1 - REAL),
    ],
    ("huber/identity", (("delta", 0.3),), "REAL"): [0.3 * torch_rows(F.smooth_l1_loss, Z1, REAL, beta=0.3)],
    ("log_cosh/identity", (), "REAL"): [np.log(np.cosh(Z1 - REAL))],
    ("msle/softplus", (), "POSITIVE"): [skl_rows(sk.mean_squared_log_error, POSITIVE, SOFTPLUS)],
    ("msle/exp", (), "POSITIVE"): [skl_rows(sk.mean_squared_log_error, POSITIVE, np.exp(Z1))],
    ("msle_clamped/identity", (), "REAL"): [CLAMPED**2],
    ("mse/softplus", (), "POSITIVE"): [(SOFTPLUS - POSITIVE) ** 2],
}  # fmt: skip


COUNTS = np.random.default_rng(1).poisson(np.exp(Z1.clip(max=3)))
COUNT = {
    ("poisson_nll/exp", ()): [
        torch_rows(F.poisson_nll_loss, Z1, COUNTS, log_input=True),
        -stats.poisson.logpmf(COUNTS, np.exp(Z1)) - special.gammaln(COUNTS + 1),
    ],
    ("poisson_nll/softplus", ()): [torch_rows(F.poisson_nll_loss, SOFTPLUS, COUNTS, log_input=False, eps=0.0)],
    ("mse/identity", ()): [(Z1 - COUNTS) ** 2],
    ("mae/identity", ()): [np.abs(Z1 - COUNTS)],
}  # fmt: skip


def key_id(key):
    return "-".join([key[0], *(f"{k}={v}" for k, v in key[1])])


@pytest.mark.parametrize(("key", "oracles"), BINARY.items(), ids=map(key_id, BINARY))
def test_binary_oracles(key, oracles):
    crit = criterion(key[0], task="binary", **dict(key[1]))
    for target in (Y01, S):
        for expected in oracles:
            np.testing.assert_allclose(crit.per_sample(t(Z1), t(target)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("key", "oracles"), MULTICLASS.items(), ids=map(key_id, MULTICLASS))
def test_multiclass_oracles(key, oracles):
    crit = criterion(key[0], task="multiclass", **dict(key[1]))
    for target in (YC, ONE_HOT, YC.astype(float)):
        for expected in oracles:
            np.testing.assert_allclose(crit.per_sample(t(ZC), t(target)), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("key", "oracles"), REGRESSION.items(), ids=map(key_id, REGRESSION))
def test_regression_oracles(key, oracles):
    crit = criterion(key[0], task="regression", **dict(key[1]))
    target = {"REAL": REAL, "POSITIVE": POSITIVE}[key[2]]
    for expected in oracles:
        np.testing.assert_allclose(crit.per_sample(t(Z1), t(target)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("key", "oracles"), COUNT.items(), ids=map(key_id, COUNT))
def test_count_oracles(key, oracles):
    crit = criterion(key[0], task="count", **dict(key[1]))
    for expected in oracles:
        np.testing.assert_allclose(crit.per_sample(t(Z1), t(COUNTS)), expected, rtol=1e-9, atol=1e-12)


def test_every_usual_pair_has_an_oracle():
    having = {
        *(f"binary-{k[0]}" for k in BINARY),
        *(f"multiclass-{k[0]}" for k in MULTICLASS),
        *(f"regression-{k[0]}" for k in REGRESSION),
        *(f"count-{k[0]}" for k in COUNT),
    }
    usual = {
        f"{p.loss.kinds[0]}-{p.name}"
        for p in PAIRS
        if p.loss.usual is None or p.activation.name in p.loss.usual
    }
    assert usual <= having


def test_rmse_is_the_root_of_the_batch_mean():
    ours = criterion("rmse/identity")(t(Z1), t(REAL))
    assert float(ours) == pytest.approx(sk.root_mean_squared_error(REAL, Z1), rel=1e-8)


def test_msle_is_in_original_units():
    scaled = criterion("msle/softplus", statistics=TargetStatistics((3.0,), (2.0,), (4.0,)))
    value = scaled.per_sample(t(Z1), t(POSITIVE))
    np.testing.assert_allclose(value, skl_rows(sk.mean_squared_log_error, POSITIVE, 4 * SOFTPLUS), rtol=1e-6)
    np.testing.assert_allclose(scaled.predict(t(Z1)), 4 * SOFTPLUS, rtol=1e-6)


def test_values_that_tutorials_print():
    p = t([0.1, 0.9], dtype=torch.float64)
    bce = criterion("binary_crossentropy/sigmoid", task="binary")(torch.logit(p), t([0, 1]))
    assert float(bce) == pytest.approx(0.105360545, abs=3e-8)
    mse = criterion("mse/identity", task="regression")(t([2.0, 2.0, 3.0]), t([1.0, 2.0, 3.0]))
    assert float(mse) == pytest.approx(0.33333334, abs=1e-7)
    probabilities = t([[0.05, 0.95, 0.0], [0.9, 0.05, 0.05]], dtype=torch.float64)
    one_hot = t([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=torch.float64)
    cce = losses_for("multiclass")["categorical_crossentropy"](probabilities, one_hot).mean()
    assert float(cce) == pytest.approx(0.078327, abs=5e-7)


# --- Keras ---------------------------------------------------------------------------------------------

ON_KERAS = """
import os, sys
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np, torch
from lossearch.pairs import criterion

rng = np.random.default_rng(1)
z, y = 3 * rng.standard_normal((30, 1)), rng.integers(0, 2, (30, 1)).astype(float)
zc, yc = rng.standard_normal((30, 4)), rng.integers(0, 4, 30)
one_hot, real, positive = np.eye(4)[yc], rng.standard_normal((30, 1)), rng.exponential(1.0, (30, 1))
counts = rng.poisson(2.0, (30, 1))
L, t = keras.losses, torch.as_tensor

def act(name, x):
    return getattr(keras.activations, name)(t(x))

rows = [
    ("mse/identity", "regression", z, real, L.mean_squared_error(t(real), t(z)), 1),
    ("mae/identity", "regression", z, real, L.mean_absolute_error(t(real), t(z)), 1),
    ("huber/identity", "regression", z, real, L.huber(t(real), t(z)), 1),
    ("log_cosh/identity", "regression", z, real, L.log_cosh(t(real), t(z)), 1),
    ("msle/softplus", "regression", z, positive, L.mean_squared_logarithmic_error(t(positive), act("softplus", z)), 1),
    ("msle_clamped/identity", "regression", z, real, L.mean_squared_logarithmic_error(t(real), t(z)), 1),
    ("poisson_nll/exp", "count", z, counts, L.poisson(t(counts), act("exponential", z)), 1),
    ("bce/sigmoid", "binary", z, y, L.binary_crossentropy(t(y), t(z), from_logits=True), 1),
    ("focal/sigmoid", "binary", z, y, L.binary_focal_crossentropy(t(y), t(z), gamma=2.0, from_logits=True), 1),
    ("hinge/tanh", "binary", z, y, L.hinge(t(y), act("tanh", z)), 1),
    ("squared_hinge/tanh", "binary", z, y, L.squared_hinge(t(y), act("tanh", z)), 1),
    ("cross_entropy/softmax", "multiclass", zc, yc, L.sparse_categorical_crossentropy(t(yc), t(zc), from_logits=True), 1),
    ("cross_entropy_one_hot/softmax", "multiclass", zc, yc, L.categorical_crossentropy(t(one_hot), act("softmax", zc)), 1),
    ("label_smoothing_ce/softmax", "multiclass", zc, yc, L.categorical_crossentropy(t(one_hot), t(zc), from_logits=True, label_smoothing=0.1), 1),
    ("kl_div/softmax", "multiclass", zc, yc, L.kl_divergence(t(one_hot), act("softmax", zc)), 1),
    ("focal/softmax", "multiclass", zc, yc, L.categorical_focal_crossentropy(t(one_hot), t(zc), alpha=1.0, gamma=2.0, from_logits=True), 1),
    ("mse/softmax", "multiclass", zc, yc, L.mean_squared_error(t(one_hot), act("softmax", zc)), 4),
    ("mae/softmax", "multiclass", zc, yc, L.mean_absolute_error(t(one_hot), act("softmax", zc)), 4),
    ("ovr_hinge/identity", "multiclass", zc, yc, L.hinge(t(2 * one_hot - 1), t(zc)), 4),
    ("ovr_squared_hinge/identity", "multiclass", zc, yc, L.squared_hinge(t(2 * one_hot - 1), t(zc)), 4),
]
for name, task, raw, target, theirs, factor in rows:
    ours = criterion(name, task=task).per_sample(t(raw), t(target)).numpy()
    np.testing.assert_allclose(ours, factor * theirs.numpy().reshape(-1), rtol=2e-5, atol=2e-6, err_msg=name)
print(len(rows))
"""


@pytest.mark.slow
def test_keras_gives_the_same_values():
    if importlib.util.find_spec("keras") is None:
        pytest.skip("Keras is not installed")
    env = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", ON_KERAS], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "20"

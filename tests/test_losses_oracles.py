"""Every loss against somebody else's code: torch, scikit-learn, scipy, numpy, Keras, and values tutorials print."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import integrate, special, stats
from scipy.spatial import distance
from sklearn import metrics as sk
from sparse_oracles import fenchel_young, half_power, half_square, sparser, sparsest
from statsmodels.distributions.discrete import zinegbin, zipoisson
from statsmodels.robust import norms
from torchmetrics.functional.regression import continuous_ranked_probability_score

from lossearch.kinds import TargetStatistics
from lossearch.losses import ACTIVATIONS, BUILT_IN, losses_for
from lossearch.pairs import Pair, pair_up
from lossearch.pairs.making import criterion

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
U = S * Z1
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
    ("cubed_hinge/identity", ()): [skl_hinge(Z1, Y01) ** 3],
    ("smoothed_hinge/identity", ()): [np.where(U > 1, 0, np.where(U < 0, 0.5 - U, (1 - U) ** 2 / 2))],  # Rennie & Srebro
    ("smoothed_hinge/identity", (("gamma", 0.3),)): [np.where(U > 1, 0, np.where(U < 0.7, 0.85 - U, (1 - U) ** 2 / 0.6))],
    ("modified_huber/identity", ()): [np.where(U >= -1, np.maximum(0, 1 - U) ** 2, -4 * U)],
    ("sparsemax_binary/identity", ()): [np.where(U >= 1, 0, np.where(U <= -1, -U, (U - 1) ** 2 / 4))],
    ("exponential/identity", ()): [np.exp(-U)],
    ("savage/identity", ()): [1 / (1 + np.exp(2 * U)) ** 2],
    ("tangent/identity", ()): [(2 * np.arctan(U) - 1) ** 2],
    ("perceptron/identity", ()): [np.maximum(0, -U)],
    ("ramp/identity", ()): [np.minimum(1, skl_hinge(Z1, Y01) / 2)],
    ("sigmoid_loss/identity", ()): [1 / (1 + np.exp(U))],
    ("unhinged/tanh", ()): [1 - S * np.tanh(Z1)],
    ("label_smoothing_bce/sigmoid", (("smoothing", 0.2),)): [
        torch_rows(F.binary_cross_entropy_with_logits, Z1, 0.8 * Y01 + 0.1)
    ],
    ("asl/sigmoid", (("gamma_neg", 4.0), ("gamma_pos", 1.0), ("clip", 0.05))): [
        np.where(Y01 == 1, -(1 - P1) * np.log(P1), -(PM := np.maximum(P1 - 0.05, 0)) ** 4 * np.log(1 - PM))
    ],
    ("asl/sigmoid", (("gamma_neg", 2.0), ("gamma_pos", 2.0), ("clip", 0.0))): [
        sigmoid_focal_of_torchvision(Z1, Y01, -1, 2.0)
    ],
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
    ("ovr_cubed_hinge/identity", ()): [(np.maximum(0, 1 - SC * ZC) ** 3).sum(1)],
    ("ovr_logistic/identity", ()): [torch_rows(F.binary_cross_entropy_with_logits, ZC, ONE_HOT).sum(1)],
    ("weston_watkins/identity", ()): [4 * torch_rows(F.multi_margin_loss, ZC, YC)],
    ("weston_watkins/identity", (("margin", 0.5),)): [4 * torch_rows(F.multi_margin_loss, ZC, YC, margin=0.5)],
    ("perceptron/identity", ()): [ZC.max(1) - ZC[np.arange(40), YC]],
    ("square_rescaled/identity", (("k", 3.0), ("m", 5.0))): [
        3 * (ZC[np.arange(40), YC] - 5) ** 2 + (ZC**2).sum(1) - ZC[np.arange(40), YC] ** 2
    ],
    ("sparsemax_loss/identity", ()): [fenchel_young(ZC, ONE_HOT, sparsest, half_square)],
    ("entmax15_loss/identity", ()): [fenchel_young(ZC, ONE_HOT, sparser, half_power)],
    ("gce/softmax", (("q", 0.7),)): [special.boxcox(1 / PY, -0.7)],
    ("truncated_gce/softmax", (("q", 0.7), ("k", 0.2))): [np.minimum(special.boxcox(1 / PY, -0.7), special.boxcox(5, -0.7))],
    ("forward_ce/softmax", (("noise", 0.3),)): [
        # of the labels as they are written, by the matrix of what each is taken for
        -np.log((PC @ (0.7 * np.eye(4) + 0.1 * (1 - np.eye(4))))[np.arange(40), YC])
    ],
    ("forward_ce/softmax", (("noise", 0.0),)): [torch_rows(F.cross_entropy, ZC, YC)],
    ("taylor_ce/softmax", (("order", 3),)): [(1 - PY) + (1 - PY) ** 2 / 2 + (1 - PY) ** 3 / 3],
    ("poly1/softmax", (("epsilon", 2.0),)): [torch_rows(F.cross_entropy, ZC, YC) + 2 * (1 - PY)],
    ("symmetric_ce/softmax", (("alpha", 0.1), ("beta", 1.0))): [
        0.1 * torch_rows(F.cross_entropy, ZC, YC) - (PC * np.where(ONE_HOT > 0, 0, -4)).sum(1)
    ],
    ("nll_squared/softmax", ()): [torch_rows(F.cross_entropy, ZC, YC) ** 2],
    ("phuber_ce/softmax", (("tau", 10.0),)): [np.where(PY <= 0.1, -10 * PY + np.log(10) + 1, -np.log(PY))],
    ("js_divergence/softmax", ()): [[distance.jensenshannon(p, q) ** 2 for p, q in zip(PC, ONE_HOT, strict=True)]],
    ("chebyshev/softmax", ()): [[distance.chebyshev(p, q) for p, q in zip(PC, ONE_HOT, strict=True)]],
    ("cauchy_schwarz_divergence/softmax", ()): [
        [-np.log(1 - distance.cosine(p, q)) for p, q in zip(PC, ONE_HOT, strict=True)]
    ],
    ("tanimoto/softmax", ()): [1 - PY / ((PC**2).sum(1) + (ONE_HOT**2).sum(1) - PY)],
    ("confidence_penalty/softmax", (("beta", 0.3),)): [
        torch_rows(F.cross_entropy, ZC, YC) - 0.3 * stats.entropy(PC, axis=1)
    ],
    ("bootstrap_soft/softmax", (("beta", 0.9),)): [torch_rows(F.cross_entropy, ZC, 0.9 * ONE_HOT + 0.1 * PC)],
    ("bootstrap_hard/softmax", (("beta", 0.9),)): [
        torch_rows(F.cross_entropy, ZC, 0.9 * ONE_HOT + 0.1 * np.eye(4)[PC.argmax(1)])
    ],
    ("nce_rce/softmax", (("alpha", 2.0), ("beta", 0.5))): [
        2 * LOG_PC[np.arange(40), YC] / LOG_PC.sum(1) - 0.5 * (PC * np.where(ONE_HOT > 0, 0, -4)).sum(1)
    ],
}  # fmt: skip


def skl_rows(fn, y, f):
    return [fn([a], [b]) for a, b in zip(y, f, strict=True)]


def tweedie(y, mean, power):
    """Half of the deviance, less what only the target has a part in."""
    saturated = y ** (2 - power) / ((1 - power) * (2 - power))
    return np.array(skl_rows(partial(sk.mean_tweedie_deviance, power=power), y, mean)) / 2 - saturated


UNIT = np.random.default_rng(8).uniform(size=40)


def adaptive_wing(e, y, theta, epsilon, alpha):
    """Wang, Bo & Fuxin 2019, equations 3 and 4."""
    ratio, power = theta / epsilon, alpha - y
    slope = 14 * (1 / (1 + ratio**power)) * power * ratio ** (power - 1) / epsilon
    offset = theta * slope - 14 * np.log(1 + ratio**power)
    return np.where(e < theta, 14 * np.log(1 + (e / epsilon) ** power), slope * e - offset)


SOFTPLUS = np.logaddexp(0, Z1)
E = Z1 - REAL
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
    ("half_mse/identity", (), "REAL"): [E**2 / 2],
    ("lp/identity", (("p", 1.5),), "REAL"): [[distance.minkowski([a], [b], 1.5) ** 1.5 for a, b in zip(Z1, REAL, strict=True)]],
    ("smooth_l1/identity", (("beta", 0.3),), "REAL"): [torch_rows(F.smooth_l1_loss, Z1, REAL, beta=0.3)],
    ("pseudo_huber/identity", (("delta", 0.3),), "REAL"): [special.pseudo_huber(0.3, E)],
    ("cauchy/identity", (("c", 0.5),), "REAL"): [-stats.cauchy.logpdf(E / 0.5 / np.sqrt(2)) - np.log(np.pi)],
    ("geman_mcclure/identity", (("c", 2.0),), "REAL"): [2 * (E / 2) ** 2 / ((E / 2) ** 2 + 4)],
    ("welsch/identity", (("c", 2.0),), "REAL"): [1 - np.exp(-((E / 2) ** 2) / 2)],
    ("tukey_biweight/identity", (("c", 3.0),), "REAL"): [norms.TukeyBiweight(3.0).rho(E)],
    ("epsilon_insensitive/identity", (("epsilon", 0.2),), "REAL"): [np.maximum(0, np.abs(E) - 0.2)],
    ("squared_epsilon_insensitive/identity", (("epsilon", 0.2),), "REAL"): [np.maximum(0, np.abs(E) - 0.2) ** 2],
    ("quantile/identity", (("tau", 0.8),), "REAL"): [skl_rows(partial(sk.mean_pinball_loss, alpha=0.8), REAL, Z1)],
    ("expectile/identity", (("tau", 0.8),), "REAL"): [np.abs(0.8 - (REAL < Z1)) * E**2],
    ("huber_quantile/identity", (("tau", 0.8), ("delta", 0.3)), "REAL"): [
        np.abs(0.8 - (REAL < Z1)) * torch_rows(F.huber_loss, Z1, REAL, delta=0.3) / 0.3
    ],
    ("tweedie_nll/exp", (("power", 1.5),), "POSITIVE"): [tweedie(POSITIVE, np.exp(Z1), 1.5)],
    ("tweedie_nll/softplus", (("power", 1.5),), "POSITIVE"): [tweedie(POSITIVE, SOFTPLUS, 1.5)],
    ("gamma_nll/exp", (), "POSITIVE"): [-stats.gamma(1, scale=np.exp(Z1)).logpdf(POSITIVE)],
    ("gamma_nll/softplus", (), "POSITIVE"): [-stats.gamma(1, scale=SOFTPLUS).logpdf(POSITIVE)],
    ("inverse_gaussian_nll/exp", (), "POSITIVE"): [skl_rows(partial(sk.mean_tweedie_deviance, power=3), POSITIVE, np.exp(Z1))],
    ("inverse_gaussian_nll/softplus", (), "POSITIVE"): [
        skl_rows(partial(sk.mean_tweedie_deviance, power=3), POSITIVE, SOFTPLUS)
    ],
    ("log_mse/identity", (), "POSITIVE"): [skl_rows(sk.mean_squared_error, np.log(POSITIVE), Z1)],
    ("log_mae/identity", (), "POSITIVE"): [skl_rows(sk.mean_absolute_error, np.log(POSITIVE), Z1)],
    ("mape/exp", (), "POSITIVE"): [skl_rows(sk.mean_absolute_percentage_error, POSITIVE, np.exp(Z1))],
    ("mape/softplus", (), "POSITIVE"): [skl_rows(sk.mean_absolute_percentage_error, POSITIVE, SOFTPLUS)],
    ("smape/exp", (), "POSITIVE"): [2 * np.abs(np.exp(Z1) - POSITIVE) / (np.exp(Z1) + POSITIVE)],
    ("smape/softplus", (), "POSITIVE"): [2 * np.abs(SOFTPLUS - POSITIVE) / (SOFTPLUS + POSITIVE)],
    ("adaptive_wing/identity", (("theta", 0.5), ("epsilon", 1.0), ("alpha", 2.1)), "UNIT"): [
        adaptive_wing(np.abs(Z1 - UNIT), UNIT, 0.5, 1.0, 2.1)
    ],
    ("adaptive_wing/sigmoid", (("theta", 0.3), ("epsilon", 0.6)), "UNIT"): [
        adaptive_wing(np.abs(P1 - UNIT), UNIT, 0.3, 0.6, 2.1)
    ],
    ("wing/identity", (("width", 1.0), ("epsilon", 0.2)), "REAL"): [
        np.where(np.abs(E) < 1, np.log(1 + np.abs(E) / 0.2), np.abs(E) - 1 + np.log(6))
    ],
}  # fmt: skip
BARRON = {
    (2.0, 1.0): E**2 / 2,
    (1.0, 0.5): np.sqrt((E / 0.5) ** 2 + 1) - 1,
    (0.0, 2.0): np.log1p((E / 2) ** 2 / 2),
    (-2.0, 1.0): 2 * E**2 / (E**2 + 4),
    (0.5, 1.0): 3 * ((E**2 / 1.5 + 1) ** 0.25 - 1),
    (-1.0, 1.0): -3 * ((E**2 / 3 + 1) ** -0.5 - 1),
}
REGRESSION |= {
    ("barron/identity", (("alpha", alpha), ("c", c)), "REAL"): [value] for (alpha, c), value in BARRON.items()
}


COUNTS = np.random.default_rng(1).poisson(np.exp(Z1.clip(max=3)))
COUNT = {
    ("poisson_nll/exp", ()): [
        torch_rows(F.poisson_nll_loss, Z1, COUNTS, log_input=True),
        -stats.poisson.logpmf(COUNTS, np.exp(Z1)) - special.gammaln(COUNTS + 1),
    ],
    ("poisson_nll/softplus", ()): [torch_rows(F.poisson_nll_loss, SOFTPLUS, COUNTS, log_input=False, eps=0.0)],
    ("mse/identity", ()): [(Z1 - COUNTS) ** 2],
    ("mae/identity", ()): [np.abs(Z1 - COUNTS)],
    ("half_mse/identity", ()): [(Z1 - COUNTS) ** 2 / 2],
    ("neg_binomial_nll/exp", (("alpha", 0.5),)): [
        -stats.nbinom.logpmf(COUNTS, 2, 2 / (2 + np.exp(Z1))) + stats.nbinom.logpmf(COUNTS, 2, 2 / 3)
        + (COUNTS + 2) * np.log(1.5)
    ],
    ("neg_binomial_nll/softplus", (("alpha", 0.5),)): [
        -stats.nbinom.logpmf(COUNTS, 2, 2 / (2 + SOFTPLUS)) + stats.nbinom.logpmf(COUNTS, 2, 2 / 3)
        + (COUNTS + 2) * np.log(1.5)
    ],
    ("sqrt_mse/exp", ()): [(np.exp(Z1 / 2) - np.sqrt(COUNTS)) ** 2],
    ("sqrt_mse/softplus", ()): [(np.sqrt(SOFTPLUS) - np.sqrt(COUNTS)) ** 2],
    ("tweedie_nll/exp", (("power", 1.5),)): [tweedie(COUNTS, np.exp(Z1), 1.5)],
    ("tweedie_nll/softplus", (("power", 1.2),)): [tweedie(COUNTS, SOFTPLUS, 1.2)],
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
    target = {"REAL": REAL, "POSITIVE": POSITIVE, "UNIT": UNIT}[key[2]]
    # Barron's limits are approached
    rtol = 1e-5 if key[0].startswith("barron") else 1e-9
    for expected in oracles:
        np.testing.assert_allclose(crit.per_sample(t(Z1), t(target)), expected, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize(("key", "oracles"), COUNT.items(), ids=map(key_id, COUNT))
def test_count_oracles(key, oracles):
    crit = criterion(key[0], task="count", **dict(key[1]))
    for expected in oracles:
        np.testing.assert_allclose(crit.per_sample(t(Z1), t(COUNTS)), expected, rtol=1e-9, atol=1e-12)


LS = np.random.default_rng(2).normal(size=(40, 2))
SCALE = np.logaddexp(0, LS[:, 1]) + 1e-3
MIXED = np.random.default_rng(3).normal(size=(40, 9))
BARS = np.random.default_rng(4).normal(size=(40, 51))


def crps(cdf, y):
    """The integral of the squared distance of two distribution functions."""
    left = integrate.quad(lambda u: cdf(u) ** 2, -60, y, limit=400, points=[0.0] if y > 0 else None)[0]
    return (
        left
        + integrate.quad(lambda u: (cdf(u) - 1) ** 2, y, 60, limit=400, points=[0.0] if y < 0 else None)[0]
    )


def mixture(raw, y):
    spread = np.logaddexp(0, raw[6:]) + 1e-3
    return -np.log((special.softmax(raw[:3]) * stats.norm.pdf(y, raw[3:6], spread)).sum())


def histogram(logits, y, sigma):
    edges, centre = np.linspace(-4, 4, 52), np.clip(y, -4 + 4 / 51, 4 - 4 / 51)
    shares = np.diff(stats.norm.cdf(edges, centre, sigma * 8 / 51))
    return F.cross_entropy(t(logits), t(shares / shares.sum())).item()


MEMBERS = np.random.default_rng(6).normal(size=(40, 10))
NIG = np.random.default_rng(7).normal(size=(40, 4))


def evidence(raw, y, strength):
    """Minus the density of a normal variable whose mean and variance are drawn, by quadrature over the variance."""
    gamma, (nu, alpha, beta) = raw[0], np.logaddexp(0, raw[1:]) + 1e-3
    alpha = alpha + 1

    def weighted(v):
        return stats.norm.pdf(y, gamma, np.sqrt(v * (1 + 1 / nu))) * stats.invgamma.pdf(v, alpha, scale=beta)

    mass = sum(integrate.quad(weighted, *ends, limit=400)[0] for ends in ((0, 1), (1, np.inf)))
    return strength * abs(y - gamma) * (2 * nu + alpha) - np.log(mass)


DISTRIBUTIONS = {
    ("crps_ensemble/identity", ()): (
        MEMBERS, [float(continuous_ranked_probability_score(t(m[None]), t([y]))) for m, y in zip(MEMBERS, REAL, strict=True)]
    ),
    ("evidential_nig/identity", (("strength", 0.1),)): (NIG, [evidence(r, y, 0.1) for r, y in zip(NIG, REAL, strict=True)]),
    ("gaussian_nll/identity", ()): (LS, -stats.norm.logpdf(REAL, LS[:, 0], SCALE)),
    ("beta_nll/identity", (("beta", 0.25),)): (LS, -np.sqrt(SCALE) * stats.norm.logpdf(REAL, LS[:, 0], SCALE)),
    ("laplace_nll/identity", ()): (LS, -stats.laplace.logpdf(REAL, LS[:, 0], SCALE)),
    ("logistic_nll/identity", ()): (LS, -stats.logistic.logpdf(REAL, LS[:, 0], SCALE)),
    ("student_t_nll/identity", (("df", 3.0),)): (LS, -stats.t.logpdf(REAL, 3.0, LS[:, 0], SCALE)),
    ("crps_gaussian/identity", ()): (
        LS, [crps(stats.norm(m, s).cdf, y) for m, s, y in zip(LS[:, 0], SCALE, REAL, strict=True)]
    ),
    ("crps_laplace/identity", ()): (
        LS, [crps(stats.laplace(m, s).cdf, y) for m, s, y in zip(LS[:, 0], SCALE, REAL, strict=True)]
    ),
    ("mixture_density_nll/identity", ()): (MIXED, [mixture(r, y) for r, y in zip(MIXED, REAL, strict=True)]),
    ("hl_gauss/identity", (("sigma", 0.5),)): (BARS, [histogram(r, y, 0.5) for r, y in zip(BARS, REAL, strict=True)]),
}  # fmt: skip


QUANTILES = np.random.default_rng(5).normal(size=(40, 21))
SHARES = np.array([0.025, *np.arange(1, 20) / 20, 0.975])


def many_quantiles(raw, y):
    steps = np.logaddexp(0, raw[1:] + np.log(np.expm1(np.diff(stats.norm.ppf(SHARES)))))
    walked = np.concatenate([[0], np.cumsum(steps)])
    found = raw[0] + walked - walked[10]
    return np.mean(
        [sk.mean_pinball_loss([y], [q], alpha=share) for q, share in zip(found, SHARES, strict=True)]
    )


def two_quantiles(place, spread, y, alpha):
    """The pinball losses of the ends of a normal distribution's interval, as Winkler weighs them."""
    ends = stats.norm.ppf([alpha / 2, 1 - alpha / 2], place, spread)
    return 2 / alpha * sum(sk.mean_pinball_loss([y], [q], alpha=a) for q, a in zip(ends, (alpha / 2, 1 - alpha / 2), strict=True))  # fmt: skip


PROBABILISTIC = {
    ("interval_score/identity", (("alpha", 0.2),)): (
        LS, [two_quantiles(m, s, y, 0.2) for m, s, y in zip(LS[:, 0], SCALE, REAL, strict=True)]
    ),
    ("homoscedastic_nll/identity", ()): (LS, -stats.norm.logpdf(REAL, LS[:, 0], SCALE)),
    ("multi_quantile/identity", ()): (
        QUANTILES, [many_quantiles(r, y) for r, y in zip(QUANTILES, REAL, strict=True)]
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "kind"),
    [*((k, "regression") for k in DISTRIBUTIONS), *((k, "probabilistic") for k in PROBABILISTIC)],
    ids=lambda v: v if isinstance(v, str) else key_id(v),
)
def test_distribution_oracles(key, kind):
    raw, expected = (DISTRIBUTIONS | PROBABILISTIC)[key]
    crit = criterion(key[0], task=kind, **dict(key[1]))
    np.testing.assert_allclose(crit.per_sample(t(raw), t(REAL)), expected, rtol=1e-6, atol=1e-8)


W = special.expit(LS[:, 1])
MEAN = np.logaddexp(0, LS[:, 0])
ZIPPED = np.where(np.arange(40) % 3 == 0, 0, COUNTS)


def constant_of_counts(y, r):
    """What the losses leave out of a negative binomial likelihood; of a Poisson one it is log y!."""
    return special.gammaln(y + 1) + special.gammaln(r) - special.gammaln(y + r) + y * np.log(r)


def of_levels(raw, y, levels):
    """The probability of the level y of a number from 0 to 1, by numpy."""
    weights, means, scales = special.softmax(raw[:3]), raw[3:6], np.logaddexp(0, raw[6:]) + 1e-3
    low, high = (y - 0.5 / (levels - 1), y + 0.5 / (levels - 1))
    ends = stats.logistic.cdf(
        [-np.inf if y == 0 else low, np.inf if y == 1 else high], means[:, None], scales[:, None]
    )
    return -np.log(weights @ np.diff(ends)[:, 0])


LEVEL = np.random.default_rng(9).integers(0, 16, 40) / 15
TOTAL = np.logaddexp(0, LS[:, 1])
OF_ONE_KIND = {
    ("zero_inflated_poisson_nll/identity", ()): (
        "count", LS, ZIPPED, -zipoisson.logpmf(ZIPPED, MEAN, W) - special.gammaln(ZIPPED + 1)
    ),
    ("zero_inflated_neg_binomial_nll/identity", (("alpha", 0.5),)): (
        "count", LS, ZIPPED, -zinegbin.logpmf(ZIPPED, MEAN, 0.5, 2, W) - constant_of_counts(ZIPPED, 2)
    ),
    ("beta_distribution_nll/identity", ()): (
        "regression", LS, UNIT,
        -stats.beta.logpdf(0.998 * UNIT + 0.001, TOTAL * special.expit(LS[:, 0]) + 1e-3, TOTAL * special.expit(-LS[:, 0]) + 1e-3),
    ),
    ("discretized_logistic_mixture/identity", (("levels", 16),)): (
        "reconstruction", MIXED, LEVEL, [of_levels(r, y, 16) for r, y in zip(MIXED, LEVEL, strict=True)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", OF_ONE_KIND, ids=key_id)
def test_oracles_of_one_kind(key):
    kind, raw, target, expected = OF_ONE_KIND[key]
    crit = criterion(key[0], task=kind, **dict(key[1]))
    np.testing.assert_allclose(crit.per_sample(t(raw), t(target)), expected, rtol=1e-8, atol=1e-10)


def test_what_has_zeros_of_its_own_is_in_counts():
    """Whatever the unit: by the mean count, and predicted in counts."""
    for name in ("zero_inflated_poisson_nll/identity", "zero_inflated_neg_binomial_nll/identity"):
        plain, scaled = (
            criterion(name, task="count", statistics=TargetStatistics((1.0,), (1.0,), (unit,)))
            for unit in (1.0, 3.0)
        )
        raw = t(np.c_[np.log(np.expm1(3 * MEAN)), LS[:, 1]])
        np.testing.assert_allclose(scaled.predict(t(LS)), plain.predict(raw), rtol=1e-9)
        ours, theirs = (
            torch.autograd.functional.jacobian(lambda z, c=c: c(z, t(ZIPPED)), z)[:, 1]
            for c, z in ((scaled, t(LS)), (plain, raw))
        )
        torch.testing.assert_close(3 * ours, theirs, rtol=1e-9, atol=1e-12)


def test_lognormal_nll_is_that_of_scipy():
    # as a density of the logarithm: of the number itself it is log y more
    wanted = -stats.lognorm.logpdf(POSITIVE, SCALE, scale=np.exp(LS[:, 0])) - np.log(POSITIVE)
    crit = criterion("lognormal_nll/identity", task="positive")
    np.testing.assert_allclose(crit.per_sample(t(LS), t(POSITIVE)), wanted, rtol=1e-9)
    np.testing.assert_allclose(crit.predict(t(LS)), np.exp(LS[:, 0]), rtol=1e-12)


def test_every_usual_pair_has_an_oracle():
    having = {
        # those of labels that are compared with one another: see test_multilabel.py
        *(f"multilabel-{p.name}" for p in PAIRS if p.loss.joint),
        # those of levels in an order: see test_ordinal.py
        *(f"ordinal-{p.name}" for p in PAIRS if p.kind == "ordinal"),
        # those of the whole batch: see test_overlap.py
        *(f"{p.kind}-{p.name}" for p in PAIRS if p.loss.gathers),
        # see test_angles.py and test_compositional.py
        *(f"{p.kind}-{p.name}" for p in PAIRS if p.kind in ("angles", "compositional")),
        "regression-lognormal_nll/identity",
        # see test_class_counts.py, test_tempered.py, test_reconstruction.py and test_segmentation.py
        *(f"{p.kind}-{p.name}" for p in PAIRS if "class_counts" in p.loss.statistics),
        *(f"{p.kind}-{p.name}" for p in PAIRS if p.loss.name in ("bi_tempered_logistic", "evidential")),
        *(
            f"reconstruction-{n}/{a}"
            for n, a in (("bce", "sigmoid"), ("continuous_bernoulli", "identity"), ("cosine", "identity"))
        ),
        *(
            f"segmentation-{n}/{a}"
            for n, a in (("image_dice", "sigmoid"), ("lovasz_hinge", "identity"), ("topk_bce", "sigmoid"))
        ),
        *(f"{kind}-{k[0]}" for k, (kind, *_) in OF_ONE_KIND.items()),
        *(f"regression-{k[0]}" for k in DISTRIBUTIONS),
        *(f"probabilistic-{k[0]}" for k in PROBABILISTIC),
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
from lossearch.pairs.making import criterion

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
    # Keras adds 1e-7 to what the logarithm is taken of
    ("poisson_nll/exp", "count", z / 3, counts, L.poisson(t(counts), act("exponential", z / 3)), 1),
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

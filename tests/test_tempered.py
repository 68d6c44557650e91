"""The bi-tempered logistic and the evidential loss: against their definitions, by root finding and torch's own distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize
from torch.distributions import Dirichlet, kl_divergence

from lossearch.pairs.making import criterion

RNG = np.random.default_rng(0)
RAW, INDEX = 2 * RNG.normal(size=(30, 4)), RNG.integers(0, 4, 30)
SCORE, YES = 2 * RNG.normal(size=30), RNG.integers(0, 2, 30)
TEMPERATURES = [(0.8, 1.2), (0.2, 4.0), (1.0, 1.5), (0.5, 1.0), (1.0, 1.0)]
t = torch.as_tensor


def log_t(x, temperature):
    return np.log(x) if temperature == 1 else (x ** (1 - temperature) - 1) / (1 - temperature)


def exp_t(x, temperature):
    if temperature == 1:
        return np.exp(x)
    return np.maximum(1 + (1 - temperature) * x, 0) ** (1 / (1 - temperature))


def probabilities(z, t2):
    """exp_t2(z - c), with the c at which they sum to 1."""
    c = optimize.brentq(
        lambda c: exp_t(z - c, t2).sum() - 1, z.max() + 1e-12, z.max() + 1e4, xtol=1e-14, rtol=1e-14
    )
    return exp_t(z - c, t2)


def bi_tempered(z, y, t1, t2):
    """The Bregman divergence of the target from tempered probabilities, without what no output changes (Amid et al. 2019)."""
    p = probabilities(z, t2)
    return -log_t(p[y], t1) - (1 - (p ** (2 - t1)).sum()) / (2 - t1)


@pytest.mark.parametrize(("t1", "t2"), TEMPERATURES)
def test_bi_tempered_is_its_definition(t1, t2):
    found = criterion("bi_tempered_logistic/softmax", t1=t1, t2=t2)
    expected = [bi_tempered(z, y, t1, t2) for z, y in zip(RAW, INDEX, strict=True)]
    np.testing.assert_allclose(found.per_sample(t(RAW), t(INDEX)), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.predict_proba(t(RAW)), [probabilities(z, t2) for z in RAW], rtol=1e-8)
    of_two = criterion("bi_tempered_logistic/sigmoid", task="binary", t1=t1, t2=t2)
    expected = [bi_tempered(np.array([0.0, z]), y, t1, t2) for z, y in zip(SCORE, YES, strict=True)]
    np.testing.assert_allclose(of_two.per_sample(t(SCORE), t(YES)), expected, rtol=1e-8, atol=1e-10)


def test_evidential_is_the_expected_squared_error_and_a_divergence():
    found = criterion("evidential/identity", strength=0.3)
    a = 1 + torch.nn.functional.softplus(t(RAW))
    said, uniform = Dirichlet(a), Dirichlet(torch.ones_like(a))
    right = torch.nn.functional.one_hot(t(INDEX), 4).double()
    squared = ((right - said.mean).square() + said.variance).sum(dim=1)
    wrong = kl_divergence(Dirichlet(right + (1 - right) * a), uniform)
    np.testing.assert_allclose(found.per_sample(t(RAW), t(INDEX)), squared + 0.3 * wrong, rtol=1e-9)

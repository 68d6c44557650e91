"""Families of distributions against scipy's, and their scores against quadrature."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from lossearch.distributions import DISTRIBUTIONS
from lossearch.distributions.quantile_function import LEVELS

t = torch.as_tensor
EVERY = list(DISTRIBUTIONS)
WITH_DENSITY = [name for name, family in DISTRIBUTIONS.items() if family.has_density]
AT = np.array([-9.0, -2.2, -1.0, -0.31, 0.0, 0.2, 0.77, 1.9, 4.5])
SHARES = np.array([0.01, 0.05, 0.2, 0.5, 0.73, 0.95, 0.99])
LOGS = np.log(np.array([0.2, 0.5, 0.3]))
MEANS, SDS = np.array([-1.5, 0.4, 2.0]), np.array([0.5, 1.3, 0.2])
SHARES_OF_BINS = np.array([0.05, 0.2, 0.3, 0.1, 0.25, 0.1])
QUANTILES = np.sort(np.random.default_rng(0).normal(size=len(LEVELS)))
MEMBERS = np.random.default_rng(1).normal(size=8)

PARAMS = {
    "normal": [0.4, 1.7],
    "laplace": [0.4, 1.7],
    "logistic": [0.4, 1.7],
    "student_t": [0.4, 1.7, 3.3],
    "normal_mixture": [*LOGS, *MEANS, *SDS],
    "histogram": [*np.log(SHARES_OF_BINS), -3.0, 2.5],
    "quantile_function": [*QUANTILES],
    "ensemble": [*MEMBERS],
}
OF_SCIPY = {
    "normal": stats.norm(0.4, 1.7),
    "laplace": stats.laplace(0.4, 1.7),
    "logistic": stats.logistic(0.4, 1.7),
    "student_t": stats.t(3.3, 0.4, 1.7),
}


def params(name, k=()):
    return t(PARAMS[name], dtype=torch.float64).expand(*k, -1)


def cdf(name, x):
    return DISTRIBUTIONS[name].cdf(params(name), t(np.asarray(x, dtype=np.float64))).numpy()


def knots(name):
    """Where a distribution function bends or jumps."""
    if name == "histogram":
        return np.linspace(-3.0, 2.5, 7)[1:-1]
    return {"quantile_function": QUANTILES, "ensemble": MEMBERS}.get(name, np.array([0.4]))


def quadrature(name, f, extra=()):
    """The integral of f over the line, cut where it is not smooth."""
    cuts = np.unique(np.concatenate([[-400, -60, -20, -10, 10, 20, 60, 400], knots(name), *[np.atleast_1d(e) for e in extra]]))  # fmt: skip
    inner = sum(integrate.quad(f, a, b, limit=400, epsabs=1e-12)[0] for a, b in itertools.pairwise(cuts))  # fmt: skip
    return inner + integrate.quad(f, cuts[-1], np.inf)[0] + integrate.quad(f, -np.inf, cuts[0])[0]


def test_every_family_has_parameters_here():
    assert set(PARAMS) == set(EVERY)
    assert all(family.name == name for name, family in DISTRIBUTIONS.items())


@pytest.mark.parametrize("name", OF_SCIPY)
def test_a_family_is_scipys(name):
    family, own = DISTRIBUTIONS[name], OF_SCIPY[name]
    np.testing.assert_allclose(family.log_density(params(name), t(AT)), own.logpdf(AT), rtol=1e-12)
    np.testing.assert_allclose(family.cdf(params(name), t(AT)), own.cdf(AT), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(family.quantile(params(name), t(SHARES)), own.ppf(SHARES), rtol=1e-9)
    assert float(family.mean(params(name))) == pytest.approx(own.mean())
    assert float(family.median(params(name))) == pytest.approx(own.median())


def test_a_mixture_is_a_sum_of_scipys_normals():
    family, weights = DISTRIBUTIONS["normal_mixture"], np.exp(LOGS)
    own = stats.norm(MEANS, SDS)

    def below(x):
        return weights @ own.cdf(np.atleast_1d(x)[:, None]).T

    np.testing.assert_allclose(family.log_density(params("normal_mixture"), t(AT)), np.log(own.pdf(AT[:, None]) @ weights))  # fmt: skip
    np.testing.assert_allclose(cdf("normal_mixture", AT), below(AT), rtol=1e-12, atol=1e-15)
    expected = [optimize.brentq(lambda x, s=s: float(below(x)[0]) - s, -20, 20, xtol=1e-14) for s in SHARES]
    np.testing.assert_allclose(family.quantile(params("normal_mixture"), t(SHARES)), expected, rtol=1e-9)
    assert float(family.mean(params("normal_mixture"))) == pytest.approx(weights @ MEANS)


def test_quantiles_of_mixtures_far_apart_are_found():
    family = DISTRIBUTIONS["normal_mixture"]
    rng = np.random.default_rng(0)
    given = np.concatenate([np.log(rng.dirichlet([0.3] * 3, 500)), 100 * rng.normal(size=(500, 3)), 10 ** rng.uniform(-3, 2, (500, 3))], axis=1)  # fmt: skip
    shares = t(np.array([1e-3, 0.05, 0.5, 0.95, 0.999]))
    found = family.quantile(t(given), shares)
    back = family.cdf(t(given).unsqueeze(1), found)
    # between components that are far apart, the function is flat, and many values have one share
    torch.testing.assert_close(back, shares.expand_as(back), rtol=0, atol=1e-9)


def test_a_histogram_is_scipys_within_the_outer_edges():
    own = stats.rv_histogram((SHARES_OF_BINS, np.linspace(-3.0, 2.5, 7)), density=False)
    inside = np.linspace(-2.05, 1.5, 23)
    np.testing.assert_allclose(cdf("histogram", inside), own.cdf(inside), rtol=1e-12)
    family = DISTRIBUTIONS["histogram"]
    np.testing.assert_allclose(family.log_density(params("histogram"), t(inside)), own.logpdf(inside), rtol=1e-9)  # fmt: skip
    shares = np.array([0.06, 0.3, 0.5, 0.85])
    np.testing.assert_allclose(family.quantile(params("histogram"), t(shares)), own.ppf(shares), rtol=1e-12)
    assert float(family.mean(params("histogram"))) == pytest.approx(own.mean())


def test_a_quantile_function_is_numpys_lines():
    family = DISTRIBUTIONS["quantile_function"]
    shares = np.linspace(0.001, 0.999, 57)
    np.testing.assert_allclose(family.quantile(params("quantile_function"), t(shares)), np.interp(shares, LEVELS, QUANTILES))  # fmt: skip
    inside = np.linspace(QUANTILES[0], QUANTILES[-1], 31)[1:-1]
    np.testing.assert_allclose(cdf("quantile_function", inside), np.interp(inside, QUANTILES, LEVELS))
    mean = integrate.quad(lambda s: np.interp(s, LEVELS, QUANTILES), 0, 1, points=LEVELS, limit=200)[0]
    assert float(family.mean(params("quantile_function"))) == pytest.approx(mean)
    with pytest.raises(TypeError, match="quantile_function has no density"):
        family.log_density(params("quantile_function"), t(0.0))


def test_an_ensemble_is_numpys_empirical_distribution():
    family = DISTRIBUTIONS["ensemble"]
    shares = np.concatenate([SHARES, np.arange(1, 9) / 8])
    expected = np.quantile(MEMBERS, shares, method="inverted_cdf")
    np.testing.assert_array_equal(family.quantile(params("ensemble"), t(shares)), expected)
    np.testing.assert_allclose(cdf("ensemble", AT), stats.ecdf(MEMBERS).cdf.evaluate(AT))
    assert float(family.mean(params("ensemble"))) == pytest.approx(MEMBERS.mean())


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_density_is_the_slope_of_the_distribution_function(name):
    family = DISTRIBUTIONS[name]

    def density(x):
        return math.exp(float(family.log_density(params(name), t(x, dtype=torch.float64))))

    # Student's tail beyond 400 is left to the infinite pieces
    assert quadrature(name, density) == pytest.approx(1, abs=1e-7)
    at = AT[np.abs(AT[:, None] - knots(name)).min(axis=1) > 1e-3]
    slope = (cdf(name, at + 1e-5) - cdf(name, at - 1e-5)) / 2e-5
    np.testing.assert_allclose([density(x) for x in at], slope, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", WITH_DENSITY)
def test_the_mean_is_that_of_the_density(name):
    family = DISTRIBUTIONS[name]

    def of(x):
        return x * math.exp(float(family.log_density(params(name), t(x, dtype=torch.float64))))

    assert quadrature(name, of) == pytest.approx(float(family.mean(params(name))), abs=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_quantiles_turn_the_distribution_function_round(name):
    family = DISTRIBUTIONS[name]
    shares = SHARES if name != "quantile_function" else SHARES[1:-1]
    found = family.quantile(params(name), t(shares))
    # of an ensemble the first member that has such a share below it
    reached = np.ceil(8 * shares) / 8 if name == "ensemble" else shares
    np.testing.assert_allclose(cdf(name, found.numpy()), reached, atol=1e-12)
    assert float(family.median(params(name))) == pytest.approx(
        float(family.quantile(params(name), t([0.5], dtype=torch.float64)))
    )


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("y", [-7.0, -1.3, 0.37, 2.2, 6.0])
def test_the_score_is_the_integral_of_squared_differences(name, y):
    family = DISTRIBUTIONS[name]

    def difference(x):
        return (float(cdf(name, x)) - (y <= x)) ** 2

    expected = quadrature(name, difference, [y])
    found = float(family.crps(params(name), t(y, dtype=torch.float64)))
    assert found == pytest.approx(expected, abs=1e-6)


def test_the_score_of_students_t_needs_a_mean():
    given = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.4], [0.0, 1.0, 1.1]], dtype=torch.float64)
    found = DISTRIBUTIONS["student_t"].crps(given, torch.zeros(3, dtype=torch.float64))
    assert found.isinf().tolist() == [True, True, False]


@pytest.mark.parametrize("name", EVERY)
def test_moved_parameters_are_those_of_other_units(name):
    family, shift, scale = DISTRIBUTIONS[name], t(12.5, dtype=torch.float64), t(3.25, dtype=torch.float64)
    moved = family.moved(params(name), shift, scale)
    there = t(AT) * scale + shift
    torch.testing.assert_close(family.cdf(moved, there), family.cdf(params(name), t(AT)))
    torch.testing.assert_close(family.crps(moved, there), scale * family.crps(params(name), t(AT)))
    torch.testing.assert_close(family.mean(moved), scale * family.mean(params(name)) + shift)
    if family.has_density:
        expected = family.log_density(params(name), t(AT)) - scale.log()
        torch.testing.assert_close(family.log_density(moved, there), expected)
    if name in OF_SCIPY:
        own = OF_SCIPY[name]
        free = own.args[:-2]
        there_too = own.dist(*free, loc=0.4 * 3.25 + 12.5, scale=1.7 * 3.25)
        np.testing.assert_allclose(family.quantile(moved, t(SHARES)), there_too.ppf(SHARES), rtol=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_a_stack_gives_what_each_gives_alone(name):
    family = DISTRIBUTIONS[name]
    stack = params(name, (2, 3, 4)).clone()
    places = torch.arange(24, dtype=torch.float64).reshape(2, 3, 4)
    stack = family.moved(stack, places, 1 + places)
    y = torch.linspace(-3, 30, 24, dtype=torch.float64).reshape(2, 3, 4)
    several = t(SHARES)
    together = [family.cdf(stack, y), family.crps(stack, y), family.mean(stack), family.median(stack)]
    assert all(found.shape == (2, 3, 4) for found in together)
    assert family.quantile(stack, several).shape == (2, 3, 4, len(SHARES))
    for place in ((0, 0, 0), (1, 2, 3), (0, 2, 1)):
        alone = stack[place], y[place]
        torch.testing.assert_close(family.cdf(stack, y)[place], family.cdf(*alone))
        torch.testing.assert_close(family.crps(stack, y)[place], family.crps(*alone))
        torch.testing.assert_close(family.quantile(stack, several)[place], family.quantile(alone[0], several))


@pytest.mark.parametrize(
    "name", [name for name in EVERY if name != "ensemble"]
)  # its steps hold more or less
def test_ninety_of_a_hundred_draws_lie_in_the_ninety_per_cent_interval(name):
    family = DISTRIBUTIONS[name]
    shares = np.random.default_rng(3).uniform(size=20_000)
    drawn = family.quantile(params(name), t(shares))
    low, high = family.quantile(params(name), t([0.05, 0.95], dtype=torch.float64))
    assert float(((drawn >= low) & (drawn <= high)).double().mean()) == pytest.approx(0.9, abs=0.006)

"""Linear networks under a loss come to the numbers that statistics has published for the regression of that name.

The data are in statsmodels' wheel, and statsmodels computes the reference.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from scipy import optimize, special
from statsmodels.discrete.discrete_model import NegativeBinomial, Poisson
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.regression.quantile_regression import QuantReg

from lossearch.losses import losses_for
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion


def randhie():
    data = sm.datasets.randhie.load_pandas()
    return sm.add_constant(data.exog), data.endog


def least(risk, start):
    """Minimise a risk of torch numbers by L-BFGS."""

    def fun(values):
        at = torch.tensor(values, requires_grad=True)
        value = risk(at)
        (slope,) = torch.autograd.grad(value, at)
        return value.item(), slope.numpy()

    options = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-14, "gtol": 1e-9}
    return optimize.minimize(fun, start, jac=True, method="L-BFGS-B", options=options)


def test_poisson_regression_of_doctor_visits():
    x, y = randhie()
    rows, target = torch.tensor(x.to_numpy()), torch.tensor(y.to_numpy())
    crit = criterion("poisson_nll/exp")
    found = least(lambda w: crit(rows @ w, target), np.zeros(x.shape[1]))
    likelihood = -found.fun * len(y) - special.gammaln(y + 1).sum()
    assert likelihood == pytest.approx(-62419.6, rel=1e-5)
    assert likelihood == pytest.approx(Poisson(y, x).fit(disp=0, maxiter=100).llf, rel=1e-6)


def test_negative_binomial_regression_of_doctor_visits():
    x, y = randhie()
    rows, target = torch.tensor(x.to_numpy()), torch.tensor(y.to_numpy())
    loss = losses_for("count")["neg_binomial_nll"]

    def risk(w):
        return loss.fused["exp"](rows @ w[:-1], target, alpha=w[-1].exp(), scale=1.0).mean() + constant(w[-1])

    def constant(log_alpha):
        r = torch.exp(-log_alpha)
        known = torch.lgamma(target + r) - torch.lgamma(r) - torch.lgamma(target + 1)
        return -(known + target * log_alpha).mean()

    found = least(risk, np.zeros(x.shape[1] + 1))
    likelihood = -found.fun * len(y)
    assert likelihood == pytest.approx(-43383.7, rel=1e-5)
    assert likelihood == pytest.approx(
        NegativeBinomial(y, x).fit(disp=0, maxiter=200, method="bfgs").llf, rel=1e-4
    )


@pytest.mark.parametrize(("tau", "slope"), [(0.1, 0.4018), (0.5, 0.5602), (0.9, 0.6863)])
def test_engels_quantiles_of_food_expenditure(tau, slope):
    data = sm.datasets.engel.load_pandas().data
    x, y = data["income"].to_numpy(), torch.tensor(data["foodexp"].to_numpy())
    crit = criterion("quantile/identity", tau=tau)
    scaled = torch.tensor(x / 1000)

    def risk(w):
        return float(crit(1000 * (w[0] + w[1] * scaled), y))

    found = optimize.minimize(
        risk, [0.1, 0.5], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9, "maxiter": 5000}
    )
    assert found.x[1] == pytest.approx(slope, rel=0.005)
    reference = QuantReg(data["foodexp"], sm.add_constant(data["income"])).fit(q=tau).params["income"]
    assert found.x[1] == pytest.approx(reference, rel=0.005)


@pytest.mark.parametrize(("name", "link"), [("cumulative_link", "logit"), ("cumulative_probit", "probit")])
def test_ordered_regression_of_party_identification(name, link):
    data = sm.datasets.anes96.load_pandas().data
    x, y = data[["logpopul", "selfLR", "age", "educ", "income"]], data["PID"]
    pair = find_pair(f"{name}/identity", "ordinal")
    rows, target = torch.tensor(((x - x.mean()) / x.std()).to_numpy()), torch.tensor(y.to_numpy()).long()
    network = pair.ended(torch.nn.Linear(x.shape[1], 1, bias=False), 7).double()
    body, end = network
    crit = criterion(pair.name, task="ordinal")

    def risk(w):
        values = {"0.weight": w[None, :5], "1.first": w[5:6], "1.gaps": w[6:]}
        return crit(torch.func.functional_call(network, values, (rows,)), target)

    start = torch.cat([body.weight.flatten(), end.first, end.gaps]).detach().numpy()
    found = least(risk, start)
    slopes = found.x[:5] / x.std().to_numpy()
    moved = (slopes * x.mean()).sum()
    thresholds = moved - found.x[5] + np.concatenate([[0], np.logaddexp(0, found.x[6:]).cumsum()])
    reference = OrderedModel(y, x, distr=link).fit(method="bfgs", disp=0, maxiter=500)
    assert -found.fun * len(y) == pytest.approx(reference.llf, rel=1e-6)
    np.testing.assert_allclose(slopes, reference.params[:5], rtol=2e-3, atol=1e-5)
    np.testing.assert_allclose(
        thresholds, reference.model.transform_threshold_params(reference.params)[1:-1], rtol=2e-3
    )

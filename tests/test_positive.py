"""Amounts above 0: read, refused where they are not, learned by their ratios, brought back from logarithms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import GammaRegressor

import lossearch
from lossearch.data.preparation import target_statistics
from lossearch.errors import IllegalPairError, InputError
from lossearch.kinds import TargetFacts, infer_kind, read_target
from lossearch.losses import losses_for, searched_losses
from lossearch.metrics.registry import METRICS, find_metric
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
MEAN = np.exp(2 + 0.8 * X[:, 0] - 0.5 * X[:, 1])
Y = MEAN * RNG.gamma(2.0, 0.5, 400)


def test_amounts_are_asked_for_by_name() -> None:
    assert infer_kind(Y)[0] == "regression"
    assert read_target(Y, "positive").n_out == 1


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (
            [1.0, 0.0, 2.0],
            r"y holds 0 \(row 1\), and positive targets are above 0: .*tweedie_nll.*kind = 'count'",
        ),
        ([1.0, -3.0, 2.0], r"y holds -3 \(row 1\).*say kind = 'regression'"),
        (["a", "b", "c"], "y holds names"),
    ],
)
def test_what_is_no_amount_is_refused(y: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_target(np.array(y), "positive")


def test_a_criterion_refuses_what_is_not_above_0() -> None:
    crit = criterion("gamma_nll/exp", task="positive")
    with pytest.raises(InputError, match=r"gamma_nll/exp met -1 \(row 1\)"):
        crit(torch.zeros(3), torch.tensor([1.0, -1.0, 2.0]))


def test_every_loss_of_regression_serves_and_a_few_are_searched() -> None:
    assert set(losses_for("positive")) == set(losses_for("regression"))
    assert {x.name for x in searched_losses("positive")} == {"gamma_nll", "log_mse", "mse", "mae"}
    assert {x.name for x in searched_losses("regression")} == {
        "mse",
        "mae",
        "rmse",
        "huber",
        "log_cosh",
        "msle",
    }


def test_logarithms_are_standardised_and_values_brought_back() -> None:
    statistics = target_statistics(Y[:, None])
    crit = criterion("log_mse/identity", task="positive", statistics=statistics)
    logs = np.log(Y)
    encoded = crit.encode(torch.as_tensor(Y)[:, None], 1, torch.float64)
    np.testing.assert_allclose(encoded[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-9)
    np.testing.assert_allclose(crit.predict(encoded), Y, rtol=1e-12)


def test_numbers_without_logarithms_are_told() -> None:
    with pytest.raises(IllegalPairError, match="must be a number above 0; these go from -1 to 3"):
        find_pair("log_mse/identity", "regression", TargetFacts("regression", 1, -1.0, 3.0))
    assert target_statistics(np.array([[0.0], [1.0]])).log_mean == ()


def test_a_linear_network_finds_the_gamma_regression() -> None:
    raw = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    rows, crit = torch.tensor(np.c_[np.ones(400), X]), criterion("gamma_nll/exp", task="positive")
    optimiser = torch.optim.LBFGS([raw], max_iter=200, tolerance_grad=1e-10)

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        value = crit(rows @ raw, torch.tensor(Y))
        value.backward()
        return value

    optimiser.step(step)
    theirs = GammaRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, Y)
    assert raw.detach().numpy() == pytest.approx([theirs.intercept_, *theirs.coef_], abs=1e-4)


def test_losses_of_logarithms_are_put_together() -> None:
    y, raw = torch.as_tensor(Y), torch.linspace(-1, 1, 400, dtype=torch.float64)
    both = criterion("log_mse + 0.5*log_mae/identity", task="positive")
    squared, absolute = (criterion(f"{n}/identity", task="positive") for n in ("log_mse", "log_mae"))
    torch.testing.assert_close(both(raw, y), squared(raw, y) + 0.5 * absolute(raw, y))
    torch.testing.assert_close(both.predict(raw), raw.exp())


def test_deviance_has_a_floor() -> None:
    from lossearch.kinds import Predictions

    y = torch.tensor([[1.0], [2.0]])
    at_floor = METRICS["gamma_deviance"].fn(Predictions(value=torch.tensor([[[0.01], [0.02]]])), y)
    below = METRICS["gamma_deviance"].fn(Predictions(value=torch.tensor([[[-5.0], [0.0]]])), y)
    assert float(below) == pytest.approx(float(at_floor))
    assert find_metric("tweedie_deviance", "regression").undefined(torch.tensor([-1.0, 1.0]))


def test_a_study_of_amounts(tmp_path) -> None:
    result = lossearch.search(
        X, Y, task="positive", trials=25, seeds=1, confirm_seeds=3, epochs=8, store=tmp_path, mlflow=False,
        name="costs", workers=1,
    )  # fmt: skip
    assert set(result.leaderboard["pair"]) == {
        "gamma_nll/exp", "gamma_nll/softplus", "log_mse/identity", "mse/identity", "mae/identity",
    }  # fmt: skip
    assert result.declared.task.metric == "gamma_deviance"
    assert (result.model.predict(X) > 0).all()
    again = lossearch.load("costs", tmp_path)
    assert again.leaderboard.equals(result.leaderboard)
    assert np.array_equal(again.model.predict(X), result.model.predict(X))

"""Inputs that are given again: how they become targets, losses on a known range, and a whole search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import integrate, special
from scipy.spatial import distance
from torch.distributions import ContinuousBernoulli

import lossearch
from lossearch.data.preparation import target_statistics
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetFacts, TargetStatistics
from lossearch.losses import searched_losses
from lossearch.losses.reconstruction import log_normaliser, mean_of
from lossearch.networks.architecture import make_network
from lossearch.pairs import Criterion, find_pair
from lossearch.pairs.making import criterion

RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, (80, 12)).astype(float)
X[:, 5] = 3.0
QUICK = {
    "task": "reconstruction", "trials": 15, "seeds": 1, "confirm_seeds": 2, "epochs": 1, "lr": 0.01, "hidden": [4, 2, 4],
    "losses": ["mse", "bce", "continuous_bernoulli"], "mlflow": False, "workers": 1,
}  # fmt: skip
t = torch.as_tensor


def test_what_is_searched_is_a_handful():
    found = {x.name for x in searched_losses("reconstruction")}
    assert found == {"mse", "mae", "huber", "log_cosh", "bce", "continuous_bernoulli"}


# --- losses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "z", [-500.0, -30.0, -3.0, -0.21, -0.19, -1e-4, 0.0, 1e-8, 0.1, 0.19, 0.21, 5.0, 40.0, 500.0]
)
def test_the_distribution_is_normalised_and_its_mean_is_what_quadrature_gives(z):
    top = max(z, 0.0)  # the largest exponent
    parts = {"limit": 500, "points": [1e-3, 1 - 1e-3], "epsabs": 0, "epsrel": 1e-11}
    mass = integrate.quad(lambda x: np.exp(z * x - top), 0, 1, **parts)[0]
    first = integrate.quad(lambda x: x * np.exp(z * x - top), 0, 1, **parts)[0]
    raw = torch.tensor(z, dtype=torch.float64)
    assert float(log_normaliser(raw)) == pytest.approx(np.log(mass) + top, rel=1e-9, abs=1e-12)
    assert float(mean_of(raw)) == pytest.approx(first / mass, rel=1e-9)


def test_continuous_bernoulli_is_that_of_torch():
    z, y = t(RNG.normal(size=(9, 4)) * 4), t(RNG.uniform(size=(9, 4)))
    own = criterion("continuous_bernoulli/identity").per_sample(z, y)
    of_torch = -ContinuousBernoulli(logits=z).log_prob(y).mean(dim=1)
    assert own.tolist() == pytest.approx(of_torch.tolist(), rel=1e-6)
    said = criterion("continuous_bernoulli/identity").predict(z)
    assert torch.allclose(said, ContinuousBernoulli(logits=z).mean, rtol=1e-5)


def test_cosine_is_of_a_rows_numbers_and_their_directions_alone():
    z, y = RNG.normal(size=(9, 4)), RNG.uniform(size=(9, 4))
    own = criterion("cosine/identity", task="reconstruction").per_sample(t(z), t(y))
    assert own.tolist() == pytest.approx([distance.cosine(a, b) for a, b in zip(z, y, strict=True)], abs=1e-5)
    longer = criterion("cosine/identity", task="reconstruction").per_sample(t(5 * z), t(y))
    torch.testing.assert_close(own, longer, rtol=0, atol=1e-5)


def test_probabilities_of_levels_sum_to_1():
    crit = criterion("discretized_logistic_mixture/identity", levels=16)
    raw = t(RNG.normal(size=(1, 9))).expand(16, -1)
    each = crit.per_sample(raw, torch.arange(16, dtype=torch.float64) / 15)
    assert float(torch.exp(-each).sum()) == pytest.approx(1, rel=1e-12)
    assert float(crit.predict(raw)[0]) == pytest.approx(
        float(special.softmax(raw[0, :3]) @ raw[0, 3:6].numpy())
    )


def test_it_is_exact_where_a_series_takes_over():
    z = torch.linspace(-0.3, 0.3, 601, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(log_normaliser(z).sum(), z)
    assert torch.allclose(slope, mean_of(z).detach(), rtol=1e-11)
    assert torch.allclose(
        mean_of(z.detach()) + mean_of(-z.detach()), torch.ones(1, dtype=torch.float64), rtol=1e-12
    )


def test_targets_are_their_place_in_the_range_and_clipped():
    pair = find_pair("bce/sigmoid", "reconstruction", TargetFacts("reconstruction", 2, 0.0, 16.0))
    crit = Criterion(pair, statistics=target_statistics(np.array([[0.0, 2.0], [16.0, 4.0]])))
    z, y = t(RNG.normal(size=(3, 2))), t(np.array([[4.0, 3.0], [20.0, 1.0], [16.0, 4.0]]))
    place = np.array([[0.25, 0.5], [1.0, 0.0], [1.0, 1.0]])
    p = special.expit(z.numpy())
    expected = -(place * np.log(p) + (1 - place) * np.log(1 - p)).mean()
    assert float(crit(z, y)) == pytest.approx(expected, rel=1e-9)
    assert crit.predict(z).numpy() == pytest.approx(p * [16.0, 2.0] + [0.0, 2.0])


def test_pictures_meet_pictures_and_come_back_as_such():
    crit = criterion("mse/identity", task="reconstruction")
    z, y = t(RNG.normal(size=(5, 1, 3, 4))), t(RNG.normal(size=(5, 1, 3, 4)))
    assert float(crit(z, y)) == pytest.approx(float(((z - y) ** 2).mean()))
    assert crit.predict(z).shape == z.shape


def test_a_range_of_one_value_is_given_again():
    found = target_statistics(np.array([[3.0], [3.0]]))
    assert (found.low, found.high) == ((3.0,), (3.0,))
    crit = Criterion(find_pair("bce/sigmoid", "reconstruction"), statistics=found)
    assert float(crit.predict(t([[-800.0]]).double())) == 3.0


def test_pictures_are_scaled_by_what_all_pixels_have():
    y = X[:, :6]
    one, all_pixels = target_statistics(y), target_statistics(y, pooled=True)
    assert one.mean == all_pixels.mean
    assert set(all_pixels.low) == {y.min()}
    assert all_pixels.std == pytest.approx([np.sqrt(y.var(axis=0).mean())] * 6)
    assert one.std[5] == 1.0  # a constant column


def test_statistics_of_an_earlier_model_are_read():
    assert TargetStatistics(mean=(1.0,), std=(2.0,), scale=(1.0,)).high == (1.0,)


# --- data -------------------------------------------------------------------------------------------------


def test_constant_numbers_are_no_error():
    found = KINDS["reconstruction"].read(X, ())
    assert found.n_out == 12
    assert found.note == "; 1 of 12 numbers are the same in all rows"
    facts = KINDS["reconstruction"].facts(found.y, 12)
    assert (facts.low, facts.high) == (0.0, 16.0)
    assert facts.rounding == 0


@pytest.mark.parametrize(
    ("x", "more", "said"),
    [
        (X, {"y": X[:, 0]}, "A reconstruction task predicts X itself: leave y out"),
        (np.ones((40, 3)), {}, "All rows of X are the same: there is nothing to give again"),
        (
            np.where(X[7, 2] == X, np.nan, X),
            {},
            r"X has missing values in \d+ rows \(rows .*\), and cannot be given again",
        ),
        (
            pd.DataFrame({"a": X[:, 0], "b": ["x", "y"] * 40}),
            {},
            "must be numbers, and 'b' holds names|and b holds names",
        ),
    ],
)
def test_what_cannot_be_given_again_is_told(x, more, said):
    with pytest.raises(InputError, match=said):
        lossearch.search(x, **more, **{k: v for k, v in QUICK.items() if k != "hidden"})


def test_other_tasks_need_targets():
    with pytest.raises(InputError, match="Give both X and y; got X alone"):
        lossearch.search(X, task="regression", mlflow=False)


# --- network ----------------------------------------------------------------------------------------------


def test_the_code_is_the_narrowest_layer_and_linear():
    layers = list(make_network("autoencoder", input_shape=(1, 4, 4), rows=10, hidden=[8, 2, 8])(16))
    kinds = [type(x).__name__ for x in layers]
    assert kinds == ["Flatten", "Linear", "ReLU", "Linear", "Linear", "ReLU", "Linear"]
    assert layers[3].out_features == 2
    by_inputs = make_network("autoencoder", input_shape=(64,), rows=9)(64)
    assert [x.out_features for x in by_inputs if isinstance(x, torch.nn.Linear)] == [32, 8, 32, 64]


# --- all of it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(12,), (1, 3, 4)])
def test_a_search_gives_inputs_again_in_their_shape(tmp_path, shape):
    x = X.reshape(80, *shape)
    result = lossearch.search(x, name="again", store=tmp_path, **QUICK)
    assert set(result.leaderboard["pair"]) == {"mse/identity", "bce/sigmoid", "continuous_bernoulli/identity"}
    found = result.model.predict(x[:3])
    assert found.shape == (3, *shape)
    assert not any("target itself" in note for note in result.declared.notes)
    again = lossearch.load("again", store=tmp_path)
    assert np.array_equal(again.model.predict(x[:3]), found)
    saved = lossearch.load_model(again.model.save(tmp_path / "model"))
    assert np.array_equal(saved.predict(x[:3]), found)


def test_targets_that_data_have_are_left_out(tmp_path):
    result = lossearch.search(data="iris", store=tmp_path, **QUICK)
    assert "what is given again is the input; 'class' is left out" in result.declared.notes


def test_rows_of_given_parts_need_no_targets_either(tmp_path):
    result = lossearch.search(
        X[:50], validation=(X[50:65], None), test=(X[65:], None), store=tmp_path, **QUICK
    )
    assert result.model.predict(X[:2]).shape == (2, 12)

"""Counts: read, told apart from classes and measurements, learned with the losses that fit them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import PoissonRegressor

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetFacts, infer_kind, read_target
from lossearch.losses import losses_for
from lossearch.pairs import Rejection, legal_pairs


def counts(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts whose logarithm is linear in two features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, rng.poisson(np.exp(0.8 + 0.9 * x[:, 0] - 0.6 * x[:, 1]))


def test_many_whole_numbers_with_zeros_are_counts() -> None:
    _, y = counts()
    kind, reason = infer_kind(y)
    assert kind == "count"
    assert reason.startswith(
        f"count: y has {len(np.unique(y))} different whole numbers from 0 up in 400 rows, "
    )


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (np.arange(100) % 3, "multiclass"),
        (np.arange(100) + 1, "regression"),
        (np.arange(100) - 1, "regression"),
        (np.arange(100) / 2, "regression"),
        (np.arange(100) % 2, "binary"),
        (np.array(["a", "b", "c"] * 9, dtype=object), "multiclass"),
    ],
)
def test_others_are_not(y: np.ndarray, kind: str) -> None:
    assert infer_kind(y)[0] == kind


@given(st.lists(st.integers(-3, 40) | st.floats(-2, 40, width=16), min_size=3, max_size=60))
def test_at_most_one_kind_asks_for_any_targets(values: list[float]) -> None:
    y = np.array(values)
    if len(np.unique(y)) > 1:
        asking = [kind.name for kind in KINDS.values() if kind.asks(y) is not None and not kind.fallback]
        assert infer_kind(y)[0] == (asking[0] if asking else "regression")
        assert len(asking) <= 1


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0.0, 1.5, 2.0], r"y holds 1\.5 \(row 1\), and counts are 0, 1, 2"),
        ([0, -1, 2], r"y holds -1 \(row 1\)"),
        ([0, np.inf, 2], "y holds inf"),
        (["a", "b", "c"], "y holds names"),
    ],
)
def test_what_is_no_count_is_refused(y: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_target(np.array(y), "count")


def test_counts_of_several_things_are_read_as_columns() -> None:
    assert read_target(np.array([[0, 1], [2, 3], [4, 0]]), "count").n_out == 2


def test_the_legal_pairs_are_those_that_fit() -> None:
    found, rejected = legal_pairs(
        [x for x in losses_for("count").values() if not x.waits("count")],
        None,
        TargetFacts("count", 1, 0.0, 30.0),
    )
    assert {p.name for p in found} == {
        "poisson_nll/exp", "poisson_nll/softplus", "mse/identity", "mae/identity",
    }  # fmt: skip
    why = {r.name: r.reason for r in rejected if isinstance(r, Rejection)}
    assert (
        why["poisson_nll/identity"] == "poisson_nll takes a number from 0 up; identity gives any real number."
    )


def test_a_linear_network_finds_the_poisson_regression() -> None:
    x, y = counts(2000)
    crit = lossearch.criterion("poisson_nll/exp")
    raw = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    rows = torch.tensor(np.c_[np.ones(len(x)), x])
    optimiser = torch.optim.LBFGS([raw], max_iter=200, tolerance_grad=1e-10)

    def step() -> torch.Tensor:
        optimiser.zero_grad()
        value = crit(rows @ raw, torch.tensor(y))
        value.backward()
        return value

    optimiser.step(step)
    theirs = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(x, y)
    assert raw.detach().numpy() == pytest.approx([theirs.intercept_, *theirs.coef_], abs=1e-4)


def test_a_study_of_counts_from_arrays(tmp_path) -> None:
    x, y = counts(300)
    result = lossearch.search(
        x,
        y,
        trials=20,
        seeds=2,
        confirm_seeds=4,
        epochs=4,
        store=tmp_path,
        mlflow=False,
        name="visits",
        workers=1,
    )
    assert set(result.leaderboard["pair"]) == {
        "poisson_nll/exp", "poisson_nll/softplus", "mse/identity", "mae/identity",
    }  # fmt: skip
    assert result.declared.task.metric == "poisson_deviance"
    predicted = result.model.predict(x)
    assert predicted.shape == (300,)
    assert np.corrcoef(predicted, y)[0, 1] > 0.3
    with pytest.raises(InputError, match="gives values, no probabilities"):
        result.model.predict_proba(x)
    again = lossearch.load("visits", tmp_path)
    assert again.leaderboard.equals(result.leaderboard)

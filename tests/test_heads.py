"""Losses whose networks end otherwise than their kind of task would have it: wider, or with numbers of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from contracts.problems import problem, reference_run, replicate, space_of
from contracts.training_base import SETTINGS, equal
from torch import Tensor, nn
from torch.nn.functional import gaussian_nll_loss, logsigmoid, softplus

import lossearch
from lossearch.checks.contract import check_loss
from lossearch.errors import InputError
from lossearch.losses import ACTIVATIONS, Head
from lossearch.pairs import find_pair, pair_up
from lossearch.study.fitting import load_pair_model
from lossearch.training.contract import Outcome
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

MEAN_AND_SPREAD = Head("mean and spread", lambda n: 2 * n, lambda raw, n: raw[..., :n])


@lossearch.loss(
    task="regression",
    encoding="standardised",
    source="Nix & Weigend 1994",
    head=MEAN_AND_SPREAD,
    usual=("identity",),
    example=([0.5, 0.0], [1.0], -0.0024585488173592407),
    name="gaussian",
)
def gaussian(output: Tensor, target: Tensor) -> Tensor:
    """Return minus the log-likelihood of a normal distribution, without its constant."""
    mean, raw = output.chunk(2, dim=-1)
    variance = softplus(raw) + 1e-3
    return 0.5 * (variance.log() + (target - mean).square() / variance)


class Thresholds(nn.Module):
    """One score against K - 1 thresholds that are learned."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.linspace(1, -1, classes - 1))

    def forward(self, score: Tensor) -> Tensor:
        return score + self.at


def class_scores(raw: Tensor, _: int) -> Tensor:
    """Log-probabilities of K classes from K - 1 logits of "above"."""
    above = torch.cat([torch.zeros_like(raw[..., :1]), logsigmoid(raw)], dim=-1)
    below = torch.cat([logsigmoid(-raw), torch.zeros_like(raw[..., :1])], dim=-1)
    return above + below


ORDERED = Head("thresholds", lambda k: k - 1, class_scores, layer=Thresholds, inner=lambda _: 1)


@lossearch.loss(
    task="multiclass",
    encoding="index",
    source="Cao, Mirjalili & Raschka 2020",
    head=ORDERED,
    usual=("identity",),
    example=([[1.0, -1.0]], [1], 0.6265233750364456),
)
def coral(output: Tensor, target: Tensor) -> Tensor:
    """Return the sum of one binary cross-entropy a threshold."""
    levels = target.unsqueeze(-1) > torch.arange(output.shape[-1], device=output.device)
    return (softplus(output) - levels * output).sum(dim=-1)


def test_a_head_says_how_wide_a_network_is() -> None:
    pair = pair_up(gaussian, ACTIVATIONS["identity"])
    assert (pair.width(3), pair.n_out(6), pair.n_out(5)) == (6, 3, None)
    ordered = pair_up(coral, ACTIVATIONS["identity"])
    assert (ordered.width(4), ordered.n_out(3)) == (3, 4)


def test_the_contract_of_losses_holds_with_a_head() -> None:
    failed = [f for loss in (gaussian, coral) for f in check_loss(loss) if not f.ok]
    assert not failed, "\n".join(map(str, failed))


def test_a_criterion_reads_the_width() -> None:
    crit = lossearch.criterion("gaussian/identity", losses=[gaussian])
    raw, y = torch.randn(6, 2, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    expected = gaussian_nll_loss(raw[:, 0], y, softplus(raw[:, 1]) + 1e-3, reduction="none", eps=0.0)
    torch.testing.assert_close(crit.per_sample(raw, y), expected)
    assert torch.equal(crit.predict(raw), raw[:, 0])
    with pytest.raises(InputError, match="takes no output of 3 numbers a row"):
        crit(torch.randn(6, 3), y)


@pytest.mark.parametrize("train", [train_plain, train_population])
@pytest.mark.parametrize(("kind", "own"), [("regression", gaussian), ("multiclass", coral)])
def test_widths_are_trained_side_by_side_as_alone(train, kind: str, own) -> None:
    task = problem(kind)
    with_head = pair_up(own, ACTIVATIONS["identity"], task.facts)
    usual = find_pair("mse/identity", kind, task.facts)
    given = [replicate(p, lr=0.05, seed=s) for s in (0, 1) for p in (with_head, usual)]
    space = space_of(task, [usual, with_head])
    results = list(train(task, space, given, SETTINGS, keep_weights=True))
    assert [r.replicate for r in results] == given
    for r in results:
        assert r.outcome is Outcome.COMPLETED, r.error or r.reason
        expected = reference_run(task, r.replicate, SETTINGS)
        np.testing.assert_allclose(r.curves["train_loss"], expected.train_loss, rtol=1e-8)
    widths = {len(r.weights[list(r.weights)[-1]]) for r in results if r.weights}
    assert len(widths) == 2 or kind == "multiclass"
    if own is coral:
        learned = next(r.weights["1.at"] for r in results if r.weights and "1.at" in r.weights)
        assert not torch.equal(learned, torch.linspace(1, -1, 2, dtype=learned.dtype))


def test_populations_and_plain_training_agree_with_heads() -> None:
    task = problem("multiclass")
    pairs = [
        pair_up(coral, ACTIVATIONS["identity"], task.facts),
        find_pair("cross_entropy/softmax", "multiclass"),
    ]
    given = [replicate(p, lr=lr, seed=s) for p in pairs for lr in (0.01, 0.1) for s in (0, 1)]
    both = [list(t(task, space_of(task, pairs), given, SETTINGS)) for t in (train_plain, train_population)]
    for one, other in zip(*both, strict=True):
        equal(one, other, 1e-9)


def test_a_study_with_a_head_from_arrays(tmp_path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    y = x[:, 0] + 0.3 * rng.normal(size=200) * np.exp(x[:, 1] / 2)
    result = lossearch.search(
        x, y, losses=["mse", gaussian], trials=10, seeds=2, confirm_seeds=4, epochs=20, store=tmp_path,
        name="spread", mlflow=False, workers=1,
    )  # fmt: skip
    assert set(result.leaderboard["pair"]) == {"mse/identity", "gaussian/identity"}
    assert (result.leaderboard["score"] < 1.0).all()
    keeper = lossearch.load("spread", tmp_path)
    assert keeper.leaderboard.equals(result.leaderboard)


@pytest.mark.parametrize(("kind", "own", "width"), [("regression", gaussian, 2), ("multiclass", coral, 3)])
def test_a_model_with_a_head_is_kept_and_loaded(tmp_path, kind: str, own, width: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 2))
    y = x[:, 0] + 0.1 * rng.normal(size=240)
    y = y if kind == "regression" else np.digitize(y, np.quantile(y, [0.25, 0.5, 0.75]))
    result = lossearch.search(
        x, y, losses=[own], trials=20, seeds=1, confirm_seeds=2, epochs=15, store=tmp_path / "store",
        mlflow=False, workers=1, task=kind, name="kept",
    )  # fmt: skip
    confirmation = result.confirmed[f"{own.name}/identity"]
    fitted = load_pair_model(result.folder, confirmation.point, confirmation.epoch, losses=[own])
    raw = fitted.raw(x[:5])
    assert raw.shape == (5, width)
    fitted.save(tmp_path / "model")
    again = lossearch.load_model(tmp_path / "model", losses=[own])
    assert np.array_equal(again.predict(x), fitted.predict(x))

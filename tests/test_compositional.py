"""Shares that sum to 1: told from other columns of numbers, learned with softmax, scored as distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial import distance
from sparse_oracles import fenchel_young, half_power, half_square, sparser, sparsest

import lossearch
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetFacts, infer_kind, read_target
from lossearch.losses import losses_for
from lossearch.pairs import find_pair, legal_pairs

RNG = np.random.default_rng(0)
Z, Y = RNG.standard_normal((40, 4)), special.softmax(RNG.standard_normal((40, 4)), axis=1)
P = special.softmax(Z, axis=1)
ALPHA = np.logaddexp(0, Z) + 1e-3


def clr(shares: np.ndarray) -> np.ndarray:
    return np.log(shares / stats.gmean(shares, axis=1, keepdims=True))


def rows(fn) -> np.ndarray:
    return np.array([fn(p, y) for p, y in zip(P, Y, strict=True)])


ORACLES = {
    "cross_entropy/softmax": F.cross_entropy(torch.tensor(Z), torch.tensor(Y), reduction="none").numpy(),
    "kl_div/softmax": special.rel_entr(Y, P).sum(axis=1),
    "mse/softmax": rows(distance.sqeuclidean),
    "mae/softmax": rows(distance.cityblock),
    "hellinger/softmax": np.linalg.norm(np.sqrt(P) - np.sqrt(Y), axis=1) ** 2 / 2,
    "js_divergence/softmax": rows(distance.jensenshannon) ** 2,
    "aitchison/softmax": np.linalg.norm(clr(P) - clr(Y), axis=1) ** 2,
    "cosine/softmax": rows(distance.cosine),
    "reverse_kl/softmax": special.rel_entr(P, (Y + 1e-3) / 1.004).sum(axis=1),
    "bhattacharyya/softmax": -np.log(1 - np.linalg.norm(np.sqrt(P) - np.sqrt(Y), axis=1) ** 2 / 2),
    "cauchy_schwarz_divergence/softmax": -np.log(1 - rows(distance.cosine)),
    # the Jaccard distance where shares are 0 or 1
    "tanimoto/softmax": rows(lambda p, y: distance.sqeuclidean(p, y) / (p @ p + y @ y - p @ y)),
    "squared_emd/softmax": rows(lambda p, y: stats.energy_distance(range(4), range(4), p, y) ** 2 / 2),
    "emd/softmax": rows(lambda p, y: stats.wasserstein_distance(range(4), range(4), p, y)),
    "sparsemax_loss/identity": np.array(fenchel_young(Z, Y, sparsest, half_square)),
    "entmax15_loss/identity": np.array(fenchel_young(Z, Y, sparser, half_power)),
    "dirichlet_nll/identity": -np.array([stats.dirichlet.logpdf(y, a) for y, a in zip(Y, ALPHA, strict=True)]),
}  # fmt: skip
SAID = {
    "sparsemax_loss/identity": [sparsest(z) for z in Z],
    "entmax15_loss/identity": [sparser(z) for z in Z],
    "dirichlet_nll/identity": ALPHA / ALPHA.sum(axis=1, keepdims=True),
}


@pytest.mark.parametrize("name", ORACLES)
def test_oracles(name: str) -> None:
    crit = lossearch.criterion(name, task="compositional")
    np.testing.assert_allclose(
        crit.per_sample(torch.tensor(Z), torch.tensor(Y)), ORACLES[name], rtol=1e-8, atol=1e-12
    )
    wanted = SAID.get(name, P)
    np.testing.assert_allclose(crit.predict(torch.tensor(Z)), wanted, rtol=1e-9, atol=1e-12)


def test_every_loss_has_an_oracle() -> None:
    assert {n.partition("/")[0] for n in ORACLES} == set(losses_for("compositional"))


def test_shares_of_0_are_nothing_to_most_losses() -> None:
    y = torch.tensor([[0.0, 0.4, 0.6, 0.0]], dtype=torch.float64)
    for name in ORACLES:
        raw = torch.tensor(Z[:1], requires_grad=True)
        value = lossearch.criterion(name, task="compositional")(raw, y)
        value.backward()
        assert bool(torch.isfinite(value)), name
        assert bool(raw.grad.isfinite().all()), name
    _, rejected = legal_pairs(
        losses_for("compositional").values(), None, TargetFacts("compositional", 4, 0.0, 1.0)
    )
    why = {r.name: str(r) for r in rejected}
    assert "must be a number above 0" in why["aitchison/softmax"]
    assert "put a little in their place" in why["dirichlet_nll/identity"]


@pytest.mark.parametrize(
    ("y", "kind"),
    [
        (Y, "compositional"),
        (Y.astype(np.float32), "compositional"),
        (np.vstack([Y, [[1.0, 0, 0, 0]]]), "compositional"),
        (Y * 100, "regression"),
        (Y.round(2), "regression"),
        (Y - 0.1, "regression"),
        (RNG.integers(0, 2, (40, 4)), "multilabel"),
    ],
)
def test_what_sums_to_1_is_shares(y: np.ndarray, kind: str) -> None:
    found, reason = infer_kind(y)
    assert found == kind
    assert ("sum to 1 in every row" in reason) == (kind == "compositional")


def test_one_hot_is_still_refused() -> None:
    with pytest.raises(InputError, match="classes as one-hot"):
        infer_kind(np.eye(3)[RNG.integers(0, 3, 40)])


@given(st.integers(2, 5), st.integers(0, 1000), st.booleans())
def test_at_most_one_kind_asks_for_columns(parts: int, seed: int, whole: bool) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, (30, parts)) if whole else rng.dirichlet(np.full(parts, 0.3), 30)
    asking = [k.name for k in KINDS.values() if k.asks(y) is not None and not k.fallback]
    assert asking == ["multilabel" if whole else "compositional"]


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.where(np.arange(40)[:, None] == 7, 0.9 * Y, Y), r"a row that sums to 0\.9 \(row 7\): y / y\.sum"),
        (Y - np.eye(40, 4) * 0.99, r"y holds -0\.\d+ \(rows? .*, and shares go from 0 to 1"),
        (Y[:, 0], "y has one column"),
        (Y * 0, "leave rows without any amount out"),
    ],
)
def test_what_is_no_share_is_refused(y: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_target(y, "compositional")


def test_a_criterion_refuses_what_does_not_sum_to_1() -> None:
    crit = lossearch.criterion("cross_entropy/softmax", task="compositional")
    with pytest.raises(InputError, match=r"takes shares from 0 up .* rows 0, 1 sum to 2"):
        crit(torch.zeros(2, 3), torch.full((2, 3), 2 / 3))


def test_rounded_shares_are_scaled_where_they_are_asked_for() -> None:
    found = read_target(Y.round(4), "compositional").y
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-15)


def test_a_pair_of_classes_is_still_meant_where_nothing_is_said() -> None:
    assert lossearch.criterion("cross_entropy/softmax").pair.kind == "multiclass"
    assert lossearch.criterion("mse/softmax").pair.kind == "multiclass"
    assert lossearch.losses.MSE(activation="softmax").pair.kind == "multiclass"
    assert lossearch.criterion("hellinger/softmax").pair.kind == "compositional"


def test_a_study_of_shares(tmp_path) -> None:
    x = RNG.normal(size=(300, 3))
    y = special.softmax(np.c_[x[:, 0], x[:, 1] ** 2, x[:, 2]] + 0.3 * RNG.normal(size=(300, 3)), axis=1)

    def of_torch(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, target, reduction="none")

    result = lossearch.search(
        x, y, losses=["cross_entropy", "aitchison", "dirichlet_nll", of_torch], trials=20, seeds=1, confirm_seeds=3,
        epochs=8, store=tmp_path, mlflow=False, name="days", workers=1,
    )  # fmt: skip
    assert result.declared.task.metric == "kl"
    board = result.leaderboard.set_index("pair")["score"]
    assert (board < 0.3).all()
    assert len(board) == 4
    said = result.model.predict(x[:5])
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(InputError, match="gives values, no probabilities"):
        result.model.predict_proba(x[:5])
    assert lossearch.load("days", tmp_path).leaderboard.equals(result.leaderboard)


def test_penalties_are_of_a_row() -> None:
    raw, y = torch.tensor(Z), torch.tensor(Y)
    found = lossearch.criterion("cross_entropy + 0.1*confidence/softmax", task="compositional")(raw, y)
    plain = lossearch.criterion("cross_entropy/softmax", task="compositional")(raw, y)
    assert float(found) == pytest.approx(float(plain) - 0.1 * stats.entropy(P, axis=1).mean())


def test_targets_of_text_are_numbers() -> None:
    target = read_target(Y.astype(str).astype(object), "compositional")
    np.testing.assert_allclose(target.y, Y)
    assert find_pair("cross_entropy/softmax", "compositional").gives("value")

"""Classes in an order: losses against scipy, torch and scikit-learn, what is predicted of them, and where the order comes from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812
from contracts.problems import problem, replicate, space_of
from contracts.training_base import SETTINGS, equal
from scipy import special, stats
from sklearn import metrics as sk
from sklearn.base import clone
from torch.utils.data import DataLoader, Subset, TensorDataset

import lossearch
from lossearch import LossSearchClassifier
from lossearch.data.in_memory import from_arrays
from lossearch.errors import InputError
from lossearch.kinds import KINDS, read_target
from lossearch.losses import BUILT_IN, losses_for, searched_losses
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

RNG = np.random.default_rng(0)
Z, Z3, Y = 2 * RNG.normal(size=(40, 4)), 2 * RNG.normal(size=(40, 3)), np.arange(40) % 4
P = special.softmax(Z, axis=1)
t = torch.as_tensor
OWN = [loss for loss in BUILT_IN if loss.kinds == ("ordinal",)]
NAMES = ("poor", "fair", "good", "best")


def above():
    """Which levels each row is above."""
    return (Y[:, None] > np.arange(3)).astype(float)


def binary_terms():
    return F.binary_cross_entropy_with_logits(t(Z3), t(above()), reduction="none").numpy()


def conditional():
    going_on = np.hstack([np.ones((40, 1)), special.expit(Z3).cumprod(axis=1)])
    stopping = np.hstack([special.expit(-Z3), np.ones((40, 1))])
    return going_on * stopping


def between(errors):
    rises = np.cumsum(np.hstack([-Z3[:, :1], np.logaddexp(0, Z3[:, 1:])]), axis=1)
    low, high = (np.insert(rises, place, end, axis=1) for place, end in ((0, -np.inf), (3, np.inf)))
    # differences of small numbers, whichever side of the middle they are on
    return np.where(low > 0, errors.sf(low) - errors.sf(high), errors.cdf(high) - errors.cdf(low))


def distance(fn, power=1):
    return [fn(range(4), [y], p) ** power for p, y in zip(P, Y, strict=True)]


def of_true(p):
    return -np.log(p[np.arange(40), Y])


OFF = np.abs(Y[:, None] - np.arange(4))
BELLS = stats.norm.pdf(OFF, scale=np.sqrt(0.5 / 0.7))
ORACLES = {
    ("coral/identity", ()): (Z3, binary_terms().sum(1)),
    ("extended_binary/identity", ()): (Z3, binary_terms().sum(1)),
    ("corn/identity", ()): (Z3, of_true(conditional())),
    ("cumulative_link/identity", ()): (Z3, of_true(between(stats.logistic))),
    ("cumulative_probit/identity", ()): (Z3, of_true(between(stats.norm))),
    ("binomial_ce/identity", ()): (Z3, -stats.binom.logpmf(Y, 3, special.expit(Z3.mean(1)))),
    ("index_regression/identity", ()): (Z3, F.mse_loss(t(Z3.mean(1)), t(Y * 1.0), reduction="none").numpy()),
    ("squared_emd/softmax", ()): (Z, np.array(distance(stats.energy_distance, 2)) / 2),
    ("emd/softmax", ()): (Z, distance(stats.wasserstein_distance)),
    ("sord/softmax", (("scale", 0.7),)): (
        Z, F.cross_entropy(t(Z), t(BELLS / BELLS.sum(1, keepdims=True)), reduction="none").numpy()
    ),
    ("oll/softmax", (("alpha", 1.5),)): (Z, -(OFF**1.5 * np.log1p(-P)).sum(1)),
}  # fmt: skip


@pytest.mark.parametrize("key", ORACLES, ids=lambda key: key[0])
def test_it_is_what_another_library_computes(key):
    raw, expected = ORACLES[key]
    crit = criterion(key[0], task="ordinal", **dict(key[1]))
    np.testing.assert_allclose(crit.per_sample(t(raw), t(Y)), expected, rtol=1e-8)


def test_every_loss_has_an_oracle():
    assert {name.split("/")[0] for name, _ in ORACLES} | {"qwk_loss"} == {loss.name for loss in OWN}


def test_corn_is_the_papers_but_for_the_steps_that_a_batch_came_to():
    # the sum of all terms over all rows, by their number: coral-pytorch's corn_loss
    steps = np.minimum(Y + 1, 3)
    reached = np.arange(3) <= Y[:, None]
    of_paper = (binary_terms() * reached).sum() / steps.sum()
    ours = criterion("corn/identity", task="ordinal")(t(Z3), t(Y))
    assert float(ours) / steps.mean() == pytest.approx(of_paper, rel=1e-12)


def test_weighted_kappa_by_sums_over_the_batch():
    crit = criterion("qwk_loss/softmax", task="ordinal")
    charge = np.subtract.outer(np.arange(4), np.arange(4)) ** 2
    observed, shares = np.eye(4)[Y].T @ P / 40, np.outer(np.bincount(Y) / 40, P.mean(0))
    expected = np.log(((charge * observed).sum() + 1e-3) / ((charge * shares).sum() + 1e-3))
    assert float(crit(t(Z), t(Y))) == pytest.approx(expected, rel=1e-9)
    sure = 50.0 * np.eye(4)[(Y + (np.arange(40) % 7 == 0)).clip(max=3)]
    kappa = sk.cohen_kappa_score(Y, sure.argmax(1), weights="quadratic")
    assert 1 - np.exp(float(crit(t(sure), t(Y)))) == pytest.approx(kappa, abs=2e-3)
    weight = RNG.integers(1, 4, 40)
    many = np.repeat(np.arange(40), weight)
    weighted = crit(t(Z), t(Y), t(weight / weight.mean()))
    assert float(weighted) == pytest.approx(float(crit(t(Z[many]), t(Y[many]))), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("coral", Z3, None),
        ("corn", Z3, conditional()),
        ("cumulative_link", Z3, between(stats.logistic)),
        ("cumulative_probit", Z3, between(stats.norm)),
        ("squared_emd", Z, P),
    ],
)
def test_what_is_predicted_is_the_median_of_the_probabilities(name, raw, expected):
    activation = "softmax" if raw is Z else "identity"
    crit = criterion(f"{name}/{activation}", task="ordinal")
    p = crit.predict_proba(t(raw)).numpy()
    if expected is not None:
        np.testing.assert_allclose(p, expected, rtol=1e-8, atol=1e-12)
    off = np.abs(np.subtract.outer(np.arange(4), np.arange(4)))
    found = crit.predict(t(raw)).numpy()
    # of all levels the least expected absolute error
    np.testing.assert_allclose((p @ off)[np.arange(40), found], (p @ off).min(axis=1), rtol=1e-9)
    assert (crit.predictions(t(raw)).label.numpy() == found).all()
    few = crit.pair.predictions(t(raw), torch.zeros(1), torch.ones(1), ("label",), None, **crit.params)
    assert (few.label.numpy() == found).all()


def test_logits_that_contradict_each_other_give_a_distribution():
    crit = criterion("extended_binary/identity", task="ordinal")
    raw = t([[-1.0, 2.0, 0.5], [3.0, 1.0, -2.0]], dtype=torch.float64)
    found = crit.predictions(raw)
    smallest = special.expit([[-1.0, -1.0, -1.0], [3.0, 1.0, -2.0]])
    ends = np.hstack([np.ones((2, 1)), smallest, np.zeros((2, 1))])
    np.testing.assert_allclose(found.probability, -np.diff(ends), atol=1e-12)
    assert found.score.isfinite().all()


def test_nearest_level_of_a_number():
    crit = criterion("index_regression/identity", task="ordinal")
    said = t([-3.0, 0.4, 0.6, 1.4, 2.4, 9.0])
    assert crit.predict(said[:, None].expand(-1, 3)).tolist() == [0, 0, 1, 1, 2, 3]


def test_class_weights_move_the_median_and_not_the_probabilities():
    plain = criterion("cross_entropy/softmax", task="ordinal")
    weighted = criterion("cross_entropy/softmax", task="ordinal", class_weight={0: 1, 1: 1, 2: 1, 3: 50})
    raw = torch.zeros(1, 4)
    assert weighted.predict(raw).item() == plain.predict(raw).item() == 1
    np.testing.assert_allclose(weighted.predict_proba(raw)[0, 3], (1 / 50) / (3 + 1 / 50), rtol=1e-6)


# --- training ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", OWN, ids=str)
def test_together_replicates_are_what_they_are_alone(loss):
    task = problem("ordinal", classes=4)
    pair = find_pair(f"{loss.name}/{(loss.usual or ('softmax',))[0]}", "ordinal", task.facts)
    given = [replicate(pair, lr=lr, seed=s) for lr in (0.02, 0.1) for s in (0, 1)]
    both = [list(f(task, space_of(task, [pair]), given, SETTINGS)) for f in (train_plain, train_population)]
    for one, other in zip(*both, strict=True):
        equal(one, other, 1e-9)


def test_a_handful_of_pairs_is_searched_unless_others_are_named():
    assert [loss.name for loss in searched_losses("ordinal")] == [
        "cross_entropy", "coral", "corn", "cumulative_link", "squared_emd", "sord",
    ]  # fmt: skip
    assert set(losses_for("multiclass")) < set(losses_for("ordinal"))
    assert "focal" in [loss.name for loss in searched_losses("multiclass")]


# --- where the order comes from ------------------------------------------------------------------------


def graded(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3))
    score = x[:, 0] + 0.5 * x[:, 1] + 0.5 * rng.logistic(size=rows)
    return x, np.digitize(score, [-1.0, 0.0, 1.0])


def in_words(y):
    return pd.Categorical(np.array(NAMES)[y], categories=NAMES, ordered=True)


def test_an_ordered_categorical_says_the_order():
    x, y = graded()
    data = from_arrays(x, pd.Series(in_words(y)))
    target = read_target(data.y, None, data.classes, categorical=data.categorical, ordered=data.ordered)
    assert (target.kind, target.classes) == ("ordinal", NAMES)
    assert target.reason == (
        "ordinal: y is an ordered categorical of 4 levels; levels in order: poor < fair < good < best"
    )
    assert (target.y == y).all()
    assert read_target(data.y, "multiclass", data.classes, categorical=True, ordered=True).classes == NAMES


def test_categories_that_do_not_occur_are_no_levels():
    x, y = graded()
    data = from_arrays(x, in_words(np.where(y == 1, 2, y)))
    assert data.classes == ("poor", "good", "best")


def test_bins_of_pandas_are_levels():
    x, y = graded()
    data = from_arrays(x, pd.Series(pd.cut(y + 0.5, [0, 1, 2, 3, 4])))
    assert data.classes == ("(0, 1]", "(1, 2]", "(2, 3]", "(3, 4]")
    assert (data.y == y).all()


def test_given_parts_have_the_order_of_the_training_part():
    x, y = graded()
    data = from_arrays(x[:100], in_words(y[:100]), test=(x[100:], np.array(NAMES)[y[100:]]))
    assert (data.y == y).all()
    with pytest.raises(
        InputError, match=r"y holds 'awful' \(row 0\), which is no category of the training part's y"
    ):
        from_arrays(x[:100], in_words(y[:100]), test=(x[:1], ["awful"]))


def test_numbers_have_one_and_are_not_taken_for_levels_unasked():
    y = np.array([5, 1, 2, 2, 1, 5] * 5)
    assert read_target(y).kind == "multiclass"
    target = read_target(y, "ordinal")
    assert target.reason == "ordinal: as asked; levels in order: 1 < 2 < 5"
    assert (target.y[:6] == [2, 0, 1, 1, 0, 2]).all()
    as_text = np.array([str(v) for v in np.array([10, 2, 1, 1, 2, 10] * 5)], dtype=object)
    assert read_target(as_text, "ordinal").classes == ("1", "2", "10")


def test_names_without_an_order_are_refused():
    with pytest.raises(InputError) as caught:
        read_target(np.array(["low", "mid", "high"] * 9, dtype=object), "ordinal")
    assert "y holds names ('high', 'low', 'mid'), and nothing says their order" in str(caught.value)
    assert "ordered=True), or as numbers in that order" in str(caught.value)
    with pytest.raises(
        InputError, match="y has 2 values, 0 and 1, which are in one order only: kind = 'binary'"
    ):
        read_target(np.array([0, 1] * 9), "ordinal")
    with pytest.raises(InputError, match="class '3' has a single row"):
        read_target(np.array([0, 1, 2] * 9 + [3]), "ordinal")


def test_wrong_targets_of_a_criterion_are_told():
    crit = criterion("coral/identity", task="ordinal")
    with pytest.raises(InputError, match="takes class indices from 0 to 3; got 4"):
        crit(torch.zeros(2, 3), torch.tensor([0, 4]))


# --- whole searches ------------------------------------------------------------------------------------

BUDGET = {
    "lr": 0.02, "seeds": 1, "confirm_seeds": 2, "epochs": 5, "trials": 10, "mlflow": False, "workers": 1,
}  # fmt: skip


def test_a_search_of_levels_from_first_to_last(tmp_path):
    x, y = graded()
    found = lossearch.search(
        x, in_words(y), losses=["coral", "squared_emd", "qwk_loss", "index_regression"], store=tmp_path,
        name="grades", **BUDGET,
    )  # fmt: skip
    assert found.leaderboard["score"].between(0.2, 1).all()
    assert {"test_ordinal_mae", "test_off_by_one", "test_accuracy"} <= set(found.leaderboard)
    assert set(found.model.predict(x)) <= set(NAMES)
    assert list(found.model.classes) == list(NAMES)
    found.model.save(tmp_path / "model")
    again = lossearch.load_model(tmp_path / "model")
    assert (again.predict(x) == found.model.predict(x)).all()
    assert lossearch.load("grades", tmp_path).leaderboard.equals(found.leaderboard)


def test_what_judges_by_probabilities_leaves_out_what_has_none(tmp_path):
    x, y = graded()
    found = lossearch.search(
        x, y, task="ordinal", metric="rps", losses=["cumulative_link", "ordinal_regression"][:1], store=tmp_path,
        **BUDGET,
    )  # fmt: skip
    assert set(found.leaderboard["pair"]) == {"cumulative_link/identity", "cross_entropy/softmax"}
    with pytest.raises(InputError, match="rps reads the probability, and this pair gives none"):
        lossearch.search(x, y, task="ordinal", metric="rps", losses=["sord"], store=tmp_path, **BUDGET)


@pytest.mark.parametrize("words", [False, True])
def test_an_estimator_of_levels(words):
    x, y = graded()
    model = LossSearchClassifier(
        losses=["coral"], lr=0.05, seeds=1, confirm_seeds=0, epochs=5, task=None if words else "ordinal", random_state=0,
    )  # fmt: skip
    model = clone(model).fit(x, pd.Series(in_words(y)) if words else y + 1)
    assert list(model.classes_) == (list(NAMES) if words else [1, 2, 3, 4])
    assert model.model_.kind == "ordinal"
    place = {c: i for i, c in enumerate(model.classes_)}
    said = np.array([place[c] for c in model.predict(x)])
    assert sk.cohen_kappa_score(said, y, weights="quadratic") > 0.3


class Rater(pl.LightningModule):
    """A module whose network ends as its criterion's loss needs it, or in a number a level."""

    fits = True

    def __init__(self, criterion, lr=0.02):
        super().__init__()
        self.criterion, self.lr = criterion, lr
        body = torch.nn.Linear(3, criterion.pair.body_width(4) if self.fits else 4)
        self.network = criterion.pair.ended(body, 4) if self.fits else body

    def training_step(self, batch, _):
        return self.criterion(self.network(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.criterion(self.network(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Unended(Rater):
    fits = False


def searched(module, tmp_path, **more):
    x, y = graded()
    rows = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
    parts = [DataLoader(Subset(rows, range(*ends)), batch_size=40) for ends in ((0, 120), (120, 200))]
    budget = {**BUDGET, "epochs": 2, **more}
    return lossearch.search(
        module=module, datamodule=tuple(parts), task="ordinal", store=tmp_path, name="module", **budget
    )


def test_a_module_builds_the_end_that_a_loss_needs(tmp_path):
    found = searched(Rater, tmp_path, losses=["cumulative_link"])
    assert set(found.leaderboard["pair"]) == {"cumulative_link/identity", "cross_entropy/softmax"}
    assert found.leaderboard["failed"].sum() == 0


def test_losses_that_need_another_end_are_left_out_of_a_module_unless_named(tmp_path):
    found = searched(Unended, tmp_path, trials=15)
    assert set(found.leaderboard["pair"]) == {"cross_entropy/softmax", "squared_emd/softmax", "sord/softmax"}


def test_output_of_another_width_is_refused(tmp_path):
    criterion_of = RecordingCriterion(find_pair("coral/identity", "ordinal"))
    criterion_of.n_out = 4
    with pytest.raises(
        InputError, match=r"reads 3 numbers a row here, and the network gives 4: end it by .*body_width\(4\)"
    ):
        criterion_of(torch.zeros(2, 4), torch.tensor([0, 3]))
    assert criterion_of(torch.zeros(2, 3), torch.tensor([0, 3])).isfinite()


def test_the_label_is_the_same_whatever_else_is_asked_for():
    kind, raw = KINDS["ordinal"], t(Z)
    pair = find_pair("squared_emd/softmax", "ordinal")
    zero, one = torch.zeros(1), torch.ones(1)
    labels = [
        pair.predictions(raw, zero, one, wanted).label for wanted in (("label",), ("label", "probability"))
    ]
    assert torch.equal(*labels)
    assert kind.gives == KINDS["multiclass"].gives

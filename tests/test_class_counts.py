"""Losses that read how many training rows each class has: values, where the counts come from, who carries them."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import special
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.data.in_memory import from_arrays
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetStatistics
from lossearch.losses import BUILT_IN
from lossearch.tasks.build import make_task

COUNTED = [x for x in BUILT_IN if "class_counts" in x.statistics]
RNG = np.random.default_rng(0)
Z, Y = 3 * RNG.standard_normal((40, 4)), RNG.integers(0, 4, 40)
Z1, Y1 = 3 * RNG.standard_normal(40), RNG.integers(0, 2, 40)
N = np.array([500.0, 200.0, 50.0, 10.0])
Q = N / N.sum()
S1, N1 = 2 * Y1 - 1, np.array([900.0, 100.0])
t = torch.as_tensor


def effective(counts, beta):
    weights = (1 - beta) / (1 - beta**counts)
    return weights * len(counts) / weights.sum()


def ce(z, weight=None):
    weight = None if weight is None else t(weight)
    return F.cross_entropy(t(z), t(Y), weight=weight, reduction="none").numpy()


def margins(counts, most):
    return most * counts**-0.25 / (counts**-0.25).max()


HELD_BACK = Z - margins(N, 0.7)[Y][:, None] * np.eye(4)[Y]
STEEP, STEEP1 = (N / N.max()) ** 0.3, (N1 / N1.max()) ** 0.3
P1 = special.expit(S1 * Z1)
ORACLES = {
    "balanced_softmax/softmax": ({}, ce(Z + np.log(Q))),
    "logit_adjusted/softmax": ({"tau": 1.5}, ce(Z + 1.5 * np.log(Q))),
    "class_balanced_ce/softmax": ({"volume": 1000.0}, ce(Z, effective(N, 0.999))),
    "class_balanced_focal/softmax": (
        {"volume": 100.0, "gamma": 2.0},
        effective(N, 0.99)[Y] * (1 - np.exp(-ce(Z))) ** 2 * ce(Z),
    ),
    "ldam/softmax": ({"max_margin": 0.7, "scale": 3.0}, ce(3 * HELD_BACK)),
    "vs_loss/identity": ({"gamma": 0.3, "tau": 1.2}, ce(STEEP * Z + 1.2 * np.log(Q))),
    "logit_adjusted/sigmoid": ({"tau": 1.5}, -special.log_expit(S1 * (Z1 + 1.5 * np.log(1 / 9)))),
    "class_balanced_ce/sigmoid": ({"volume": 1000.0}, -effective(N1, 0.999)[Y1] * np.log(P1)),
    "class_balanced_focal/sigmoid": (
        {"volume": 100.0, "gamma": 2.0},
        -effective(N1, 0.99)[Y1] * (1 - P1) ** 2 * np.log(P1),
    ),
    "ldam/sigmoid": (
        {"max_margin": 0.7, "scale": 3.0},
        -special.log_expit(3 * (S1 * Z1 - margins(N1, 0.7)[Y1])),
    ),
    "vs_loss/sigmoid": (
        {"gamma": 0.3, "tau": 1.2},
        np.logaddexp(0, 1.2 * np.log(N1[1 - Y1] / N1[Y1]) - STEEP1[Y1] * S1 * Z1),
    ),
}
"""Pair -> parameters, and values by numpy, scipy and torch."""


def test_every_such_loss_has_an_oracle():
    assert {name.partition("/")[0] for name in ORACLES} == {x.name for x in COUNTED}


@pytest.mark.parametrize("name", ORACLES)
def test_values_are_those_of_the_papers(name):
    params, expected = ORACLES[name]
    binary = name.endswith("sigmoid")
    statistics = TargetStatistics(class_counts=N1 if binary else N)
    crit = lossearch.criterion(
        name, task="binary" if binary else "multiclass", statistics=statistics, **params
    ).double()
    found = crit.per_sample(t(Z1 if binary else Z), t(Y1 if binary else Y))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", ["logit_adjusted", "class_balanced_ce", "class_balanced_focal", "ldam"])
def test_two_classes_as_two_outputs_or_one(name):
    statistics = TargetStatistics(class_counts=N1)
    two = torch.stack([torch.zeros(40, dtype=torch.float64), t(Z1)], dim=-1)
    many = lossearch.criterion(f"{name}/softmax", statistics=statistics).double()
    one = lossearch.criterion(f"{name}/sigmoid", statistics=statistics).double()
    torch.testing.assert_close(many.per_sample(two, t(Y1)), one.per_sample(t(Z1), t(Y1)))
    torch.testing.assert_close(many.predict_proba(two), one.predict_proba(t(Z1)))


def test_each_label_has_its_own_counts():
    raw, y = torch.randn(9, 2), torch.randint(2, (9, 2))
    counts = ((90, 10), (30, 70))
    both = lossearch.criterion(
        "logit_adjusted/sigmoid", task="multilabel", statistics=TargetStatistics(class_counts=counts)
    )
    alone = [
        lossearch.criterion("logit_adjusted/sigmoid", statistics=TargetStatistics(class_counts=c)).per_sample(
            raw[:, i], y[:, i]
        )
        for i, c in enumerate(counts)
    ]
    torch.testing.assert_close(both.per_sample(raw, y), (alone[0] + alone[1]) / 2)


def test_a_class_without_rows_counts_one():
    crit = lossearch.criterion(
        "logit_adjusted/softmax", statistics=TargetStatistics(class_counts=(9, 0, 1))
    ).double()
    other = lossearch.criterion(
        "logit_adjusted/softmax", statistics=TargetStatistics(class_counts=(9, 1, 1))
    ).double()
    raw = torch.randn(5, 3, dtype=torch.float64)
    assert torch.equal(crit.predict_proba(raw), other.predict_proba(raw))


# --- what is said of missing and wrong counts ----------------------------------------------------------


def test_a_criterion_without_counts_says_how_to_give_them():
    crit = lossearch.criterion("ldam/sigmoid")
    for call in (lambda: crit(torch.zeros(2), torch.tensor([0, 1])), lambda: crit.predict(torch.zeros(2))):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == (
            "ldam/sigmoid reads how many training rows each class has. A study counts them; a criterion is told: "
            "statistics=TargetStatistics(class_counts=((900, 100),)), from lossearch.kinds."
        )


def test_counts_of_other_classes_are_refused():
    crit = lossearch.criterion("ldam/softmax", statistics=TargetStatistics(class_counts=(9, 1)))
    for call in (
        lambda: crit(torch.zeros(2, 3), torch.tensor([0, 1])),
        lambda: crit.predict(torch.zeros(2, 3)),
    ):
        with pytest.raises(
            InputError, match=r"are of 1 outputs of 2 classes, and the network gives 1 of 3\.$"
        ):
            call()


@pytest.mark.parametrize("counts", [(-1, 2), (float("nan"), 1), (((1, 2), (3, 4)),)])
def test_wrong_counts_are_refused(counts):
    with pytest.raises(InputError, match="class_counts takes how many rows each class has"):
        TargetStatistics(class_counts=counts)


# --- where the counts come from ------------------------------------------------------------------------


def data(seed=0, rows=120, classes=3):
    rng = np.random.default_rng(seed)
    y = rng.choice(classes, rows, p=np.array([0.7, 0.2, 0.1])[:classes] / sum([0.7, 0.2, 0.1][:classes]))
    return (rng.normal(size=(rows, 4)) + y[:, None]).astype(np.float32), y


def test_training_rows_of_each_seed_are_counted():
    x, y = data()
    task = make_task(from_arrays(x, y, name="made"), kind="multiclass")
    seen = set()
    for seed in (1, 2, 3):
        fold = task.fold(seed)
        (counts,) = fold.statistics.class_counts
        assert counts == tuple(np.bincount(y[fold.train.rows], minlength=3))
        seen.add(tuple(fold.train.rows))
    assert len(seen) == 3


def test_weighted_rows_count_what_they_weigh():
    x, y = data()
    weight = np.where(y == 2, 3.0, 1.0)
    task = make_task(from_arrays(x, y, name="made", sample_weight=weight), kind="multiclass")
    fold = task.fold(0)
    rows, (counts,) = fold.train.rows, fold.statistics.class_counts
    expected = np.bincount(y[rows], weights=weight[rows])
    np.testing.assert_allclose(counts, expected * len(rows) / expected.sum())


def search(x, y, store, **options):
    given = {"epochs": 3, "seeds": 2, "trials": 12, "confirm_seeds": 2, "store": store, "name": "made"}
    return lossearch.search(x, y, **{"losses": ["logit_adjusted"], **given, **options})


def of_pair(result, pair):
    return next(r for r in result.trials if r.point.pair == pair)


@pytest.mark.slow
def test_labels_of_other_rows_change_nothing_that_is_trained(tmp_path):
    x, y = data()
    rng = np.random.default_rng(1)
    curves = []
    for i, held in enumerate((y[80:], rng.permutation(y[80:]))):
        result = search(
            x[:60], y[:60], tmp_path / str(i), task="multiclass", losses=["logit_adjusted", "ldam"],
            validation=(x[60:80], held[:20]), test=(x[80:], held), trials=15, confirm_seeds=0,
        )  # fmt: skip
        found = result.curves
        curves.append(found[["trial", "seed", "epoch", "train_loss"]])
    assert curves[0].equals(curves[1])


@pytest.mark.slow
def test_models_and_reruns_carry_the_counts(tmp_path):
    x, y = data()
    result = search(x, y, tmp_path / "store", confirm_seeds=0)
    trial = of_pair(result, "logit_adjusted/softmax")
    model = result._again.model(result._with_pair(trial.point), trial.epoch, "train")
    (counts,) = model.statistics.class_counts
    assert sum(counts) == model.origin.rows
    again = lossearch.load_model(model.save(tmp_path / "model"))
    assert again.statistics == model.statistics
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    raw = model.network(torch.as_tensor(model.inputs.of_cleaned(x)).float())
    shift = trial.point.params["tau"] * np.log(np.array(counts) / sum(counts))
    expected = special.softmax(raw.detach().numpy() + shift, axis=1)
    np.testing.assert_allclose(model.predict_proba(x), expected, rtol=1e-4, atol=1e-6)
    assert result.rerun(trial.number).reproduced
    plain = of_pair(result, "cross_entropy/softmax")
    assert (
        result._again.model(result._with_pair(plain.point), plain.epoch, "train").statistics.class_counts
        == ()
    )


class Own(pl.LightningModule):
    def __init__(self, criterion, lr):
        super().__init__()
        self.net, self.criterion, self.lr = nn.Linear(4, 3), lossearch.criterion(criterion), lr

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch):
        x, y = batch
        return self.criterion(self(x), y)

    def validation_step(self, batch):
        x, y = batch
        self.criterion(self(x), y)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Rows(pl.LightningDataModule):
    def _rows(self, part):
        x, y = data()
        return TensorDataset(torch.as_tensor(x[part]), torch.as_tensor(y[part]))

    def train_dataloader(self):
        return DataLoader(self._rows(slice(80)), batch_size=20, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self._rows(slice(80, None)), batch_size=20)


@pytest.mark.slow
def test_a_module_of_ones_own_is_given_them(tmp_path):
    result = lossearch.search(
        module=Own, datamodule=Rows(), task="multiclass", metric="balanced_accuracy", losses=["logit_adjusted"],
        epochs=2, seeds=2, trials=10, confirm_seeds=0, store=tmp_path, name="own",
    )  # fmt: skip
    trial = of_pair(result, "logit_adjusted/softmax")
    fitted = result._again.fitted_module(result._with_pair(trial.point), trial.epoch)
    assert fitted.statistics.class_counts == (tuple(np.bincount(data()[1][:80], minlength=3)),)
    folder = fitted.save(tmp_path / "module")
    said = (folder / "README.md").read_text()
    assert "statistics=statistics" in said
    assert f"class_counts={fitted.statistics.class_counts!r}" in said


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass"])
def test_kinds_of_classes_have_counts(kind):
    x, y = data(classes=2 if kind == "binary" else 3)
    target = np.eye(3, dtype=int)[y] if kind == "multilabel" else y
    task = make_task(from_arrays(x, target, name="made"), kind=kind)
    outputs, classes = KINDS[kind].class_shape(task.n_out)
    counts = np.array(task.fold(0).statistics.class_counts)
    assert counts.shape == (outputs, classes)
    assert (counts.sum(axis=1) == task.sizes["train"]).all()

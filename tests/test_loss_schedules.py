"""Weights and parameters of losses that change over the epochs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import own_modules as own
import pytest
import pytorch_lightning as pl
import torch
from contracts.own_module import as_module
from contracts.problems import problem, space_of
from contracts.training_base import SETTINGS, equal
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import lossearch
from lossearch._random import isolated, seeded_build
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import TargetStatistics
from lossearch.losses import losses_for
from lossearch.losses.overlap import SMOOTH
from lossearch.losses.schedules import share_done
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion
from lossearch.space import Point
from lossearch.training.contract import Replicate
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

EPOCHS = 5
RNG = np.random.default_rng(0)
RAW, Y = torch.as_tensor(RNG.normal(size=(12, 1))), torch.as_tensor(RNG.integers(0, 2, 12))
SHARES = st.floats(0, 1)


def value(name, progress=None, **params):
    found = criterion(name, task="binary", **params)
    found.progress = progress
    return float(found(RAW, Y) if progress is not None else found.eval()(RAW, Y))


@given(SHARES, st.floats(0, 3), st.floats(0.1, 3), st.floats(0.05, 1))
def test_a_weight_goes_straight_from_one_value_to_the_other(progress, start, end, until):
    if start == end:
        return
    weight = np.interp(progress, [0, until], [start, end])
    expected = value("bce/sigmoid") + weight * value("dice/sigmoid")
    name = f"bce + anneal({start!r}, {end!r}, {until!r})*dice/sigmoid"
    assert value(name, progress) == pytest.approx(expected, rel=1e-9)
    searched = f"bce + anneal([0, {start + 1!r}], {end!r}, [0.01, 1])*dice/sigmoid"
    named = {"dice_weight_start": start, "dice_weight_until": until}
    assert value(searched, progress, **named) == pytest.approx(expected, rel=1e-9)


@given(SHARES, st.floats(0.05, 1))
def test_a_switch_is_the_one_and_then_the_other(progress, at):
    name = f"switch(1, 0, {at!r})*bce + switch(0, 1, {at!r})*dice/sigmoid"
    assert value(name, progress) == pytest.approx(
        value("dice/sigmoid" if progress >= at else "bce/sigmoid"), rel=1e-12
    )


@pytest.mark.parametrize("progress", [0, 0.25, 1])
def test_parameters_change_alike(progress):
    expected = value("focal/sigmoid", gamma=3 * (1 - progress))
    assert value("focal(gamma=anneal(3, 0))/sigmoid", progress) == pytest.approx(expected, rel=1e-9)
    expected = (
        value("smooth(bce, %r)/sigmoid" % (0.2 * (1 - progress))) if progress < 1 else value("bce/sigmoid")
    )
    assert value("smooth(bce, anneal(0.2, 0))/sigmoid", progress) == pytest.approx(expected, rel=1e-9)


def test_what_is_validated_or_predicted_is_as_at_the_end():
    found = criterion("smooth(bce, anneal(0.3, 0))/sigmoid", task="binary")
    end = criterion("bce/sigmoid")
    found.progress = 0.0
    assert float(found(RAW, Y)) != pytest.approx(float(end(RAW, Y)), rel=1e-3)
    found.eval()
    assert float(found(RAW, Y)) == pytest.approx(float(end(RAW, Y)), rel=1e-12)
    assert torch.allclose(found.predict_proba(RAW), end.predict_proba(RAW))


def test_who_trains_says_how_far_it_is():
    found = criterion("bce + anneal(0, 1)*dice/sigmoid", task="binary")
    with pytest.raises(InputError, match=r"criterion.progress = epoch / \(epochs - 1\)"):
        found(RAW, Y)


def test_epochs_as_shares():
    assert [share_done(e, 5) for e in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert share_done(0, 1) == 1


def test_all_numbers_may_be_searched():
    loss = losses_for("binary")["[0.1,10]*dice + focal(gamma=anneal([1, 4], 0, until=[0.2, 0.9]))"]
    assert {p.name: (p.low, p.high) for p in loss.params} == {
        "dice_weight": (0.1, 10), "focal_gamma_start": (1, 4), "focal_gamma_until": (0.2, 0.9),
        "focal_alpha": (0.05, 0.95),
    }  # fmt: skip


@pytest.mark.parametrize("progress", [0, 0.05, 0.2])
def test_the_annealing_and_the_deferring_of_the_papers(progress):
    raw, y = torch.as_tensor(RNG.normal(size=(9, 3))), torch.as_tensor(RNG.integers(0, 3, 9))
    found = criterion("evidential(strength=anneal(0, 1, 0.1))/identity", task="multiclass")
    found.progress = progress
    known = criterion("evidential/identity", strength=min(1.0, max(progress / 0.1, 1e-12)))
    assert float(found(raw, y)) == pytest.approx(float(known(raw, y)), rel=1e-9)
    counts = TargetStatistics(class_counts=((90, 9, 1),))
    name = "switch(1, 0, 0.1)*ldam + switch(0, 1, 0.1)*class_balanced_ce"
    deferred = criterion(f"{name}/softmax", task="multiclass", statistics=counts)
    deferred.progress = progress
    one = "class_balanced_ce" if progress >= 0.1 else "ldam"
    known = criterion(f"{one}/softmax", task="multiclass", statistics=counts)
    assert float(deferred(raw, y)) == pytest.approx(float(known(raw, y)), rel=1e-9)


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("bce + aneal(0, 1)*dice", "aneal(0, 1)*dice", "Did you mean 'anneal'"),
        (
            "bce + anneal(0)*dice",
            "anneal(0)",
            "anneal takes a first and a second value, and if need be until=",
        ),
        ("bce + anneal(0, 1, at=0.5)*dice", "anneal(0, 1, at=0.5)", "until="),
        ("bce + switch(0, 1)*dice", "switch(0, 1)", "switch takes a first and a second value, and at="),
        ("bce + switch(0, 1, 2)*dice", "2", "a share of the training is above 0, and 1 at most"),
        ("bce + anneal(0, 1, 0)*dice", "0", "a share of the training is above 0, and 1 at most"),
        ("bce + anneal(-1, 1)*dice", "anneal(-1, 1)", "is 0 at one end at most"),
        ("bce + anneal(1, 1)*dice", "anneal(1, 1)", "nothing changes"),
        ("focal(gamma=anneal(-1, 2))", "gamma=anneal(-1, 2)", "gamma must lie between 0 and 100; got -1"),
        ("focal(gamma=anneal('a', 2))", "'a'", "a number stands here"),
        ("focal(gamma=foo(1))", "foo(1)", "or a schedule, as anneal"),
        ("anneal(0, 1)", "anneal(0, 1)", "a weight or a parameter changes so, as in anneal"),
    ],
)
def test_a_fault_is_pointed_at(written, place, said):
    with pytest.raises(UnknownNameError) as error:
        losses_for("binary")[written]
    shown, marks = str(error.value).splitlines()[1:3]
    at = marks.index("^")
    assert shown[at:].startswith(place)
    assert said in marks


CHANGING = {
    "bce+anneal(0,2,0.5)*dice/sigmoid": lambda p, bce, dice: bce + 2 * min(p / 0.5, 1) * dice,
    "switch(1,0,0.6)*bce+switch(0,1,0.6)*dice/sigmoid": lambda p, bce, dice: dice if p >= 0.6 else bce,
}
WAYS = {
    "plain": train_plain,
    "together": train_population,
    "module": as_module(train_plain),
    "modules together": as_module(train_population),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CHANGING)
def test_training_is_that_of_a_loop_by_hand(name, way):
    """The whole part is one batch, so that no order matters; the losses are written out."""
    task, pair = problem("binary"), find_pair(name, "binary")
    fold = task.fold(0)
    settings = replace(SETTINGS, epochs=EPOCHS, batch_size=fold.train_rows)
    replicates = [Replicate(Point(pair.name, lr, definition=pair), 0) for lr in (0.05, 0.2)]
    found = list(WAYS[way](task, space_of(task, [pair]), replicates, settings))
    for result in found:
        expected, held = _by_hand(task, CHANGING[name], result.replicate.point.lr)
        np.testing.assert_allclose(result.curves["train_loss"], expected, rtol=1e-8)
        np.testing.assert_allclose(result.curves["val_loss"], held, rtol=1e-8)


def _by_hand(task, total, lr):
    fold = task.fold(0)
    with isolated(0):
        network = seeded_build(task.build, 0).double()
        optimizer = torch.optim.SGD(network.parameters(), lr, momentum=0.9)

    def loss(part, progress):
        z, y = network(part.x.double()), part.y.double().view(-1, 1)
        p = torch.sigmoid(z)
        overlap = 1 - (2 * (p * y).mean() + SMOOTH) / (p.mean() + y.mean() + SMOOTH)
        return total(progress, nn.functional.binary_cross_entropy_with_logits(z, y), overlap)

    train, held = [], []
    for epoch in range(EPOCHS):
        optimizer.zero_grad()
        found = loss(fold.train, epoch / (EPOCHS - 1))
        found.backward()
        optimizer.step()
        train.append(found.item())
        held.append(loss(fold.validation, 1.0).item())
    return train, held


def test_a_loss_of_ones_own_may_change_too():
    @lossearch.loss(task="binary", encoding="zero_one", source="ours", scheduled=True)
    def fading(output, target, *, progress=1.0):
        return (output - target).square() * (1 - 0.5 * progress)

    task = problem("binary")
    pair = criterion("fading/identity", losses=[fading]).pair
    settings = replace(SETTINGS, epochs=EPOCHS)
    replicates = [Replicate(Point(pair.name, lr, definition=pair), s) for lr in (0.05, 0.2) for s in (0, 1)]
    both = [
        list(way(task, space_of(task, [pair]), replicates, settings))
        for way in (train_plain, train_population)
    ]
    for one, other in zip(*both, strict=True):
        equal(one, other, 1e-8)
    still = find_pair("mse/identity", "binary")
    (unchanged,) = train_plain(
        task, space_of(task, [still]), [Replicate(Point(still.name, 0.05, definition=still), 0)], settings
    )
    assert both[0][0].curves["val_loss"][0] < unchanged.curves["val_loss"][0]


def test_one_that_takes_no_progress_is_refused():
    with pytest.raises(InputError, match=r"as progress=1\.0 among its keywords"):

        @lossearch.loss(task="binary", encoding="zero_one", source="ours", scheduled=True)
        def still(output, target):
            return (output - target).square()


def test_a_trial_of_ones_own_study_is_told():
    seen = []

    class Net(own.Classifier):
        def training_step(self, batch, batch_idx):
            seen.append(self.criterion.progress)
            return super().training_step(batch, batch_idx)

    def objective(trial):
        point = lossearch.suggest(trial, losses=["bce + anneal(0, [0.1, 10])*dice"])
        watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
        trainer = pl.Trainer(
            max_epochs=3, callbacks=[watch], logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu",
        )  # fmt: skip
        trainer.fit(Net(point.criterion(), point.lr), own.Circles(batch_size=200, rows=100))
        return watch.value()

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    assert seen == [0, 0.5, 1]
    assert any("dice_weight_end" in name for name in study.best_params)


def test_a_study_searches_it_and_opens_again(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 3))
    y = (x[:, 0] + rng.normal(size=120) > 0).astype(int)
    given = {
        "losses": ["bce", "bce + anneal(0, [0.1, 10], 0.5)*dice"], "trials": 12, "epochs": 3, "seeds": 1,
        "confirm_seeds": 2, "store": tmp_path, "mlflow": False, "name": "changing", "workers": 1,
    }  # fmt: skip
    result = lossearch.search(x, y, **given)
    assert {r.point.pair for r in result.trials} >= {
        "bce/sigmoid",
        "bce+anneal(0,[0.1,10],0.5)*dice/sigmoid",
    }
    again = lossearch.search(x, y, **given)
    assert [r.value for r in again.trials] == [r.value for r in result.trials]
    assert lossearch.load("changing", store=tmp_path).verdict == result.verdict

"""Penalties of a network's weights, as terms of a sum of losses."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import numpy as np
import optuna
import own_modules as own
import pytest
import pytorch_lightning as pl
import torch
from contracts.own_module import as_module
from contracts.problems import problem, space_of
from contracts.training_base import SETTINGS
from sklearn.datasets import make_regression
from sklearn.linear_model import Lasso, Ridge
from torch import nn

import lossearch
from lossearch._random import isolated, seeded_build
from lossearch.errors import InputError, UnknownNameError
from lossearch.losses import losses_for
from lossearch.pairs import find_pair
from lossearch.pairs.making import criterion
from lossearch.space import Point
from lossearch.training.contract import Replicate
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

EPOCHS = 4
WAYS = {
    "plain": train_plain,
    "together": train_population,
    "module": as_module(train_plain),
    "modules together": as_module(train_population),
}
COSTS = {
    "bce+0.05*weights_l1/sigmoid": lambda w, p, params: 0.05 * w.abs().sum(),
    "bce+0.3*weights_l2/sigmoid": lambda w, p, params: 0.3 * w.square().sum() / 2,
    "bce+[0.001,1]*weights_l1+anneal(0,0.1)*weights_l2/sigmoid": lambda w, p, params: (
        params["weights_l1_weight"] * w.abs().sum() + 0.1 * p * w.square().sum() / 2
    ),
}


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COSTS)
def test_training_is_that_of_a_loop_by_hand(name, way, clip):
    task, pair = problem("binary"), find_pair(name, "binary")
    fold = task.fold(0)
    settings = replace(SETTINGS, epochs=EPOCHS, batch_size=fold.train_rows, clip=clip)
    points = [
        Point(pair.name, lr, tuple((p.name, low) for p in pair.loss.params), definition=pair)
        for lr, low in ((0.05, 0.01), (0.2, 0.1))
    ]
    replicates = [Replicate(point, 0) for point in points]
    for result in WAYS[way](task, space_of(task, [pair]), replicates, settings):
        expected = _by_hand(task, COSTS[name], result.replicate.point, clip)
        np.testing.assert_allclose(result.curves["val_loss"], expected, rtol=1e-9)


def _by_hand(task, cost, point, clip):
    fold = task.fold(0)
    with isolated(0):
        network = seeded_build(task.build, 0).double()
        optimizer = torch.optim.SGD(network.parameters(), point.lr, momentum=0.9)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Linear)]

    def loss(part):
        return nn.functional.binary_cross_entropy_with_logits(
            network(part.x.double()), part.y.double().view(-1, 1)
        )

    held = []
    for epoch in range(EPOCHS):
        optimizer.zero_grad()
        added = sum(cost(w, epoch / (EPOCHS - 1), dict(point.params)) for w in weights)
        (loss(fold.train) + added).backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        held.append(loss(fold.validation).item())
    return held


@pytest.mark.parametrize(
    ("name", "model"),
    [
        # scikit-learn's Ridge has the sum of squares plus alpha w^2, its Lasso half the mean plus alpha |w|
        ("mse + 0.5*weights_l2/identity", Ridge(alpha=0.25 * 60)),
        ("mse + 5*weights_l1/identity", Lasso(alpha=2.5, tol=1e-10)),
    ],
)
def test_a_line_is_that_of_scikit_learn(name, model):
    x, y = make_regression(60, 4, n_informative=2, noise=5, bias=3, random_state=0)
    known = model.fit(x, y)
    line, loss = nn.Linear(4, 1).double(), criterion(name, task="regression")
    loss.attach(line)
    rate = 0.2
    optimizer = torch.optim.SGD(line.parameters(), rate)
    for step in range(3000):
        optimizer.param_groups[0]["lr"] = rate / (1 + step / 100)
        optimizer.zero_grad()
        loss(line(torch.as_tensor(x)), torch.as_tensor(y)).backward()
        optimizer.step()
    np.testing.assert_allclose(line.weight.detach().numpy()[0], known.coef_, atol=0.05)
    assert line.bias.item() == pytest.approx(known.intercept_, abs=0.05)


def test_validation_and_predictions_know_nothing_of_it():
    raw, y = torch.randn(8, 1), torch.tensor([0, 1] * 4)
    found, plain = criterion("bce + 0.1*weights_l1/sigmoid", task="binary"), criterion("bce/sigmoid")
    with pytest.raises(InputError, match=r"criterion.attach\(network\)"):
        found(raw, y)
    assert torch.equal(found.eval()(raw, y), plain(raw, y))
    assert torch.equal(found.predict_proba(raw), plain.predict_proba(raw))
    assert torch.equal(found.per_sample(raw, y), plain.per_sample(raw, y))
    network = nn.Linear(3, 1)
    network.bias.requires_grad_(False)
    found.train().attach(network)
    assert float(found(raw, y)) == pytest.approx(float(plain(raw, y) + 0.1 * network.weight.abs().sum()))


def test_a_criterion_holds_no_network():
    module = own.Classifier(criterion("bce + 0.1*weights_l1/sigmoid", task="binary"))
    module.criterion.attach(module)
    assert [n for n, _ in module.criterion.named_parameters()] == []
    assert len(pickle.dumps(module.criterion)) < 2000
    copied = copy.deepcopy(module)
    with pytest.raises(InputError, match="attach"):
        copied.criterion(torch.zeros(2, 1), torch.tensor([0, 1]))


def test_penalties_alone_are_no_loss():
    with pytest.raises(UnknownNameError, match="holds penalties alone"):
        losses_for("binary")["weights_l1 + 0.1*weights_l2"]


def test_a_trial_of_ones_own_study_is_penalised():
    def objective(trial):
        point = lossearch.suggest(trial, losses=["bce + 100*weights_l2"], lr=(0.01, 0.01001))
        watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
        trainer = pl.Trainer(
            max_epochs=40, callbacks=[watch], logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, accelerator="cpu",
        )  # fmt: skip
        module = own.Classifier(point.criterion(), point.lr)
        trainer.fit(module, own.Circles(batch_size=10, rows=100))
        assert max(float(p.abs().max()) for p in module.parameters() if p.ndim > 1) < 0.1
        return watch.value()

    optuna.create_study(direction="maximize").optimize(objective, n_trials=1)

"""`LossSearchCallback` and criteria in the ways that users train: tuners, manual optimisation, labels of -1 and +1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
import pytest
import pytorch_lightning as pl
import torch
from mlflow import MlflowClient
from pytorch_lightning.callbacks import LearningRateFinder
from pytorch_lightning.tuner import Tuner
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.errors import InputError, StoreError
from lossearch.integrations import LossSearchCallback, suggest
from lossearch.training.contract import Outcome

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
]
optuna.logging.set_verbosity(optuna.logging.WARNING)
INPUTS = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS[:, 0] > 0).long()


class Module(pl.LightningModule):
    """A user's module, whose rate and batch size a Tuner can find."""

    def __init__(self, criterion=None, lr=0.1, targets=TARGETS):
        super().__init__()
        self.criterion = criterion or lossearch.criterion("bce/sigmoid")
        self.net, self.lr, self.batch_size = nn.Linear(2, 1), lr, 8
        self.rows = TensorDataset(INPUTS, targets)

    def train_dataloader(self):
        return DataLoader(self.rows, batch_size=self.batch_size)

    def val_dataloader(self):
        return DataLoader(self.rows, batch_size=64)

    def training_step(self, batch, index):
        return self.criterion(self.net(batch[0]), batch[1])

    def validation_step(self, batch, index):
        right = self.criterion.predict(self.net(batch[0])) == batch[1]
        self.log("val_accuracy", right.float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Manual(Module):
    """Steps by itself and returns nothing; the step ``at`` goes wrong."""

    def __init__(self, at):
        super().__init__()
        self.automatic_optimization = False
        self.at, self.done = at, 0

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        self.done += 1
        loss = super().training_step(batch, index)
        self.manual_backward(loss * math.inf if self.done == self.at else loss)
        optimizer.step()


def trainer(tmp_path, *callbacks, epochs=3):
    return pl.Trainer(
        max_epochs=epochs, callbacks=list(callbacks), logger=False, accelerator="cpu", devices=1,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, default_root_dir=tmp_path,
    )  # fmt: skip


def study():
    return optuna.create_study(direction="maximize")


@pytest.mark.parametrize("tune", ["lr_find", "scale_batch_size"])
def test_a_tuner_before_the_fit_does_not_use_it_up(tune, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    trial = study().ask()
    watch = LossSearchCallback(trial, "val_accuracy", tracking_uri=uri, experiment="tuned")
    module, ours = Module(), trainer(tmp_path, watch)
    if tune == "lr_find":
        Tuner(ours).lr_find(module, num_training=5, update_attr=True)
    else:
        Tuner(ours).scale_batch_size(module, max_trials=1, init_val=8)
    assert watch.outcome is None
    assert watch.values == []
    ours.fit(module)
    assert len(watch.values) == 3
    assert watch.outcome is Outcome.COMPLETED
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("tuned").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]
    with pytest.raises(InputError, match="watched a fit already"):
        trainer(tmp_path, watch).fit(Module())


@pytest.mark.parametrize("first", [True, False])
def test_a_finder_among_the_callbacks_is_not_counted(first, tmp_path):
    trial = study().ask()
    watch, finder = LossSearchCallback(trial, "val_accuracy"), LearningRateFinder(num_training_steps=5)
    trainer(tmp_path, *((watch, finder) if first else (finder, watch))).fit(Module())
    assert len(watch.values) == 3


@pytest.mark.parametrize(("at", "epoch"), [(1, 1), (12, 2), (24, 3)])
def test_weights_that_are_not_finite_end_a_manual_optimisation_as_diverged(at, epoch, tmp_path):
    trial = study().ask()
    watch = LossSearchCallback(trial, "val_accuracy", diverged=0.5)
    module = Manual(at)
    trainer(tmp_path, watch).fit(module)
    assert watch.outcome is Outcome.DIVERGED
    assert watch.value() == 0.5
    assert "weights" in watch.reason
    assert len(watch.values) == epoch - 1
    assert module.done == 8 * epoch


def test_a_sound_manual_optimisation_completes(tmp_path):
    watch = LossSearchCallback(study().ask(), "val_accuracy")
    trainer(tmp_path, watch).fit(Manual(at=None))
    assert watch.outcome is Outcome.COMPLETED
    assert len(watch.values) == 3


@pytest.mark.parametrize("name", ["bce/sigmoid", "hinge/identity", "mse/tanh", "mse/sigmoid"])
def test_predictions_are_in_the_numbers_that_were_given(name):
    criterion = lossearch.criterion(name, task="binary")
    raw = torch.linspace(-1, 1, 8)[:, None]
    assert set(criterion.predict(raw).tolist()) == {0, 1}
    signs = torch.where(raw[:, 0] > 0, 1, -1)
    assert torch.equal(criterion(raw, signs), criterion(raw, (signs > 0).long()))
    for given in (signs, signs.float(), signs[:, None]):
        criterion(raw, given)
        assert torch.equal(criterion.predict(raw), signs)
        criterion(raw[4:], signs[4:])  # a batch of one class says nothing new
        assert torch.equal(criterion.predict(raw), signs)
    criterion(raw, (signs > 0).long())
    assert set(criterion.predict(raw).tolist()) == {0, 1}


def test_real_targets_of_minus_one_are_values():
    criterion = lossearch.criterion("mse/identity", task="regression")
    raw = torch.linspace(-1, 1, 8)[:, None]
    criterion(raw, torch.sign(raw))
    assert torch.equal(criterion.predict(raw), raw[:, 0])


def test_a_users_accuracy_is_right_with_signs_as_labels(tmp_path):
    optuna_study = study()
    watch = LossSearchCallback(trial := optuna_study.ask(), "val_accuracy")
    point = suggest(trial, "binary", pairs=["bce/sigmoid"], lr=0.5)
    trainer(tmp_path, watch, epochs=8).fit(Module(point.criterion(), 0.5, 2 * TARGETS - 1))
    assert watch.value() > 0.9


QUICK: dict[str, Any] = {
    "trials": 5,
    "seeds": 1,
    "confirm_seeds": 0,
    "epochs": 5,
    "mlflow": False,
    "losses": "bce",
}
QUICK |= {"optimizer": "sgd", "lr": 0.5, "workers": 1}


@pytest.mark.parametrize("labels", [(-1, 1), (-1.0, 1.0), (1, 2), (False, True), ("no", "yes"), (10, -3)])
def test_a_fitted_model_gives_the_labels_of_y(labels, store):
    y = np.array(labels, dtype=object if isinstance(labels[0], str) else None)[TARGETS.numpy()]
    predicted = lossearch.search(INPUTS, y, store=store, **QUICK).model.predict(INPUTS)
    assert predicted.dtype == y.dtype
    assert np.mean(predicted == y) > 0.8


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
def test_an_empty_study_of_another_direction_is_not_adopted(directions, store, tmp_path):
    url = f"sqlite:///{tmp_path}/optuna.db"
    optuna.create_study(storage=url, study_name="mine", directions=directions)
    with pytest.raises(StoreError, match=r"of direction minimize|of direction maximize, minimize"):
        lossearch.search(INPUTS, TARGETS, metric="accuracy", storage=url, name="mine", store=store, **QUICK)
    optuna.delete_study(study_name="mine", storage=url)
    optuna.create_study(storage=url, study_name="mine", direction="maximize")
    result = lossearch.search(
        INPUTS, TARGETS, metric="accuracy", storage=url, name="mine", store=store, **QUICK
    )
    assert result.study.best_value == max(r.value for r in result.trials)


def test_the_default_direction_is_not_taken_for_a_metric_that_is_maximised():
    trial = optuna.create_study().ask()
    with pytest.raises(InputError, match=r"'val_accuracy' is to be maximized, .*direction='maximize'"):
        LossSearchCallback(trial, "val_accuracy")
    LossSearchCallback(trial, "val_accuracy", direction="minimize")
    LossSearchCallback(trial, "val_rmse")
    LossSearchCallback(trial, "val_something")
    with pytest.raises(InputError, match="'test/rmse' is to be minimized"):
        LossSearchCallback(study().ask(), "test/rmse")

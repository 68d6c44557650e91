"""What `LossSearchCallback` sees of a loss while it is trained, against the same numbers taken by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import optuna
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.integrations import LossSearchCallback
from lossearch.integrations.behaviour import EVERY, TOLD
from lossearch.integrations.tracking import TrialSnapshot, open_run
from lossearch.losses import ACTIVATIONS
from lossearch.pairs.behaviour import saturated, without_gradient
from lossearch.training.contract import Outcome

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
]
optuna.logging.set_verbosity(optuna.logging.WARNING)
X = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
MEASURES = ("gradient_norm", "zero_gradient", "logit_scale", "logit_sd", "saturation")


class Module(pl.LightningModule):
    """Takes by hand, at every step, what the callback is to find."""

    def __init__(self, criterion, width=1, scale=1.0, nan_at=None, hidden=False):
        super().__init__()
        self.net = nn.Linear(2, width)
        with torch.no_grad():
            self.net.weight.mul_(scale)
        self.criterion = (criterion,) if hidden else criterion
        self.nan_at, self.taken, self.raw = nan_at, [], None

    def training_step(self, batch, index):
        self.raw = self.net(batch[0])
        self.raw.retain_grad()
        criterion = self.criterion[0] if isinstance(self.criterion, tuple) else self.criterion
        loss = criterion(self.raw, batch[1])
        return loss * math.nan if self.global_step == self.nan_at else loss

    def on_before_optimizer_step(self, optimizer):
        flat = torch.cat([p.grad.flatten() for p in self.parameters()])
        gradient = self.raw.grad
        self.taken.append((float(flat.norm()), self.raw.detach().numpy().copy(), gradient.numpy().copy()))

    def validation_step(self, batch, index):
        self.log("val_score", 0.5)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


def watched(module, y, *, epochs=2, trial=None, options=None, **given):
    trial = trial or optuna.create_study(direction="maximize").ask()
    watch = LossSearchCallback(trial, "val_score", **given)
    rows = DataLoader(TensorDataset(X, y), batch_size=8)
    trainer = pl.Trainer(
        **{
            "max_epochs": epochs, "callbacks": [watch], "accelerator": "cpu", "logger": False, "num_sanity_val_steps": 0,
            "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False,
            **(options or {}),
        }
    )  # fmt: skip
    trainer.fit(module, rows, rows)
    return watch


def binary():
    return (X[:, 0] > 0).long()


PAIRS = {
    "bce/sigmoid": ("binary", 1, binary()),
    "mse/sigmoid": ("binary", 1, binary()),
    "hinge/identity": ("binary", 1, binary()),
    "hinge/tanh": ("binary", 1, binary()),
    "squared_hinge/tanh": ("binary", 1, binary()),
    "cross_entropy/softmax": ("multiclass", 3, (X[:, 0] > 0).long() + (X[:, 1] > 0).long()),
    "poisson_nll/exp": ("count", 1, (X[:, 0] > 0).long() + 1),
    "mae/identity": ("regression", 1, X[:, :1]),
    "huber/identity": ("regression", 2, X),
}


def by_hand(pair, raw):
    """Return size, sd and saturated share of outputs, by numpy."""
    output = ACTIVATIONS[pair.partition("/")[2]](torch.from_numpy(raw)).numpy()
    ends = {"sigmoid": (0, 1), "tanh": (-1, 1), "softmax": (0, 1), "exp": (0,), "identity": ()}
    near = [np.abs(output - end) <= 1e-3 for end in ends[pair.partition("/")[2]]]
    return np.abs(raw).mean(), raw.std(), np.mean(np.any(near, axis=0)) if near else 0.0


@pytest.mark.parametrize("scale", [1.0, 8.0])
@pytest.mark.parametrize("pair", PAIRS)
def test_every_number_is_that_taken_by_hand(pair, scale):
    task, width, y = PAIRS[pair]
    module = Module(lossearch.criterion(pair, task=task), width, scale)
    watch = watched(module, y, options={"val_check_interval": 1, "gradient_clip_val": 1e-3})
    assert len(watch.behaviour) == len(module.taken) == 16
    for found, (norm, raw, gradient) in zip(watch.behaviour, module.taken, strict=True):
        flat = np.mean(np.all(gradient == 0, axis=1))
        expected = dict(zip(MEASURES, (norm, flat, *by_hand(pair, raw)), strict=True))
        assert found.measures() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert [b.step for b in watch.behaviour] == list(range(1, 17))
    assert [b.epoch for b in watch.behaviour] == [1] * 8 + [2] * 8


def test_one_step_in_some_is_looked_at():
    module = Module(lossearch.criterion("bce/sigmoid"))
    rows = torch.cat([binary()] * 1)
    watch = watched(module, rows, options={"check_val_every_n_epoch": 5}, epochs=5)
    (found,) = watch.behaviour
    looked = module.taken[::EVERY]
    assert len(module.taken) == 40 == 2 * EVERY
    assert found.gradient_norm == pytest.approx(np.mean([norm for norm, *_ in looked]))
    assert found.logit_scale == pytest.approx(np.mean([np.abs(raw).mean() for _, raw, _ in looked]))


def test_hinge_has_rows_without_a_gradient_and_bce_has_none():
    told = {}
    for pair in ("hinge/identity", "bce/sigmoid"):
        module = Module(lossearch.criterion(pair, task="binary"))
        told[pair] = watched(module, binary(), epochs=30).behaviour
    assert told["hinge/identity"][0].zero_gradient < told["hinge/identity"][-1].zero_gradient
    assert told["hinge/identity"][-1].zero_gradient > 0.5
    assert all(b.zero_gradient == 0 for b in told["bce/sigmoid"])
    assert all(b.saturation == 0 for b in told["hinge/identity"])


def test_training_is_the_same_with_and_without_it_and_the_module_is_left_as_it_was():
    weights = []
    for callbacks in (True, False):
        torch.manual_seed(0)
        module = Module(lossearch.criterion("focal/sigmoid"))
        watched(module, binary(), options={} if callbacks else {"callbacks": []})
        weights.append(module.net.weight.detach().clone())
        assert not module.criterion._forward_hooks
    assert torch.equal(*weights)


def test_a_training_that_raises_leaves_no_hook():
    class Raises(Module):
        def on_train_epoch_end(self):
            raise ZeroDivisionError

    module = Raises(lossearch.criterion("bce/sigmoid"))
    with pytest.raises(ZeroDivisionError):
        watched(module, binary())
    assert not module.criterion._forward_hooks


def test_a_criterion_that_is_no_part_of_the_module_leaves_the_gradient_alone():
    trial = optuna.create_study(direction="maximize").ask()
    watch = watched(Module(lossearch.criterion("bce/sigmoid"), hidden=True), binary(), trial=trial)
    for found in watch.behaviour:
        assert found.gradient_norm > 0
        assert all(math.isnan(getattr(found, m)) for m in MEASURES[1:])
    assert trial.user_attrs["lossearch.behaviour"]["logit_scale"] == [None, None]


def test_the_first_step_that_is_not_finite():
    watch = watched(Module(lossearch.criterion("bce/sigmoid"), nan_at=11), binary(), diverged=0.1)
    assert (watch.outcome, watch.first_non_finite_step) == (Outcome.DIVERGED, 12)
    assert watched(Module(lossearch.criterion("bce/sigmoid")), binary()).first_non_finite_step is None


def test_it_is_in_the_table_the_trial_and_the_run(tmp_path):
    study = optuna.create_study(direction="maximize", storage=f"sqlite:///{tmp_path}/o.db", study_name="mine")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    trial = study.ask()
    watch = watched(Module(lossearch.criterion("hinge/tanh")), binary(), trial=trial, tracking_uri=uri)
    study.tell(trial, watch.value())
    table = watch.behaviour_frame()
    assert list(table.columns) == ["step", "epoch", *MEASURES]
    assert table.index.tolist() == [1, 2]
    assert table["gradient_norm"].tolist() == [b.gradient_norm for b in watch.behaviour]
    attribute = study.trials[0].user_attrs["lossearch.behaviour"]
    assert attribute["step"] == [8, 16]
    assert attribute["logit_sd"] == pytest.approx(table["logit_sd"].tolist(), rel=1e-3)
    client = MlflowClient(uri)
    (run,) = client.search_runs(["1"])
    for name in MEASURES:
        history = client.get_metric_history(run.info.run_id, f"loss_{name}")
        assert [(m.step, m.value) for m in history] == list(enumerate(table[name].tolist()))


def test_a_long_training_is_told_in_short():
    trial = optuna.create_study(direction="maximize").ask()
    options = {"limit_train_batches": 1, "limit_val_batches": 1}
    watch = watched(
        Module(lossearch.criterion("bce/sigmoid")), binary(), epochs=120, trial=trial, options=options
    )
    attribute = trial.user_attrs["lossearch.behaviour"]
    assert len(watch.behaviour) == 120
    assert len(attribute["step"]) <= TOLD
    assert attribute["step"][0] == 1
    assert attribute["step"][-1] == 120
    assert len(json.dumps(attribute)) < 5000


def test_a_run_takes_more_values_than_mlflow_takes_at_a_time(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    values = [i / 3000 for i in range(2100)]
    tracker = open_run(uri, "long", "trial 0", TrialSnapshot("val_score", []))
    tracker.end(TrialSnapshot("val_score", values, {"lr": 0.1}), [{"logit_scale": v} for v in values])
    client = MlflowClient(uri)
    assert len(client.get_metric_history(tracker.run_id, "val_score")) == 2100
    assert len(client.get_metric_history(tracker.run_id, "loss_logit_scale")) == 2100


@given(st.sampled_from(["identity", "sigmoid", "tanh", "softmax", "softplus", "exp"]), st.floats(-20, 20))
def test_saturation_grows_towards_the_ends(name, middle):
    raw = torch.full((5, 2), middle)
    raw[:, 1] = -middle
    share = float(saturated(ACTIVATIONS[name], raw).float().mean())
    assert 0 <= share <= 1
    if name == "identity":
        assert share == 0
    if name in ("sigmoid", "tanh", "softmax") and abs(middle) > 8:
        assert share == 1
    if abs(middle) < 3:
        assert share == 0


def test_rows_without_a_gradient_have_none_in_any_output():
    gradient = torch.tensor([[0.0, 0.0], [0.0, 1e-30], [0.0, -0.0], [1.0, 1.0]])
    assert without_gradient(gradient).tolist() == [True, False, True, False]

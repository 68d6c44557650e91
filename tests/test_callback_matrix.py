"""`LossSearchCallback` in the situations that a Trainer knows: what it reports, and what the trial is worth."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from lossearch.errors import InputError
from lossearch.integrations import LossSearchCallback, suggest

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:(pytorch_lightning|lightning).*"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
]
optuna.logging.set_verbosity(optuna.logging.WARNING)
PACKAGES = ("pytorch_lightning", "lightning.pytorch")
X = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
SCORES = (0.1, 0.4, 0.3, 0.2, 0.5, 0.6, 0.7, 0.8)
"""What each validation logs, in order."""
QUIET = {
    "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "devices": 1,
    "enable_checkpointing": False, "logger": False, "max_epochs": 4, "num_sanity_val_steps": 0,
}  # fmt: skip


class Endless(IterableDataset):
    """Rows without a known number, as many as there are."""

    def __iter__(self):
        return iter(zip(X, Y, strict=True))


def rows(data=None):
    return DataLoader(data if data is not None else TensorDataset(X, Y), batch_size=8)


def module_of(pl, situation):
    """Return a user's module, of one of the two packages."""

    class Module(pl.LightningModule):
        def __init__(self, criterion):
            super().__init__()
            self.net, self.critic, self.criterion = nn.Linear(2, 1), nn.Linear(2, 1), criterion
            self.automatic_optimization = not situation.manual
            self.validations = 0

        def training_step(self, batch, index):
            loss = self.criterion(self.net(batch[0]), batch[1])
            if not situation.manual:
                return loss
            for optimizer, net in zip(self.optimizers(), (self.net, self.critic), strict=True):
                optimizer.zero_grad()
                self.manual_backward(self.criterion(net(batch[0]), batch[1]))
                optimizer.step()
            return None

        def validation_step(self, batch, index, dataloader_idx=0):
            score = 9.0 if self.trainer.sanity_checking else SCORES[self.validations]
            self.log("val_score", score + dataloader_idx)

        def on_validation_epoch_end(self):
            self.validations += not self.trainer.sanity_checking

        def configure_optimizers(self):
            made = [torch.optim.SGD(n.parameters(), lr=0.1) for n in (self.net, self.critic)]
            return made if situation.manual else made[0]

    return Module


@dataclass(frozen=True)
class Situation:
    """A way to train, and how many validations it comes to.

    ``callbacks`` and ``loggers`` make theirs from a Lightning package and a directory.
    """

    validations: int
    options: dict[str, Any] = field(default_factory=dict)
    monitor: str = "val_score"
    callbacks: Callable[[Any, Any], list[Any]] = lambda pl, path: []
    loggers: Callable[[Any, Any], Any] = lambda pl, path: False
    manual: bool = False
    train: Any = None
    parts: int = 1


def stopping(pl, path):
    return [pl.callbacks.EarlyStopping("val_score", mode="max", patience=2)]


def checkpoints(pl, path):
    return [pl.callbacks.ModelCheckpoint(path, monitor="val_score", mode="max", save_top_k=2, save_last=True)]


def two_loggers(pl, path):
    uri = f"sqlite:///{path}/mlflow.db"
    mlflow = pl.loggers.MLFlowLogger("users", tracking_uri=uri, artifact_location=(path / "a").as_uri())
    return [pl.loggers.CSVLogger(path), mlflow]


SITUATIONS = {
    "plain": Situation(4),
    "early stopping": Situation(4, {"max_epochs": 8}, callbacks=stopping),
    "checkpoints": Situation(4, {"enable_checkpointing": True}, callbacks=checkpoints),
    "accumulated gradients": Situation(4, {"accumulate_grad_batches": 3}),
    "clipped gradients": Situation(4, {"gradient_clip_val": 0.1}),
    "twice an epoch": Situation(8, {"val_check_interval": 0.5}),
    "every three batches": Situation(4, {"val_check_interval": 3}),
    "every five batches over epochs": Situation(
        3, {"val_check_interval": 5, "check_val_every_n_epoch": None}
    ),
    "every other epoch": Situation(2, {"check_val_every_n_epoch": 2}),
    "sanity checks": Situation(4, {"num_sanity_val_steps": 2}),
    "all sanity checks": Situation(4, {"num_sanity_val_steps": -1}),
    "two loggers": Situation(4, loggers=two_loggers),
    "two validation sets": Situation(4, monitor="val_score/dataloader_idx_0", parts=2),
    "steps that end within an epoch": Situation(2, {"max_steps": 10, "max_epochs": -1}),
    "steps that end with an epoch": Situation(2, {"max_steps": 8, "max_epochs": -1}),
    "a minimum of epochs": Situation(4, {"min_epochs": 2}),
    "fast_dev_run": Situation(1, {"fast_dev_run": True}),
    "some batches": Situation(4, {"limit_train_batches": 1, "limit_val_batches": 2}),
    "manual, two optimisers": Situation(4, manual=True),
    "iterable rows": Situation(4, train=Endless()),
    "iterable rows, every two batches": Situation(8, {"val_check_interval": 2}, train=Endless()),
    "double precision": Situation(4, {"precision": "64-true"}),
    "half precision": Situation(4, {"precision": "bf16-mixed"}),
    "inference mode off": Situation(4, {"inference_mode": False}),
    "no validation batches": Situation(0, {"limit_val_batches": 0}),
    "fewer steps than an epoch": Situation(0, {"max_steps": 3}),
}


def fitted(pl, situation, trial, path, **options):
    """Train one trial, and return its callback, trainer and module."""
    point = suggest(trial, pairs=["bce/sigmoid", "hinge/identity"])
    watch = LossSearchCallback(trial, situation.monitor)
    module = module_of(pl, situation)(point.criterion())
    callbacks = [*situation.callbacks(pl, path), watch]
    trainer = pl.Trainer(
        **{**QUIET, **situation.options}
        | {"callbacks": callbacks, "logger": situation.loggers(pl, path), "default_root_dir": path}
    )
    trainer.fit(module, rows(situation.train), [rows() for _ in range(situation.parts)], **options)
    return watch, trainer, module


@pytest.fixture
def study():
    return optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))


@pytest.fixture(params=PACKAGES)
def pl(request):
    package = importlib.import_module(request.param)
    importlib.import_module(f"{request.param}.loggers")
    return package


@pytest.mark.parametrize("name", [n for n, s in SITUATIONS.items() if s.validations])
def test_every_validation_is_reported_once(name, pl, study, tmp_path, mlflow_as_before):
    situation = SITUATIONS[name]
    study.optimize(lambda trial: fitted(pl, situation, trial, tmp_path)[0].value(), n_trials=1)
    (trial,) = study.trials
    expected = SCORES[: situation.validations]
    assert trial.intermediate_values == pytest.approx(
        dict(enumerate(expected)), abs=1e-2 * ("half" in name) or 1e-6
    )
    assert trial.state is TrialState.COMPLETE
    assert trial.value == max(trial.intermediate_values.values())
    assert trial.user_attrs["lossearch.state"] == "completed"
    assert trial.user_attrs["lossearch.epoch"] == expected.index(max(expected)) + 1


@pytest.fixture
def mlflow_as_before(monkeypatch):
    """The user's MLFlowLogger sets MLflow's global tracking URI; put it back."""
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "unset below")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


@pytest.mark.parametrize("name", [n for n, s in SITUATIONS.items() if not s.validations])
def test_without_a_validation_the_trial_fails_and_says_so(name, pl, study, tmp_path):
    with pytest.raises(InputError, match=r"^No validation ran\. Give trainer\.fit validation data"):
        study.optimize(lambda trial: fitted(pl, SITUATIONS[name], trial, tmp_path)[0].value(), n_trials=1)
    assert study.trials[0].state is TrialState.FAIL


PRUNABLE = ("plain", "early stopping", "checkpoints", "accumulated gradients", "twice an epoch", "every three batches",
            "sanity checks", "two validation sets", "manual, two optimisers", "iterable rows", "a minimum of epochs")  # fmt: skip


@pytest.mark.parametrize("name", PRUNABLE)
def test_a_pruned_trial_stops_there(name, pl, tmp_path):
    pruner = optuna.pruners.ThresholdPruner(upper=0.35)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    found = []

    def objective(trial):
        found.append(fitted(pl, SITUATIONS[name], trial, tmp_path))
        return found[0][0].value()

    study.optimize(objective, n_trials=1)
    (trial,), ((watch, trainer, module),) = study.trials, found
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == pytest.approx({0: 0.1, 1: 0.4})
    assert trial.user_attrs["lossearch.reason"].startswith(f"{watch.monitor} was 0.4 after validation 2")
    assert module.validations == 2
    assert trainer.state.finished


def test_validating_and_testing_later_report_nothing(pl, study, tmp_path):
    trial = study.ask()
    watch, trainer, module = fitted(pl, SITUATIONS["plain"], trial, tmp_path)
    trainer.validate(module, rows(), verbose=False)
    assert len(watch.values) == len(study.trials[0].intermediate_values) == 4
    assert watch.value() == pytest.approx(0.4)


@pytest.mark.parametrize("same", [True, False])
def test_a_resumed_training_goes_on_counting(same, pl, study, tmp_path):
    trial, situation = study.ask(), Situation(4)
    _, trainer, _ = fitted(pl, Situation(2, {"max_epochs": 2}), trial, tmp_path)
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    # the module counts anew, so that its scores begin again
    watch, *_ = fitted(pl, situation, trial if same else study.ask(), tmp_path, ckpt_path=tmp_path / "x.ckpt")
    assert watch.values == pytest.approx([0.1, 0.4, 0.1, 0.4])
    assert study.trials[-1].intermediate_values == pytest.approx({0: 0.1, 1: 0.4, 2: 0.1, 3: 0.4})
    assert watch.value() == pytest.approx(0.4)


@pytest.mark.parametrize("options", [{}, {"val_check_interval": 0.5}, {"check_val_every_n_epoch": 2}])
def test_a_training_resumed_from_a_kept_checkpoint_reports_no_validation_twice(options, pl, study, tmp_path):
    def every(pl, path):
        return [pl.callbacks.ModelCheckpoint(path, monitor="val_score", save_top_k=-1, save_last=True)]

    kept = {**options, "max_epochs": 2, "enable_checkpointing": True}
    first, *_ = fitted(pl, Situation(0, kept, callbacks=every), study.ask(), tmp_path)
    resumed = Situation(0, {**options, "max_epochs": 4})
    watch, *_ = fitted(pl, resumed, study.ask(), tmp_path, ckpt_path=tmp_path / "last.ckpt")
    assert watch.values[: len(first.values)] == first.values
    assert len(watch.values) == 2 * len(first.values)
    assert study.trials[1].intermediate_values == dict(enumerate(watch.values))

"""How a learning rate is commonly searched with Optuna, Lightning and MLflow, as public examples write it.

Nothing here uses lossearch. ``quiet=True`` is the same script with everything switched off that its
author did not need.
"""

# ruff: noqa: ARG002 - hooks and hyper-parameters as the examples write them

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import optuna
import pytorch_lightning as pl
import torch
import torchmetrics
from pytorch_lightning.loggers import MLFlowLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


@dataclass(frozen=True)
class Data:
    """Training and validation rows: inputs (N, F); targets (N, 1) of 0/1, or class indices (N,)."""

    x: Tensor
    y: Tensor
    x_val: Tensor
    y_val: Tensor


class CirclesModule(pl.LightningModule):
    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, 1))
        self.loss_fn = nn.BCEWithLogitsLoss()
        self.train_accuracy = torchmetrics.classification.BinaryAccuracy()
        self.val_accuracy = torchmetrics.classification.BinaryAccuracy()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        logits = self(x)
        loss = self.loss_fn(logits, y)
        self.train_accuracy(logits, y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        logits = self(x)
        self.val_accuracy(logits, y)
        self.log("val_loss", self.loss_fn(logits, y), prog_bar=True)
        self.log("val_accuracy", self.val_accuracy, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"], momentum=0.9)


class DigitsModule(CirclesModule):
    def __init__(self, lr: float) -> None:
        super().__init__(lr)
        self.net = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
        self.loss_fn = nn.CrossEntropyLoss()
        self.train_accuracy = torchmetrics.classification.MulticlassAccuracy(10, average="micro")
        self.val_accuracy = torchmetrics.classification.MulticlassAccuracy(10, average="micro")


_QUIET: dict[str, Any] = {
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "num_sanity_val_steps": 0,
}


def search(
    data: Data,
    tracking_uri: str,
    root: str,
    *,
    trials: int,
    epochs: int,
    quiet: bool,
    module: type[CirclesModule] = CirclesModule,
) -> optuna.Study:
    """Run a study of the script."""
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=32, shuffle=True)
    validation = DataLoader(TensorDataset(data.x_val, data.y_val), batch_size=500)

    def objective(trial: optuna.Trial) -> float:
        pl.seed_everything(trial.number, verbose=False)
        model = module(lr=trial.suggest_float("lr", 1e-3, 1.0, log=True))
        logger = MLFlowLogger(experiment_name="circles", tracking_uri=tracking_uri)
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=logger,
            log_every_n_steps=10,
            default_root_dir=root,
            **(_QUIET if quiet else {}),
        )
        trainer.fit(model, train, validation)
        return float(trainer.callback_metrics["val_accuracy"])

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=trials)
    return study

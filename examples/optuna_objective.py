"""An Optuna objective over the learning rate and the width of a network, with a Trainer of its own."""

import lossearch
import optuna
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(pl.LightningModule):
    def __init__(self, criterion, lr, width):
        super().__init__()
        self.criterion, self.lr = criterion, lr
        self.net = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(0))

    def training_step(self, batch):
        x, y = batch
        return self.criterion(self.net(x), y)

    def validation_step(self, batch):
        x, y = batch
        self.log("val_accuracy", ((self.net(x) > 0) == (y > 0)).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


def loaders():
    x = torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    y = (x.norm(dim=1) > 1.2).float()
    train, val = TensorDataset(x[:400], y[:400]), TensorDataset(x[400:], y[400:])
    return DataLoader(train, batch_size=32, shuffle=True), DataLoader(val, batch_size=200)


def objective(trial):
    width = trial.suggest_int("width", 4, 32, log=True)
    point = lossearch.suggest(trial, task="binary", losses=["bce", "hinge", "squared_hinge"])
    module = Net(point.criterion(), point.lr, width)
    callbacks = [lossearch.LossSearchCallback(trial, monitor="val_accuracy")]
    trainer = pl.Trainer(
        max_epochs=3,
        callbacks=callbacks,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, *loaders())
    return callbacks[0].value()


if __name__ == "__main__":
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_startup_trials=3))
    study.optimize(objective, n_trials=8)
    print(study.best_params)

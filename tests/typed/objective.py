"""An Optuna objective with a Trainer of one's own."""

import optuna
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

import lossearch


class Net(pl.LightningModule):
    """A module whose criterion is given, as text or as a module."""

    def __init__(self, criterion: nn.Module | str, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.criterion: nn.Module = lossearch.criterion(criterion)
        self.lr = lr
        self.layer = nn.Linear(2, 1)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        loss: Tensor = self.criterion(self.layer(x), y)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser."""
        return torch.optim.Adam(self.parameters(), self.lr)


def objective(trial: optuna.Trial) -> float:
    """Return the value of a trial."""
    point: lossearch.Point = lossearch.suggest(
        trial, task="binary", losses=["bce", "focal"], lr=(1e-4, 1e-1), params={"focal.gamma": (1.0, 3.0)}
    )
    watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
    trainer = pl.Trainer(max_epochs=1, callbacks=[watch])
    trainer.fit(Net(point.criterion(), point.lr))
    return watch.value()


study = optuna.create_study(direction="maximize")
study.optimize(objective, n_trials=3)
lossearch.suggest(study.ask(), losess=["bce"])  # type: ignore[call-arg]

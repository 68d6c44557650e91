"""LightningModules and data modules in the shape in which people write them."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
import torchmetrics
from sklearn.datasets import load_digits, make_circles
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Circles(pl.LightningDataModule):
    """Two rings, split in setup without a generator of its own."""

    def __init__(self, batch_size: int = 32, rows: int = 400) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.batch_size = batch_size

    def setup(self, stage: str | None = None) -> None:
        x, y = make_circles(self.hparams.rows, noise=0.2, factor=0.5, random_state=0)
        data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
        self.train, self.val, self.test = random_split(data, [0.6, 0.2, 0.2])

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=100)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=100)


class Classifier(pl.LightningModule):
    """A binary classifier as in Lightning's examples, with a criterion for an argument."""

    def __init__(self, criterion: nn.Module, lr: float = 1e-3, hidden: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["criterion"])
        self.criterion = criterion
        self.net = nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.val_acc = torchmetrics.classification.BinaryAccuracy()
        self.test_acc = torchmetrics.classification.BinaryAccuracy()

    def forward(self, x):
        return self.net(x).squeeze(-1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self(x)
        self.log("val_loss", self.criterion(output, y))
        self.val_acc(self.criterion.predict(output), y)
        self.log("val_accuracy", self.val_acc, on_epoch=True)

    def test_step(self, batch, batch_idx):
        x, y = batch
        output = self(x)
        self.log("test_loss", self.criterion(output, y))
        self.test_acc(self.criterion.predict(output), y)
        self.log("test_accuracy", self.test_acc, on_epoch=True)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


class HardCoded(pl.LightningModule):
    """A module whose criterion is an attribute, and which logs a plain number."""

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
        self.loss_fn = nn.BCEWithLogitsLoss()

    def _step(self, batch, stage):
        x, y = batch
        logits = self.net(x)
        loss = self.loss_fn(logits, y.float().unsqueeze(1))
        accuracy = ((logits.squeeze(1) > 0).long() == y).float().mean()
        self.log_dict({f"{stage}_loss": loss, f"{stage}_acc": accuracy}, on_epoch=True)
        return loss

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._step(batch, "test")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=self.hparams.learning_rate, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=self.hparams.learning_rate, total_steps=self.trainer.estimated_stepping_batches
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Silent(Classifier):
    """A module whose validation shows nothing of what it predicts but a number."""

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_margin", (self(x) * (2.0 * y - 1)).mean())

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_margin", (self(x) * (2.0 * y - 1)).mean())


class PredictsRaw(Silent):
    """A module that shows what it predicts in predict_step alone, as raw output."""

    def predict_step(self, batch, batch_idx):
        x, _ = batch
        return self(x)


class PredictsInputs(Silent):
    """A module whose predict_step takes what a loader without targets gives."""

    def predict_step(self, x):
        return self(x)


class PredictsLabels(Silent):
    """A module that asks its criterion for labels."""

    def predict_step(self, batch, batch_idx, dataloader_idx=0):
        return self.criterion.predict(self(batch[0]))


class PredictsProbabilities(Silent):
    """A module that gives what it takes for probabilities."""

    def predict_step(self, batch, batch_idx):
        return self(batch[0]).sigmoid()


class HardWired(Classifier):
    """A module that takes a criterion and does not use it."""

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.binary_cross_entropy_with_logits(self(x), y.float())


class FixedRate(Classifier):
    """A module whose optimiser has a rate of its own."""

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Manual(Classifier):
    """Manual optimisation with an optimiser for each half of the network."""

    def __init__(self, criterion: nn.Module, lr: float = 1e-3) -> None:
        super().__init__(criterion, lr)
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        x, y = batch
        for optimizer in self.optimizers():
            optimizer.zero_grad()
        loss = self.criterion(self(x), y)
        self.manual_backward(loss)
        for optimizer in self.optimizers():
            optimizer.step()
        self.log("train_loss", loss)

    def configure_optimizers(self):
        return [
            torch.optim.Adam(self.net[0].parameters(), lr=self.hparams.lr),
            torch.optim.SGD(self.net[2].parameters(), lr=self.hparams.lr),
        ]


class TwoParts(Circles):
    """Two validation loaders."""

    def val_dataloader(self):
        return [super().val_dataloader(), super().test_dataloader()]


class LogsByLoader(Classifier):
    """Validation over several loaders, logged by loader."""

    def validation_step(self, batch, batch_idx, dataloader_idx=0):
        x, y = batch
        output = self(x)
        accuracy = (self.criterion.predict(output) == y).float().mean()
        self.log("val_accuracy", accuracy, batch_size=len(y))


class DigitsNet(pl.LightningModule):
    """Ten classes, with BatchNorm and Dropout; its loaders are its own."""

    def __init__(self, criterion: nn.Module, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["criterion"])
        self.criterion = criterion
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(288, 10),
        )
        x, y = load_digits(return_X_y=True)
        data = TensorDataset(torch.tensor(x / 16.0, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(y))
        self.parts = [
            torch.utils.data.Subset(data, range(*ends)) for ends in ((0, 300), (300, 400), (400, 500))
        ]

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", self.criterion(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.AdamW(
            self.parameters(), lr=self.hparams.lr, weight_decay=self.hparams.weight_decay
        )

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=50, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=50)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=50)


class Regressor(pl.LightningModule):
    """One number far from 0, which the criterion standardises."""

    def __init__(self, criterion: nn.Module, lr: float) -> None:
        super().__init__()
        self.criterion, self.lr = criterion, lr
        self.net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self.net(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self.net(x)
        self.log("val_loss", self.criterion(output, y))
        self.log("val_rmse", (self.criterion.predict(output) - y).square().mean().sqrt())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def numbers_loaders():
    """Return loaders of the three parts, given as they are."""
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    y = 1000 + 50 * x[:, 0] + 5 * x[:, 1] * x[:, 2]
    data = TensorDataset(x, y)
    parts = [torch.utils.data.Subset(data, range(*ends)) for ends in ((0, 200), (200, 250), (250, 300))]
    return tuple(DataLoader(p, batch_size=50, shuffle=i == 0) for i, p in enumerate(parts))


class Nothing(pl.Callback):
    """A callback that does nothing."""


class NoValidation(pl.LightningDataModule):
    """Training rows alone."""

    def train_dataloader(self):
        return numbers_loaders()[0]


class Broken(Circles):
    """Its files are not there."""

    def setup(self, stage=None):
        raise FileNotFoundError("no disk")


class Raising(Classifier):
    """Its validation is wrong."""

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", 1 / 0)


def a_network(criterion, lr):
    """Return a network that is no LightningModule."""
    return nn.Linear(2, 1)


class QuietTest(Classifier):
    """Its test_step logs a number of its own, and shows nothing of what it predicts."""

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_margin", (self(x) * (2.0 * y - 1)).mean())


class Squashed(HardCoded):
    """Gives probabilities, and has a loss of such."""

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__(learning_rate)
        self.net.append(nn.Sigmoid())
        self.loss_fn = nn.BCELoss()


class Costly(Classifier):
    """Logs a number that nobody else knows."""

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self(x)
        self.log("val_loss", self.criterion(output, y))
        self.log("val_cost", output.abs().mean())

    def test_step(self, batch, batch_idx):
        x, _ = batch
        self.log("test_cost", self(x).abs().mean())

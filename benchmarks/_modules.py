"""LightningModules as people write them, with a criterion for an argument, for ``own_module.py``."""

# ruff: noqa: ARG002 - hooks as the examples write them

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
import torchmetrics
from sklearn.datasets import load_digits, make_circles
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Data(pl.LightningDataModule):
    """Two circles or digits, in memory."""

    def __init__(self, name: str, batch_size: int) -> None:
        super().__init__()
        self.name, self.batch_size = name, batch_size

    def setup(self, stage: str | None = None) -> None:
        if self.name == "circles":
            x, y = make_circles(1000, noise=0.1, random_state=1)
            inputs, parts = torch.tensor(x, dtype=torch.float32), (500, 1000)
        else:
            x, y = load_digits(return_X_y=True)
            images = torch.tensor(x / 16.0, dtype=torch.float32).view(-1, 8, 8)
            inputs, parts = images.unsqueeze(1) if self.name == "images" else images, (1000, 1400)
        targets = torch.tensor(y)
        self.train = TensorDataset(inputs[: parts[0]], targets[: parts[0]])
        self.val = TensorDataset(inputs[parts[0] : parts[1]], targets[parts[0] : parts[1]])

    def train_dataloader(self) -> Any:
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self) -> Any:
        return DataLoader(self.val, batch_size=500)


class Module(pl.LightningModule):
    def __init__(self, criterion: nn.Module, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["criterion"])
        self.criterion = criterion
        self.net = self.network()
        self.val_accuracy = self.accuracy()

    def network(self) -> nn.Module:
        raise NotImplementedError

    def accuracy(self) -> torchmetrics.Metric:
        return torchmetrics.classification.MulticlassAccuracy(10, average="micro")

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def predicted(self, output: Tensor) -> Tensor:
        return output.argmax(dim=1)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.criterion(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        x, y = batch
        output = self(x)
        self.val_accuracy(self.predicted(output), y)
        self.log("val_loss", self.criterion(output, y))
        self.log("val_accuracy", self.val_accuracy)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])


class Mlp(Module):
    def network(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, 1), nn.Flatten(0))

    def accuracy(self) -> torchmetrics.Metric:
        return torchmetrics.classification.BinaryAccuracy()

    def predicted(self, output: Tensor) -> Tensor:
        return (output > 0).long()


class Cnn(Module):
    def network(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


class Lstm(Module):
    def network(self) -> nn.Module:
        return _Lstm()

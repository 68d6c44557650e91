"""A table with two columns of names, which are embedded, and four of numbers."""

import lossearch
import numpy as np
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

CITIES, PLANS = 12, 4


class Customers(pl.LightningDataModule):
    def __init__(self, rows=1500, batch_size=64):
        super().__init__()
        self.save_hyperparameters()

    def setup(self, stage=None):
        rng = np.random.default_rng(0)
        names = np.stack(
            [rng.integers(CITIES, size=self.hparams.rows), rng.integers(PLANS, size=self.hparams.rows)], 1
        )
        numbers = rng.normal(size=(self.hparams.rows, 4))
        score = np.sin(names[:, 0]) + 0.5 * names[:, 1] - 1 + numbers @ [1.0, -0.5, 0.0, 0.2]
        churned = rng.random(self.hparams.rows) < 1 / (1 + np.exp(-2 * score))
        data = TensorDataset(
            torch.tensor(names),
            torch.tensor(numbers, dtype=torch.float32),
            torch.tensor(churned.astype(np.int64)),
        )
        split = torch.Generator().manual_seed(0)
        self.train, self.val, self.test = random_split(data, [0.6, 0.2, 0.2], generator=split)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.hparams.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=500)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=500)


class Churn(pl.LightningModule):
    def __init__(self, lr=1e-3, width=32):
        super().__init__()
        self.save_hyperparameters()
        self.cities = nn.Embedding(CITIES, 4)
        self.plans = nn.Embedding(PLANS, 2)
        self.net = nn.Sequential(nn.Linear(10, width), nn.ReLU(), nn.Linear(width, 1))
        self.loss_fn = nn.BCEWithLogitsLoss()

    def forward(self, names, numbers):
        columns = [self.cities(names[:, 0]), self.plans(names[:, 1]), numbers]
        return self.net(torch.cat(columns, dim=1)).squeeze(1)

    def training_step(self, batch):
        names, numbers, y = batch
        return self.loss_fn(self(names, numbers), y.float())

    def validation_step(self, batch):
        names, numbers, y = batch
        logits = self(names, numbers)
        self.log("val_loss", self.loss_fn(logits, y.float()))
        self.log("val_accuracy", ((logits > 0).long() == y).float().mean())

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.parameters(), lr=self.hparams.lr)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)]


if __name__ == "__main__":
    budget = {"losses": ["bce", "hinge", "focal"], "trials": 20, "epochs": 8, "confirm_seeds": 5}
    result = lossearch.search(module=Churn, datamodule=Customers, task="binary", **budget)
    print(result.verdict)

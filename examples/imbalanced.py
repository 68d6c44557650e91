"""One row in fifteen is of the class that matters."""

import lossearch
import pytorch_lightning as pl
import torch
import torchmetrics
from sklearn.datasets import make_classification
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class Rare(pl.LightningDataModule):
    def setup(self, stage=None):
        x, y = make_classification(2000, 12, n_informative=5, weights=[0.93], flip_y=0.01, random_state=0)
        data = TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(y))
        split = torch.Generator().manual_seed(0)
        self.train, self.val, self.test = random_split(data, [0.5, 0.25, 0.25], generator=split)

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=100, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=500)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=500)


class Detector(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
        self.criterion = nn.BCEWithLogitsLoss(pos_weight=torch.tensor(14.0))
        self.average_precision = torchmetrics.classification.BinaryAveragePrecision()

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self.net(x), y.float())

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self.net(x)
        self.log("val_loss", self.criterion(logits, y.float()))
        self.average_precision(logits.sigmoid(), y)
        self.log("val_average_precision", self.average_precision)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)


if __name__ == "__main__":
    budget = {"losses": ["bce", "focal"], "class_weight": ["none", "balanced"], "trials": 20, "epochs": 6}
    result = lossearch.search(module=Detector, datamodule=Rare, task="binary", metric="pr_auc", **budget)
    print(result.verdict)

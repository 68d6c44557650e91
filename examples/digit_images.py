"""A CNN on digit images, shifted at random while training."""

import lossearch
import pytorch_lightning as pl
import torch
import torchmetrics
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset, Subset


class Images(Dataset):
    def __init__(self, shifted=False):
        x, y = load_digits(return_X_y=True)
        self.x = torch.tensor(x / 16.0, dtype=torch.float32).view(-1, 1, 8, 8)
        self.y = torch.tensor(y)
        self.shifted = shifted

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        shift = torch.randint(-1, 2, (2,)).tolist() if self.shifted else (0, 0)
        return torch.roll(self.x[i], shift, dims=(1, 2)), self.y[i]


class Digits(pl.LightningDataModule):
    def __init__(self, batch_size=64):
        super().__init__()
        self.batch_size = batch_size

    def setup(self, stage=None):
        self.train = Subset(Images(shifted=True), range(600))
        self.val = Subset(Images(), range(600, 900))
        self.test = Subset(Images(), range(900, 1200))

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=300)

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=300)


class Net(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(128, 10),
        )
        self.criterion = nn.CrossEntropyLoss()
        self.val_acc = torchmetrics.classification.MulticlassAccuracy(10, average="micro")

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = self.criterion(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self(x)
        self.val_acc(output.argmax(dim=1), y)
        self.log("val_loss", self.criterion(output, y))
        self.log("val_accuracy", self.val_acc)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)


if __name__ == "__main__":
    budget = {"losses": ["cross_entropy", "focal"], "trials": 10, "epochs": 5, "confirm_seeds": 5}
    result = lossearch.search(module=Net, datamodule=Digits, task="multiclass", **budget)
    print(result.verdict)

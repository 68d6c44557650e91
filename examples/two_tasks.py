"""One body, two heads: the digit, and how much ink it took, each with a loss."""

import lossearch
import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset


class TwoTasks(pl.LightningModule):
    def __init__(self, lr=1e-3, share=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit = nn.Linear(64, 10)
        self.ink = nn.Linear(64, 1)
        self.criterion = nn.CrossEntropyLoss()
        self.ink_loss = nn.functional.mse_loss

    def training_step(self, batch, batch_idx):
        x, digit, ink = batch
        hidden = self.body(x)
        ink_loss = self.ink_loss(self.ink(hidden).squeeze(1), ink)
        return self.criterion(self.digit(hidden), digit) + self.hparams.share * ink_loss

    def validation_step(self, batch, batch_idx):
        x, digit, _ = batch
        output = self.digit(self.body(x))
        self.log("val_loss", self.criterion(output, digit))
        self.log("val_accuracy", (output.argmax(dim=1) == digit).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9)


def loaders():
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16.0, dtype=torch.float32)
    data = TensorDataset(x, torch.tensor(y), x.mean(dim=1))
    parts = [Subset(data, range(*ends)) for ends in ((0, 800), (800, 1200), (1200, 1600))]
    return [DataLoader(part, batch_size=50, shuffle=i == 0) for i, part in enumerate(parts)]


if __name__ == "__main__":
    budget = {"losses": ["cross_entropy", "mse"], "trials": 15, "epochs": 5, "confirm_seeds": 5}
    result = lossearch.search(module=TwoTasks, datamodule=loaders(), task="multiclass", **budget)
    print(result.verdict)

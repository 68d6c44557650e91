"""An LSTM that reads noisy waves and says how fast they swing."""

import lossearch
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Waves(pl.LightningDataModule):
    def setup(self, stage=None):
        draw = torch.Generator().manual_seed(0)
        speed = 1 + 4 * torch.rand(600, 1, generator=draw)
        phase = 6.28 * torch.rand(600, 1, generator=draw)
        noise = 0.3 * torch.randn(600, 30, generator=draw)
        outliers = 5 * (torch.rand(600, 1, generator=draw) < 0.05) * torch.randn(600, 1, generator=draw)
        x = torch.sin(speed * torch.linspace(0, 6.28, 30) + phase) + noise
        data = TensorDataset(x.unsqueeze(2), (speed + outliers).squeeze(1))
        self.parts = [
            torch.utils.data.Subset(data, range(*ends)) for ends in ((0, 400), (400, 500), (500, 600))
        ]

    def train_dataloader(self):
        return DataLoader(self.parts[0], batch_size=50, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.parts[1], batch_size=100)

    def test_dataloader(self):
        return DataLoader(self.parts[2], batch_size=100)


class Reader(pl.LightningModule):
    def __init__(self, criterion, learning_rate):
        super().__init__()
        self.criterion = criterion
        self.learning_rate = learning_rate
        self.lstm = nn.LSTM(1, 16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, x):
        output, _ = self.lstm(x)
        return self.head(output[:, -1]).squeeze(1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return self.criterion(self(x), y)

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", self.criterion(self(x), y))

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("test_loss", self.criterion(self(x), y))

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.parameters(), lr=self.learning_rate)


if __name__ == "__main__":
    budget = {"losses": ["mse", "mae"], "trials": 10, "seeds": 1, "confirm_seeds": 5, "epochs": 8}
    result = lossearch.search(module=Reader, datamodule=Waves, task="regression", metric="mae", **budget)
    print(result.verdict)

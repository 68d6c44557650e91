"""A generator that learns a ring of points from a discriminator: two optimisers, one adversarial loss."""

import math

import lossearch
import pytorch_lightning as pl
import torch
from scipy.stats import energy_distance
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def network(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, outputs)
    )


class Adversarial(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.generator, self.discriminator = network(2, 2), network(2, 1)
        self.criterion = nn.BCEWithLogitsLoss()

    def judged(self, points, real):
        output = self.discriminator(points).squeeze(1)
        return self.criterion(output, torch.full_like(output, real))

    def training_step(self, batch, batch_idx):
        (points,) = batch
        generates, discriminates = self.optimizers()
        fake = self.generator(torch.randn_like(points))
        discriminates.zero_grad()
        self.manual_backward(self.judged(points, 1.0) + self.judged(fake.detach(), 0.0))
        discriminates.step()
        generates.zero_grad()
        self.manual_backward(self.judged(fake, 1.0))
        generates.step()

    def validation_step(self, batch, batch_idx):
        (points,) = batch
        noise = torch.randn(len(points), 2, generator=torch.Generator().manual_seed(0))
        fake = self.generator(noise)
        axes = zip(points.T, fake.T, strict=True)
        self.log("val_distance", sum(energy_distance(a.numpy(), b.numpy()) for a, b in axes))

    def configure_optimizers(self):
        parts = self.generator, self.discriminator
        return [torch.optim.Adam(part.parameters(), lr=self.hparams.lr, betas=(0.5, 0.999)) for part in parts]


def loaders():
    angle = 2 * math.pi * torch.rand(1200, generator=torch.Generator().manual_seed(0))
    ring = torch.stack([angle.cos(), angle.sin()], dim=1)
    parts = [TensorDataset(part) for part in ring.split(400)]
    return [
        DataLoader(part, batch_size=50 if i == 0 else 400, shuffle=i == 0) for i, part in enumerate(parts)
    ]


if __name__ == "__main__":
    budget = {"losses": ["bce", "mse", "hinge"], "trials": 25, "seeds": 1, "epochs": 10, "confirm_seeds": 5}
    judged = {"metric": "val_distance", "direction": "minimize", "task": "binary"}
    result = lossearch.search(module=Adversarial, datamodule=loaders(), **judged, **budget)
    print(result.verdict)

"""A module that applies an activation before its criterion is told so in a note; raw output never is."""

from __future__ import annotations

import re

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossearch.config import make_config
from lossearch.study.prepare import ModuleObjects, prepare


class Net(pl.LightningModule):
    """Reads three numbers a row; what stands after its last layer is for each test to say."""

    def __init__(self, criterion, lr=1e-3, width=1, end=None):
        super().__init__()
        self.criterion, self.lr = criterion, lr
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, width))
        self.end = end if end is not None else nn.Identity()

    def forward(self, x):
        return self.end(self.body(x))

    def training_step(self, batch):
        x, y = batch
        return self.criterion(self(x), y)

    def validation_step(self, batch):
        x, y = batch
        self.log("val_loss", self.criterion(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class Written(Net):
    def forward(self, x):
        scores = self.body(x)
        return torch.sigmoid(scores)

    def predict_step(self, batch):
        return self(batch[0]) > torch.sigmoid(torch.tensor(0.0))


class InStep(Net):
    def training_step(self, batch):
        x, y = batch
        return self.criterion(self.body(x).softmax(dim=-1), y)

    def validation_step(self, batch):
        x, y = batch
        self.log("val_loss", self.criterion(self.body(x).softmax(dim=-1), y))


class Constant(Net):
    def forward(self, x):
        return torch.sigmoid(self.body(x)) * 0 + 0.5


class NearHalf(Net):
    """Raw output that lies between 0 and 1 on every row of the probe."""

    def __init__(self, criterion, lr=1e-3, width=1):
        super().__init__(criterion, lr, width)
        with torch.no_grad():
            self.body[2].weight.mul_(0.1)
            self.body[2].bias.fill_(0.5)


class Unseen(Net):
    """Shows its criterion nothing in validation."""

    def validation_step(self, batch):
        self.log("val_score", self.body(batch[0]).mean())


class Brittle(Net):
    """Refuses to be validated with other weights than it was trained to."""

    def validation_step(self, batch):
        if max(p.abs().max() for p in self.parameters()) > 2:
            raise ValueError("weights that cannot be")
        super().validation_step(batch)


def loaders(kind, rows=120):
    x = torch.rand(rows, 3, generator=torch.Generator().manual_seed(0))
    y = {"binary": (x[:, 0] > 0.5).long(), "multiclass": (3 * x[:, 0]).long(), "regression": x[:, :1]}[kind]
    data = TensorDataset(x, y)
    return DataLoader(data, batch_size=16, shuffle=True), DataLoader(data, batch_size=32)


def notes(module, kind, rows=120, metric=None, **args):
    given = ModuleObjects(module=module, args=args, datamodule=loaders(kind, rows))
    tables = {"task": {"kind": kind, "direction": "maximize" if metric else None}}
    plan = prepare(make_config(tables), module=given, metric=metric).plan
    return [note for note in plan.task.notes if "take raw output" in note]


@pytest.mark.parametrize(
    ("module", "kind", "args", "words"),
    [
        (Net, "binary", {"end": nn.Sigmoid()}, "values from 0 to 1 alone, as after a sigmoid.*Leave end \\(Sigmoid\\) out"),
        (Net, "regression", {"end": nn.Sigmoid()}, "as after a sigmoid"),
        (Net, "multiclass", {"end": nn.Softmax(dim=-1), "width": 3}, "rows that sum to 1, as after a softmax.*end \\(Softmax\\)"),
        (Brittle, "multiclass", {"end": nn.Softmax(dim=-1), "width": 3}, "rows that sum to 1"),
        (Net, "multiclass", {"end": nn.LogSoftmax(dim=-1), "width": 3}, "log-probabilities, as after a log_softmax"),
        (Net, "binary", {"end": nn.Tanh()}, "from -1 to 1 alone, as after a tanh.*Leave end \\(Tanh\\) out"),
        (Written, "binary", {}, "Leave it out of the line `return torch.sigmoid\\(scores\\)`"),
        (InStep, "multiclass", {"width": 3}, "the line `return self.criterion\\(self.body\\(x\\).softmax\\(dim=-1\\), y\\)`"),
    ],
)  # fmt: skip
def test_an_activation_before_the_criterion_is_said_once(module, kind, args, words):
    (note,) = notes(module, kind, **args)
    assert re.search(words, note), note


@pytest.mark.parametrize(
    ("module", "kind", "args"),
    [
        (Net, "binary", {}),
        (Net, "multiclass", {"width": 3}),
        (Net, "regression", {}),
        (Net, "regression", {"end": nn.ReLU()}),
        (Net, "regression", {"end": nn.Softplus()}),
        (NearHalf, "regression", {}),
        (NearHalf, "multiclass", {"width": 3}),
        (Constant, "binary", {}),
        (Brittle, "binary", {"end": nn.Sigmoid()}),
        (Unseen, "binary", {"end": nn.Sigmoid(), "metric": "val_score"}),
    ],
)
def test_nothing_is_said_of_raw_output(module, kind, args):
    assert notes(module, kind, **args) == []


def test_nothing_is_said_of_few_rows():
    assert notes(Net, "binary", rows=9, end=nn.Sigmoid()) == []
    assert notes(Net, "binary", rows=32, end=nn.Sigmoid())


def test_the_weights_are_as_they_were():
    from lossearch.training.own_module.applied_activation import applied_activation

    torch.manual_seed(0)
    net = Net(None, end=nn.Sigmoid())
    before = {name: value.clone() for name, value in net.state_dict().items()}
    rows = net(torch.rand(40, 3)).detach()
    assert applied_activation(net, [rows], lambda: net(torch.rand(40, 3)).detach(), "Net")
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())

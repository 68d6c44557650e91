"""Criteria in a training loop of plain torch."""

import torch
from torch import Tensor, nn

import lossearch
from lossearch.losses import BCE, CrossEntropy, Focal, Huber

focal: Focal = lossearch.losses.Focal(gamma=2.0)
every: list[lossearch.Criterion] = [
    focal,
    BCE(),
    CrossEntropy(),
    Huber(delta=0.5, activation="identity", task=None),
]
named: lossearch.Criterion = lossearch.criterion("focal/sigmoid", gamma=1.5, task="binary")
mapped: lossearch.Criterion = lossearch.criterion({"pair": "focal/sigmoid", "gamma": 1.5})
kept: lossearch.Criterion = lossearch.criterion(focal)
module: nn.Module = lossearch.criterion(nn.BCEWithLogitsLoss())

net = nn.Linear(3, 1)
x, y = torch.randn(8, 3), torch.randint(2, (8,))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loss: Tensor = focal(net(x), y)
loss.backward()
optimizer.step()
rows: Tensor = focal.per_sample(net(x), y)
labels: Tensor = focal.predict(net(x))
probabilities: Tensor = focal.predict_proba(net(x))

Focal(gama=2.0)  # type: ignore[call-arg]
Huber(delta="large")  # type: ignore[arg-type]
lossearch.criterion(3)  # type: ignore[call-overload]

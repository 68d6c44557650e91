"""A training method of networks made of one of a user's modules: the network, its data and optimiser as a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from lossearch.space import Space
from lossearch.tasks.own_module import OwnModule, Slot
from lossearch.tasks.task import Part, Task
from lossearch.training.batches import batch_sizes, row_order
from lossearch.training.contract import Replicate, ReplicateResult, TrainingMethod, TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES

NAMES = ("momentum", "weight_decay", "nesterov")
"""Options of an optimiser that a point may set."""


class Wrapped(pl.LightningModule):
    """A task's network as people write a module."""

    def __init__(
        self, task: Task, settings: TrainSettings, criterion: nn.Module, lr: float, **options: Any
    ) -> None:
        super().__init__()
        self.criterion, self.lr = criterion, lr
        self.settings = replace(settings, options={**settings.options, **options})
        self.net = task.build()

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        x, y = batch
        return self.criterion(self.net(x), y)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        x, y = batch
        self.log("val_loss", self.criterion(self.net(x), y))

    def configure_optimizers(self) -> Any:
        optimizer = make_optimizer(
            self.settings.optimizer, self.net.parameters(), self.lr, self.settings.options
        )
        total, schedule = int(self.trainer.estimated_stepping_batches), SCHEDULES[self.settings.schedule]
        stepped = LambdaLR(optimizer, lambda step: schedule(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": stepped, "interval": "step"}}


@dataclass
class Rows:
    """A part in batches, in the order that the contract has for a seed and the epoch."""

    part: Part
    sizes: list[int]
    order: Callable[[], Tensor]
    dtype: torch.dtype

    def __len__(self) -> int:
        return len(self.sizes)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.order().split(self.sizes):
            x = self.part.x[rows]
            yield x.to(self.dtype) if x.is_floating_point() else x, self.part.y[rows]


class Data(pl.LightningDataModule):
    """A seed's fold."""

    def __init__(self, task: Task, seed: int, batch_size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.fold, self.seed, self.batch_size = task.fold(seed), seed, batch_size

    def train_dataloader(self) -> Any:
        rows = len(self.fold.train)
        order = lambda: row_order(self.seed, self.trainer.current_epoch, rows)  # noqa: E731
        return Rows(self.fold.train, batch_sizes(rows, self.batch_size), order, self.dtype)

    def val_dataloader(self) -> Any:
        rows = len(self.fold.validation)
        return Rows(self.fold.validation, [rows], lambda: torch.arange(rows), self.dtype)


@dataclass
class OneSeed:
    """The data modules of one seed."""

    task: Task
    seed: int
    settings: TrainSettings

    def __call__(self, settings: Mapping[str, Any]) -> Data:
        dtype = PRECISIONS[self.settings.precision].weights
        return Data(self.task, self.seed, int(settings.get("batch_size", self.settings.batch_size)), dtype)

    with_test = __call__


def as_module(method: TrainingMethod) -> TrainingMethod:
    """Return a method that trains a task's network as a module, by ``method``."""

    def train(
        task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings, **options: Any
    ) -> Iterator[ReplicateResult]:
        found: dict[Replicate, ReplicateResult] = {}
        for head in dict.fromkeys(space.pair_of(r.point).loss.head for r in replicates):
            for seed in dict.fromkeys(r.seed for r in replicates):
                own = [r for r in replicates if r.seed == seed and space.pair_of(r.point).loss.head == head]
                results = method(_task(task.with_head(head), seed, settings), space, own, settings, **options)
                found |= {r.replicate: _named(r) for r in results}
        for replicate in replicates:
            if replicate not in found:
                return
            yield found[replicate]

    return train


def _task(task: Task, seed: int, settings: TrainSettings) -> Task:
    module = OwnModule(
        partial(Wrapped, task, settings), "contracts.own_module:Wrapped", {}, Slot("criterion", argument=True),
        Slot("lr", argument=True), OneSeed(task, seed, settings), settings=frozenset(NAMES),
        data_settings=frozenset({"batch_size"}), random=True,
    )  # fmt: skip
    return replace(task, module=module)


def _named(result: ReplicateResult) -> ReplicateResult:
    if result.weights is None:
        return result
    return replace(result, weights={k.removeprefix("net."): v for k, v in result.weights.items()})

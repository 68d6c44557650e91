"""A network and a criterion as a LightningModule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from lossearch._random import seed_draws, stream
from lossearch.metrics.metric import Metric
from lossearch.pairs import Criterion
from lossearch.training.batches import Batch, Rows
from lossearch.training.contract import Divergence
from lossearch.training.finiteness import all_finite, blame
from lossearch.training.optimizers import make_optimizer
from lossearch.training.precision import PRECISIONS, Precision
from lossearch.training.schedules import SCHEDULES
from lossearch.training.scoring import ScoreBook, outputs


class LossModule(pl.LightningModule):
    """A network trained with one criterion by any Trainer.

    Batches are (inputs (N, ...), *encoded* targets); the network gives raw output (N, n_out).
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        lr: float,
        optimizer: str = "adam",
        options: Mapping[str, Any] | None = None,
        schedule: str = "constant",
        precision: Precision = PRECISIONS["32-true"],
    ) -> None:
        super().__init__()
        self.schedule = SCHEDULES[schedule]
        self.lowered = precision
        self.network = network
        self.criterion = criterion
        self.lr = lr
        self.optimizer_name = optimizer
        self.optimizer_options = dict(options or {})

    def forward(self, x: Tensor) -> Tensor:
        """Return raw output."""
        return self.lowered.applied(self.network, x)

    def training_step(self, batch: Batch) -> Tensor:
        """Return the batch's loss."""
        x, encoded = batch
        return self.criterion.mean(self(x), encoded)

    def validation_step(self, batch: Batch) -> Tensor:
        """Return the batch's loss."""
        x, encoded = batch
        return self.criterion.mean(outputs(self, x), encoded)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser over the network's parameters, and the schedule of its learning rate."""
        optimizer = make_optimizer(
            self.optimizer_name, self.network.parameters(), self.lr, self.optimizer_options
        )
        if self.schedule.name == "constant":
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        stepped = LambdaLR(optimizer, lambda step: self.schedule(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": stepped, "interval": "step"}}


@dataclass
class Keeper:
    """Sets the weights of the epoch aside that ``judge`` says is best, the last one's without a judge.

    ``best`` is that epoch's score, more is better; ``epoch`` its number, from 1.
    """

    judge: Metric | None
    best: float = -math.inf
    epoch: int | None = None
    weights: Mapping[str, Tensor] | None = None

    def look(self, network: nn.Module, book: ScoreBook, val_raw: Tensor, epoch: int) -> None:
        """Take the weights of an epoch just scored if they are to be kept."""
        score = math.inf
        if self.judge is not None:
            score = self.judge.sign * book.score(self.judge, val_raw)
            if self.epoch is not None and not score > self.best:
                return
        self.best, self.epoch = -math.inf if math.isnan(score) else score, epoch
        self.weights = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}


@dataclass
class Progress:
    """The state of one replicate while a Trainer runs it. ``random`` says whether its network draws."""

    seed: int
    random: bool
    train: Rows
    validation: Rows
    book: ScoreBook
    steps_an_epoch: int
    stop: Callable[[], bool]
    steps: int = 0
    loss_sum: float = 0.0
    rows: int = 0
    divergence: Divergence | None = None
    stopped: bool = False
    keeper: Keeper | None = None
    until: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be computed."""
        return self.stopped or self.divergence is not None


class ReplicateModule(LossModule):
    """A LossModule that keeps the training contract: random draws by step, guard, curves, stopping.

    The loss is read as a number at every step. On a CPU that is free; on an accelerator it waits for
    the step to finish, which costs little beside what a Trainer spends between steps and names the very
    step at which a replicate diverged. Gradients and weights are not tested at every step: either
    makes the next loss or the epoch's output non-finite, and :func:`blame` then finds which came first.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        lr: float,
        optimizer: str,
        options: Mapping[str, Any],
        progress: Progress,
        *,
        schedule: str = "constant",
        precision: Precision = PRECISIONS["32-true"],
    ) -> None:
        super().__init__(network, criterion, lr, optimizer, options, schedule, precision)
        self.progress = progress

    def training_step(self, batch: Batch) -> Tensor:
        """Return the batch's loss; note where it is not finite."""
        x, encoded = batch
        progress = self.progress
        if progress.random:
            seed_draws(stream(progress.seed, "step", progress.steps))
        raw = self(x)
        loss = self.criterion.mean(raw, encoded)
        value = loss.item()
        if not math.isfinite(value):
            self._diverge(raw, value, progress.steps + 1)
        progress.steps += 1
        progress.loss_sum += value * len(x)
        progress.rows += len(x)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's
        """Ask whether to go on."""
        if self.progress.stop():
            self.progress.stopped = True
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch) -> None:  # type: ignore[override]  # curves are kept, not logged
        """Close the epoch: score the whole validation part, and the training part in evaluation mode."""
        progress = self.progress
        if progress.ended:
            return
        x, encoded = batch
        raw, train_raw = outputs(self, x), outputs(self, progress.train.x)
        value = self.criterion.mean(raw, encoded).item()
        activation = self.criterion.pair.activation
        seen = (raw, train_raw, activation(raw), activation(train_raw), *self.network.parameters())
        if not (math.isfinite(value) and all_finite(seen)):
            self._diverge(torch.cat([activation(raw), raw, train_raw]), value, progress.steps)
            return
        progress.book.add(progress.loss_sum / progress.rows, value, train_raw, raw)
        progress.loss_sum, progress.rows = 0.0, 0
        epoch = progress.steps // progress.steps_an_epoch
        if progress.keeper is not None:
            progress.keeper.look(self.network, progress.book, raw, epoch)
        if epoch == progress.until:
            self.trainer.should_stop = True

    def _diverge(self, raw: Tensor, loss: float, step: int) -> None:
        what, value = blame(self.network, raw, loss)
        if what in ("gradient", "weights"):
            step = self.progress.steps
        epoch = max(0, step - 1) // self.progress.steps_an_epoch + 1
        self.progress.divergence = Divergence(what, step, epoch, value, self.lr)
        self.trainer.should_stop = True

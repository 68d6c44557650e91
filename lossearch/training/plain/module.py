"""A network and a criterion as a LightningModule."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from lossearch._random import seed_draws, stream
from lossearch.losses.schedules import share_done
from lossearch.pairs import Criterion
from lossearch.tasks.weights import class_weights
from lossearch.training.batches import Batch, batch_sizes, initial_network, prepare
from lossearch.training.contract import Divergence, Replicate, TrainingCall, TrainSettings
from lossearch.training.finiteness import first_cause, first_non_finite
from lossearch.training.optimizers import make_optimizer
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES
from lossearch.training.scoring import CurveRecorder, outputs


class ReplicateModule(pl.LightningModule):
    """A network trained with one criterion, as the contract has it: random draws by step, guard, curves, stopping.

    Batches are (inputs (N, ...), *encoded* targets, weights or None); the network gives raw output (N, n_out).

    The loss is read as a number at every step. On a CPU that is free; on an accelerator it waits for
    the step to finish, which costs little beside what a Trainer spends between steps and names the very
    step at which a replicate diverged. Gradients and weights are not tested at every step: either
    makes the next loss or the epoch's output non-finite, and :func:`first_cause` then finds which came first.
    """

    def __init__(
        self, call: TrainingCall, replicate: Replicate, settings: TrainSettings, device: torch.device
    ) -> None:
        """Make the module of a replicate, whose own settings these are, before its first step."""
        super().__init__()
        point, until, pair = replicate.point, replicate.until, call.pair(replicate.point)
        task = call.task.with_head(pair.loss.head)
        self.precision = PRECISIONS[settings.precision]
        dtype, fold = self.precision.weights, task.fold(replicate.seed)
        self.settings, self.lr, self.seed, self.until = settings, point.lr, replicate.seed, until
        self.random, self.stop = call.random, call.stop
        weights = class_weights(task, fold, settings.class_weight, settings.pos_weight)
        self.criterion = Criterion(pair, point.params, fold.statistics, weights).to(device, dtype)
        self.training_part, self.validation_part = (
            prepare(part, self.criterion, task.n_out, dtype, device) for part in (fold.train, fold.validation)
        )
        self.recorder = CurveRecorder(
            self.criterion, task.train_metrics, task.metrics, self.training_part, self.validation_part
        )
        last = settings.epoch == "last" or until is not None
        self.judge, self.keeps = None if last else task.metric, call.keep_weights
        self.kept: tuple[int, dict[str, Tensor]] | None = None
        """The epoch that the judge says is best so far, without a judge the last, and its weights."""
        self.network = initial_network(task, self.seed, dtype)
        self.criterion.attach(self.network)
        self.steps_an_epoch = len(batch_sizes(fold.train_rows, int(settings.batch_size)))
        self.steps = 0
        self.loss_sum, self.rows = 0.0, 0
        self.divergence: Divergence | None = None
        self.stopped = False

    def forward(self, x: Tensor) -> Tensor:
        """Return raw output."""
        return self.precision.applied(self.network, x)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimiser over the network's parameters, and the schedule of its learning rate."""
        optimizer = make_optimizer(
            self.settings.optimizer, self.network.parameters(), self.lr, self.settings.options
        )
        schedule = SCHEDULES[self.settings.schedule]
        if schedule.name == "constant":
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        stepped = LambdaLR(optimizer, lambda step: schedule(step, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": stepped, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        """Tell a loss that changes over the training how much of it is done."""
        self.criterion.progress = share_done(int(self.trainer.current_epoch), int(self.settings.epochs))

    def training_step(self, batch: Batch) -> Tensor:
        """Return the batch's loss; note where it is not finite."""
        x, encoded, weight = batch
        if self.random:
            seed_draws(stream(self.seed, "step", self.steps))
        raw = self(x)
        loss = self.criterion.mean(raw, encoded, weight)
        value = loss.item()
        if not math.isfinite(value):
            self._diverge(raw, value, self.steps + 1)
        self.steps += 1
        self.loss_sum += value * len(x)
        self.rows += len(x)
        return self.criterion.penalised(loss)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's
        """Ask whether to go on."""
        self.stopped = self.stop()
        if self.stopped or self.divergence is not None:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch) -> None:
        """Close the epoch: score the whole validation part, and the training part in evaluation mode."""
        if self.stopped or self.divergence is not None:
            return
        x, encoded, weight = batch
        raw, train_raw = outputs(self, x), outputs(self, self.training_part.x)
        value = self.criterion.mean(raw, encoded, weight).item()
        activation = self.criterion.pair.activation
        seen = (raw, train_raw, activation(raw), activation(train_raw), *self.network.parameters())
        if not math.isfinite(value) or first_non_finite(seen) is not None:
            self._diverge(torch.cat([activation(raw), raw, train_raw]), value, self.steps)
            self.trainer.should_stop = True
            return
        losses = {"train": self.loss_sum / self.rows, "val": value}
        self.recorder.add(losses, {"train": train_raw, "val": raw})
        self.loss_sum, self.rows = 0.0, 0
        epoch = self.steps // self.steps_an_epoch
        if self.keeps and self._is_best():
            self.kept = epoch, {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}
        if epoch == self.until:
            self.trainer.should_stop = True

    def _is_best(self) -> bool:
        """Return whether no epoch before the one just scored is as good; what is no number is worst."""
        if self.judge is None:
            return True
        scores = self.recorder.values[f"val_{self.judge.name}"]
        worth = [-math.inf if math.isnan(v) else self.judge.sign * v for v in scores]
        return worth.index(max(worth)) == len(worth) - 1

    def _diverge(self, raw: Tensor, loss: float, step: int) -> None:
        weights = (p.detach() for p in self.network.parameters())
        gradients = (p.grad for p in self.network.parameters() if p.grad is not None)
        what, value = first_cause(weights, gradients, raw.detach(), loss)
        if what in ("gradient", "weights"):
            step = self.steps
        epoch = max(0, step - 1) // self.steps_an_epoch + 1
        self.divergence = Divergence(what, step, epoch, value, self.lr)

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
from lossearch.training.batches import Batch, Rows, batch_sizes, initial_network, prepare
from lossearch.training.contract import Divergence, Replicate, TrainingCall, TrainSettings
from lossearch.training.finiteness import all_finite, first_cause
from lossearch.training.optimizers import make_optimizer
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES
from lossearch.training.scoring import CurveRecorder, outputs


@dataclass
class KeptWeights:
    """Keeps the weights of the epoch that ``judge`` says is best, the last one's without a judge.

    ``best`` is that epoch's score, more is better; ``epoch`` its number, from 1.
    """

    judge: Metric | None
    best: float = -math.inf
    epoch: int | None = None
    weights: Mapping[str, Tensor] | None = None

    def update(self, network: nn.Module, recorder: CurveRecorder, val_raw: Tensor, epoch: int) -> None:
        """Take the weights of an epoch just scored if they are to be kept."""
        score = math.inf
        if self.judge is not None:
            score = self.judge.sign * recorder.score(self.judge, val_raw)
            if self.epoch is not None and not score > self.best:
                return
        self.best, self.epoch = -math.inf if math.isnan(score) else score, epoch
        self.weights = {k: v.detach().cpu().clone() for k, v in network.state_dict().items()}


@dataclass
class ReplicateState:
    """The state of one replicate while a Trainer runs it. ``random`` says whether its network draws."""

    seed: int
    random: bool
    train: Rows
    validation: Rows
    recorder: CurveRecorder
    steps_an_epoch: int
    stop: Callable[[], bool]
    steps: int = 0
    loss_sum: float = 0.0
    rows: int = 0
    divergence: Divergence | None = None
    stopped: bool = False
    kept: KeptWeights | None = None
    until: int | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be computed."""
        return self.stopped or self.divergence is not None


class ReplicateModule(pl.LightningModule):
    """A network trained with one criterion, as the contract has it: random draws by step, guard, curves, stopping.

    Batches are (inputs (N, ...), *encoded* targets); the network gives raw output (N, n_out).

    The loss is read as a number at every step. On a CPU that is free; on an accelerator it waits for
    the step to finish, which costs little beside what a Trainer spends between steps and names the very
    step at which a replicate diverged. Gradients and weights are not tested at every step: either
    makes the next loss or the epoch's output non-finite, and :func:`first_cause` then finds which came first.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        lr: float,
        settings: TrainSettings,
        state: ReplicateState,
    ) -> None:
        super().__init__()
        self.network, self.criterion, self.lr = network, criterion, lr
        self.settings = settings
        self.precision = PRECISIONS[settings.precision]
        self.state = state

    @classmethod
    def of(
        cls, call: TrainingCall, replicate: Replicate, settings: TrainSettings, device: torch.device
    ) -> ReplicateModule:
        """Return the module of a replicate, whose own settings these are, before its first step."""
        point, seed, until, pair = (
            replicate.point,
            replicate.seed,
            replicate.until,
            call.pair(replicate.point),
        )
        task = call.task.with_head(pair.loss.head)
        dtype, fold = PRECISIONS[settings.precision].weights, task.fold(seed)
        criterion = Criterion(pair, point.params, fold.statistics).to(device, dtype)
        train, validation = (
            prepare(part, criterion, task.n_out, dtype, device) for part in (fold.train, fold.validation)
        )
        recorder = CurveRecorder(criterion, task.train_metrics, task.metrics, train, validation)
        steps = len(batch_sizes(fold.train_rows, int(settings.batch_size)))
        state = ReplicateState(seed, call.random, train, validation, recorder, steps, call.stop, until=until)
        if call.keep_weights:
            last = settings.epoch == "last" or until is not None
            state.kept = KeptWeights(None if last else task.metric)
        return cls(initial_network(task, seed, dtype), criterion, point.lr, settings, state)

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

    def training_step(self, batch: Batch) -> Tensor:
        """Return the batch's loss; note where it is not finite."""
        x, encoded = batch
        state = self.state
        if state.random:
            seed_draws(stream(state.seed, "step", state.steps))
        raw = self(x)
        loss = self.criterion.mean(raw, encoded)
        value = loss.item()
        if not math.isfinite(value):
            self._diverge(raw, value, state.steps + 1)
        state.steps += 1
        state.loss_sum += value * len(x)
        state.rows += len(x)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - the hook's
        """Ask whether to go on."""
        self.state.stopped = self.state.stop()
        if self.state.ended:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch) -> None:
        """Close the epoch: score the whole validation part, and the training part in evaluation mode."""
        state = self.state
        if state.ended:
            return
        x, encoded = batch
        raw, train_raw = outputs(self, x), outputs(self, state.train.x)
        value = self.criterion.mean(raw, encoded).item()
        activation = self.criterion.pair.activation
        seen = (raw, train_raw, activation(raw), activation(train_raw), *self.network.parameters())
        if not (math.isfinite(value) and all_finite(seen)):
            self._diverge(torch.cat([activation(raw), raw, train_raw]), value, state.steps)
            self.trainer.should_stop = True
            return
        state.recorder.add(state.loss_sum / state.rows, value, train_raw, raw)
        state.loss_sum, state.rows = 0.0, 0
        epoch = state.steps // state.steps_an_epoch
        if state.kept is not None:
            state.kept.update(self.network, state.recorder, raw, epoch)
        if epoch == state.until:
            self.trainer.should_stop = True

    def _diverge(self, raw: Tensor, loss: float, step: int) -> None:
        weights = (p.detach() for p in self.network.parameters())
        gradients = (p.grad for p in self.network.parameters() if p.grad is not None)
        what, value = first_cause(weights, gradients, raw.detach(), loss)
        if what in ("gradient", "weights"):
            step = self.state.steps
        epoch = max(0, step - 1) // self.state.steps_an_epoch + 1
        self.state.divergence = Divergence(what, step, epoch, value, self.lr)

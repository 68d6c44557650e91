"""A population as a LightningModule: one training_step an epoch, curves kept by replicate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from lossearch._thin import thin
from lossearch.tasks import Metric
from lossearch.training.contract import Divergence
from lossearch.training.population.optimizers import PerReplicate
from lossearch.training.population.population import Floats, Population

SCORED_EPOCHS = 20
"""Epochs at which every metric is scored; the judge is scored at all of them."""


class PopulationModule(pl.LightningModule):
    """Trains a population by hand-stepped optimisation, a whole epoch a ``training_step``.

    Each training batch is the number of an epoch. What is kept by replicate: losses and the judge at
    every epoch, the other metrics at the epochs a plot can show and at each arm's best epoch (the best
    of the mean over seeds, the first of equals), whose weights are kept too.
    """

    def __init__(self, population: Population, stop: Callable[[], bool]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.population = population
        self.stop = stop
        self.stopped = False
        self.epochs = int(population.settings.epochs)
        self.curves: dict[str, Floats] = {}
        self.divergence: dict[tuple[int, int], Divergence] = {}
        self.done = np.zeros(population.shape, dtype=int)
        self.best_flat = population.weights.flat.clone()
        self.best_mean = np.full(population.arms, -np.inf)
        self.best_epoch = np.zeros(population.arms, dtype=int)
        self._scored = set(thin(self.epochs, SCORED_EPOCHS))

    def configure_optimizers(self) -> PerReplicate:
        """Return the population's optimiser."""
        return self.population.optimizer

    def training_step(self, batch: Tensor) -> None:
        """Train one epoch."""
        epoch = int(batch)
        wrapped: Any = self.optimizers()
        losses = self.population.train_epoch(epoch, wrapped.step, self.stop)
        if losses is None:
            self.stopped = True
            self.trainer.should_stop = True
            return
        self._note_losses(losses, epoch)

    def _note_losses(self, losses: Tensor, epoch: int) -> None:
        sizes = torch.tensor(self.population.sizes, dtype=torch.float64, device=losses.device)
        mean = (losses.double() * sizes[:, None, None]).sum(0) / sizes.sum()
        bad = ~torch.isfinite(losses)
        if bool(bad.any()):
            first = bad.int().argmax(dim=0)
            for s, a in torch.nonzero(bad.any(dim=0)).tolist():
                step = int(first[s, a])
                at = epoch * len(self.population.sizes) + step + 1
                self._diverge(s, a, "loss", at, epoch + 1, float(losses[step, s, a]))
        self._put("train_loss", epoch, mean.cpu().numpy())

    def _diverge(self, s: int, a: int, what: str, step: int, epoch: int, value: float) -> None:
        point = self.population.points[a]
        self.divergence.setdefault((s, a), Divergence(what, step, epoch, value, point.lr))

    def validation_step(self, batch: Tensor) -> None:  # noqa: ARG002 - the hook's
        """Score the validation part."""
        if self.stopped:
            return
        epoch = int(self.trainer.current_epoch)
        population, part = self.population, self.population.validation
        raw = population.outputs(part)
        loss = population.losses(raw, part).double().cpu().numpy()
        fine = population.finite(raw) & np.isfinite(loss)
        for s, a in np.argwhere(~fine):
            steps = (epoch + 1) * len(population.sizes)
            self._diverge(int(s), int(a), "output", steps, epoch + 1, float(loss[s, a]))
        self._put("val_loss", epoch, loss)
        judge = population.task.metric
        every = epoch + 1 in self._scored
        self._score(raw, epoch, population.task.metrics if every else (judge,))
        if every:
            self._score_train(epoch)
        for s in range(fine.shape[0]):
            for a in range(fine.shape[1]):
                if (s, a) not in self.divergence:
                    self.done[s, a] = epoch + 1
        self._keep_best(epoch)

    def _score(self, raw: Tensor, epoch: int, metrics: Sequence[Metric]) -> None:
        found = self.population.scores(raw, self.population.validation, metrics)
        for name, values in found.items():
            self._put(f"val_{name}", epoch, values)

    def _score_train(self, epoch: int, flat: Tensor | None = None, arms: Sequence[int] | None = None) -> None:
        population = self.population
        raw = population.outputs(population.train, flat)
        for name, values in population.scores(raw, population.train, population.task.train_metrics).items():
            self._put(f"train_{name}", epoch, values, arms)

    def _put(self, name: str, epoch: int, values: Floats, arms: Sequence[int] | None = None) -> None:
        if name not in self.curves:
            self.curves[name] = np.full((*self.population.shape, self.epochs), np.nan)
        if arms is None:
            self.curves[name][:, :, epoch] = values
        else:
            self.curves[name][:, arms, epoch] = values[:, arms]

    def _keep_best(self, epoch: int) -> None:
        population = self.population
        judge = population.task.metric
        mean = judge.sign * self.curves[f"val_{judge.name}"][:, :, epoch].mean(axis=0)
        last = population.settings.epoch == "last"
        better = np.ones(population.arms, dtype=bool) if last else mean > self.best_mean
        if last and epoch + 1 < self.epochs:
            return
        if not better.any():
            return
        self.best_mean[better], self.best_epoch[better] = mean[better], epoch
        chosen = torch.from_numpy(better).repeat(len(population.seeds)).to(population.device)
        best, now = population.weights.views_of(self.best_flat), population.weights.views
        for name, view in now.items():
            best[name][chosen] = view.detach()[chosen]

    def score_best(self) -> None:
        """Score every metric at each arm's best epoch, with its weights."""
        population = self.population
        raw = population.outputs(population.validation, self.best_flat)
        train = population.outputs(population.train, self.best_flat)
        found = {
            f"val_{n}": v
            for n, v in population.scores(raw, population.validation, population.task.metrics).items()
        }
        found |= {
            f"train_{n}": v
            for n, v in population.scores(train, population.train, population.task.train_metrics).items()
        }
        judged = {"val_loss", f"val_{population.task.metric.name}"}
        for name, values in found.items():
            if name not in judged:
                for arm, epoch in enumerate(self.best_epoch.tolist()):
                    self._put(name, epoch, values, [arm])

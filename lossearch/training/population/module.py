"""A population as a LightningModule: one training_step an epoch, curves kept by replicate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossearch._epochs import thin
from lossearch.metrics.metric import Metric
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.training.behaviour import EPOCHS
from lossearch.training.contract import SCORED_EPOCHS, Divergence, Outcome
from lossearch.training.population.batched_optimizers import PerReplicate
from lossearch.training.population.minibatches import PartTensors
from lossearch.training.population.population import Population
from lossearch.training.population.scoring import Floats, without


class PopulationModule(pl.LightningModule):
    """Trains a population by hand-stepped optimisation, a whole epoch a ``training_step``.

    The Trainer's one batch an epoch says nothing. What is kept by replicate: losses and the judge at
    every epoch, the other metrics at the epochs a plot can show and at each configuration's best epoch (the best
    of the mean over seeds, the first of equals), whose weights are kept too. A configuration leaves the population,
    so that later epochs cost less, when its replicates have all diverged, when it is pruned, or after the
    epoch that it was to be trained until: ``remaining`` are the places of those still there among the
    configurations of the start, by which all arrays here are numbered.

    Args:
        population: the replicates.
        until: by configuration, the epoch (from 1) after which it ends and whose weights are kept; None for all.
    """

    def __init__(self, population: Population, until: Sequence[int | None]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.population = population
        self.call = population.call
        self.stopped = False
        self.epochs = int(population.settings.epochs)
        self.until = np.array([self.epochs if u is None else u for u in until])
        self.fixed = np.array([population.settings.epoch == "last" or u is not None for u in until])
        """Whether the weights to be kept are those of the configuration's last epoch."""
        self.pruned: set[int] = set()
        self.ended_weights: dict[tuple[int, int], dict[str, Tensor]] = {}
        """Weights of replicates, (seed, configuration), that have left at the epoch they were trained until."""
        self.points = population.points
        self.lacking = self._lacking()
        self.shape = population.shape
        self.remaining = np.arange(population.n_configurations)
        self.curves: dict[str, Floats] = {}
        self.divergence: dict[tuple[int, int], Divergence] = {}
        self.done = np.zeros(self.shape, dtype=int)
        self.best = population.weights.snapshot()
        self.best_mean = np.full(population.n_configurations, -np.inf)
        self.best_epoch = np.zeros(population.n_configurations, dtype=int)
        self.kept = np.zeros(population.n_configurations, dtype=bool)
        """Whether the weights set aside are those of the best epoch: not where a seed that diverged
        later had a part in choosing it."""
        task = population.task
        self.constants = np.array([task.constant(task.metric, seed) for seed in population.seeds])
        self.judged = np.full((*self.shape, self.epochs), self.constants[:, None, None])
        self._scored = set(thin(self.epochs, SCORED_EPOCHS))
        self._looked_at = set(thin(self.epochs, EPOCHS)) & self._scored

    def _lacking(self) -> dict[str, set[int]]:
        """Return for each curve the configurations whose pair does not give it."""
        task, slices = self.population.task, self.population.slices
        lacking: dict[str, set[int]] = {"train_loss": set(), "val_loss": set()}
        for part, metrics in (("train", task.train_metrics), ("val", task.metrics)):
            for metric in metrics:
                without = [s for s in slices if not s.gives(metric, task.n_out)]
                lacking[f"{part}_{metric.name}"] = {c for s in without for c in range(s.start, s.end)}
        return {**lacking, **{name: set() for name in BEHAVIOUR}}

    def configure_optimizers(self) -> PerReplicate:
        """Return the population's optimiser."""
        return self.population.optimizer

    def training_step(self, batch: int) -> None:  # noqa: ARG002 - the hook's
        """Train one epoch."""
        epoch = int(self.trainer.current_epoch)
        wrapped: Any = self.optimizers()
        losses = self.population.train_epoch(epoch, wrapped.step, self.call.stop)
        if losses is None:
            self.stopped = True
            self.trainer.should_stop = True
            return
        sizes = torch.tensor(self.population.sizes, dtype=torch.float64, device=losses.device)
        mean = (losses.double() * sizes[:, None, None]).sum(0) / sizes.sum()
        self._put("train_loss", epoch, mean.cpu().numpy())

    @torch.no_grad()
    def on_train_epoch_end(self) -> None:
        """Score the epoch, set the best weights aside, let go of what has diverged."""
        if self.stopped:
            return
        epoch = int(self.trainer.current_epoch)
        population = self.population
        whole = self.until[self.remaining] == epoch + 1
        if epoch + 1 in self._scored:
            whole[:] = True
        raw = {"val": population.outputs(population.validation)}
        if whole.any() and population.task.train_metrics:
            raw["train"] = self._only(whole, population.outputs(population.train))
        losses = population.losses(raw["val"], population.validation)
        population.guard(losses, *raw.values())
        lost = self._note_diverged()
        self._put("val_loss", epoch, losses.double().cpu().numpy())
        self._score("val", population.validation, raw["val"], population.task.objectives, epoch)
        if whole.any():
            dense = {m.name for m in population.task.objectives}
            others = [m for m in population.task.metrics if m.name not in dense]
            self._score("val", population.validation, raw["val"], others, epoch, whole)
            self._look(raw["val"], epoch)
        if "train" in raw:
            self._score("train", population.train, raw["train"], population.task.train_metrics, epoch, whole)
        self.done[:, self.remaining] += population.monitor.alive
        self._judge(epoch, lost)
        self._remove_ended(epoch)

    def _only(self, configurations: NDArray[np.bool_], raw: Tensor) -> Tensor:
        """Return output with nothing of other configurations, so that what is seen of these depends on no neighbour."""
        if configurations.all():
            return raw
        return without(raw, np.tile(~configurations, (len(raw), 1)))

    def _note_diverged(self) -> list[int]:
        """Note divergences since the last epoch; return the configurations of the start that they are of."""
        found = []
        for place in self.population.monitor.lost:
            configuration = int(self.remaining[place.configuration])
            epoch = (place.step - 1) // len(self.population.sizes) + 1
            self.divergence[place.seed, configuration] = Divergence(
                place.what, place.step, epoch, place.value, self.points[configuration].lr
            )
            # a diverged replicate counts as a constant predictor, from the start
            self.judged[place.seed, configuration] = self.constants[place.seed]
            found.append(configuration)
        self.population.monitor.lost.clear()
        return found

    def _score(
        self,
        part: str,
        data: PartTensors,
        raw: Tensor,
        metrics: Sequence[Metric],
        epoch: int,
        configurations: NDArray[np.bool_] | None = None,
    ) -> None:
        for name, values in self.population.scores(raw, data, metrics).items():
            self._put(
                f"{part}_{name}",
                epoch,
                values if configurations is None else np.where(configurations, values, np.nan),
            )

    def _look(self, raw: Tensor, epoch: int) -> None:
        """Note what losses make of validation outputs: of all at some epochs, of what ends here besides."""
        looked = self.until[self.remaining] == epoch + 1
        if epoch + 1 in self._looked_at:
            looked[:] = True
        if looked.any():
            for name, values in self.population.behaviour(raw).items():
                self._put(f"val_{name}", epoch, np.where(looked, values, np.nan))

    def _put(self, name: str, epoch: int | NDArray[np.int_], values: Floats) -> None:
        """Write the values (S, remaining) of one epoch, or of one for each configuration."""
        if name not in self.curves:
            self.curves[name] = np.full((*self.shape, self.epochs), np.nan)
        self.curves[name][:, self.remaining, epoch] = values

    def _judge(self, epoch: int, lost: Sequence[int]) -> None:
        judge = self.population.task.metric
        values = self.curves[f"val_{judge.name}"][:, self.remaining, epoch]
        usable = np.isfinite(values) & self.population.monitor.alive
        self.judged[:, self.remaining, epoch] = np.where(usable, values, self.constants[:, None])
        self._choose_again(epoch, lost)
        mean = judge.sign * _mean(self.judged[:, self.remaining, epoch])
        better = (mean > self.best_mean[self.remaining]) | (epoch == 0)
        self.best_mean[self.remaining] = np.where(better, mean, self.best_mean[self.remaining])
        better = np.where(self.fixed[self.remaining], self.until[self.remaining] == epoch + 1, better)
        if better.any():
            self.best_epoch[self.remaining[better]] = epoch
            self.kept[self.remaining[better]] = True
            chosen = torch.from_numpy(better).repeat(len(self.population.seeds))
            self.population.weights.store(self.best, chosen.to(self.population.device))

    def _choose_again(self, epoch: int, lost: Sequence[int]) -> None:
        """Choose again among the epochs before this one, for configurations of which a seed has diverged."""
        if epoch == 0:
            return
        for configuration in {c for c in lost if not self.fixed[c]}:
            means = self.population.task.metric.sign * _mean(self.judged[:, configuration, :epoch])
            best = int(np.argmax(means))
            self.kept[configuration] &= best == self.best_epoch[configuration]
            self.best_epoch[configuration], self.best_mean[configuration] = best, means[best]

    def _remove_ended(self, epoch: int) -> None:
        """Take configurations that have ended out of the population, whose weights are set aside where they are done."""
        alive = self.population.monitor.alive.any(axis=0)
        done = self.until[self.remaining] == epoch + 1
        going = alive & ~done
        going[going] = [
            not self._pruned_now(configuration, epoch) for configuration in self.remaining[going].tolist()
        ]
        if not going.any():
            self.trainer.should_stop = True
        # for the sake of the diverged alone, what is compiled is compiled anew only for few enough others
        elif not going.all() and (
            (alive & ~going).any()
            or not self.population.repays_compiling
            or 2 * int(going.sum()) <= len(going)
        ):
            if self.call.keep_weights:
                for s, place in np.argwhere(self.population.monitor.alive & done).tolist():
                    self.ended_weights[s, int(self.remaining[place])] = self._state(s, place)
            stayed = np.flatnonzero(going)
            self.best = self.population.select(stayed.tolist())(self.best)
            self.remaining = self.remaining[stayed]

    def _pruned_now(self, configuration: int, epoch: int) -> bool:
        """Return whether a configuration is pruned after this epoch, and note it."""
        if self.call.prune is None:
            return False
        mean = float(_mean(self.judged[:, configuration, epoch]))
        if self.call.prune(self.points[configuration], epoch + 1, mean):
            self.pruned.add(configuration)
        return configuration in self.pruned

    def _state(self, seed: int, place: int) -> dict[str, Tensor]:
        return self.population.weights.state(seed * self.population.n_configurations + place, self.best)

    def outcome_of(self, seed: int, configuration: int) -> tuple[Outcome, str]:
        """Return how a replicate, numbered as at the start, has ended, and a sentence where it is needed."""
        if (seed, configuration) in self.divergence:
            return Outcome.DIVERGED, str(self.divergence[seed, configuration])
        if configuration in self.pruned:
            return Outcome.PRUNED, f"pruned after epoch {self.done[seed, configuration]}"
        return Outcome.COMPLETED, ""

    def weights_of(self, seed: int, configuration: int) -> dict[str, Tensor] | None:
        """Return the weights set aside of a replicate, numbered as at the start; None where there are none."""
        ended = (seed, configuration) in self.divergence or configuration in self.pruned
        if ended or not self.call.keep_weights or not self.kept[configuration]:
            return None
        if (seed, configuration) in self.ended_weights:
            return self.ended_weights[seed, configuration]
        return self._state(seed, int(np.flatnonzero(self.remaining == configuration)[0]))

    def score_best(self) -> None:
        """Score every metric at each configuration's best epoch, with its weights."""
        population = self.population
        if self.fixed[self.remaining].all():
            return
        pruned = np.isin(self.remaining, list(self.pruned))
        usable = population.monitor.alive & self.kept[self.remaining] & ~pruned
        # objectives are scored at every epoch
        rest = [m for m in population.task.metrics if m not in population.task.objectives]
        parts = [("val", population.validation, rest)]
        if population.task.train_metrics:
            parts.append(("train", population.train, list(population.task.train_metrics)))
        for part, data, metrics in parts:
            raw = population.outputs(data, self.best)
            looked = population.behaviour(raw) if part == "val" else {}
            for name, values in {**population.scores(raw, data, metrics), **looked}.items():
                at = self.best_epoch[self.remaining]
                before = self.curves[f"{part}_{name}"][:, self.remaining, at]
                self._put(f"{part}_{name}", at, np.where(usable, values, before))


def _mean(rows: Floats) -> Floats:
    """Return the mean over the first axis, adding row after row whatever the shape."""
    return np.asarray(reduce(np.add, rows) / len(rows))

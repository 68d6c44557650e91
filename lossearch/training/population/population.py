"""A population: S seeds times C configurations of one network, trained step by step together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from lossearch.losses.schedules import share_done
from lossearch.metrics.metric import Metric
from lossearch.pairs.weight_penalty import add_gradient
from lossearch.space import Point
from lossearch.tasks.task import Part, Stream
from lossearch.tasks.weights import class_weights
from lossearch.training.batches import batch_sizes, initial_network
from lossearch.training.contract import TrainingCall, TrainSettings
from lossearch.training.population.batched_network import BatchedNetwork, Vmapped, step_seeds
from lossearch.training.population.batched_optimizers import PerReplicate, per_replicate
from lossearch.training.population.compiled import CompiledCriteria
from lossearch.training.population.criteria import Criteria, pair_slices, picked, shifting
from lossearch.training.population.divergence_monitor import DivergenceMonitor
from lossearch.training.population.layer_stack import LayerStack
from lossearch.training.population.manual_backward import FusedStack
from lossearch.training.population.minibatches import (
    InMemoryMiniBatches,
    MiniBatches,
    PartTensors,
    StreamedMiniBatches,
    stacked,
)
from lossearch.training.population.scoring import Floats, stacked_behaviour, stacked_scores, without
from lossearch.training.population.targets import TargetEncoder
from lossearch.training.population.thin_network import ThinStack
from lossearch.training.population.train_losses import TrainLosses
from lossearch.training.population.weights import Snapshot, Weights
from lossearch.training.precision import PRECISIONS, Precision
from lossearch.training.schedules import SCHEDULES

COMPILED_STEPS = 10_000
"""Steps from which on compiling repays: about a millisecond is saved in each, ten seconds are spent."""


class Population:
    """The state of S x C replicates: weights, optimiser, data, and what is computed with them.

    Configurations are sorted by pair. Replicate (s, c) has place s * C + c in every stacked tensor.
    """

    def __init__(
        self,
        call: TrainingCall,
        points: Sequence[Point],
        seeds: Sequence[int],
        settings: TrainSettings,
        device: torch.device,
    ) -> None:
        self.call, self.points, self.seeds, self.settings = call, tuple(points), tuple(seeds), settings
        pairs, precision = [call.pair(p) for p in points], PRECISIONS[settings.precision]
        # those of a chunk have one
        self.task = call.task.with_head(pairs[0].loss.head)
        self.dtype, self.device = precision.weights, device
        folds = [self.task.fold(seed) for seed in seeds]
        networks = [initial_network(self.task, seed, self.dtype).to(device) for seed in seeds]
        x = stacked([f.train.x for f in folds], device, self.dtype)
        self.steps = 0
        self.sizes = batch_sizes(folds[0].train_rows, int(settings.batch_size))
        self.total_steps = int(settings.epochs) * len(self.sizes)
        self.network = batched(networks[0], x, precision, random=call.random, compiled=self.repays_compiling)
        self.weights = Weights.of(networks, len(points), across=self.network.across)
        tables = [class_weights(self.task, f, settings.class_weight, settings.pos_weight) for f in folds]
        statistics, like = [f.statistics for f in folds], self.weights.flat
        self.slices = pair_slices(points, pairs, statistics, like, shifting(tables, like))
        self.encode = TargetEncoder(self.slices, self.task.n_out, tables)
        self.criteria = self._fresh_criteria()
        self.train = self._part(x, [f.train for f in folds])
        self.validation = self._part(
            stacked([f.validation.x for f in folds], device, self.dtype), [f.validation for f in folds]
        )
        rates = torch.tensor([p.lr for p in points], dtype=self.dtype, device=device).repeat(len(seeds))
        self.optimizer: PerReplicate = per_replicate(
            settings.optimizer, self.weights.flat, self.weights.layout.spread(rates), settings.options
        )
        self.batches = self._batches(folds[0].stream)
        self.schedule = SCHEDULES[settings.schedule]
        self.monitor = DivergenceMonitor(np.ones((len(seeds), len(points)), dtype=bool))
        self.train_losses = TrainLosses(self.criteria)
        self.block: int | None = None
        """Configurations times rows that are scored at a time, where activations of all are too many."""

    @property
    def n_configurations(self) -> int:
        """How many configurations are trained."""
        return len(self.points)

    @property
    def repays_compiling(self) -> bool:
        """Whether what is left to train is worth compiling for so many, where that is asked for."""
        return self.settings.compile and self.total_steps - self.steps >= COMPILED_STEPS

    @property
    def shape(self) -> tuple[int, int]:
        """Seeds and configurations."""
        return len(self.seeds), self.n_configurations

    def _part(self, x: Tensor, parts: Sequence[Part]) -> PartTensors:
        shared = x.stride(0) == 0
        rows = self.network.rows(x[:1] if shared else x)
        y = stacked([part.y for part in parts], self.device)
        own = [part.sample_weight for part in parts if part.sample_weight is not None]
        encoded = self.encode(y, stacked(own, torch.device("cpu")) if own else None)
        return PartTensors(rows.expand(len(x), *rows.shape[1:]), y, encoded)

    def _batches(self, stream: Stream | None) -> MiniBatches:
        sizes, rows = self.sizes, self.network.rows
        if stream is None:
            axis, train = self.network.row_axis, self.train
            return InMemoryMiniBatches(train.x, train.encoded, axis, self.seeds, sizes)
        seeds = len(self.seeds)
        return StreamedMiniBatches(stream, seeds, sizes, rows, self._encoded, self.device, self.dtype)

    def _encoded(self, y: Tensor, sample_weight: Tensor | None) -> dict[str, Tensor]:
        """Return what the encoder does for the configurations that are left."""
        return replace(self.encode, slices=self.slices)(y, sample_weight)

    def train_epoch(
        self, epoch: int, last_step: Callable[[], object], stop: Callable[[], bool]
    ) -> Tensor | None:
        """Train on every row once; return each step's losses (steps, S, C), None where told to stop.

        ``last_step`` takes the epoch's last optimiser step: the Trainer's own, so that it counts.
        """
        self.train_losses = TrainLosses(self.criteria)
        self.criteria.train_at(share_done(epoch, int(self.settings.epochs)))
        for i, (batch, targets) in enumerate(self.batches(epoch)):
            self._step(batch, targets, last_step if i + 1 == len(self.sizes) else self._update)
            if stop():
                return None
        losses = self.train_losses.all()
        self.criteria.train_at(1.0)
        if self.monitor.note_late(losses, self.steps - len(losses) + 1):
            self._zero_lost()
        return losses

    def _step(self, x: Tensor, encoded: Mapping[str, Tensor], step: Callable[[], object]) -> None:
        drawn = step_seeds(self.seeds, self.steps) if self.call.random else None
        observe = partial(self._observe, encoded)
        lost = self.network.differentiate(self.criteria, self.weights, x, encoded, drawn, observe)
        if self.criteria.penalises_weights:
            self._penalise_weights()
        if self.settings.clip is not None:
            self.weights.clip(self.settings.clip)
        self.weights.flat.grad = self.weights.grad
        self.optimizer.factor = self.schedule(self.steps, self.total_steps)
        step()
        self.steps += 1
        if lost:
            # some of the gradients mean nothing now
            self._zero_lost()

    @torch.no_grad()
    def _penalise_weights(self) -> None:
        """Add to the gradients what losses add for weights."""
        l1, l2 = (
            torch.cat(each).repeat(len(self.seeds))
            for each in zip(*(s.weight_penalty() for s in self.slices), strict=True)
        )
        layout = self.weights.layout
        add_gradient(layout.views(self.weights.flat), layout.views(self.weights.grad), l1, l2)

    def _observe(
        self, encoded: Mapping[str, Tensor], raw: Tensor, total: Tensor | None, known: Sequence[Tensor | None]
    ) -> bool:
        """Keep one step's outputs, and note what is not finite; see ``batched_network.Observe``."""
        self.train_losses.add(raw, encoded, known)
        # a GPU is not waited for
        if self.device.type != "cpu":
            return False
        if not self.monitor.may_have_diverged(raw, raw.sum() if total is None else total, self.slices, known):
            return False
        before = len(self.monitor.lost)
        self._note_lost(raw)
        return len(self.monitor.lost) > before

    @torch.no_grad()
    def _update(self) -> None:
        # the optimiser's own step without its hooks, which take as long as small populations do
        self.optimizer.update(self.weights.grad)

    def _note_lost(self, raw: Tensor) -> None:
        """Note replicates whose loss is not finite, at this step or at one since this was last asked."""
        # of as many steps as there happen to be: nothing to compile for
        self.train_losses.criteria = Criteria(self.slices)
        losses = self.train_losses.new()
        before, now = losses[:-1], losses[-1]
        self.monitor.note_late(before, self.steps - len(before) + 1)
        bad = ~np.isfinite(now.numpy())
        self.monitor.note(bad, raw, now, self.weights, step=self.steps + 1, taken=self.steps)

    @torch.no_grad()
    def _zero_lost(self) -> None:
        """Set all numbers of lost replicates to zero, their rates too: looking for what is not finite takes time.

        They stay so for as long as their steps are finite; where they are not, all that is lost is time.
        """
        dead = torch.from_numpy(~self.monitor.alive).flatten().to(self.device)

        def zeroed(flat: Tensor) -> Tensor:
            for view in self.weights.layout.views(flat).values():
                view[dead] = 0
            return flat

        zeroed(self.weights.flat.data)
        for buffer in self.weights.buffers.values():
            buffer[dead] = 0
        self.optimizer.select(zeroed)

    def _fresh_criteria(self) -> Criteria:
        return (CompiledCriteria if self.repays_compiling else Criteria)(self.slices)

    @torch.no_grad()
    def outputs(self, part: PartTensors, of: Snapshot | None = None) -> Tensor:
        """Return raw output (S, C, N, n_out) of a part in evaluation mode, ``block`` of one seed at a time.

        ``of`` are other weights of the same layout, such as those of the best epoch.
        """
        views = self.weights.views if of is None else self.weights.layout.views(of.flat)
        kept = self.weights.buffers if of is None else of.buffers
        if not self.network.keeps_activations:
            return self.network.evaluate(views, kept, part.x)
        raw: Tensor | None = None
        for s in range(len(self.seeds)):
            for some, rows in self._blocks(part.rows):
                own = slice(s * self.n_configurations + some.start, s * self.n_configurations + some.stop)
                parameters = {n: v[own] for n, v in views.items()}
                x = part.x[s : s + 1].narrow(self.network.row_axis, rows.start, rows.stop - rows.start)
                own_raw = self.network.evaluate(parameters, {n: b[own] for n, b in kept.items()}, x)
                if raw is None:
                    # rows innermost where the network has them so
                    across = own_raw.stride(3) != 1
                    last = (own_raw.shape[3], part.rows) if across else (part.rows, own_raw.shape[3])
                    raw = own_raw.new_empty((*self.shape, *last))
                    raw = raw.transpose(2, 3) if across else raw
                raw[s, some, rows] = own_raw[0]
        assert raw is not None  # noqa: S101 - there are seeds, configurations and rows
        return raw

    def _blocks(self, rows: int) -> Iterator[tuple[slice, slice]]:
        """Give configurations and rows that are scored at a time: whole parts of several where they fit."""
        block = self.block or self.n_configurations * rows
        several, few = max(1, block // rows), min(rows, block)
        for c in range(0, self.n_configurations, several):
            for r in range(0, rows, few):
                yield slice(c, min(c + several, self.n_configurations)), slice(r, min(r + few, rows))

    @torch.no_grad()
    def losses(self, raw: Tensor, part: PartTensors) -> Tensor:
        """Return each replicate's loss on a part, (S, C)."""
        return torch.cat([of_slice[0] for of_slice in self.criteria.losses(raw, part.encoded)], dim=1)

    @torch.no_grad()
    def scores(self, raw: Tensor, part: PartTensors, metrics: Sequence[Metric]) -> dict[str, Floats]:
        """Return each metric of each replicate on a part, (S, C); NaN where a pair has none."""
        if not self.monitor.alive.all() and not math.isfinite(float(raw.sum())):
            raw = without(raw, ~self.monitor.alive)
        return stacked_scores(self.slices, raw, part.y, metrics)

    def behaviour(self, raw: Tensor) -> dict[str, Floats]:
        """Return what each replicate's loss makes of outputs on the validation part, name -> (S, C)."""
        return stacked_behaviour(self.slices, raw, self.validation.encoded)

    def guard(self, losses: Tensor, *outputs: Tensor) -> None:
        """Note replicates with a validation loss, (S, C), an output or a weight that is not finite."""
        with torch.no_grad():
            if self.monitor.guard(self.slices, losses, outputs, self.weights, self.steps):
                self._zero_lost()

    def select(self, places: Sequence[int]) -> Callable[[Snapshot], Snapshot]:
        """Keep the configurations at these places, ascending; return what does the same to an earlier snapshot."""
        every = torch.arange(len(self.seeds) * self.n_configurations, device=self.device).view(self.shape)
        kept = every[:, list(places)].flatten()
        self.network = self.network.resized(compiled=self.repays_compiling)
        layout = self.weights.layout
        into = replace(layout, count=len(kept), across=self.network.across)

        def pick(flat: Tensor) -> Tensor:
            return layout.picked(flat, kept, into)

        self.optimizer.select(pick)
        self.weights.select(kept, into)
        self.points = tuple(self.points[c] for c in places)
        self.slices = picked(self.slices, places)
        self.criteria = self._fresh_criteria()
        self.monitor.alive = self.monitor.alive[:, list(places)]
        return lambda s: Snapshot(pick(s.flat), {n: b[kept] for n, b in s.buffers.items()})


def batched(
    network: nn.Module, x: Tensor, precision: Precision, *, random: bool, compiled: bool = False
) -> BatchedNetwork:
    """Return a network for a population, in the fastest form there is for it.

    Inputs ``x`` are (S, N, ...); ``compiled`` says whether it may be.
    """
    stack = LayerStack.made_of(network, x, precision)
    if stack is None:
        return Vmapped(network, random, precision)
    if precision.products is not None or not FusedStack.fits(stack):
        return stack
    fused = ThinStack if compiled and ThinStack.fits(stack) else FusedStack
    return fused(stack.layers, precision)

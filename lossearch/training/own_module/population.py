"""A population of the user's own module: S seeds times C configurations, by its own steps, trained together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from lossearch._random import stream
from lossearch.errors import InputError
from lossearch.losses.schedules import share_done
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.space import Point
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.weights import class_weights
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.own_module.batched_optimizer import BatchedOptimizer, configured
from lossearch.training.own_module.build import build, held_criterion, settings_of
from lossearch.training.own_module.loaders import first_of, moved, rows_of, seeded
from lossearch.training.own_module.packages import package_of
from lossearch.training.own_module.steps import BatchedCriterion, State, Steps, StepTrainer, Tensors, template
from lossearch.training.population.batched_network import BatchedNetwork
from lossearch.training.population.criteria import PairSlice, pair_slices, shifting
from lossearch.training.population.divergence_monitor import DivergenceMonitor
from lossearch.training.population.minibatches import PartTensors
from lossearch.training.population.population import Population
from lossearch.training.population.scoring import Floats
from lossearch.training.population.targets import TargetEncoder
from lossearch.training.population.weights import Snapshot, Weights
from lossearch.training.precision import PRECISIONS


class _Whole(BatchedNetwork):
    """Stands for a population's network, which is the module's own business here."""


class ModulePopulation(Population):
    """The state of S x C replicates of the user's module.

    A population like any other, but for the step: the module's own, under ``torch.func.vmap``, for the configurations
    of one pair at a time. Validation and optimiser are the module's own too.
    """

    def __init__(
        self,
        call: TrainingCall,
        points: Sequence[Point],
        seeds: Sequence[int],
        settings: TrainSettings,
        device: torch.device,
    ) -> None:
        own = call.task.module
        assert own is not None  # noqa: S101 - chosen for tasks that have one
        self.own: OwnModule = own
        self.call, self.points, self.seeds, self.settings = call, tuple(points), tuple(seeds), settings
        self.task, self.device = call.task, device
        self.dtype = PRECISIONS[settings.precision].weights
        self.steps, self.block = 0, None
        self._fold = self.task.fold(seeds[0])
        """The same rows under every seed."""
        self._class_weights = class_weights(self.task, self._fold, settings.class_weight, settings.pos_weight)
        self.network = _Whole()
        modules = [self._module(point, seeds[0]) for point in points]
        package = package_of(modules[0], own.name)
        chosen = settings_of(own, Replicate(points[0], seeds[0]))
        self.data = own.data(chosen)
        self.trainer = StepTrainer(int(settings.epochs), 0, self.data, modules[0])
        self.loaders = [self._seeded(seed, package).train_dataloader() for seed in seeds]
        self.held = self._held_batches(package)
        self.sizes = self._batch_sizes()
        self.trainer.num_training_batches = len(self.sizes)
        self.total_steps = int(settings.epochs) * len(self.sizes)
        templates = [template(module, self.trainer) for module in modules]
        each = [configured(module) for module in templates]
        self.weights = Weights.of([self._module(points[0], seed) for seed in seeds], len(points))
        self.optimizers = BatchedOptimizer.of(
            each, templates[0], self.weights.flat, self.weights.layout, len(seeds)
        )
        self.optimizer = self.optimizers.inner
        pairs, like = [call.pair(p) for p in points], self.weights.flat
        tables = [self._class_weights] * len(seeds)
        self.slices = pair_slices(
            points, pairs, [self._fold.statistics] * len(seeds), like, shifting(tables, like)
        )
        self.encode = TargetEncoder(self.slices, self.task.n_out, tables)
        self.criteria = self._fresh_criteria()
        self._steps = [self._steps_of(s, templates[s.start]) for s in self.slices]
        self.validation = self._targets(self._fold.validation.y)
        self.monitor = DivergenceMonitor(np.ones((len(seeds), len(points)), dtype=bool))
        self.logged: dict[str, Tensor] = {}

    @property
    def repays_compiling(self) -> bool:
        """A user's module is not compiled."""
        return False

    def _module(self, point: Point, seed: int) -> Any:
        criterion = BatchedCriterion(
            self.call.pair(point), point.params, self._fold.statistics, self._class_weights
        )
        module = build(self.own, Replicate(point, seed), criterion)
        held_criterion(module, self.own)
        return module.to(self.device, self.dtype)

    def _seeded(self, seed: int, package: Any) -> Any:
        data = seeded(self.data, package, seed=seed, epoch=lambda: self.trainer.current_epoch)
        data.trainer = self.trainer
        return data

    def _held_batches(self, package: Any) -> list[Any]:
        every = list(first_of(self._seeded(self.seeds[0], package).val_dataloader()))
        return every[: _limited(len(every), self.own.trainer.get("limit_val_batches", 1.0))]

    def _batch_sizes(self) -> list[int]:
        """Return a number for each batch of an epoch, which become those of their rows as they are read."""
        if not hasattr(self.loaders[0], "__len__") or isinstance(self.loaders[0], (list, tuple, dict)):
            raise InputError("it has several training loaders, or one of unknown length")
        limit = self.own.trainer.get("limit_train_batches", 1.0)
        return [1] * _limited(len(self.loaders[0]), limit)

    def _steps_of(self, of: PairSlice, module: Any) -> Steps:
        criterion = held_criterion(module, self.own)
        assert isinstance(criterion, BatchedCriterion)  # noqa: S101 - it was built with one
        return Steps(module, criterion, _by_configuration(of), self.own.predicts)

    def _targets(self, y: Tensor) -> PartTensors:
        stacked = y.to(self.device).expand(len(self.seeds), *y.shape)
        return PartTensors(torch.empty(len(self.seeds), len(y), 0), stacked, self.encode(stacked, None))

    def train_epoch(
        self, epoch: int, last_step: Callable[[], object], stop: Callable[[], bool]
    ) -> Tensor | None:
        """Train on every batch once; return each step's losses (steps, S, C), None where told to stop."""
        self.trainer.current_epoch = epoch
        for steps in self._steps:
            steps.module.train()
            steps.criterion.progress = share_done(epoch, int(self.settings.epochs))
        losses = []
        count = len(self.sizes)
        for index, batches in enumerate(self._training_batches(count)):
            self.sizes[index] = rows_of(batches, axis=1)
            losses.append(self._taken(batches, index, last_step if index + 1 == count else self._update))
            self.optimizers.scheduled("step", self.steps)
            if stop():
                return None
        self.optimizers.scheduled("epoch", epoch + 1)
        found = torch.stack(losses)
        if self.monitor.note_late(found, self.steps - len(found) + 1):
            self._zero_lost()
        return found

    def _training_batches(self, count: int) -> Iterator[Any]:
        """Give each step's batches, (S, B, ...)."""
        for of_seeds in islice(zip(*self.loaders, strict=True), count):
            yield tree_map(lambda *parts: torch.stack(parts), *(self._moved(b) for b in of_seeds))

    def _moved(self, batch: Any) -> Any:
        strange = [leaf for leaf in tree_leaves(batch) if not isinstance(leaf, Tensor)]
        if strange:
            raise InputError(f"a batch holds a {type(strange[0]).__name__}")
        return moved(batch, self.dtype, self.device)

    def _state(self, of: Snapshot | None = None) -> State:
        """Return parameters and buffers as (S, C, ...)."""
        views = self.weights.views if of is None else self.weights.layout.views(of.flat)
        state = State(views, self.weights.buffers if of is None else of.buffers)
        return state.each(lambda t: t.view(len(self.seeds), -1, *t.shape[1:]))

    def _taken(self, batches: Any, index: int, step: Callable[[], object]) -> Tensor:
        """Take a step on the batches of every seed; return its losses (S, C)."""
        self.trainer.global_step = self.steps
        drawn = [stream(seed, "step", self.steps) for seed in self.seeds] if self.call.random else None
        state = self._state()
        self.weights.grad.zero_()
        losses = []
        for of, steps in zip(self.slices, self._steps, strict=True):
            own = state.each(lambda t, of=of: t[:, of.start : of.end])  # type: ignore[misc]
            # a normalisation takes its running statistics as one piece, and would change a copy of anything else
            whole = State(own.parameters, {n: b.contiguous() for n, b in own.buffers.items()})
            found = steps.losses(whole, batches, index, drawn)
            for name, buffer in own.buffers.items():
                if whole.buffers[name] is not buffer:
                    buffer.copy_(whole.buffers[name])
            found.sum().backward()
            losses.append(found.detach())
        if self.settings.clip is not None:
            self.weights.clip(self.settings.clip)
        self.weights.flat.grad = self.weights.grad
        step()
        self.steps += 1
        return torch.cat(losses, dim=1)

    @torch.no_grad()
    def outputs(self, part: PartTensors, of: Snapshot | None = None) -> Tensor:
        """Return raw output (S, C, N, n_out) of the validation rows, ``block`` replicates times rows at a time."""
        del part
        state = self._state(of)
        found: list[Tensor] = []
        logged: list[dict[str, Tensor]] = []
        for own, steps in zip(self.slices, self._steps, strict=True):
            steps.module.eval()
            raw, values = self._of_slice(steps, state.each(lambda t, own=own: t[:, own.start : own.end]))  # type: ignore[misc]
            found.append(raw)
            logged.append(values)
        self.logged = {n: torch.cat([values[n] for values in logged], dim=1) for n in logged[0]}
        return torch.cat(found, dim=1)

    def _of_slice(self, steps: Steps, state: State) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what a slice's replicates put out, (S, c, N, n_out), and log, (S, c), of the validation part."""
        seeds = len(self.seeds)
        flat = state.each(lambda t: t.flatten(0, 1))
        params = {n: v.repeat(seeds) for n, v in steps.params.items()}
        raws: list[Tensor] = []
        sums: dict[str, Tensor] = {}
        weight = 0
        for index, batch in enumerate(self.held):
            raw, values = self._in_blocks(steps, flat, params, self._moved(batch), index)
            raws.append(raw)
            weight += raw.shape[1]
            for name, value in values.items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value * raw.shape[1]
        whole = torch.cat(raws, dim=1)
        return (
            whole.view(seeds, -1, *whole.shape[1:]),
            {name: (value / weight).view(seeds, -1) for name, value in sums.items()},
        )

    def _in_blocks(
        self, steps: Steps, state: State, params: Tensors, batch: Any, index: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what replicates (K, ...) put out and log of a batch, as many at a time as fit."""
        count = len(next(iter(state.parameters.values())))
        several = count if self.block is None else max(1, self.block // max(1, rows_of(batch)))
        found = []
        for start in range(0, count, several):
            part = slice(start, start + several)
            own = state.each(lambda t, part=part: t[part])  # type: ignore[misc]
            found.append(steps.outputs(own, {n: v[part] for n, v in params.items()}, batch, index))
        raws, logged = zip(*found, strict=True)
        return torch.cat(raws), {n: torch.cat([values[n] for values in logged]) for n in logged[0]}

    @torch.no_grad()
    def scores(self, raw: Tensor, part: PartTensors, metrics: Sequence[Metric]) -> dict[str, Floats]:
        """Return each metric of each replicate, (S, C): of what is predicted, or as the module logs it."""
        found = super().scores(raw, part, [m for m in metrics if m.needs != LOGGED])
        for metric in metrics:
            if metric.needs == LOGGED:
                found[metric.name] = self.logged[self.own.logged[metric.name]].double().cpu().numpy()
        return found

    def select(self, places: Sequence[int]) -> Callable[[Snapshot], Snapshot]:
        """Keep the configurations at these places, ascending; return what does the same to an earlier snapshot."""
        before = {s.pair.name: steps for s, steps in zip(self.slices, self._steps, strict=True)}
        picked = super().select(places)
        self._steps = [replace(before[s.pair.name], params=_by_configuration(s)) for s in self.slices]
        self.optimizers.keep(places, self.weights.layout)
        return picked


def _by_configuration(of: PairSlice) -> dict[str, Tensor]:
    """Return a loss's own parameters, one value a configuration, (c,)."""
    return {name: values.flatten() for name, values in of.params.items()}


def _limited(count: int, limit: float) -> int:
    """Return how many batches a Trainer takes of so many: a number of them, or a share."""
    return min(count, limit) if isinstance(limit, int) else int(count * limit)

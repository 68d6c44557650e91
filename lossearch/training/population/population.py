"""A population: S seeds times A arms of one network, trained step by step together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from lossearch.metrics.metric import Metric
from lossearch.pairs import Pair
from lossearch.pairs.shapes import lifted
from lossearch.space import Point
from lossearch.tasks.task import Fold, Task
from lossearch.training.batches import batch_sizes
from lossearch.training.contract import TrainSettings
from lossearch.training.plain.train import initial_network
from lossearch.training.population.batched_network import Batched, LayerStack, Vmapped, step_seeds
from lossearch.training.population.batched_optimizers import PerReplicate, per_replicate
from lossearch.training.population.compiled import CompiledCriteria
from lossearch.training.population.criteria import Criteria, pair_slices, picked
from lossearch.training.population.divergence_monitor import Watch
from lossearch.training.population.manual_backward import FusedStack
from lossearch.training.population.minibatches import Feeding, SeedFeeding, StreamFeeding
from lossearch.training.population.scoring import Floats, stacked_scores, without
from lossearch.training.population.thin_network import ThinStack
from lossearch.training.population.train_losses import TrainLosses
from lossearch.training.population.weights import Snapshot, Weights
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES

COMPILED_STEPS = 10_000
"""Steps from which on compiling repays: about a millisecond is saved in each, ten seconds are spent."""


@dataclass(frozen=True)
class PartTensors:
    """One part of every seed's data: inputs in the network's layout, canonical and encoded targets.

    ``y`` is (S, N[, T]); ``encoded[name]`` is (S, 1, N[, T]).
    """

    x: Tensor
    y: Tensor
    encoded: Mapping[str, Tensor]

    @property
    def rows(self) -> int:
        """How many rows a seed has."""
        return self.y.shape[1]


class Population:
    """The state of S x A replicates: weights, optimiser, data, and what is computed with them.

    Arms are sorted by pair. Replicate (s, a) has place s * A + a in every stacked tensor.
    """

    def __init__(
        self,
        task: Task,
        points: Sequence[Point],
        pairs: Sequence[Pair],
        seeds: Sequence[int],
        settings: TrainSettings,
        *,
        random: bool,
        device: torch.device,
    ) -> None:
        self.task, self.points, self.seeds, self.settings = task, tuple(points), tuple(seeds), settings
        self.precision = PRECISIONS[settings.precision]
        self.dtype, self.device, self.random = self.precision.weights, device, random
        folds = [task.fold(seed) for seed in seeds]
        networks = [initial_network(task, seed, self.dtype).to(device) for seed in seeds]
        x = _stacked([f.train.x for f in folds], device, self.dtype)
        self.steps = 0
        self.sizes = batch_sizes(folds[0].train_rows, int(settings.batch_size))
        self.total_steps = int(settings.epochs) * len(self.sizes)
        self.network = batched(
            networks[0],
            x,
            random=random,
            fused=self.precision.products is None,
            compiled=self.repays_compiling,
        )
        self.weights = Weights.of(networks, len(points), across=isinstance(self.network, ThinStack))
        self.slices = pair_slices(points, pairs, [f.statistics for f in folds], self.weights.flat)
        self.criteria = self._fresh_criteria()
        self.train = self._part(x, _stacked([f.train.y for f in folds], device))
        self.validation = self._part(
            _stacked([f.validation.x for f in folds], device, self.dtype),
            _stacked([f.validation.y for f in folds], device),
        )
        rates = torch.tensor([p.lr for p in points], dtype=self.dtype, device=device).repeat(len(seeds))
        self.optimizer: PerReplicate = per_replicate(
            settings.optimizer, self.weights.flat, self.weights.layout.spread(rates), settings.options
        )
        self.feeding = self._feeding(folds[0])
        self.schedule = SCHEDULES[settings.schedule]
        self.watch = Watch(np.ones((len(seeds), len(points)), dtype=bool))
        self.said = TrainLosses(self.criteria)
        self.block: int | None = None
        """Arms times rows whose outputs are computed at a time, where activations of all are too many."""

    @property
    def arms(self) -> int:
        """How many arms are trained."""
        return len(self.points)

    @property
    def repays_compiling(self) -> bool:
        """Whether what is left to train is worth compiling for this many arms, where that is asked for."""
        return self.settings.compile and self.total_steps - self.steps >= COMPILED_STEPS

    @property
    def shape(self) -> tuple[int, int]:
        """Seeds and arms."""
        return len(self.seeds), self.arms

    def _part(self, x: Tensor, y: Tensor) -> PartTensors:
        shared = x.stride(0) == 0
        rows = self.network.rows(x[:1] if shared else x)
        return PartTensors(rows.expand(len(x), *rows.shape[1:]), y, self._encoded(y))

    def _encoded(self, y: Tensor) -> dict[str, Tensor]:
        by_name = {s.encoding: s for s in self.slices}
        return {name: s.encode(y, self.task.n_out) for name, s in by_name.items()}

    def _feeding(self, fold: Fold) -> Feeding:
        sizes, stream = self.sizes, fold.stream
        if stream is None:
            train = self.train
            return SeedFeeding(train.x, train.encoded, self.network.row_axis, self.seeds, sizes)
        seeds, rows = len(self.seeds), self.network.rows
        return StreamFeeding(stream, seeds, sizes, rows, self._encoded, self.device, self.dtype)

    def train_epoch(
        self, epoch: int, last_step: Callable[[], object], stop: Callable[[], bool]
    ) -> Tensor | None:
        """Train on every row once; return each step's losses (steps, S, A), None where told to stop.

        ``last_step`` takes the epoch's last optimiser step: the Trainer's own, so that it counts.
        """
        self.said = TrainLosses(self.criteria)
        for i, (batch, targets) in enumerate(self.feeding(epoch)):
            self._step(batch, targets, last_step if i + 1 == len(self.sizes) else self._update)
            if stop():
                return None
        losses = self.said.so_far()
        if self.watch.note_late(losses, self.steps - len(losses) + 1):
            self._still()
        return losses

    def _step(self, x: Tensor, encoded: Mapping[str, Tensor], step: Callable[[], object]) -> None:
        drawn = step_seeds(self.seeds, self.steps) if self.random else None
        weights, network, criteria = self.weights, self.network, self.criteria
        if isinstance(network, ThinStack):
            assert isinstance(criteria, CompiledCriteria)  # noqa: S101 - both where compiling repays
            raw, total, known = network.gradients(criteria, weights.views, x, encoded, weights.next_gradients)
            lost = self._observe(raw, total, encoded, known)
            weights.advance()
            self._take_step(step, lost=lost)
            return
        if isinstance(network, FusedStack):
            raw = network.forward(weights.views, x, drawn)
        else:
            with self.precision.context(self.device):
                raw = network(weights.views, weights.buffers, x, training=True, step_seeds=drawn)
            raw = lifted(raw)
        found, known = criteria.derivatives(raw.detach(), encoded)
        lost = self._observe(raw.detach(), None, encoded, known)
        if isinstance(network, FusedStack):
            network.backward(found, weights.views, weights.gradients)
        else:
            weights.grad.zero_()
            raw.backward(torch.cat(found, dim=1))
        self._take_step(step, lost=lost)

    def _observe(
        self, raw: Tensor, total: Tensor | None, encoded: Mapping[str, Tensor], known: Sequence[Tensor | None]
    ) -> bool:
        """Keep one step's outputs, and note what is not finite while the gradients before are at hand.

        ``total`` is the outputs' sum where it is known. Return whether replicates have been lost.
        """
        self.said.add(raw, encoded, known)
        # a GPU is not waited for
        if self.device.type != "cpu":
            return False
        if not self.watch.doubts(raw, raw.sum() if total is None else total, self.slices, known):
            return False
        before = len(self.watch.lost)
        self._note(raw)
        return len(self.watch.lost) > before

    def _take_step(self, step: Callable[[], object], *, lost: bool) -> None:
        """Take an optimiser step along the gradients; ``lost`` says whether some of them mean nothing now."""
        weights = self.weights
        if self.settings.clip is not None:
            weights.clip(self.settings.clip)
        weights.flat.grad = weights.grad
        self.optimizer.factor = self.schedule(self.steps, self.total_steps)
        step()
        self.steps += 1
        if lost:
            self._still()

    @torch.no_grad()
    def _update(self) -> None:
        # the optimiser's own step without its hooks, which take as long as small populations do
        self.optimizer.update(self.weights.grad)

    def _note(self, raw: Tensor) -> None:
        """Note replicates whose loss is not finite, at this step or at one since this was last asked."""
        # of as many steps as there happen to be: nothing to compile for
        self.said.criteria = Criteria(self.slices)
        losses = self.said.news()
        before, now = losses[:-1], losses[-1]
        self.watch.note_late(before, self.steps - len(before) + 1)
        bad = ~np.isfinite(now.numpy())
        self.watch.note(bad, raw, now, self.weights, step=self.steps + 1, taken=self.steps)

    @torch.no_grad()
    def _still(self) -> None:
        """Set all numbers of lost replicates to zero, their rates too: looking for what is not finite takes time.

        They stay so for as long as their steps are finite; where they are not, all that is lost is time.
        """
        dead = torch.from_numpy(~self.watch.alive).flatten().to(self.device)

        def stilled(flat: Tensor) -> Tensor:
            for view in self.weights.layout.views(flat).values():
                view[dead] = 0
            return flat

        stilled(self.weights.flat.data)
        for buffer in self.weights.buffers.values():
            buffer[dead] = 0
        self.optimizer.select(stilled)

    def _fresh_criteria(self) -> Criteria:
        return (CompiledCriteria if self.repays_compiling else Criteria)(self.slices)

    @torch.no_grad()
    def outputs(self, part: PartTensors, of: Snapshot | None = None) -> Tensor:
        """Return raw output (S, A, N, n_out) of a part in evaluation mode, ``block`` of one seed at a time.

        ``of`` are other weights of the same layout, such as those of the best epoch.
        """
        views = self.weights.views if of is None else self.weights.layout.views(of.flat)
        if isinstance(self.network, ThinStack):
            # which holds no activations
            return self.network.outputs(views, part.x)
        kept = self.weights.buffers if of is None else of.buffers
        raw: Tensor | None = None
        for s in range(len(self.seeds)):
            for arms, rows in self._blocks(part.rows):
                own = slice(s * self.arms + arms.start, s * self.arms + arms.stop)
                parameters = {n: v[own] for n, v in views.items()}
                x = part.x[s : s + 1].narrow(self.network.row_axis, rows.start, rows.stop - rows.start)
                if isinstance(self.network, FusedStack):
                    said = self.network.forward(parameters, x, None)
                else:
                    buffers = {n: b[own] for n, b in kept.items()}
                    with self.precision.context(self.device):
                        said = lifted(self.network(parameters, buffers, x, training=False))
                if raw is None:
                    # rows innermost where the network has them so
                    across = said.stride(3) != 1
                    last = (said.shape[3], part.rows) if across else (part.rows, said.shape[3])
                    raw = said.new_empty((*self.shape, *last))
                    raw = raw.transpose(2, 3) if across else raw
                raw[s, arms, rows] = said[0]
        assert raw is not None  # noqa: S101 - there are seeds, arms and rows
        return raw

    def _blocks(self, rows: int) -> Iterator[tuple[slice, slice]]:
        """Give arms and rows that are scored at a time: whole parts of several arms where they fit."""
        block = self.block or self.arms * rows
        arms, few = max(1, block // rows), min(rows, block)
        for a in range(0, self.arms, arms):
            for r in range(0, rows, few):
                yield slice(a, min(a + arms, self.arms)), slice(r, min(r + few, rows))

    @torch.no_grad()
    def losses(self, raw: Tensor, part: PartTensors) -> Tensor:
        """Return each replicate's loss on a part, (S, A)."""
        each = [of_slice[0] for of_slice in self.criteria.losses(raw, part.encoded)]
        return torch.cat(each, dim=1)

    @torch.no_grad()
    def scores(self, raw: Tensor, part: PartTensors, metrics: Sequence[Metric]) -> dict[str, Floats]:
        """Return each metric of each replicate on a part, (S, A); NaN where a pair has none."""
        if not self.watch.alive.all() and not math.isfinite(float(raw.sum())):
            raw = without(raw, ~self.watch.alive)
        return stacked_scores(self.slices, raw, part.y, metrics)

    def guard(self, losses: Tensor, *outputs: Tensor) -> None:
        """Note replicates with a validation loss, (S, A), an output or a weight that is not finite."""
        with torch.no_grad():
            if self.watch.guard(self.slices, losses, outputs, self.weights, self.steps):
                self._still()

    def select(self, arms: Sequence[int]) -> Callable[[Snapshot], Snapshot]:
        """Keep these arms only, ascending; return what does the same to a snapshot taken before."""
        every = torch.arange(len(self.seeds) * self.arms, device=self.device).view(self.shape)
        kept = every[:, list(arms)].flatten()
        if isinstance(self.network, ThinStack) and not self.repays_compiling:
            self.network = FusedStack(self.network.layers)
        elif isinstance(self.network, FusedStack | ThinStack):
            self.network.forget()
        layout = self.weights.layout
        into = replace(layout, count=len(kept), across=isinstance(self.network, ThinStack))

        def pick(flat: Tensor) -> Tensor:
            return layout.picked(flat, kept, into)

        self.optimizer.select(pick)
        self.weights.select(kept, into)
        self.points = tuple(self.points[a] for a in arms)
        self.slices = picked(self.slices, arms)
        self.criteria = self._fresh_criteria()
        self.watch.alive = self.watch.alive[:, list(arms)]
        return lambda s: Snapshot(pick(s.flat), {n: b[kept] for n, b in s.buffers.items()})


def _stacked(parts: Sequence[Tensor], device: torch.device, dtype: torch.dtype | None = None) -> Tensor:
    """Return one part a seed as (S, ...), floating numbers as ``dtype``; what all seeds share is held once."""
    shared = all(part is parts[0] for part in parts)
    rows = (parts[0] if shared else torch.stack(list(parts))).to(device)
    rows = rows.to(dtype) if dtype is not None and rows.is_floating_point() else rows
    return rows.expand(len(parts), *rows.shape) if shared else rows


def batched(
    network: nn.Module, x: Tensor, *, random: bool, fused: bool = True, compiled: bool = False
) -> Batched:
    """Return a network for a population, in the fastest form there is for it.

    Args:
        network: one replicate's.
        x: inputs (S, N, ...).
        random: whether the network draws at random.
        fused: whether it may compute its own gradients, in the precision of its weights.
        compiled: whether it may be compiled.
    """
    stack = LayerStack.made_of(network, x)
    if stack is None:
        return Vmapped(network, random=random)
    if fused and compiled and ThinStack.fits(stack):
        return ThinStack(stack.layers)
    return FusedStack(stack.layers) if fused and FusedStack.fits(stack) else stack

"""A population: S seeds times A arms of one network, trained step by step together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossearch.pairs import Pair
from lossearch.space import Point
from lossearch.tasks import Metric, Task
from lossearch.training.batches import batch_sizes, row_order
from lossearch.training.contract import TrainSettings
from lossearch.training.guard import first_bad
from lossearch.training.plain import PRECISIONS, initial_network
from lossearch.training.population.criteria import pair_slices, picked
from lossearch.training.population.fused import FusedStack
from lossearch.training.population.networks import Batched, LayerStack, Vmapped, step_seeds
from lossearch.training.population.optimizers import PerReplicate, per_replicate
from lossearch.training.population.scoring import Floats, stacked_scores
from lossearch.training.population.weights import Snapshot, Weights
from lossearch.training.schedules import SCHEDULES


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


@dataclass(frozen=True)
class Place:
    """Where a replicate, (seed, arm), left the finite numbers; as ``contract.Divergence``, step from 1."""

    seed: int
    arm: int
    what: str
    step: int
    value: float


class Population:
    """The state of S x A replicates: weights, optimiser, data, and what is computed with them.

    Arms are sorted by pair. Replicate (s, a) has place s * A + a in every stacked tensor. ``alive`` says
    which replicates, (S, A), are still finite; the others' numbers go on and mean nothing.
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
        self.dtype, self.device, self.random = PRECISIONS[settings.precision], device, random
        folds = [task.fold(seed) for seed in seeds]
        networks = [initial_network(task, seed, self.dtype).to(device) for seed in seeds]
        self.weights = Weights.of(networks, len(points))
        x = self._stack([f.train.x for f in folds])
        self.network = batched(networks[0], x, random=random)
        self.slices = pair_slices(points, pairs, [f.statistics for f in folds], self.weights.flat)
        self.train = self._part(x, torch.stack([f.train.y for f in folds]))
        self.validation = self._part(
            self._stack([f.validation.x for f in folds]), torch.stack([f.validation.y for f in folds])
        )
        rates = torch.tensor([p.lr for p in points], dtype=self.dtype, device=device).repeat(len(seeds))
        self.optimizer: PerReplicate = per_replicate(
            settings.optimizer, self.weights.flat, self.weights.layout.spread(rates), settings.options
        )
        self.sizes = batch_sizes(self.train.rows, int(settings.batch_size))
        self.schedule = SCHEDULES[settings.schedule]
        self.total_steps = int(settings.epochs) * len(self.sizes)
        self.steps = 0
        self.alive = np.ones((len(seeds), len(points)), dtype=bool)
        self.lost: list[Place] = []

    @property
    def arms(self) -> int:
        """How many arms are trained."""
        return len(self.points)

    @property
    def shape(self) -> tuple[int, int]:
        """Seeds and arms."""
        return len(self.seeds), self.arms

    def _stack(self, parts: Sequence[Tensor]) -> Tensor:
        stacked = torch.stack(list(parts)).to(self.device)
        return stacked.to(self.dtype) if stacked.is_floating_point() else stacked

    def _part(self, x: Tensor, y: Tensor) -> PartTensors:
        y = y.to(self.device)
        by_name = {s.encoding: s for s in self.slices}
        encoded = {name: s.encode(y, self.task.n_out) for name, s in by_name.items()}
        return PartTensors(self.network.rows(x), y, encoded)

    def train_epoch(
        self, epoch: int, last_step: Callable[[], object], stop: Callable[[], bool]
    ) -> Tensor | None:
        """Train on every row once; return each step's losses (steps, S, A), None where told to stop.

        ``last_step`` takes the epoch's last optimiser step: the Trainer's own, so that it counts.
        """
        orders = torch.stack([row_order(seed, epoch, self.train.rows) for seed in self.seeds]).to(self.device)
        by_seed = torch.arange(len(self.seeds), device=self.device)[:, None]
        axis = self.network.row_axis
        x = _in_order(self.train.x, orders, axis)
        encoded = {name: e[by_seed, 0, orders].unsqueeze(1) for name, e in self.train.encoded.items()}
        found, start = [], 0
        for i, size in enumerate(self.sizes):
            batch = x.narrow(axis, start, size)
            targets = {name: e.narrow(2, start, size) for name, e in encoded.items()}
            step = self.optimizer.step if i + 1 < len(self.sizes) else last_step
            found.append(self._step(batch, targets, step))
            start += size
            if stop():
                return None
        losses = torch.stack(found)
        if self.device.type != "cpu":
            self._note_late(losses)
        return losses

    def _step(self, x: Tensor, encoded: Mapping[str, Tensor], step: Callable[[], object]) -> Tensor:
        drawn = step_seeds(self.seeds, self.steps) if self.random else None
        weights, network = self.weights, self.network
        if isinstance(network, FusedStack):
            raw = network.forward(weights.views, x, drawn).detach().requires_grad_()
        else:
            raw = network(weights.views, weights.buffers, x, training=True, step_seeds=drawn)
        losses = self._losses(raw, encoded)
        total = losses.sum()
        # before the backward pass: the gradients of the step before are still at hand
        if self.device.type == "cpu" and not math.isfinite(total.item()):
            self._note(~np.isfinite(losses.detach().numpy()), raw.detach(), losses.detach(), self.steps + 1)
        if isinstance(network, FusedStack):
            (slope,) = torch.autograd.grad(total, raw)
            network.backward(slope, weights.views, weights.gradients)
        else:
            weights.grad.zero_()
            total.backward()
        if self.settings.clip is not None:
            weights.clip(self.settings.clip)
        weights.flat.grad = weights.grad
        self.optimizer.factor = self.schedule(self.steps, self.total_steps)
        step()
        self.steps += 1
        return losses.detach()

    def _note(self, bad: NDArray[np.bool_], raw: Tensor, losses: Tensor, step: int) -> None:
        """Note replicates that have just left the finite numbers, and what was first to."""
        for s, a in np.argwhere(bad & self.alive).tolist():
            self.alive[s, a] = False
            what, value = self._blame(s * self.arms + a, raw[s, a], float(losses[s, a]))
            at = self.steps if what in ("gradient", "weights") else step
            self.lost.append(Place(s, a, what, at, value))

    def _note_late(self, losses: Tensor) -> None:
        """Note the first non-finite loss of an epoch's, (steps, S, A), where no step was waited for."""
        bad = ~torch.isfinite(losses).cpu().numpy()
        for s, a in np.argwhere(bad.any(axis=0) & self.alive).tolist():
            self.alive[s, a] = False
            step = int(bad[:, s, a].argmax())
            at = self.steps - len(losses) + step + 1
            self.lost.append(Place(s, a, "loss", at, float(losses[step, s, a])))

    def _blame(self, replicate: int, output: Tensor, loss: float) -> tuple[str, float]:
        """Return what stopped being finite first, and its value; see ``guard.blame``."""
        weights = first_bad(v[replicate].detach() for v in self.weights.views.values())
        if weights is not None:
            gradient = first_bad(g[replicate] for g in self.weights.gradients.values())
            return ("weights", weights) if gradient is None else ("gradient", gradient)
        bad = first_bad([output])
        return ("loss", loss) if bad is None else ("output", bad)

    def _losses(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([s.losses(raw, encoded[s.encoding]) for s in self.slices], dim=1)

    @torch.no_grad()
    def outputs(self, part: PartTensors, of: Snapshot | None = None) -> Tensor:
        """Return raw output (S, A, N, n_out) of a part in evaluation mode, one seed at a time.

        ``of`` are other weights of the same layout, such as those of the best epoch.
        """
        views = self.weights.views if of is None else self.weights.layout.views(of.flat)
        kept = self.weights.buffers if of is None else of.buffers
        found = []
        for s in range(len(self.seeds)):
            rows = slice(s * self.arms, (s + 1) * self.arms)
            parameters = {n: v[rows] for n, v in views.items()}
            buffers = {n: b[rows] for n, b in kept.items()}
            x = part.x[s : s + 1]
            if isinstance(self.network, FusedStack):
                found.append(self.network.forward(parameters, x, None).clone())
            else:
                found.append(self.network(parameters, buffers, x, training=False))
        return torch.cat(found)

    @torch.no_grad()
    def losses(self, raw: Tensor, part: PartTensors) -> Tensor:
        """Return each replicate's loss on a part, (S, A)."""
        return self._losses(raw, part.encoded)

    @torch.no_grad()
    def scores(self, raw: Tensor, part: PartTensors, metrics: Sequence[Metric]) -> dict[str, Floats]:
        """Return each metric of each replicate on a part, (S, A); NaN where a pair has none."""
        if not self.alive.all():
            dead = torch.from_numpy(~self.alive).to(raw.device)
            raw = raw.masked_fill(dead[:, :, None, None], 0)
        return stacked_scores(self.slices, raw, part.y, metrics)

    @torch.no_grad()
    def guard(self, losses: Tensor, *outputs: Tensor) -> None:
        """Note replicates with a loss, an output (raw or activated) or a weight that is not finite.

        Args:
            losses: of the validation part, (S, A).
            outputs: raw outputs (S, A, N, n_out) of a part each.
        """
        # a sum is finite only if every term is, and cheaper than asking each
        sums = [losses, *(raw.sum(dim=(2, 3)) for raw in outputs)]
        sums += [self._activated(raw, lambda said: said.sum(dim=(2, 3))) for raw in outputs]
        sums += [v.flatten(1).sum(dim=1).view(self.shape) for v in self.weights.views.values()]
        doubtful = ~torch.isfinite(torch.stack([s.to(losses.dtype) for s in sums])).all(dim=0)
        bad = doubtful.cpu().numpy() & self.alive
        if not bad.any():
            return
        every = torch.cat([t for raw in outputs for t in (self._activated(raw), raw)], dim=2)
        for s, a in np.argwhere(bad).tolist():
            k = s * self.arms + a
            own = [losses[s, a], every[s, a], *(v[k] for v in self.weights.views.values())]
            bad[s, a] = first_bad(own) is not None
        self._note(bad, every, losses, self.steps)

    def _activated(self, raw: Tensor, then: Callable[[Tensor], Tensor] = lambda said: said) -> Tensor:
        return torch.cat([then(s.pair.activation(raw[:, s.start : s.end])) for s in self.slices], dim=1)

    def select(self, arms: Sequence[int]) -> Callable[[Snapshot], Snapshot]:
        """Keep these arms only, ascending; return what does the same to a snapshot taken before."""
        every = torch.arange(len(self.seeds) * self.arms, device=self.device).view(self.shape)
        kept = every[:, list(arms)].flatten()
        layout = self.weights.layout

        def pick(flat: Tensor) -> Tensor:
            return layout.picked(flat, kept)

        self.optimizer.select(pick)
        self.weights.select(kept)
        self.points = tuple(self.points[a] for a in arms)
        self.slices = picked(self.slices, arms)
        self.alive = self.alive[:, list(arms)]
        if isinstance(self.network, FusedStack):
            self.network.forget()
        return lambda s: Snapshot(pick(s.flat), {n: b[kept] for n, b in s.buffers.items()})


def batched(network: nn.Module, x: Tensor, *, random: bool) -> Batched:
    """Return a network for a population, in the fastest form there is for it.

    Args:
        network: one replicate's.
        x: inputs (S, N, ...).
        random: whether the network draws at random.
    """
    stack = LayerStack.made_of(network, x)
    if stack is None:
        return Vmapped(network, random=random)
    return FusedStack(stack.layers) if FusedStack.fits(stack) else stack


def _in_order(x: Tensor, orders: Tensor, axis: int) -> Tensor:
    """Return inputs (S, ...) with each seed's rows in its own order."""
    return torch.stack([seed.index_select(axis - 1, order) for seed, order in zip(x, orders, strict=True)])

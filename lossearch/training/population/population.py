"""A population: S seeds times A arms of one network, trained step by step together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossearch.pairs import Pair, Predictions
from lossearch.space import Point
from lossearch.tasks import Metric, Task
from lossearch.tasks.metrics import scores
from lossearch.training.batches import batch_sizes, row_order
from lossearch.training.contract import TrainSettings
from lossearch.training.plain import PRECISIONS, initial_network
from lossearch.training.population.criteria import PairSlice, pair_slices
from lossearch.training.population.fused import FusedStack
from lossearch.training.population.networks import Batched, LayerStack, Vmapped, step_seeds
from lossearch.training.population.optimizers import PerReplicate, per_replicate
from lossearch.training.population.weights import Weights

Floats = NDArray[np.float64]
_SHARED = ("label", "score", "probability", "value")
"""What metrics read that means the same for every pair, so that one call serves all."""


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
        self.dtype, self.device, self.random = PRECISIONS[settings.precision], device, random
        folds = [task.fold(seed) for seed in seeds]
        networks = [initial_network(task, seed, self.dtype).to(device) for seed in seeds]
        self.weights = Weights.of(networks, len(points))
        x = self._stack([f.train.x for f in folds])
        self.network = batched(networks[0], x, random=random)
        self.slices = pair_slices(points, pairs, [f.statistics for f in folds], self.weights.flat)
        self.train = self._part(x, self._stack([f.train.y for f in folds]))
        self.validation = self._part(
            self._stack([f.validation.x for f in folds]), self._stack([f.validation.y for f in folds])
        )
        rates = torch.tensor([p.lr for p in points], dtype=self.dtype, device=device).repeat(len(seeds))
        self.optimizer: PerReplicate = per_replicate(
            settings.optimizer, self.weights.flat, self.weights.spread(rates), settings.options
        )
        self.sizes = batch_sizes(self.train.rows, int(settings.batch_size))
        self.steps = 0

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
        return torch.stack(found)

    def _step(self, x: Tensor, encoded: Mapping[str, Tensor], step: Callable[[], object]) -> Tensor:
        drawn = step_seeds(self.seeds, self.steps) if self.random else None
        views = self.weights.views
        if isinstance(self.network, FusedStack):
            raw = self.network.forward(views, x, drawn).detach().requires_grad_()
            losses = self._losses(raw, encoded)
            (slope,) = torch.autograd.grad(losses.sum(), raw)
            self.network.backward(slope, views, self.weights.gradients)
        else:
            self.weights.grad.zero_()
            raw = self.network(views, self.weights.buffers, x, training=True, step_seeds=drawn)
            losses = self._losses(raw, encoded)
            losses.sum().backward()  # type: ignore[no-untyped-call]
        if self.settings.clip is not None:
            self.weights.clip(self.settings.clip)
        self.weights.flat.grad = self.weights.grad
        step()
        self.steps += 1
        return losses.detach()

    def _losses(self, raw: Tensor, encoded: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([s.losses(raw, encoded[s.encoding]) for s in self.slices], dim=1)

    @torch.no_grad()
    def outputs(self, part: PartTensors, flat: Tensor | None = None) -> Tensor:
        """Return raw output (S, A, N, n_out) of a part in evaluation mode, one seed at a time.

        ``flat`` are other weights of the same layout, such as those of the best epoch.
        """
        views = self.weights.views if flat is None else self.weights.views_of(flat)
        found = []
        for s in range(len(self.seeds)):
            rows = slice(s * self.arms, (s + 1) * self.arms)
            parameters = {n: v[rows] for n, v in views.items()}
            buffers = {n: b[rows] for n, b in self.weights.buffers.items()}
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
        found = {m.name: np.full(self.shape, np.nan) for m in metrics}
        said = [(s, s.predictions(raw[:, s.start : s.end])) for s in self.slices]
        for metric in metrics:
            for arms, predictions in _together(metric, said):
                for i, y in enumerate(part.y):
                    value = scores([metric], _of_seed(predictions, i), y).get(metric.name)
                    if value is not None:
                        found[metric.name][i, arms] = value.double().cpu().numpy()
        return found

    def finite(self, raw: Tensor) -> NDArray[np.bool_]:
        """Return which replicates have finite outputs, predictions and weights, (S, A)."""
        # a sum is finite only if every term is, and cheaper than asking each
        fine = torch.isfinite(raw.sum(dim=(2, 3)))
        for s in self.slices:
            activated = s.pair.activation(raw[:, s.start : s.end])
            fine[:, s.start : s.end] &= torch.isfinite(activated.sum(dim=(2, 3)))
        for view in self.weights.views.values():
            fine &= torch.isfinite(view.detach().flatten(1).sum(dim=1)).view(self.shape)
        return np.asarray(fine.cpu())


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


def _together(
    metric: Metric, said: Sequence[tuple[PairSlice, Predictions]]
) -> Iterator[tuple[list[int], Predictions]]:
    """Give arms, and predictions (S, arms, ...) of them that one call of a metric can score."""
    having = [(s, p) for s, p in said if getattr(p, metric.needs) is not None]
    if not having:
        return
    if metric.needs not in _SHARED:
        for s, p in having:
            yield list(range(s.start, s.end)), p
        return
    arms = [a for s, _ in having for a in range(s.start, s.end)]
    fields = [f for f in dict.fromkeys((metric.needs, "label")) if getattr(having[0][1], f) is not None]
    yield arms, Predictions(**{f: torch.cat([getattr(p, f) for _, p in having], dim=1) for f in fields})


def _of_seed(predictions: Predictions, seed: int) -> Predictions:
    """Return the predictions of one seed, (arms, ...)."""
    fields = ("label", "probability", "score", "value", "output")
    given = {f: t[seed] for f in fields if (t := getattr(predictions, f)) is not None}
    return Predictions(**given, codes=predictions.codes)

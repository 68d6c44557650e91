"""Whether a task can be trained as a population, found out before the first trial."""

from __future__ import annotations

import random
import re
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossearch._random import seed_draws, stream
from lossearch.pairs import Criterion
from lossearch.space import Dimension, Point, Space, Value
from lossearch.tasks.task import Fold, Task
from lossearch.training.batches import batch_sizes, prepare, row_order
from lossearch.training.contract import TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.plain.train import initial_network
from lossearch.training.population.batchable_losses import first_sentence, stray
from lossearch.training.population.batched_network import Vmapped
from lossearch.training.population.batched_optimizers import supported
from lossearch.training.population.population import Population
from lossearch.training.precision import PRECISIONS
from lossearch.training.scope import contained

STEPS = 3
"""Steps after which two ways of training are compared."""
SAME = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Relative difference of weights that rounding explains after so few steps."""
ARMS = 16
"""Replicates by which the cost of one is measured."""
ROUNDS = 3
"""Times that cost is measured; the least counts."""
ROWS = 64
"""Validation rows compared."""


def unfit(
    task: Task, space: Space, seeds: Sequence[int], settings: TrainSettings, *, random: bool
) -> str | None:
    """Return why replicates of this study cannot be trained together, None where they can.

    Every pair's loss, gradient and predictions for a stack of models are compared with those for one.
    Networks of known layers are taken at their word. Any other is trained for a few steps both ways and
    compared; where batching does not at least halve the cost, separate processes are the better way.
    """
    if not supported(settings.optimizer, settings.options):
        return f"optimiser {settings.optimizer} with these options has no batched form"
    folds = [task.fold(seed) for seed in seeds]
    if len({(len(f.train), len(f.validation)) for f in folds}) > 1:
        return "seeds have parts of different sizes"
    points = [space.point(p, {d.name: _middle(d) for d in space.dimensions(p)}) for p in space.names[:2]]
    # a schedule changes rates, not whether a network can be batched
    alike = replace(settings.of(points[0]), schedule="constant", compile=False)
    probe = _Probe.of(task, space, points, seeds[:2], alike, random=random)
    with contained(stream(seeds[0], "fitness"), 1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return (
                stray(space, [probe.task.fold(seed) for seed in probe.seeds], task.n_out)
                or probe.in_doubles().disagreement()
                or _slow_fallback(caught)
                or probe.slowness()
            )
        except Exception as error:  # noqa: BLE001 - whatever batching the user's network raises is the reason
            return f"the network cannot be batched ({type(error).__name__}: {first_sentence(error)})"


def _middle(dimension: Dimension) -> Value:
    if dimension.choices:
        return dimension.choices[0]
    low, high = dimension.low, dimension.high
    middle = (low * high) ** 0.5 if dimension.log else (low + high) / 2
    return round(middle) if dimension.integer else float(middle)


def _slow_fallback(caught: Sequence[warnings.WarningMessage]) -> str | None:
    slow = (str(w.message) for w in caught if "performance drop" in str(w.message))
    named = {name for message in slow for name in re.findall(r"aten::(\w+)", message)}
    return f"the network's {', '.join(sorted(named))} cannot be batched without a loop" if named else None


def _own_state(network: nn.Module) -> dict[str, object]:
    """Return what modules keep beside parameters and buffers, by place, in a form that can be compared."""
    standard = vars(nn.Module()).keys()
    return {
        f"{name}.{key}".lstrip("."): repr(value)
        for name, module in network.named_modules()
        for key, value in vars(module).items()
        if key not in standard
    }


def _other_draws() -> tuple[object, ...]:
    """Return the states of python's and numpy's global generators, comparable."""
    return random.getstate(), repr(np.random.get_state(legacy=False))  # noqa: NPY002 - the state is what is compared


@dataclass(frozen=True)
class _Probe:
    """A few steps on a few rows, under two seeds where there are two."""

    task: Task
    space: Space
    points: Sequence[Point]
    seeds: Sequence[int]
    settings: TrainSettings
    random: bool

    @classmethod
    def of(
        cls,
        task: Task,
        space: Space,
        points: Sequence[Point],
        seeds: Sequence[int],
        settings: TrainSettings,
        *,
        random: bool,
    ) -> _Probe:
        """Return the probe of a task, cut to the rows that a few steps need."""
        size = STEPS * int(settings.batch_size)

        def fold(seed: int) -> Fold:
            return task.fold(seed).cut(size, ROWS)

        points = list(points) * 2 if len(points) == 1 else points
        return cls(replace(task, fold=fold), space, points, seeds, settings, random)

    def in_doubles(self) -> _Probe:
        """Return the same probe in float64, where no disagreement hides in rounding, if the network can."""
        wide = replace(self, settings=replace(self.settings, precision="64-true"))
        try:
            wide.alone(self.points[0], self.seeds[0]).train()
        except Exception:  # noqa: BLE001 - a network that insists on float32 is compared in that
            return self
        return wide

    def population(self, points: Sequence[Point]) -> Population:
        pairs = [p.definition or self.space[p.pair] for p in points]
        cpu = torch.device("cpu")
        return Population(self.task, points, pairs, self.seeds, self.settings, random=self.random, device=cpu)

    def alone(self, point: Point, seed: int) -> _Alone:
        return _Alone(self, point, seed)

    def disagreement(self) -> str | None:
        """Return where replicates trained together are not what each is alone."""
        together = self.population(sorted(self.points, key=lambda p: p.pair))
        if not isinstance(together.network, Vmapped):
            return None
        losses = together.train_epoch(0, together.optimizer.step, lambda: False)
        said = together.outputs(together.validation)
        if losses is None:
            return None
        for s, seed in enumerate(self.seeds):
            for a, point in enumerate(together.points):
                own = together.weights.state(s * together.arms + a)
                reason = self._difference(self.alone(point, seed), point, losses[:, s, a], own, said[s, a])
                if reason is not None:
                    return reason
        return None

    def _difference(
        self, alone: _Alone, point: Point, losses: Tensor, weights: dict[str, Tensor], said: Tensor
    ) -> str | None:
        """Return where a replicate that was trained together is not what it is alone."""
        before, drawn = _own_state(alone.network), _other_draws()
        alone.train()
        if _own_state(alone.network) != before:
            return "the network keeps a state of its own from one batch to the next"
        if _other_draws() != drawn:
            return "the network draws random numbers by numpy or python, not by torch"
        if not _same({"": losses}, {"": torch.stack(alone.losses)}):
            return "batched and alone it does not train with the same losses"
        same = _same(weights, alone.network.state_dict())
        if same and _same({"": said}, {"": alone.outputs()}):
            return None
        if self._chaotic(alone, point):
            return None
        return f"batched and alone it does not {'give the same outputs' if same else 'train to the same weights'}"

    def _chaotic(self, alone: _Alone, point: Point) -> bool:
        """Return whether a run begun a hair's breadth away ends elsewhere, so that weights say nothing.

        A bias before a normalisation has no gradient but rounding, which some optimisers blow up.
        """
        twin = self.alone(point, alone.seed)
        hair = 1e-12 if self.settings.precision == "64-true" else 1e-6
        with torch.no_grad():
            for weight in twin.network.parameters():
                # each number otherwise: a normalisation takes out what all have in common
                turns = torch.arange(weight.numel(), dtype=weight.dtype).view(weight.shape)
                weight.mul_(1 + hair * turns.cos())
        twin.train()
        # a hair that grows to a tenth of what counts as different may as well grow to all of it
        return not _same(twin.network.state_dict(), alone.network.state_dict(), share=0.1)

    def slowness(self) -> str | None:
        """Return how little batching saves where it is not worth it."""
        many = self.population([self.points[0]] * ARMS)
        if not isinstance(many.network, Vmapped):
            return None
        alone = self.alone(self.points[0], self.seeds[0])
        batched = _least_seconds(lambda: many.train_epoch(0, many.optimizer.step, lambda: False))
        plain = _least_seconds(alone.train)
        times = plain * ARMS * len(self.seeds) / batched
        return f"batching saves too little ({times:.1f} times)" if times < 2 else None


class _Alone:
    """One replicate in an ordinary loop."""

    def __init__(self, probe: _Probe, point: Point, seed: int) -> None:
        self.probe, self.seed = probe, seed
        dtype = PRECISIONS[probe.settings.precision].weights
        fold, device = probe.task.fold(seed), torch.device("cpu")
        pair = point.definition or probe.space[point.pair]
        self.criterion = Criterion(pair, point.params, fold.statistics).to(dtype)
        self.rows, self.validation = (
            prepare(part, self.criterion, probe.task.n_out, dtype, device)
            for part in (fold.train, fold.validation)
        )
        self.network = initial_network(probe.task, seed, dtype)
        self.losses: list[Tensor] = []
        settings = probe.settings
        self.optimizer = make_optimizer(
            settings.optimizer, self.network.parameters(), point.lr, settings.options
        )

    def train(self) -> None:
        """Train one epoch."""
        settings = self.probe.settings
        self.network.train()
        sizes = batch_sizes(len(self.rows), int(settings.batch_size))
        order = row_order(self.seed, 0, len(self.rows))
        for step, (size, end) in enumerate(zip(sizes, accumulate(sizes), strict=True)):
            index = order[end - size : end]
            if self.probe.random:
                seed_draws(stream(self.seed, "step", step))
            self.optimizer.zero_grad()
            loss: Any = self.criterion.mean(_wide(self.network(self.rows.x[index])), self.rows.encoded[index])
            loss.backward()
            self.losses.append(loss.detach())
            if settings.clip is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), settings.clip)
            self.optimizer.step()

    @torch.no_grad()
    def outputs(self) -> Tensor:
        """Return outputs for the validation rows in evaluation mode."""
        return _wide(self.network.eval()(self.validation.x))


def _wide(raw: Tensor) -> Tensor:
    return raw.unsqueeze(-1) if raw.ndim == 1 else raw


def _least_seconds(call: Callable[[], object]) -> float:
    # this thread's own, which other work on the machine disturbs less
    def seconds() -> float:
        begun = time.thread_time()
        call()
        return time.thread_time() - begun

    return min(seconds() for _ in range(ROUNDS))


def _same(a: dict[str, Tensor], b: dict[str, Tensor], share: float = 1.0) -> bool:
    def close(x: Tensor, y: Tensor) -> bool:
        tolerance = share * SAME.get(y.dtype, 0.0)
        return torch.allclose(x.double(), y.double(), rtol=tolerance, atol=tolerance)

    return a.keys() == b.keys() and all(close(a[k], v) for k, v in b.items())

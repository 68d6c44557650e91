"""Whether replicates of a task can be trained together, by training a few both ways."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossearch._random import stream
from lossearch.losses import Head
from lossearch.space import Dimension, Point, Space, Value
from lossearch.tasks.task import Task
from lossearch.training.batches import Batches
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.population.batched_optimizers import supported
from lossearch.training.population.population import Population
from lossearch.training.preflight.batchable_losses import unbatchable_pair
from lossearch.training.trainer import contained, device_of, first_sentence, seconds_of

STEPS = 3
"""Steps after which the two are compared."""
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Relative difference of weights that rounding explains after so few steps."""
COPIES = 16
"""Replicates by which the cost of one is measured."""
ROUNDS = 3
"""Times that cost is measured; the least counts."""
ROWS = 64
"""Validation rows compared."""
CPU = torch.device("cpu")
"""Where both ways are compared, wherever the study trains."""


def obstacle_to_batching(
    task: Task, space: Space, seeds: Sequence[int], settings: TrainSettings, *, random: bool
) -> str | None:
    """Return why replicates of this study cannot be trained together, None where they can.

    Every pair's loss, gradient and predictions for a stack of models are compared with those for one.
    Networks of known layers are taken at their word. Any other is trained for a few steps both ways and
    compared; where batching does not at least halve the cost, separate processes are the better way.
    """
    if not supported(settings.optimizer, settings.options):
        return f"optimiser {settings.optimizer} with these options has no batched form"
    if unequal := unequal_parts(task, seeds):
        return unequal
    by_head: dict[Head | None, list[str]] = {}
    for pair in space.pairs:
        by_head.setdefault(pair.loss.head, []).append(pair.name)
    call = TrainingCall(task, space, random)
    return next((r for names in by_head.values() if (r := _obstacle(call, names, seeds[:2], settings))), None)


def _obstacle(
    call: TrainingCall, names: Sequence[str], seeds: Sequence[int], settings: TrainSettings
) -> str | None:
    """Return why replicates of these pairs, whose networks end alike, cannot be trained together."""
    space = call.space
    points = [space.point(p, {d.name: _middle(d) for d in space.dimensions(p)}) for p in names[:2]]
    # a schedule changes rates, not whether a network can be batched
    alike = replace(settings.of(points[0]), schedule="constant", compile=False)
    rows = STEPS * int(alike.batch_size)
    task = replace(call.task, fold=lambda seed: call.task.fold(seed).cut(rows, ROWS))
    two = points * 2 if len(points) == 1 else points
    trial = _Comparison(replace(call, task=task), two, seeds, alike)
    with contained(stream(seeds[0], "fitness"), 1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return (
                unbatchable_pair(space, names, [trial.call.task.fold(s) for s in seeds], call.task.n_out)
                or trial.in_doubles().disagreement()
                or _slow_fallback(caught)
                or trial.slowness()
            )
        except Exception as error:  # noqa: BLE001 - whatever batching the user's network raises is the reason
            return f"the network cannot be batched ({type(error).__name__}: {first_sentence(error)})"


def unequal_parts(task: Task, seeds: Sequence[int]) -> str | None:
    """Return that some of these seeds have parts of other sizes than the rest, None where they have not."""
    folds = [task.fold(seed) for seed in seeds]
    sizes = {(len(f.train), len(f.validation)) for f in folds}
    return "seeds have parts of different sizes" if len(sizes) > 1 else None


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
class _Comparison:
    """A few steps on the few rows that they need, under two seeds where there are two."""

    call: TrainingCall
    points: Sequence[Point]
    seeds: Sequence[int]
    settings: TrainSettings

    def in_doubles(self) -> _Comparison:
        """Return the same in float64, where no disagreement hides in rounding, if the network can."""
        wide = replace(self, settings=replace(self.settings, precision="64-true"))
        try:
            wide.alone(self.points[0], self.seeds[0]).train()
        except Exception:  # noqa: BLE001 - a network that insists on float32 is compared in that
            return self
        return wide

    def population(self, points: Sequence[Point], device: torch.device = CPU) -> Population:
        return Population(self.call, points, self.seeds, self.settings, device)

    def alone(self, point: Point, seed: int, device: torch.device = CPU) -> _PlainLoop:
        return _PlainLoop(self.call, Replicate(point, seed), self.settings, device)

    def disagreement(self) -> str | None:
        """Return where replicates trained together are not what each is alone."""
        together = self.population(sorted(self.points, key=lambda p: p.pair))
        if together.network.known_layers:
            return None
        losses = together.train_epoch(0, together.optimizer.step, lambda: False)
        raw = together.outputs(together.validation)
        if losses is None:
            return None
        for s, seed in enumerate(self.seeds):
            for c, point in enumerate(together.points):
                own = together.weights.state(s * together.n_configurations + c)
                reason = self._difference(self.alone(point, seed), point, losses[:, s, c], own, raw[s, c])
                if reason is not None:
                    return reason
        return None

    def _difference(
        self, alone: _PlainLoop, point: Point, losses: Tensor, weights: dict[str, Tensor], raw: Tensor
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
        if same and _same({"": raw}, {"": alone.outputs()}):
            return None
        if self._chaotic(alone, point):
            return None
        return f"batched and alone it does not {'give the same outputs' if same else 'train to the same weights'}"

    def _chaotic(self, alone: _PlainLoop, point: Point) -> bool:
        """Return whether a run begun a tiny share away ends elsewhere, so that weights say nothing.

        A bias before a normalisation has no gradient but rounding, which some optimisers blow up.
        """
        twin = self.alone(point, alone.seed)
        nudge = 1e-12 if self.settings.precision == "64-true" else 1e-6
        with torch.no_grad():
            for weight in twin.network.parameters():
                # each number otherwise: a normalisation takes out what all have in common
                turns = torch.arange(weight.numel(), dtype=weight.dtype).view(weight.shape)
                weight.mul_(1 + nudge * turns.cos())
        twin.train()
        # a difference that grows to a tenth of what counts may as well grow to all of it
        return not _same(twin.network.state_dict(), alone.network.state_dict(), share=0.1)

    def slowness(self) -> str | None:
        """Return how little batching saves, on the device that trains, where it is not worth it."""
        device = device_of(self.settings)
        many = self.population([self.points[0]] * COPIES, device)
        if many.network.known_layers:
            return None
        alone = self.alone(self.points[0], self.seeds[0], device)
        batched = _least_seconds(lambda: many.train_epoch(0, many.optimizer.step, lambda: False), device)
        plain = _least_seconds(alone.train, device)
        times = plain * COPIES * len(self.seeds) / batched
        return f"batching saves too little ({times:.1f} times)" if times < 2 else None


class _PlainLoop:
    """One replicate, trained by the steps of the plain method without its Trainer."""

    def __init__(
        self, call: TrainingCall, replicate: Replicate, settings: TrainSettings, device: torch.device
    ) -> None:
        from lossearch.training.plain.module import ReplicateModule

        self.module = ReplicateModule(call, replicate, settings, device).to(device)
        self.network, self.seed = self.module.network, replicate.seed
        self.batches = Batches(self.module.training_part, self.seed, int(settings.batch_size), lambda: 0)
        self.optimizer = make_optimizer(
            settings.optimizer, self.network.parameters(), replicate.point.lr, settings.options
        )
        self.losses: list[Tensor] = []

    def train(self) -> None:
        """Train one epoch."""
        self.module.train()
        for batch in self.batches:
            self.optimizer.zero_grad()
            loss: Any = self.module.training_step(batch)
            loss.backward()
            self.losses.append(loss.detach())
            if self.module.settings.clip is not None:
                nn.utils.clip_grad_norm_(self.network.parameters(), self.module.settings.clip)
            self.optimizer.step()

    @torch.no_grad()
    def outputs(self) -> Tensor:
        """Return outputs for the validation rows in evaluation mode."""
        found: Tensor = self.module.eval()(self.module.validation_part.x)
        return found


def _least_seconds(call: Callable[[], object], device: torch.device) -> float:
    return min(seconds_of(call, device) for _ in range(ROUNDS))


def _same(a: dict[str, Tensor], b: dict[str, Tensor], share: float = 1.0) -> bool:
    def close(x: Tensor, y: Tensor) -> bool:
        tolerance = share * TOLERANCE.get(y.dtype, 0.0)
        return torch.allclose(x.double(), y.double(), rtol=tolerance, atol=tolerance)

    return a.keys() == b.keys() and all(close(a[k], v) for k, v in b.items())

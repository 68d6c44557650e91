"""What is checked before the first replicate, once a study: every round and the confirmation go by its findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from lossearch._random import draws_at_random, isolated
from lossearch._registry import unknown_name
from lossearch.checks.form import shape_problem
from lossearch.errors import InputError, refuse
from lossearch.pairs import Criterion
from lossearch.space import Space
from lossearch.tasks.task import Fold, Task
from lossearch.training.batches import initial_network
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.own_module.obstacles import obstacle_to_batching_module
from lossearch.training.precision import PRECISIONS
from lossearch.training.preflight.batching import obstacle_to_batching, unequal_parts
from lossearch.training.schedules import SCHEDULES
from lossearch.training.trainer import device_of


@dataclass(frozen=True)
class Preflight:
    """What was found of a task and of the settings that it is to be trained with.

    ``seeds`` are those it was found under; ``random`` says whether the network draws at random in training.
    """

    task: Task
    space: Space
    settings: TrainSettings
    seeds: tuple[int, ...]
    random: bool = False
    _checked: set[object] = field(default_factory=set, repr=False, compare=False)
    """Settings of points with epochs to train until, and seeds, that are known to be right."""

    def check(self, replicates: Sequence[Replicate]) -> None:
        """Refuse replicates whose own settings, or the epoch that they end after, or the data cannot be.

        What has been checked before is not checked again; of the data it is the first seed's.

        Raises:
            InputError: the problems, one sentence each.
        """
        fresh = {(r.point.other, r.until): r for r in replicates}
        fresh = {key: r for key, r in fresh.items() if key not in self._checked}
        every = {r.point.other: self.settings.of(r.point) for r in fresh.values()}
        if self.task.module is None:
            refuse(list(dict.fromkeys(p for own in every.values() for p in check_settings(own))))
        refuse(
            [
                f"A replicate is to be trained until epoch {until}; it must be a whole number from 1 to {epochs}."
                for until, epochs in dict.fromkeys(
                    (r.until, every[r.point.other].epochs) for r in fresh.values()
                )
                if until is not None and until not in range(1, epochs + 1)
            ]
        )
        first = replicates[0].seed
        if first not in self._checked and self.task.module is None:
            _check_data(self.task.fold(first))
        self._checked.update(fresh, [first])

    @cached_property
    def _obstacle(self) -> str | None:
        own = self.task.module
        if own is not None:
            call = TrainingCall(self.task, self.space, self.random)
            return obstacle_to_batching_module(call, own, self.seeds, self.settings)
        return obstacle_to_batching(self.task, self.space, self.seeds, self.settings, random=self.random)

    def obstacle(self, seeds: Sequence[int] | None = None) -> str | None:
        """Return why replicates cannot be trained together, None where they can.

        Tried once. ``seeds`` are others than those of the findings: the sizes of their parts are looked at.
        """
        return (unequal_parts(self.task, seeds) if seeds else None) or self._obstacle


def preflight(
    task: Task, space: Space, replicates: Sequence[Replicate], settings: TrainSettings
) -> Preflight:
    """Refuse what would fail every replicate; return what was found.

    Raises:
        InputError: settings, data or network.
    """
    found = Preflight(task, space, settings, tuple(dict.fromkeys(r.seed for r in replicates)))
    found.check(replicates)
    if task.module is not None:
        return replace(found, random=task.module.random)
    heads = dict.fromkeys(pair.loss.head for pair in space.pairs)
    at_random = [_check_network(task.with_head(head), replicates[0], settings) for head in heads]
    return replace(found, random=any(at_random))


def preflight_study(task: Task, space: Space, seeds: Sequence[int], settings: TrainSettings) -> Preflight:
    """Check a whole study: what :func:`preflight` does, and one batch forward and backward with every pair.

    Raises:
        InputError: settings, data, network or a pair.
    """
    pair = space.names[0]
    lowest = {d.name: d.choices[0] if d.choices else d.low for d in space.dimensions(pair)}
    first = space.point(pair, lowest)
    found = preflight(task, space, [Replicate(first, seed) for seed in seeds], settings)
    if task.module is None:
        _check_pairs(task, space, seeds[0])
    return found


def known_or_checked(
    known: Preflight | None,
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
) -> Preflight:
    """Return the findings that hold for a call: ``known`` ones, or such as :func:`preflight` makes now."""
    if known is None or known.task is not task or known.settings != settings:
        return preflight(task, space, replicates, settings)
    known.check(replicates)
    return known


def check_settings(settings: TrainSettings) -> list[str]:
    """Return what is wrong with these settings, one sentence each."""
    problems = [
        f"{name} is {value}; it must be a whole number from 1 up."
        for name, value in (("epochs", settings.epochs), ("batch_size", settings.batch_size))
        if value != int(value) or value < 1
    ]
    if settings.clip is not None and not settings.clip > 0:
        problems.append(f"clip is {settings.clip}; it must be above 0, or left out.")
    if settings.schedule not in SCHEDULES:
        problems.append(unknown_name("schedule", settings.schedule, SCHEDULES))
    if settings.precision not in PRECISIONS:
        problems.append(unknown_name("precision", settings.precision, PRECISIONS))
    try:
        make_optimizer(settings.optimizer, [nn.Parameter(torch.zeros(1))], 1e-3, settings.options)
    except InputError as error:
        problems.append(str(error))
    try:
        device_of(settings)
    except InputError as error:
        problems.append(str(error))
    return problems


def _check_data(fold: Fold) -> None:
    """Refuse a fold that holds no rows, or NaN or infinite numbers."""
    problems = []
    for words, part in (("training", fold.train), ("validation", fold.validation)):
        if len(part) == 0:
            problems.append(f"The {words} part has no rows; give more data or other shares.")
        for name, tensor in (("features", part.x), ("targets", part.y)):
            bad = int((~torch.isfinite(tensor.reshape(len(part), -1))).any(dim=1).sum()) if len(part) else 0
            if bad:
                problems.append(
                    f"{bad} of {len(part)} {words} rows hold NaN or infinite {name}; "
                    "fill them in or leave these rows out."
                )
    refuse(problems)


def _check_network(task: Task, replicate: Replicate, settings: TrainSettings) -> bool:
    """Refuse a network that gives another shape than the task needs; return whether it draws at random."""
    dtype = PRECISIONS[settings.precision].weights
    x = task.fold(replicate.seed).train.x[: max(2, int(settings.of(replicate.point).batch_size))]
    x = x.to(dtype) if x.is_floating_point() else x
    network = initial_network(task, replicate.seed, dtype).train()
    found: list[Tensor] = []
    with torch.no_grad(), isolated(0):
        random = draws_at_random(lambda: found.append(network(x)))
    if not isinstance(found[0], Tensor) or found[0].shape != (len(x), task.width):
        got = tuple(found[0].shape) if isinstance(found[0], Tensor) else type(found[0]).__name__
        raise InputError(
            f"The network gives {got} for {len(x)} rows; this task needs ({len(x)}, {task.width}): end it with a "
            f"linear layer of {task.width} output{'s' * (task.width > 1)} and no activation."
        )
    return random


def _check_pairs(task: Task, space: Space, seed: int) -> None:
    """Refuse pairs that fail on the first batch, or give a loss or gradient there that is not finite."""
    fold = task.fold(seed)
    x, y = fold.train.x[:32], fold.train.y[:32]
    dtype = x.dtype if x.is_floating_point() else torch.float32
    raws = {
        head: _output(initial_network(task.with_head(head), seed, dtype), x)
        for head in dict.fromkeys(pair.loss.head for pair in space.pairs)
    }
    problems = []
    for pair in space.pairs:
        raw = raws[pair.loss.head]
        output = raw.clone().requires_grad_()
        criterion = Criterion(pair, None, fold.statistics).to(raw.dtype)
        try:
            encoded = criterion.encode(y, task.n_out, raw.dtype)
            values = pair.loss(pair.activation(output), encoded, **criterion.keywords())
            misshapen = shape_problem(pair.loss, output, values, task.n_out)
            if misshapen:
                problems += [f"{pair.name}: {words}." for words in misshapen]
                continue
            value = criterion.mean(output, encoded)
            (gradient,) = torch.autograd.grad(value, output)
        except Exception as error:  # noqa: BLE001 - a user's loss may raise anything; it is told by name
            problems.append(f"{pair.name} cannot be computed: {type(error).__name__}: {error}")
            continue
        if not (torch.isfinite(value) and torch.isfinite(gradient).all()):
            problems.append(f"{pair.name} gives a loss or gradient that is not finite on the first batch.")
    if problems:
        raise InputError("\n".join(problems))


@torch.no_grad()
def _output(network: nn.Module, x: Tensor) -> Tensor:
    with isolated(0):
        found: Tensor = network.eval()(x)
        return found

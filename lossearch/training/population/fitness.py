"""Whether a task can be trained as a population, found out before the first trial."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from lossearch._random import stream
from lossearch.pairs import Criterion
from lossearch.space import Point, Space
from lossearch.tasks import Task
from lossearch.training.batches import batch_sizes, prepare, row_order
from lossearch.training.contract import TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.plain import PRECISIONS, initial_network
from lossearch.training.population.networks import Vmapped
from lossearch.training.population.optimizers import supported
from lossearch.training.population.population import Population
from lossearch.training.scope import contained

STEPS = 3
"""Steps after which two ways of training are compared."""
SAME = {torch.float32: 1e-3, torch.float64: 1e-8}
"""Relative difference of weights that rounding explains after so few steps."""
ARMS = 16
"""Replicates by which the cost of one is measured."""


def unfit(
    task: Task, space: Space, seeds: Sequence[int], settings: TrainSettings, *, random: bool
) -> str | None:
    """Return why replicates of this study cannot be trained together, None where they can.

    Networks of known layers are taken at their word. Any other is trained for a few steps both ways and
    compared; where batching does not at least halve the cost, separate processes are the better way.
    """
    if not supported(settings.optimizer, settings.options):
        return f"optimiser {settings.optimizer} with these options has no batched form"
    sizes = {(len(f.train), len(f.validation)) for f in map(task.fold, seeds)}
    if len(sizes) > 1:
        return "seeds have parts of different sizes"
    probe = [space.point(p, {d.name: _middle(d) for d in space.dimensions(p)}) for p in space.names[:2]]
    probe = probe * 2 if len(probe) == 1 else probe
    settings = settings.of(probe[0])
    with contained(stream(seeds[0], "fitness"), 1), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            return _compare(task, space, probe, seeds[0], settings, random=random) or _slow_fallback(caught)
        except Exception as error:  # noqa: BLE001 - whatever batching the user's network raises is the reason
            return f"the network cannot be batched ({type(error).__name__}: {_first_line(error)})"


def _middle(dimension: object) -> float | int | str:
    choices = getattr(dimension, "choices", ())
    if choices:
        return choices[0]  # type: ignore[no-any-return]
    low, high = dimension.low, dimension.high  # type: ignore[attr-defined]
    middle = (low * high) ** 0.5 if dimension.log else (low + high) / 2  # type: ignore[attr-defined]
    return round(middle) if dimension.integer else float(middle)  # type: ignore[attr-defined]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or "no message").splitlines()[0][:160]


def _slow_fallback(caught: Sequence[warnings.WarningMessage]) -> str | None:
    slow = next((str(w.message) for w in caught if "performance drop" in str(w.message)), None)
    return (
        None if slow is None else f"one of its operations has no batched form ({slow.splitlines()[0][:120]})"
    )


def _compare(
    task: Task, space: Space, points: Sequence[Point], seed: int, settings: TrainSettings, *, random: bool
) -> str | None:
    def population(arms: Sequence[Point]) -> Population:
        pairs = [space[p.pair] for p in arms]
        return Population(task, arms, pairs, [seed], settings, random=random, device=torch.device("cpu"))

    together = population(points)
    if not isinstance(together.network, Vmapped):
        return None
    _few_steps(together)
    begun = time.perf_counter()
    for arm, point in enumerate(points):
        alone = _alone(task, space, point, seed, settings, random=random)
        if not _same(together.weights.state(arm), alone):
            return "batched and alone it does not train to the same weights"
    plain = (time.perf_counter() - begun) / len(points)
    many = population([points[0]] * ARMS)
    _few_steps(many)
    begun = time.perf_counter()
    _few_steps(many)
    batched = (time.perf_counter() - begun) / ARMS
    if batched > plain / 2:
        return f"batching saves too little ({plain / batched:.1f} times)"
    return None


def _few_steps(population: Population) -> None:
    left = [STEPS]

    def enough() -> bool:
        left[0] -= 1
        return left[0] <= 0

    population.train_epoch(0, population.optimizer.step, enough)


def _alone(
    task: Task, space: Space, point: Point, seed: int, settings: TrainSettings, *, random: bool
) -> dict[str, Tensor]:
    """Return the weights after the same steps of an ordinary loop."""
    dtype = PRECISIONS[settings.precision]
    fold = task.fold(seed)
    criterion = Criterion(space[point.pair], point.params, fold.statistics).to(dtype)
    rows = prepare(fold.train, criterion, task.n_out, dtype, torch.device("cpu"))
    network = initial_network(task, seed, dtype).train()
    optimizer = make_optimizer(settings.optimizer, network.parameters(), point.lr, settings.options)
    order, start = row_order(seed, 0, len(rows)), 0
    for step, size in enumerate(batch_sizes(len(rows), int(settings.batch_size))[:STEPS]):
        index = order[start : start + size]
        start += size
        if random:
            torch.manual_seed(stream(seed, "step", step))
        optimizer.zero_grad()
        raw = network(rows.x[index])
        criterion.mean(raw.unsqueeze(-1) if raw.ndim == 1 else raw, rows.encoded[index]).backward()  # type: ignore[no-untyped-call]
        if settings.clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
        optimizer.step()
    return network.state_dict()


def _same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return all(
        torch.allclose(a[k].double(), v.double(), rtol=SAME.get(v.dtype, 0.0), atol=SAME.get(v.dtype, 0.0))
        for k, v in b.items()
    )

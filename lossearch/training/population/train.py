"""Training replicates as populations: grouped by what they share, cut into chunks that fit."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from lossearch._random import stream
from lossearch.space import Point, Space
from lossearch.tasks import Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain import failed, free_memory, out_of_memory, preflight
from lossearch.training.population.module import PopulationModule
from lossearch.training.population.population import Population
from lossearch.training.scope import contained

CHUNK = 512
"""Replicates trained together: more gain nothing on a CPU, as benchmarks/population.py shows."""


@dataclass(frozen=True)
class Chunk:
    """Arms that are trained together under all seeds, with the settings they share."""

    points: tuple[Point, ...]
    seeds: tuple[int, ...]
    settings: TrainSettings

    @property
    def replicates(self) -> list[Replicate]:
        """Every point under every seed."""
        return [Replicate(p, s) for p in self.points for s in self.seeds]


def chunks(replicates: Sequence[Replicate], settings: TrainSettings, size: int) -> list[Chunk]:
    """Return replicates as chunks of whole trials, in the order asked; a trial's seeds stay together."""
    seeds: dict[Point, list[int]] = {}
    for replicate in replicates:
        seeds.setdefault(replicate.point, []).append(replicate.seed)
    groups: list[tuple[tuple[object, ...], list[Point]]] = []
    for point, own in seeds.items():
        key = (tuple(own), point.other)
        most = max(1, size // len(own))
        if not groups or groups[-1][0] != key or len(groups[-1][1]) >= most:
            groups.append((key, []))
        groups[-1][1].append(point)
    return [Chunk(tuple(points), tuple(seeds[points[0]]), settings.of(points[0])) for _, points in groups]


def train_population(
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    stop: Callable[[], bool] = lambda: False,
    keep_weights: bool = False,
    chunk: int = CHUNK,
    threads: int | None = None,
) -> Iterator[ReplicateResult]:
    """Train replicates many at a time and give their results in order. See ``training.contract``.

    Metrics other than the judge are scored at the epochs a plot can show and at the best epoch; curves
    are NaN between.
    """
    if not replicates:
        return
    random = preflight(task, replicates, settings)
    found: dict[Replicate, ReplicateResult] = {}
    waiting = deque(replicates)
    parts = deque(chunks(replicates, settings, chunk))
    while parts:
        part = parts.popleft()
        try:
            results = _train_chunk(
                task, space, part, random=random, stop=stop, keep_weights=keep_weights, threads=threads
            )
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises is the result of its replicates
            if out_of_memory(error) and len(part.points) > 1:
                parts.extendleft(reversed(_halves(part)))
                free_memory()
                continue
            begun = time.perf_counter()
            results = {r: failed(r, error, begun) for r in part.replicates}
        if results is None:
            return
        found.update(results)
        while waiting and waiting[0] in found:
            yield found.pop(waiting.popleft())


def _halves(chunk: Chunk) -> tuple[Chunk, Chunk]:
    middle = len(chunk.points) // 2
    return replace(chunk, points=chunk.points[:middle]), replace(chunk, points=chunk.points[middle:])


def _train_chunk(
    task: Task,
    space: Space,
    chunk: Chunk,
    *,
    random: bool,
    stop: Callable[[], bool],
    keep_weights: bool,
    threads: int | None,
) -> Mapping[Replicate, ReplicateResult] | None:
    begun = time.perf_counter()
    points = sorted(chunk.points, key=lambda p: p.pair)
    pairs = [p.definition or space[p.pair] for p in points]
    with contained(stream(chunk.seeds[0], "population"), threads):
        trainer = _trainer(chunk.settings)
        population = Population(
            task,
            points,
            pairs,
            chunk.seeds,
            chunk.settings,
            random=random,
            device=trainer.strategy.root_device,
        )
        module = PopulationModule(population, stop)
        trainer.fit(module, _Epochs(trainer), _Epochs(trainer))
        if module.stopped:
            return None
        module.score_best()
    seconds = (time.perf_counter() - begun) / (len(points) * len(chunk.seeds))
    return {r.replicate: r for r in _results(module, seconds, keep_weights=keep_weights)}


class _Epochs:
    """Gives the Trainer the number of the epoch it is in, once an epoch."""

    def __init__(self, trainer: pl.Trainer) -> None:
        self._trainer = trainer

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[torch.Tensor]:
        yield torch.tensor(self._trainer.current_epoch)


def _trainer(settings: TrainSettings) -> pl.Trainer:
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        plugins=[LightningEnvironment()],
        max_epochs=int(settings.epochs),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _results(module: PopulationModule, seconds: float, *, keep_weights: bool) -> Iterator[ReplicateResult]:
    population = module.population
    for s, seed in enumerate(population.seeds):
        for a, point in enumerate(population.points):
            divergence = module.divergence.get((s, a))
            done = int(module.done[s, a])
            weights = None
            if keep_weights and divergence is None:
                weights = population.weights.state(s * population.arms + a, module.best_flat)
            yield ReplicateResult(
                Replicate(point, seed),
                Outcome.COMPLETED if divergence is None else Outcome.DIVERGED,
                {name: values[s, a, :done].copy() for name, values in module.curves.items()},
                seconds,
                reason="" if divergence is None else str(divergence),
                divergence=divergence,
                weights=weights,
            )

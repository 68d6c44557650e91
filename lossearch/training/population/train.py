"""Training replicates as populations: grouped by what they share, cut into chunks that fit."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from lossearch._random import stream
from lossearch.space import Point, Space
from lossearch.tasks import Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainSettings
from lossearch.training.plain import free_memory, out_of_memory, preflight, train_plain
from lossearch.training.population.module import PopulationModule
from lossearch.training.population.optimizers import supported
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
    """Return replicates as chunks of whole trials, by the order of their first; a trial's seeds stay together."""
    seeds: dict[Point, list[int]] = {}
    for replicate in dict.fromkeys(replicates):
        seeds.setdefault(replicate.point, []).append(replicate.seed)
    groups: dict[tuple[object, ...], list[Point]] = {}
    for point, own in seeds.items():
        groups.setdefault((tuple(sorted(own)), point.other), []).append(point)
    found = []
    for points in groups.values():
        trial = tuple(seeds[points[0]])
        most = max(1, size // len(trial))
        cut = [tuple(points[i : i + most]) for i in range(0, len(points), most)]
        found += [Chunk(part, trial, settings.of(part[0])) for part in cut]
    place = {point: i for i, point in enumerate(seeds)}
    return sorted(found, key=lambda c: place[c.points[0]])


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

    Where a chunk runs out of memory, or anything else is raised in it, its halves are tried; what fails
    alone, or has an optimiser without a batched form, is trained by :func:`train_plain`.
    """
    if not replicates:
        return
    random = preflight(task, replicates, settings)
    run = _Run(task, space, settings, random, stop, keep_weights, threads)
    found: dict[Replicate, ReplicateResult] = {}
    waiting, left = deque(replicates), Counter(replicates)
    parts = deque(chunks(replicates, settings, chunk))
    while parts:
        part = parts.popleft()
        try:
            fits = supported(part.settings.optimizer, part.settings.options)
            results = run.together(part) if fits else run.alone(part)
        except Exception as error:  # noqa: BLE001 - whatever a chunk raises, its parts are tried
            free_memory()
            if len(part.points) > 1:
                parts = deque(_divided(part, parts, memory=out_of_memory(error)))
                continue
            results = run.alone(part)
        if results is None:
            return
        found.update(results)
        while waiting and waiting[0] in found:
            replicate = waiting.popleft()
            left[replicate] -= 1
            yield found[replicate] if left[replicate] else found.pop(replicate)


def _divided(part: Chunk, others: Iterable[Chunk], *, memory: bool) -> Iterator[Chunk]:
    """Give a chunk's halves, then the others, cut to the same size where memory ran out."""
    # by pair: most errors are one pair's
    points = tuple(sorted(part.points, key=lambda p: p.pair))
    size = (len(points) + 1) // 2
    for whole in (replace(part, points=points), *others):
        most = size if memory or whole.points is points else len(whole.points)
        for i in range(0, len(whole.points), most):
            yield replace(whole, points=whole.points[i : i + most])


Results = Mapping[Replicate, ReplicateResult]


@dataclass(frozen=True)
class _Run:
    """What the chunks of one call share."""

    task: Task
    space: Space
    settings: TrainSettings
    random: bool
    stop: Callable[[], bool]
    keep_weights: bool
    threads: int | None

    def alone(self, chunk: Chunk) -> Results | None:
        """Return the results of a chunk trained one by one, None where told to stop."""
        results = train_plain(
            self.task,
            self.space,
            chunk.replicates,
            self.settings,
            stop=self.stop,
            keep_weights=self.keep_weights,
        )
        found = {r.replicate: r for r in results}
        return found if len(found) == len(chunk.replicates) else None

    def together(self, chunk: Chunk) -> Results | None:
        """Return the results of a chunk trained as one population, None where told to stop."""
        begun = time.perf_counter()
        # one order whatever was asked, so that it changes no bit
        points = sorted(chunk.points, key=lambda p: (p.pair, p.lr, p.own))
        pairs = [p.definition or self.space[p.pair] for p in points]
        with contained(stream(chunk.seeds[0], "population"), self.threads):
            trainer = _trainer(chunk.settings)
            population = Population(
                self.task,
                points,
                pairs,
                chunk.seeds,
                chunk.settings,
                random=self.random,
                device=trainer.strategy.root_device,
            )
            module = PopulationModule(population, self.stop)
            trainer.fit(module, _Epochs(trainer), _Epochs(trainer))
            if module.stopped:
                return None
            module.score_best()
        seconds = (time.perf_counter() - begun) / (len(points) * len(chunk.seeds))
        return {r.replicate: r for r in _results(module, seconds, keep_weights=self.keep_weights)}


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
    place = {arm: i for i, arm in enumerate(module.arms.tolist())}
    for s, seed in enumerate(population.seeds):
        for a, point in enumerate(module.points):
            divergence = module.divergence.get((s, a))
            done = int(module.done[s, a])
            given = [name for name in module.curves if done and a not in module.lacking[name]]
            kept = keep_weights and divergence is None and bool(module.kept[a])
            weights = population.weights.state(s * population.arms + place[a], module.best) if kept else None
            yield ReplicateResult(
                Replicate(point, seed),
                Outcome.COMPLETED if divergence is None else Outcome.DIVERGED,
                {name: module.curves[name][s, a, :done].copy() for name in given},
                seconds,
                reason="" if divergence is None else str(divergence),
                divergence=divergence,
                weights=weights,
                kept_epoch=int(module.best_epoch[a]) + 1 if kept else None,
            )

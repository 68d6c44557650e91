"""Training a chunk of replicates, as one population or one by one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytorch_lightning as pl
import torch

from lossearch._random import stream
from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import Prune
from lossearch.training.plain.train import train_plain
from lossearch.training.population.chunks import Chunk
from lossearch.training.population.module import PopulationModule
from lossearch.training.population.population import Population
from lossearch.training.population.results import Results, mended, results, unkept
from lossearch.training.scope import contained
from lossearch.training.trainer import make_trainer


@dataclass(frozen=True)
class Run:
    """What the chunks of one call share."""

    task: Task
    space: Space
    random: bool
    stop: Callable[[], bool]
    keep_weights: bool
    prune: Prune | None
    threads: int | None

    def stopped_by(self, stop: Callable[[], bool]) -> Run:
        """Return the same with something else to be asked whether to stop."""
        return replace(self, stop=stop)

    def alone(self, chunk: Chunk) -> Results | None:
        """Return the results of a chunk trained one by one, None where told to stop."""
        given = train_plain(
            self.task,
            self.space,
            chunk.replicates,
            chunk.settings,
            stop=self.stop,
            keep_weights=self.keep_weights,
        )
        found = {r.replicate: r for r in given}
        return found if len(found) == len(chunk.replicates) else None

    def together(self, chunk: Chunk, block: int | None = None) -> Results | None:
        """Return the results of a chunk trained as one population, None where told to stop.

        ``block`` is how many replicates times rows are scored at a time, None for all.
        """
        begun = time.perf_counter()
        # one order whatever was asked, so that it changes no bit
        arms = sorted(chunk.arms, key=lambda a: (a.point.pair, a.point.lr, a.point.own, a.until or math.inf))
        points = [a.point for a in arms]
        pairs = [p.definition or self.space[p.pair] for p in points]
        with contained(stream(chunk.seeds[0], "population"), self.threads):
            trainer = make_trainer(chunk.settings)
            population = Population(
                self.task,
                points,
                pairs,
                chunk.seeds,
                chunk.settings,
                random=self.random,
                device=trainer.strategy.root_device,
            )
            population.block = block
            module = PopulationModule(
                population,
                [a.until for a in arms],
                self.stop,
                prune=self.prune,
                keep_weights=self.keep_weights,
            )
            # without a loop of the Trainer's own for validation, which takes as long as a small population's
            trainer.fit(module, _Epochs(trainer))
            if module.stopped:
                return None
            module.score_best()
        found = {r.replicate: r for r in results(module, arms, time.perf_counter() - begun)}
        late = unkept(module, arms)
        again = replace(self, prune=None).together(replace(chunk, arms=late), block) if late else None
        return mended(found, again, f"val_{self.task.metric.name}") if again else found


class _Epochs:
    """Gives the Trainer the number of the epoch it is in, once an epoch."""

    def __init__(self, trainer: pl.Trainer) -> None:
        self._trainer = trainer

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[torch.Tensor]:
        yield torch.tensor(self._trainer.current_epoch)

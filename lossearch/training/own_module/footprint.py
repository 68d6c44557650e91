"""How much memory a population of the user's module takes, found by a dry run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from lossearch._random import stream
from lossearch.space import Point
from lossearch.training.contract import TrainingCall, TrainSettings
from lossearch.training.own_module.loaders import rows_of
from lossearch.training.own_module.population import ModulePopulation
from lossearch.training.population.memory import Footprint, MemoryTracker
from lossearch.training.trainer import contained


def module_footprint(
    call: TrainingCall, points: Sequence[Point], seeds: Sequence[int], settings: TrainSettings
) -> Footprint:
    """Return what a population of the user's module takes, by a step of one and of two configurations on the CPU."""
    with contained(stream(seeds[0], "memory"), 1):
        one, two = (_dry_run(call, [points[0]] * copies, seeds[0], settings) for copies in (1, 2))
    step, state, forward = (max(0, b - a) for a, b in zip(one[:3], two[:3], strict=True))
    rows, width, batch = one[3], call.task.width, one[4]
    curves = 8 * int(settings.epochs) * (5 + 2 * len(call.task.metrics))
    scoring = 8 * rows * width * 4
    return Footprint(
        fixed=max(0, one[0] - step),
        seed=batch,
        step=step,
        replicate=max(step + state, state + scoring),
        kept=curves + (state if call.keep_weights else 0),
        row=max(1, forward),
        rows=rows,
        epoch=0,
    )


def _dry_run(
    call: TrainingCall, points: Sequence[Point], seed: int, settings: TrainSettings
) -> tuple[int, int, int, int, int]:
    """Return bytes: at the peak of a step, of the weights, of a row that is scored; rows; and of a batch."""
    with MemoryTracker() as tracker:
        population = ModulePopulation(call, points, [seed], settings, torch.device("cpu"))
        population.sizes = population.sizes[:1]
        rows = len(call.task.fold(seed).validation.y) or 1
        tracker.peak = tracker.live
        before = tracker.live
        population.train_epoch(0, population.optimizer.step, lambda: False)
        step = tracker.peak
        weights = population.weights.flat.nbytes + sum(b.nbytes for b in population.weights.buffers.values())
        population.held = population.held[:1]
        scored = rows_of(population.held[0])
        tracker.peak = tracker.live
        held = tracker.live
        population.outputs(population.validation)
        forward = (tracker.peak - held) // max(1, scored)
    return step, weights, forward, rows, max(0, step - before) // max(1, len(points))

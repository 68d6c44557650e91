"""Which way of training suits a study: as populations, or one replicate after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from lossearch.space import Space
from lossearch.tasks import Task
from lossearch.training.contract import Replicate, Trains, TrainSettings
from lossearch.training.plain import preflight
from lossearch.training.population import train_population
from lossearch.training.population.fitness import unfit

THREADS = 1
"""Threads of a population's arithmetic. Two gain a sixth on an idle machine with two cores; on a busy one
each small operation then waits for both, and a step can take a hundred times as long."""


def choose(
    task: Task,
    space: Space,
    seeds: Sequence[int],
    settings: TrainSettings,
    *,
    plain: Trains,
    note: Callable[[str], None],
) -> Trains:
    """Return populations where replicates can be batched, else ``plain``, with one line saying why.

    Args:
        task: data, network and metrics.
        space: pairs and ranges.
        seeds: of every trial's replicates.
        settings: how replicates are trained.
        plain: trains one replicate after another.
        note: takes the line.

    Raises:
        InputError: settings, data or network would fail every replicate.
    """
    first = space.point(
        space.names[0],
        {d.name: d.choices[0] if d.choices else d.low for d in space.dimensions(space.names[0])},
    )
    random = preflight(task, [Replicate(first, seeds[0])], settings)
    reason = unfit(task, space, seeds, settings, random=random)
    if reason is None:
        return partial(train_population, threads=THREADS)
    note(f"Replicates are trained one by one: {reason}.")
    return plain

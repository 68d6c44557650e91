"""Which way of training suits a study: as populations, or one replicate after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.contract import Replicate, Trains, TrainSettings
from lossearch.training.plain.train import preflight
from lossearch.training.population import Populations
from lossearch.training.population.chunk_size import Sizing
from lossearch.training.population.eligibility import unfit
from lossearch.training.workers.group import Crew

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
    crew: Crew | None = None,
    memory: int | None = None,
    work: int = 0,
) -> Trains:
    """Return populations where replicates can be batched, else ``plain``, with one line saying why.

    Args:
        task: data, network and metrics.
        space: pairs and ranges.
        seeds: of every trial's replicates.
        settings: how replicates are trained.
        plain: trains one replicate after another.
        note: takes the line.
        crew: other processes that may help with populations.
        memory: bytes that training may use; None takes a share of what is free.
        work: replicates of the whole study.

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
        sizing = Sizing(memory, 1 if crew is None else crew.size, work, note)
        return Populations(THREADS, crew, sizing, work=work)
    note(f"Replicates are trained one by one: {reason}.")
    return plain

"""Which method of training suits a study: as populations, or one replicate after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lossearch.training.contract import TrainingMethod
from lossearch.training.population.chunks import ChunkSizer
from lossearch.training.population.method import Populations
from lossearch.training.preflight.preflight import Preflight
from lossearch.training.workers.executor import Executor

THREADS = 1
"""Threads of a population's arithmetic. Two gain a sixth on an idle machine with two cores; on a busy one
each small operation then waits for both, and a step can take a hundred times as long."""


def choose_method(
    found: Preflight,
    *,
    plain: TrainingMethod,
    note: Callable[[str], None],
    seeds: Sequence[int] | None = None,
    group: Executor | None = None,
    memory: int | None = None,
    work: int = 0,
) -> TrainingMethod:
    """Return populations where replicates can be batched, else ``plain``, with one line saying why.

    ``seeds`` are given where they are not those of the preflight; ``memory`` is in bytes, None for a share
    of what is free; ``work`` is how many replicates the whole study has.
    """
    obstacle = found.obstacle(seeds)
    if obstacle is None:
        sizer = ChunkSizer(memory, 1 if group is None else group.size, work, note)
        return Populations(THREADS, group, sizer, work=work, preflight=found)
    note(f"Replicates are trained one by one: {obstacle}.")
    return plain

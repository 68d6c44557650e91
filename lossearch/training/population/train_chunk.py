"""Training a chunk of replicates, as one population or one by one, and what each has come to."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lossearch._random import stream
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingCall
from lossearch.training.own_module.population import ModulePopulation
from lossearch.training.plain.train import train_one
from lossearch.training.population.chunks import Chunk, Configuration
from lossearch.training.population.population import Population
from lossearch.training.trainer import contained, fit, make_trainer

if TYPE_CHECKING:
    from lossearch.training.population.module import PopulationModule

Results = Mapping[Replicate, ReplicateResult]


def train_one_by_one(call: TrainingCall, chunk: Chunk) -> Results | None:
    """Return the results of a chunk trained one by one, None where told to stop."""
    found = {}
    for replicate in chunk.replicates:
        result = train_one(replace(call, threads=1), replicate, chunk.settings)
        if result is None:
            return None
        found[replicate] = result
    return found


def train_together(call: TrainingCall, chunk: Chunk, block: int | None = None) -> Results | None:
    """Return the results of a chunk trained as one population, None where told to stop.

    ``block`` is how many replicates times rows are scored at a time, None for all.
    """
    from lossearch.training.population.module import PopulationModule

    begun = time.perf_counter()
    # one order whatever was asked, so that it changes no bit
    configurations = sorted(
        chunk.configurations, key=lambda c: (c.point.pair, c.point.lr, c.point.own, c.until or math.inf)
    )
    points = [c.point for c in configurations]
    with contained(stream(chunk.seeds[0], "population"), call.threads):
        trainer = make_trainer(chunk.settings, automatic=False)
        make = Population if call.task.module is None else ModulePopulation
        population = make(call, points, chunk.seeds, chunk.settings, trainer.strategy.root_device)
        population.block = block
        module = PopulationModule(population, [c.until for c in configurations])
        # without a loop of the Trainer's own for validation, which takes as long as a small population's
        fit(trainer, module, range(1))
        if module.stopped:
            return None
        module.score_best()
    found = {r.replicate: r for r in _results(module, configurations, time.perf_counter() - begun)}
    late = _unkept(module, configurations)
    if not late:
        return found
    again = train_together(replace(call, prune=None), replace(chunk, configurations=late), block)
    return _mended(found, again, f"val_{call.task.metric.name}") if again else found


def _results(
    module: PopulationModule, configurations: Sequence[Configuration], seconds: float
) -> Iterator[ReplicateResult]:
    """Give the result of every replicate, which share the ``seconds`` by the epochs each has done."""
    # one more: of an epoch that is not finished some is done too
    share = seconds / float((module.done + 1).sum())
    for s, seed in enumerate(module.population.seeds):
        for c, (point, until) in enumerate(configurations):
            done = int(module.done[s, c])
            given = [name for name in module.curves if done and c not in module.lacking[name]]
            weights = module.weights_of(s, c)
            outcome, reason = module.outcome_of(s, c)
            yield ReplicateResult(
                Replicate(point, seed, until),
                outcome,
                {name: module.curves[name][s, c, :done].copy() for name in given},
                share * (done + 1),
                reason=reason,
                divergence=module.divergence.get((s, c)),
                weights=weights,
                kept_epoch=None if weights is None else int(module.best_epoch[c]) + 1,
            )


def _unkept(module: PopulationModule, configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """Return configurations of whose best epoch neither weights nor all scores are known, to be trained until there.

    A replicate had a part in the choice of another epoch and diverged after it.
    """
    return tuple(
        Configuration(point, int(module.best_epoch[c]) + 1)
        for c, (point, _) in enumerate(configurations)
        if not (module.kept[c] or module.fixed[c] or c in module.pruned)
        and any((s, c) not in module.divergence for s in range(module.shape[0]))
    )


def _mended(found: Results, again: Results, judge: str) -> Results:
    """Return results with the weights and scores of their best epoch, from configurations trained again until there.

    A replicate that does not score the same again, by the curve ``judge``, is left as it is.
    """
    changed = {}
    for replicate, late in again.items():
        whole = replace(replicate, until=None)
        first = found[whole]
        if first.outcome is not Outcome.COMPLETED or late.outcome is not Outcome.COMPLETED:
            continue
        at = len(late.curves[judge]) - 1
        if np.isclose(first.curves[judge][at], late.curves[judge][at], rtol=1e-6, atol=0.0, equal_nan=True):
            curves = {name: curve.copy() for name, curve in first.curves.items()}
            for name, curve in curves.items():
                curve[at] = late.curves[name][at] if np.isnan(curve[at]) else curve[at]
            changed[whole] = replace(
                first,
                curves=curves,
                seconds=first.seconds + late.seconds,
                weights=late.weights,
                kept_epoch=None if late.weights is None else late.kept_epoch,
            )
    return {**found, **changed}

"""What the replicates of a trained population have come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lossearch.space import Point
from lossearch.training.contract import Outcome, Replicate, ReplicateResult
from lossearch.training.population.module import PopulationModule

Results = Mapping[Replicate, ReplicateResult]


class Arm(NamedTuple):
    """A point, and the epoch it is trained until where that is not the last."""

    point: Point
    until: int | None = None


def results(module: PopulationModule, arms: Sequence[Arm], seconds: float) -> Iterator[ReplicateResult]:
    """Give the result of every replicate, which share the ``seconds`` by the epochs each has done."""
    # one more: of an epoch that is not finished some is done too
    share = seconds / float((module.done + 1).sum())
    for s, seed in enumerate(module.population.seeds):
        for a, (point, until) in enumerate(arms):
            done = int(module.done[s, a])
            given = [name for name in module.curves if done and a not in module.lacking[name]]
            weights = module.weights_of(s, a)
            outcome, reason = module.end(s, a)
            yield ReplicateResult(
                Replicate(point, seed, until),
                outcome,
                {name: module.curves[name][s, a, :done].copy() for name in given},
                share * (done + 1),
                reason=reason,
                divergence=module.divergence.get((s, a)),
                weights=weights,
                kept_epoch=None if weights is None else int(module.best_epoch[a]) + 1,
            )


def unkept(module: PopulationModule, arms: Sequence[Arm]) -> tuple[Arm, ...]:
    """Return arms of whose best epoch neither weights nor all scores are known, to be trained until there.

    A replicate had a part in the choice of another epoch and diverged after it.
    """
    return tuple(
        Arm(point, int(module.best_epoch[a]) + 1)
        for a, (point, _) in enumerate(arms)
        if not (module.kept[a] or module.fixed[a] or a in module.pruned)
        and any((s, a) not in module.divergence for s in range(module.shape[0]))
    )


def mended(found: Results, again: Results, judge: str) -> Results:
    """Return results with the weights and scores of their best epoch, from arms trained again until there.

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

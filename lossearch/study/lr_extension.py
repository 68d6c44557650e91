"""The one extension of the learning rate's range: whether it is due, to where, and the rates tried there."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossearch.records.study import SearchRecord
from lossearch.records.trial import TrialRecord, best_of
from lossearch.space import Dimension, Space
from lossearch.study.budget import INITIAL_POINTS, Budget
from lossearch.study.history import History
from lossearch.study.initial_design import from_unit
from lossearch.study.samplers import learns

EXTENSION = 10.0
"""Factor by which the range grows, once, at an end where the best lies."""


def extended_lr(space: Space, budget: Budget, history: History, sign: int) -> tuple[float, float] | None:
    """Return the learning rate's range after its one extension, None where there is no cause for one.

    Judged on the initial design alone, and for all pairs at once, so that each gets the same range and count.
    """
    low, high = space.lr
    if not budget.extend or budget.mode != "equal" or low == high or budget.per_pair <= budget.initial:
        return None
    initial = [[r for r in history.get(pair, ()) if r.index < budget.initial] for pair in space.names]
    sides = {_edge(records, sign) for records in initial}
    if not sides & {-1, 1}:
        return None
    return (low / EXTENSION if -1 in sides else low, high * EXTENSION if 1 in sides else high)


def widens_from(search: SearchRecord) -> int | None:
    """Return from how many trials a pair on a study's learning rates may be widened, None where they never are."""
    able = search.extend and search.mode == "equal" and learns(search.sampler)
    return INITIAL_POINTS + 1 if able else None


def rates_beyond(lr: tuple[float, float], extended: tuple[float, float], n: int) -> list[float]:
    """Return ``n`` learning rates in what the extension added to ``lr``."""
    low, high = lr
    added = [Dimension("lr", extended[0], low, log=True)] if extended[0] < low else []
    added += [Dimension("lr", high, extended[1], log=True)] if extended[1] > high else []
    if len(added) == 2:
        return [float(from_unit(added[i % 2], 0.5)) for i in range(n)]
    outward = extended[1] > high
    shares = [(i + 1) / n for i in range(n)]
    return [float(from_unit(added[0], s if outward else 1 - s)) for s in shares]


def _edge(records: Sequence[TrialRecord], sign: int) -> int:
    """Return -1 or 1 where the best learning rate is the lowest or highest of these trials, else 0.

    An end counts only if it beats its neighbour by more than a standard error: a plateau is no edge.
    """
    best = best_of(records, sign)
    rates = sorted({r.point.lr for r in records})
    if best is None or len(rates) < 3 or best.value is None:
        return 0
    for side, end, neighbour in ((-1, rates[0], rates[1]), (1, rates[-1], rates[-2])):
        if math.isclose(best.point.lr, end):
            rival = best_of([r for r in records if math.isclose(r.point.lr, neighbour)], sign)
            spread = max(best.spread.values(), default=0.0) if rival is None else _standard_error(best)
            if rival is None or rival.value is None or sign * (best.value - rival.value) > spread:
                return side
    return 0


def _standard_error(record: TrialRecord) -> float:
    spread = next((s for name, s in record.spread.items() if record.scores.get(name) == record.value), 0.0)
    return spread / math.sqrt(max(len(record.seeds), 1))

"""Which points come next: the cover, one extension of the learning rate, then the model, in rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lossearch._random import stream
from lossearch.metrics.metric import SIGN, Metric
from lossearch.records.trial import TrialRecord, best_of
from lossearch.space import Dimension, Point, Space, Value
from lossearch.study.initial_design import at, cover, every, grid, quasi_random
from lossearch.study.samplers import MODELS, propose, propose_freely
from lossearch.study.trial_value import worth

COVER = 7
"""Points a pair has before a model is asked, where its budget allows."""
ROUND = 5
"""Points a pair gets in each later round, where no fewer than two are left over: rounds of few points
train few replicates together, which costs more for each and finds no better learning rate."""
EXTENSION = 10.0
"""Factor by which the learning rate's range grows, once, at an end where the best lies."""
MINIMUM = 5
"""Fewest trials a pair is judged on."""


@dataclass(frozen=True)
class Budget:
    """How much is trained: points a pair, seeds, and how the points are chosen.

    ``mode`` "equal" gives every pair the same number of points, each from a model of its own trials;
    "adaptive" leaves the sampler free after the cover.
    """

    per_pair: int
    seeds: tuple[int, ...]
    mode: str = "equal"
    sampler: str = "tpe"
    seed: int = 0
    extend: bool = True
    seconds: float | None = None
    total: int | None = None
    """Trials in all, where the sampler is free after the cover (mode "adaptive")."""
    prune: bool = False
    """Whether trials that lag behind earlier ones of their pair are given up."""

    @property
    def cover(self) -> int:
        """Points of the first round; all of them where no model is asked."""
        return min(self.per_pair, COVER) if self.sampler in MODELS else self.per_pair


@dataclass(frozen=True)
class Next:
    """A point to be trained, and its place."""

    pair: str
    index: int
    stage: str
    point: Point


History = Mapping[str, Sequence[TrialRecord]]
"""Counted trials by pair, in order of their place."""


def round_starts(budget: Budget, extended: bool) -> list[int]:
    """Return the places, within each pair, at which a round begins."""
    starts = [0]
    place = budget.cover
    if extended and place < budget.per_pair:
        starts.append(place)
        place += min(2, budget.per_pair - place)
    while place < budget.per_pair:
        starts.append(place)
        left = budget.per_pair - place
        place += ROUND if left >= ROUND + 2 else left
    return starts


def _edge(records: Sequence[TrialRecord], rates: Sequence[float], sign: int) -> int:
    """Return -1 or 1 where the best learning rate is the lowest or highest of the cover, else 0.

    An end counts only if it beats its neighbour by more than a standard error: a plateau is no edge.
    """
    best = best_of(records, sign)
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


def extended_lr(space: Space, budget: Budget, history: History, sign: int) -> tuple[float, float] | None:
    """Return the learning rate's range after its one extension, None where there is no cause for one.

    Judged on the cover alone, and for all pairs at once, so that each gets the same range and count.
    """
    low, high = space.lr
    if not budget.extend or budget.mode != "equal" or low == high or budget.per_pair <= budget.cover:
        return None
    sides = set()
    for pair in space.names:
        records = [r for r in history.get(pair, ()) if r.index < budget.cover]
        rates = sorted({r.point.lr for r in records})
        sides.add(_edge(records, rates, sign))
    if not sides & {-1, 1}:
        return None
    return (low / EXTENSION if -1 in sides else low, high * EXTENSION if 1 in sides else high)


def _beyond(space: Space, extended: tuple[float, float], n: int) -> list[float]:
    """Return ``n`` learning rates in what the extension added."""
    low, high = space.lr
    added = [Dimension("lr", extended[0], low, log=True)] if extended[0] < low else []
    added += [Dimension("lr", high, extended[1], log=True)] if extended[1] > high else []
    if len(added) == 2:
        return [float(at(added[i % 2], 0.5)) for i in range(n)]
    outward = extended[1] > high
    shares = [(i + 1) / n for i in range(n)]
    return [float(at(added[0], s if outward else 1 - s)) for s in shares]


def _modelled(
    space: Space,
    budget: Budget,
    history: History,
    pair: str,
    n: int,
    lr: tuple[float, float],
    direction: str,
    start: int,
    second: Metric | None,
) -> list[dict[str, Value]]:
    dimensions = space.dimensions(pair, lr)
    told = [
        (space.searched(r.point), values)
        for r in history.get(pair, ())
        if r.index < start and (values := worth(r, second)) is not None
    ]
    return propose(
        dimensions,
        told,
        n,
        sampler=budget.sampler,
        directions=_directions(direction, second),
        seed=stream(budget.seed, pair),
        taken=start,
    )


def _directions(direction: str, second: Metric | None) -> tuple[str, ...]:
    return (direction,) if second is None else (direction, second.direction)


def _without_model(dimensions: Sequence[Dimension], budget: Budget, pair: str) -> list[dict[str, Value]]:
    seed = stream(budget.seed, "cover", pair)
    if not dimensions:
        return [{}]
    if budget.sampler == "qmc":
        return quasi_random(dimensions, 0, budget.per_pair, seed)
    if budget.sampler == "grid":
        return grid(dimensions, budget.per_pair)
    if budget.sampler == "brute":
        found = every(dimensions) or []
        return [found[i] for i in range(len(found))][: budget.per_pair]
    return cover(dimensions, budget.cover, seed)


def values_of_round(
    space: Space,
    budget: Budget,
    history: History,
    pair: str,
    start: int,
    end: int,
    direction: str,
    second: Metric | None = None,
) -> list[tuple[str, dict[str, Value]]]:
    """Return stage and searched values of a pair's points from place ``start`` to ``end``."""
    if start == 0:
        return [("cover", v) for v in _without_model(space.dimensions(pair), budget, pair)[:end]]
    sign = SIGN[direction]
    extended = extended_lr(space, budget, history, sign)
    if extended is not None and start == budget.cover:
        others = quasi_random(
            [d for d in space.dimensions(pair) if d.name != "lr"],
            budget.cover,
            end - start,
            stream(budget.seed, "cover", pair),
        )
        rates = _beyond(space, extended, end - start)
        return [("extension", {"lr": lr, **o}) for lr, o in zip(rates, others, strict=True)]
    lr = extended or space.lr
    found = _modelled(space, budget, history, pair, end - start, lr, direction, start, second)
    return [("search", v) for v in found]


def next_round(
    space: Space, budget: Budget, history: History, direction: str, *, second: Metric | None = None
) -> list[Next]:
    """Return the points still to be trained of the first unfinished round; none when all is done.

    Depends on the history alone, so that a resumed study asks for what an uninterrupted one would.
    Every pair has the same places in a round; a round's points depend on earlier rounds only. ``direction``
    is the judge's, which alone decides where the learning rate's range grows; a ``second`` objective is told
    to the model beside it.
    """
    if budget.mode == "adaptive":
        return _next_adaptive(space, budget, history, direction, second)
    sign = SIGN[direction]
    done = {pair: {r.index for r in history.get(pair, ())} for pair in space.names}
    first = all(set(range(_cover_size(space, budget, p))) <= done[p] for p in space.names)
    extended = extended_lr(space, budget, history, sign) is not None if first else False
    starts = round_starts(budget, extended)
    for start, end in zip(starts, [*starts[1:], budget.per_pair], strict=True):
        found = []
        for pair in space.names:
            places = range(start, min(end, _cover_size(space, budget, pair)) if start == 0 else end)
            if start and not space.dimensions(pair):
                continue
            missing = [i for i in places if i not in done[pair]]
            if missing:
                values = values_of_round(space, budget, history, pair, start, end, direction, second)
                found += [
                    Next(pair, i, values[i - start][0], space.point(pair, values[i - start][1]))
                    for i in missing
                ]
        if found:
            # Place by place, so that pairs stay level if time runs out within the round.
            return sorted(found, key=lambda n: n.index)
    return []


def round_of(
    space: Space, budget: Budget, history: History, record: TrialRecord, sign: int
) -> list[TrialRecord]:
    """Return the trials that were asked for in one round with a trial, in that order; none in mode adaptive."""
    if budget.mode == "adaptive":
        return []
    starts = round_starts(budget, extended_lr(space, budget, history, sign) is not None)
    start = max(s for s in starts if s <= record.index)
    end = min((s for s in starts if s > start), default=budget.per_pair)
    found = [r for pair in space.names for r in history.get(pair, ()) if start <= r.index < end]
    return sorted(found, key=lambda r: r.index)


def _covering(budget: Budget) -> Budget:
    """Return the budget of an adaptive study's first round."""
    return replace(budget, mode="equal", per_pair=budget.cover, extend=False)


def earlier_rounds(space: Space, budget: Budget, history: History) -> list[TrialRecord]:
    """Return the trials of an adaptive study's whole rounds, by number; those of a round begun are left out."""
    records = sorted((r for rs in history.values() for r in rs), key=lambda r: r.number)
    covered, size = total_trials(space, _covering(budget)), len(space.pairs)
    return records[: covered + (len(records) - covered) // size * size] if len(records) >= covered else []


def _next_adaptive(
    space: Space, budget: Budget, history: History, direction: str, second: Metric | None
) -> list[Next]:
    first = next_round(space, _covering(budget), history, direction)
    if first:
        return first
    earlier = earlier_rounds(space, budget, history)
    done = sum(map(len, history.values())) - len(earlier)
    n = min(len(space.pairs), (budget.total or 0) - len(earlier))
    if n <= done:
        return []
    known = [(r.point, values) for r in earlier if (values := worth(r, second)) is not None]
    directions = _directions(direction, second)
    points = propose_freely(space, known, n, sampler=budget.sampler, directions=directions, seed=budget.seed)
    places = {pair: len(history.get(pair, ())) for pair in space.names}
    found = []
    for point in points[done:]:
        found.append(Next(point.pair, places[point.pair], "search", point))
        places[point.pair] += 1
    return found


def _cover_size(space: Space, budget: Budget, pair: str) -> int:
    """Return the size of a pair's first round: fewer where its space holds fewer points."""
    return min(budget.cover, len(_without_model(space.dimensions(pair), budget, pair)))


def total_trials(space: Space, budget: Budget) -> int:
    """Return how many trials the budget comes to."""
    if budget.mode == "adaptive" and budget.total is not None:
        return budget.total
    return sum(points_of(space, budget, pair) for pair in space.names)


def points_of(space: Space, budget: Budget, pair: str) -> int:
    """Return how many points a pair gets, in mode "adaptive" at least: one where nothing of it is searched."""
    if space.dimensions(pair) and budget.sampler in MODELS:
        return budget.per_pair
    return _cover_size(space, budget, pair)

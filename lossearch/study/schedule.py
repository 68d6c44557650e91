"""Which points come next: the initial design, one extension of the learning rate, then the model, in rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from lossearch._random import stream
from lossearch.metrics.metric import Metric
from lossearch.records.trial import Stage, TrialRecord
from lossearch.space import Point, Space, Value
from lossearch.study.budget import Budget
from lossearch.study.history import History
from lossearch.study.initial_design import full_factorial, grid, quasi_random, space_filling
from lossearch.study.lr_extension import extended_lr, rates_beyond
from lossearch.study.samplers import learns, propose, propose_freely
from lossearch.study.trial_value import objective_values

ROUND = 5
"""Points a pair gets in each later round, where no fewer than two are left over: rounds of few points
train few replicates together, which costs more for each and finds no better learning rate."""


@dataclass(frozen=True)
class Proposal:
    """A point to be trained, why it was chosen, and its place within its pair."""

    stage: Stage
    index: int
    point: Point


def round_starts(budget: Budget, extended: bool) -> list[int]:
    """Return the places, within each pair, at which a round begins."""
    starts = [0]
    place = budget.initial
    if extended and place < budget.per_pair:
        starts.append(place)
        place += min(2, budget.per_pair - place)
    while place < budget.per_pair:
        starts.append(place)
        left = budget.per_pair - place
        place += ROUND if left >= ROUND + 2 else left
    return starts


@dataclass(frozen=True)
class Schedule:
    """Chooses the points of a study, round by round, from what was trained before.

    It depends on the history alone, so that a resumed study asks for what an uninterrupted one would. Every
    pair has the same places in a round; a round's points depend on earlier rounds only. Of the objectives the
    first judges, and alone decides where the learning rate's range grows; a model is told all of them.
    """

    space: Space
    budget: Budget
    objectives: tuple[Metric, ...]

    @cached_property
    def total(self) -> int:
        """How many trials the budget comes to."""
        if self.budget.mode == "adaptive" and self.budget.total is not None:
            return self.budget.total
        return sum(map(self.points_of, self.space.names))

    def points_of(self, pair: str) -> int:
        """Return how many points a pair gets, in mode "adaptive" at least: one where nothing of it is searched."""
        if self.space.dimensions(pair) and learns(self.budget.sampler):
            return self.budget.per_pair
        return len(self._designs[pair])

    def extended_lr(self, history: History) -> tuple[float, float] | None:
        """Return the learning rate's range after its one extension, None where there is no cause for one."""
        return extended_lr(self.space, self.budget, history, self.objectives[0].sign)

    def next_round(self, history: History) -> list[Proposal]:
        """Return the points still to be trained of the first unfinished round; none when all is done."""
        if self.budget.mode == "adaptive":
            return self._next_adaptive(history)
        for start, end, missing in self._unfinished(history):
            found = []
            for pair, places in missing.items():
                stage, values = self._values(history, pair, start, end)
                found += [Proposal(stage, i, self.space.point(pair, values[i - start])) for i in places]
            # Place by place, so that pairs stay level if time runs out within the round.
            return sorted(found, key=lambda p: p.index)
        return []

    def rounds_left(self, history: History) -> list[int]:
        """Return how many trials each unfinished round has still to train, as far as that is known now."""
        if self.budget.mode != "adaptive":
            return [sum(map(len, missing.values())) for _, _, missing in self._unfinished(history)]
        first = self._initial_design.rounds_left(history)
        size = len(self.space.pairs)
        rest = max(0, self.total - sum(map(len, history.values())) - sum(first))
        return [*first, *(min(size, rest - i) for i in range(0, rest, size))]

    def _unfinished(self, history: History) -> Iterator[tuple[int, int, dict[str, list[int]]]]:
        """Give each unfinished round's places within a pair, from and to, and by pair those that are missing."""
        done = {pair: {r.index for r in history.get(pair, ())} for pair in self.space.names}
        begun = any(set(range(len(self._designs[p]))) - done[p] for p in self.space.names)
        starts = round_starts(self.budget, not begun and self.extended_lr(history) is not None)
        for start, end in zip(starts, [*starts[1:], self.budget.per_pair], strict=True):
            missing = {}
            for pair in self.space.names:
                if start and not self.space.dimensions(pair):
                    continue
                last = end if start else min(end, len(self._designs[pair]))
                missing[pair] = [i for i in range(start, last) if i not in done[pair]]
            missing = {pair: places for pair, places in missing.items() if places}
            if missing:
                yield start, end, missing

    def round_of(self, history: History, record: TrialRecord) -> list[TrialRecord]:
        """Return the trials that were asked for in one round with a trial, in that order; none in mode adaptive."""
        if self.budget.mode == "adaptive":
            return []
        starts = round_starts(self.budget, self.extended_lr(history) is not None)
        start = max(s for s in starts if s <= record.index)
        end = min((s for s in starts if s > start), default=self.budget.per_pair)
        found = [r for pair in self.space.names for r in history.get(pair, ()) if start <= r.index < end]
        return sorted(found, key=lambda r: r.index)

    def whole_rounds(self, history: History) -> list[TrialRecord]:
        """Return the trials of an adaptive study's whole rounds, by number; those of a round begun are left out."""
        records = sorted((r for rs in history.values() for r in rs), key=lambda r: r.number)
        initial, size = self._initial_design.total, len(self.space.pairs)
        return records[: initial + (len(records) - initial) // size * size] if len(records) >= initial else []

    @property
    def _initial_design(self) -> Schedule:
        """The schedule of an adaptive study's first round."""
        budget = replace(self.budget, mode="equal", per_pair=self.budget.initial, extend=False)
        return replace(self, budget=budget)

    def _next_adaptive(self, history: History) -> list[Proposal]:
        first = self._initial_design.next_round(history)
        if first:
            return first
        earlier = self.whole_rounds(history)
        done = sum(map(len, history.values())) - len(earlier)
        n = min(len(self.space.pairs), (self.budget.total or 0) - len(earlier))
        if n <= done:
            return []
        points = propose_freely(
            self.space,
            [(r.point, v) for r in earlier if (v := objective_values(r, self.objectives)) is not None],
            n,
            sampler=self.budget.sampler,
            own=self.budget.own,
            directions=[m.direction for m in self.objectives],
            seed=self.budget.seed,
        )
        places = {pair: len(history.get(pair, ())) for pair in self.space.names}
        found = []
        for point in points[done:]:
            found.append(Proposal(Stage.SEARCH, places[point.pair], point))
            places[point.pair] += 1
        return found

    def _values(
        self, history: History, pair: str, start: int, end: int
    ) -> tuple[Stage, list[dict[str, Value]]]:
        """Return stage and searched values of a pair's points from place ``start`` to ``end``."""
        if start == 0:
            return Stage.INITIAL_DESIGN, self._designs[pair][:end]
        extended = self.extended_lr(history)
        if extended is not None and start == self.budget.initial:
            all_but_lr = [d for d in self.space.dimensions(pair) if d.name != "lr"]
            others = quasi_random(all_but_lr, start, end - start, self._design_seed(pair))
            rates = rates_beyond(self.space.lr, extended, end - start)
            return Stage.EXTENSION, [{"lr": lr, **o} for lr, o in zip(rates, others, strict=True)]
        observed = [
            (self.space.searched(r.point), values)
            for r in history.get(pair, ())
            if r.index < start and (values := objective_values(r, self.objectives)) is not None
        ]
        found = propose(
            self.space.dimensions(pair, extended or self.space.lr),
            observed,
            end - start,
            sampler=self.budget.sampler,
            own=self.budget.own,
            directions=[m.direction for m in self.objectives],
            seed=stream(self.budget.seed, pair),
            taken=start,
        )
        return Stage.SEARCH, found

    @cached_property
    def _designs(self) -> Mapping[str, list[dict[str, Value]]]:
        """The searched values of each pair's first round: fewer where its space holds fewer points."""
        return {pair: self._without_model(pair)[: self.budget.initial] for pair in self.space.names}

    def _without_model(self, pair: str) -> list[dict[str, Value]]:
        """Return searched values of a pair that ask no model."""
        dimensions, n = self.space.dimensions(pair), self.budget.per_pair
        if not dimensions:
            return [{}]
        if self.budget.sampler == "qmc":
            return quasi_random(dimensions, 0, n, self._design_seed(pair))
        if self.budget.sampler == "grid":
            return grid(dimensions, n)
        if self.budget.sampler == "brute":
            return (full_factorial(dimensions) or [])[:n]
        return space_filling(dimensions, self.budget.initial, self._design_seed(pair))

    def _design_seed(self, pair: str) -> int:
        # the word is part of the seed: another would give other points
        return stream(self.budget.seed, "cover", pair)

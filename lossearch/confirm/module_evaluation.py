"""Fresh-seed evaluation of the user's own module: its own steps read the rows, and its criterion shows what it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch

from lossearch.confirm.baselines import Constants, constant_baseline
from lossearch.confirm.evaluation import Evaluation, judged_parts
from lossearch.errors import RunFailedError
from lossearch.kinds import Predictions
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.metrics.registry import constant_score, is_given
from lossearch.records.confirmations import PREFIX, BaselineScores
from lossearch.records.predictions import kept_fields, prediction_table
from lossearch.records.trial import TrialRecord
from lossearch.study.fitting import fitted_module
from lossearch.study.plan import Plan
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.task import Part
from lossearch.training.contract import Outcome, Replicate, ReplicateResult
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.own_module.tester import Tested, Tester, logged_as
from lossearch.training.own_module.watcher import epoch_scores


class ModuleScorer:
    """Scores replicates of the user's module on the parts of its data that count; see :class:`Scorer`."""

    def __init__(self, plan: Plan, own: OwnModule) -> None:
        self.plan, self.task, self.own = plan, plan.task, own
        self.parts = judged_parts(plan.task)
        self._test = Tester(plan.task, plan.space, plan.settings, own)

    @property
    def judged(self) -> str:
        """The name of the score that counts."""
        return f"{PREFIX[self.parts[0]]}{self.task.metric.name}"

    @cached_property
    def _first(self) -> Replicate:
        """A replicate of the conventional pair, by which the targets are read and what an untrained module scores."""
        space, pair = self.plan.space, self.plan.conventional
        name = pair if pair in space.names else space.names[0]
        lowest = {d.name: d.choices[0] if d.choices else d.low for d in space.dimensions(name)}
        return Replicate(space.point(name, lowest), self.plan.budget.seed)

    @cached_property
    def _untrained(self) -> dict[str, Tested]:
        return {part: self._test(self._first, None, part) for part in self.parts}

    def constants(self, seeds: Sequence[int]) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return what a constant predictor scores, by part and metric; where the module logs one, what it scores untrained."""
        known = {p: {m.name: self._constant(p, m) for m in self.task.metrics} for p in self.parts}
        return {p: {m: (v,) * len(seeds) for m, v in of.items()} for p, of in known.items()}

    def _constant(self, part: str, metric: Metric) -> float:
        task, tested = self.task, self._untrained[part]
        if metric.needs == LOGGED:
            return self._logged(tested, part, metric)
        if tested.rows is None:
            return float("nan")
        return constant_score(metric, task.kind, task.fold(0).train.y, tested.rows[1], task.n_out)

    def _logged(self, tested: Tested, part: str, metric: Metric) -> float:
        name = logged_as(self.own.logged[metric.name], part, tested.logged)
        if name is None:
            raise RunFailedError(
                f"{self.own.title} does not log {self.own.logged[metric.name]} on the {part} part: it logs "
                f"{', '.join(tested.logged) or 'nothing'}. Log it in test_step, as 'test_{metric.name}'."
            )
        return tested.logged[name]

    def baselines(self, seeds: tuple[int, ...], constants: Constants) -> tuple[BaselineScores, ...]:
        """Return what a constant predictor scores on the part that counts: only the module knows its inputs."""
        return constant_baseline(self.task, self.parts[0], seeds, constants, self._judged_rows)

    def _judged_rows(self, seed: int) -> tuple[torch.Tensor, Part] | None:  # noqa: ARG002 - the same under every seed
        rows = self._untrained[self.parts[0]].rows
        return None if rows is None else (self.task.fold(0).train.y, _judged(rows[1]))

    def begin(self, trial: TrialRecord, seed: int) -> Evaluation:  # noqa: ARG002 - see Scorer
        """Return the evaluation of a trial of which nothing is scored yet."""
        blank = self._blank(trial.point.pair, 1)
        return Evaluation(trial, kept_fields(self.task.kind, blank), blank.codes, blank.family)

    def _blank(self, pair: str, rows: int) -> Predictions:
        criterion = RecordingCriterion(self.plan.space[pair])
        width = self.plan.space[pair].width(self.task.n_out)
        found: Predictions = criterion.predictions(torch.zeros(rows, width))
        return found

    @torch.no_grad()
    def add(
        self, found: Evaluation, result: ReplicateResult, constants: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Add one replicate: its predictions, and every score at the epoch it was trained to."""
        if result.outcome is Outcome.FAILED:
            found.results.append(result)
            return
        pair = found.trial.point.pair
        tested: dict[str, Tested] = {}
        if result.outcome is Outcome.COMPLETED:
            tested = {part: self._test(result.replicate, result.weights, part) for part in self.parts}
            infinite = [p for p, t in tested.items() if t.rows and not torch.isfinite(t.rows[0]).all()]
            if infinite:
                reason = f"output was not finite on {infinite[0]} rows"
                result = replace(result, outcome=Outcome.DIVERGED, reason=reason)
        found.results.append(replace(result, weights=None))
        if found.model is None and result.outcome is Outcome.COMPLETED:
            found.model = fitted_module(self.plan, result)
        diverged = result.outcome is Outcome.DIVERGED
        found.values.append(
            self._constants_of(pair, constants) if diverged else self._values(found, result, tested)
        )
        for name in self.parts:
            rows = tested[name].rows if name in tested and not diverged else None
            found.tables.append(self._table(found, result, name, tested.get(name) if rows else None))

    def _constants_of(self, pair: str, constants: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        blank = self._blank(pair, 1)
        given = [m.name for m in self.task.metrics if m.needs == LOGGED or is_given(m, blank)]
        return {f"{PREFIX[p]}{m}": constants[p][m] for p in self.parts for m in given}

    def _values(
        self, found: Evaluation, result: ReplicateResult, tested: Mapping[str, Tested]
    ) -> dict[str, float]:
        last = (found.trial.epoch or 0) - 1
        values = {name: float(curve[last]) for name, curve in result.curves.items()}
        for part, of in tested.items():
            if of.rows is not None and part == "test":
                scored = epoch_scores(of.criterion, self.task.metrics, of.rows)
                values |= {f"test_{name}": value for name, value in scored.items() if name != "loss"}
            metric = self.task.metric
            if metric.needs == LOGGED:
                values[f"{PREFIX[part]}{metric.name}"] = self._logged(of, part, metric)
        return values

    def _table(self, found: Evaluation, result: ReplicateResult, name: str, tested: Tested | None) -> object:
        """Return what a replicate predicts of a part: of a diverged one nothing, with the rows' targets."""
        pair = found.trial.point.pair
        rows = tested.rows if tested is not None else self._untrained[name].rows
        if rows is None:
            empty = self.task.fold(0).train.y[:0]
            rows = torch.empty(0, self.plan.space[pair].width(self.task.n_out)), empty
        raw, target = rows
        said = self._blank(pair, len(target)) if tested is None else tested.criterion.predictions(raw)
        return prediction_table(
            pair, result.replicate.seed, name, _judged(target), said, result.outcome, found.fields
        )


def _judged(target: torch.Tensor) -> Part:
    """Return rows of which the targets alone are known."""
    return Part(torch.empty(len(target), 0), target, np.arange(len(target)))

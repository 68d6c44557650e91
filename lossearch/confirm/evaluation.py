"""Fresh-seed evaluation: what replicates trained for the confirmation predict of its rows, and what that scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
from torch import Tensor

from lossearch.confirm.baselines import Constants, LinearBaselines, constant_baseline
from lossearch.errors import InputError
from lossearch.kinds import Predictions
from lossearch.metrics.joined import each_field
from lossearch.metrics.registry import constant_score, is_given, scores
from lossearch.model import FittedModel
from lossearch.model.own_module import FittedModule
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.records.confirmations import PREFIX, BaselineScores
from lossearch.records.predictions import kept_fields, prediction_table
from lossearch.records.trial import TrialRecord
from lossearch.study.fitting import Fitting
from lossearch.study.plan import Plan
from lossearch.tasks.task import Part, Task
from lossearch.training.contract import Outcome, Replicate, ReplicateResult
from lossearch.training.prediction import Predictor

TEST_BYTES = 256 * 2**20
"""How much of the test part, as the seeds' preparations see it, is kept for the next pair."""


@dataclass
class Evaluation:
    """One selected trial's replicates trained just now, one entry a seed, with what is kept of its predictions."""

    trial: TrialRecord
    fields: tuple[str, ...]
    codes: tuple[float, float] | None
    family: str | None
    results: list[ReplicateResult] = field(default_factory=list)
    values: list[dict[str, float]] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    model: FittedModel | FittedModule | None = None


def judged_parts(task: Task) -> tuple[str, ...]:
    """Return the parts that are scored, the one that counts first."""
    return ("test", "validation") if task.sizes.get("test") else ("validation",)


class Scorer:
    """Scores replicates of a study on the parts of its data that count: the test part where there is one, first."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.task = plan, plan.task
        self.parts = judged_parts(plan.task)
        self._predictor = Predictor(plan.task, plan.space, plan.settings)
        self._tests: dict[int, Part] = {}

    @property
    def judged(self) -> str:
        """The name of the score that counts."""
        return f"{PREFIX[self.parts[0]]}{self.task.metric.name}"

    def constants(self, seeds: Sequence[int]) -> dict[str, dict[str, tuple[float, ...]]]:
        """Return what a constant predictor scores under each seed, by part and metric."""
        task = self.task
        found: dict[str, dict[str, list[float]]] = {p: {m.name: [] for m in task.metrics} for p in self.parts}
        for seed in seeds:
            y = task.fold(seed).train.y
            for name in self.parts:
                judged = self._part(name, seed).y
                for m in task.metrics:
                    found[name][m.name].append(constant_score(m, task.kind, y, judged, task.n_out))
        return {p: {m: tuple(v) for m, v in of_part.items()} for p, of_part in found.items()}

    def baselines(self, seeds: tuple[int, ...], constants: Constants) -> tuple[BaselineScores, ...]:
        """Return what simple models score on the part that counts."""
        part = self.parts[0]
        linear = LinearBaselines(self.task, part, partial(self._part, part))
        return (*constant_baseline(self.task, part, seeds, constants, self._judged_rows), *linear(seeds))

    def _judged_rows(self, seed: int) -> tuple[Tensor, Part]:
        return self.task.fold(seed).train.y, self._part(self.parts[0], seed)

    def begin(self, trial: TrialRecord, seed: int) -> Evaluation:
        """Return the evaluation of a trial of which nothing is scored yet."""
        blank = self._predictor.blank(Replicate(trial.point, seed), 1)
        return Evaluation(trial, kept_fields(self.task.kind, blank), blank.codes, blank.family)

    def add(
        self, found: Evaluation, result: ReplicateResult, constants: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Add one replicate: its predictions, and every score at the epoch it was trained to."""
        if result.outcome is Outcome.FAILED:
            found.results.append(result)
            return
        seed = result.replicate.seed
        parts = {name: self._part(name, seed) for name in self.parts}
        said = {name: self._said(result, part) for name, part in parts.items()}
        infinite = [name for name, predictions in said.items() if predictions is None]
        if result.outcome is Outcome.COMPLETED and infinite:
            reason = f"output was not finite on {infinite[0]} rows"
            result = replace(result, outcome=Outcome.DIVERGED, reason=reason)
        found.results.append(replace(result, weights=None))
        if found.model is None and result.outcome is Outcome.COMPLETED and self.task.blueprint is not None:
            found.model = Fitting(self.plan).model(result)
        found.values.append(self._values(found, result, parts, said, constants))
        for name, part in parts.items():
            shown = said[name] or self._predictor.blank(result.replicate, len(part))
            found.tables.append(
                prediction_table(
                    found.trial.point.pair, seed, name, part, shown, result.outcome, found.fields
                )
            )

    def _said(self, result: ReplicateResult, part: Part) -> Predictions | None:
        if result.weights is None:
            return None
        return self._predictor(result.replicate, result.weights, part)

    def _values(
        self,
        found: Evaluation,
        result: ReplicateResult,
        parts: Mapping[str, Part],
        said: Mapping[str, Predictions | None],
        constants: Mapping[str, Mapping[str, float]],
    ) -> dict[str, float]:
        if result.outcome is Outcome.DIVERGED:
            blank = self._predictor.blank(result.replicate, 1)
            given = [m.name for m in self.task.metrics if is_given(m, blank)]
            return {f"{PREFIX[p]}{m}": constants[p][m] for p in parts for m in given}
        last = (found.trial.epoch or 0) - 1
        values = {name: float(curve[last]) for name, curve in result.curves.items() if name not in BEHAVIOUR}
        predictions = said.get("test")
        if predictions is not None:
            tested = scores(
                self.task.metrics, each_field(predictions, lambda t: t.unsqueeze(0)), parts["test"].y
            )
            values |= {f"test_{name}": float(score[0]) for name, score in tested.items()}
        return values

    def _part(self, name: str, seed: int) -> Part:
        if name == "validation":
            return self.task.fold(seed).validation
        part = self._tests.get(seed) or self.task.test(seed)
        if part is None:
            raise InputError(f"Task {self.task.name!r} has test rows by its sizes, and gives none.")
        if part.x.nbytes * (len(self._tests) + 1) <= TEST_BYTES:
            self._tests[seed] = part
        return part

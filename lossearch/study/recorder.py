"""The recorder of a study: one Optuna trial, one set of curves and one MLflow run for each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from lossearch.records.copies import fields_of
from lossearch.records.curves import write_part
from lossearch.records.mlflow.writer import ViewWriter
from lossearch.records.patience import Patience
from lossearch.records.store import recording
from lossearch.records.trial import Stage, TrialRecord, finished, shown_attrs, to_attrs
from lossearch.records.weights import WeightRetention
from lossearch.study.history import by_pair
from lossearch.study.plan import Plan
from lossearch.study.samplers import distribution
from lossearch.study.trial_value import objective_values
from lossearch.training.contract import Outcome, ReplicateResult

STATES = {
    Outcome.COMPLETED: TrialState.COMPLETE,
    Outcome.DIVERGED: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.FAILED: TrialState.FAIL,
}
"""A diverged trial is complete: it has the value of a constant predictor, which a sampler can learn from."""


@dataclass
class StudyRecorder:
    """Writes finished trials: curves first, then the Optuna trial, which is what counts; the view follows by itself."""

    plan: Plan
    study: optuna.Study
    directory: Path
    view: ViewWriter | None
    weights: WeightRetention | None = None
    patience: Patience = field(default_factory=Patience)

    def records(self) -> list[TrialRecord]:
        """Return every trial of the recorded study, in order."""
        return list(finished(self._trials()))

    def next_number(self) -> int:
        """Return the number that the next trial will have."""
        return len(self._trials())

    def _trials(self) -> list[FrozenTrial]:
        return self.patience(lambda: self.study.get_trials(deepcopy=False))

    def add(self, record: TrialRecord, results: Sequence[ReplicateResult]) -> None:
        """Write a trial down; once this returns it survives the process.

        Raises:
            RunFailedError: it cannot be written.
        """
        trial = self._frozen(record)
        with recording(self.directory):
            write_part(self.directory, Stage.SEARCH, record.number, results, fields_of(trial))
            self.patience.write(
                lambda: self.study.add_trial(trial),
                written=lambda: len(self.study.get_trials(deepcopy=False)) > record.number,
            )
            if self.weights is not None:
                self.weights.add(record, results)
        if self.view is not None:
            self.view.add(record, results)

    @cached_property
    def _extended_lr(self) -> tuple[float, float] | None:
        """The learning rate's range after its extension: settled once the initial design is done."""
        return self.plan.schedule.extended_lr(by_pair(self.records()))

    def _distributions(self, record: TrialRecord) -> dict[str, BaseDistribution]:
        space = self.plan.space
        lr = None if record.stage == Stage.INITIAL_DESIGN else self._extended_lr
        return {
            "pair": CategoricalDistribution(space.names),
            **{d.name: distribution(d) for d in space.dimensions(record.point.pair, lr)},
        }

    def _frozen(self, record: TrialRecord) -> FrozenTrial:
        start = datetime.fromtimestamp(record.started)  # noqa: DTZ006 - Optuna's own times are naive
        params: Mapping[str, object] = {"pair": record.point.pair, **self.plan.space.searched(record.point)}
        return FrozenTrial(
            number=-1,
            trial_id=-1,
            state=STATES[record.outcome],
            value=None,
            values=None if record.value is None else objective_values(record, self.plan.task.objectives),
            datetime_start=start,
            datetime_complete=max(datetime.now(), start + timedelta(seconds=record.seconds)),  # noqa: DTZ005
            params=dict(params),
            distributions=self._distributions(record),
            user_attrs=shown_attrs(record, self.plan.task.metric.name),
            system_attrs=to_attrs(record),
            intermediate_values=dict(record.intermediate_values),
        )

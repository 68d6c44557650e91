"""What one trial leaves in Optuna and in MLflow."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import BaseTrial, TrialState

from lossearch.errors import InputError
from lossearch.integrations import lightning_packages, rules
from lossearch.integrations.active_run import active_run, is_active
from lossearch.integrations.behaviour import LossBehaviour, as_attribute
from lossearch.metrics.metric import SIGN
from lossearch.training.contract import Outcome

if TYPE_CHECKING:
    from lossearch.integrations.tracking import Tracker, TrialSnapshot


class TrialLog:
    """Writes one trial's values and end into Optuna and, where there is a run for it, into MLflow.

    Args:
        trial: the trial that is trained.
        monitor: the metric's name.
        tracking_uri: where the trial is a run of its own; without, a run of the trainer's or the caller's is tagged.
        experiment: of that run, by default the study's name.

    Raises:
        InputError: an experiment without a place for it.
    """

    def __init__(
        self, trial: BaseTrial, monitor: str, tracking_uri: str | None = None, experiment: str | None = None
    ) -> None:
        if experiment is not None and tracking_uri is None:
            raise InputError("experiment needs tracking_uri, as in 'sqlite:////absolute/path/mlflow.db'.")
        self.trial = trial
        self.study = trial.study if isinstance(trial, optuna.Trial) else None
        self._monitor, self._uri, self._experiment = monitor, tracking_uri, experiment
        self._tracker: Tracker | None = None

    def __getstate__(self) -> dict[str, object]:
        """Return nothing: another process, to which a trial cannot be sent, is told that it cannot use this."""
        return {}

    @property
    def study_name(self) -> str:
        """The study's name, '' where the trial has no study."""
        return "" if self.study is None else self.study.study_name

    def checked_sign(self, direction: str | None) -> int:
        """Return 1 where greater values of the metric are better, else -1.

        Raises:
            InputError: the direction is not known, contradicts the study, or the metric cannot judge this trial.
        """
        rules.refuse_a_loss(self.trial, self._monitor)
        return SIGN[rules.direction_of(self.study, direction, self._monitor)]

    def open(self, loggers: Sequence[Any]) -> None:
        """Find or begin the run in MLflow.

        Args:
            loggers: the trainer's.

        Raises:
            StoreError: the tracking URI cannot be written to.
        """
        self._tracker = self._new_tracker(loggers)

    def report(self, value: float, step: int) -> None:
        """Report a value; of a study with several objectives none can be."""
        if self._prunable:
            self.trial.report(value, step)

    def should_prune(self) -> bool:
        """Return whether the study's pruner gives the trial up."""
        return self._prunable and self.trial.should_prune()

    def update(self, values: Sequence[float]) -> None:
        """Write the values so far into the trial's own run, if the last were written a while ago."""
        if self._tracker is not None:
            self._tracker.update(self._snapshot(values))

    def close(
        self,
        outcome: Outcome,
        reason: str,
        values: Sequence[float],
        epoch: int | None,
        status: str,
        behaviour: Sequence[LossBehaviour] = (),
    ) -> None:
        """Write how the trial ended.

        Args:
            outcome: how.
            reason: one sentence on it, or ''.
            values: the metric after each validation.
            epoch: the validation that gives its value, from 1, where it has one.
            status: of the trial's own run in MLflow.
            behaviour: what the loss did before each validation.
        """
        self.trial.set_user_attr(rules.STATE, str(outcome))
        if reason:
            self.trial.set_user_attr(rules.REASON, reason)
        if epoch is not None:
            self.trial.set_user_attr("lossearch.epoch", epoch)
        if behaviour:
            self.trial.set_user_attr("lossearch.behaviour", as_attribute(behaviour))
        if self._tracker is not None:
            measures = [b.measures() for b in behaviour]
            self._tracker.end(self._snapshot(values, str(outcome), reason, status), measures)

    def fail(self) -> None:
        """Tell the study of a trial that ends the process, which Optuna lets pass with the trial RUNNING."""
        if self.study is not None:
            self.study.tell(self.trial.number, state=TrialState.FAIL)

    def warn_within_run(self) -> None:
        """Warn that a raise from here marks the caller's run as failed."""
        if self._tracker is not None and is_active(self._tracker.run_id):
            warnings.warn(
                "value() raises TrialPruned inside the active MLflow run, which MLflow then marks as FAILED. "
                "Call it after the `with mlflow.start_run():` block, where the run has ended as FINISHED.",
                UserWarning,
                stacklevel=3,
            )

    @property
    def _prunable(self) -> bool:
        return self.study is None or len(self.study.directions) == 1

    def _new_tracker(self, loggers: Sequence[Any]) -> Tracker | None:
        # Imported here: mlflow takes a second, and most objectives need none of it.
        if self._uri is not None:
            from lossearch.integrations.tracking import open_run

            name = self._experiment or self.study_name or "lossearch"
            return open_run(self._uri, name, f"trial {self.trial.number}", self._snapshot([]))
        types = lightning_packages.logger_types()
        logger: Any = next((x for x in loggers if isinstance(x, types)), None)
        if logger is not None:
            from lossearch.integrations.tracking import tag_run

            return tag_run(logger.experiment, logger.run_id, self._snapshot([]))
        run = active_run()
        if run is None:
            return None
        from lossearch.integrations.tracking import join_run

        return join_run(run, self.trial.datetime_start, self._snapshot([]))

    def _snapshot(
        self,
        values: Sequence[float],
        state: str = "running",
        reason: str = "",
        status: str = "RUNNING",
    ) -> TrialSnapshot:
        from lossearch.integrations.tracking import TrialSnapshot

        tags = rules.tags(self.trial, self.study_name, state, reason)
        return TrialSnapshot(self._monitor, list(values), rules.searched(self.trial.params), tags, status)

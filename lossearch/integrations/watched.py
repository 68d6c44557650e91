"""How one trial's training went, and what the objective makes of it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import BaseTrial

from lossearch.errors import InputError, RunFailedError
from lossearch.integrations.behaviour import BehaviourRecorder, LossBehaviour, frame
from lossearch.integrations.ranks import Ranks
from lossearch.integrations.trial_log import TrialLog
from lossearch.training.contract import Outcome

if TYPE_CHECKING:
    import pandas as pd


class Watched:
    """How one trial's training went so far: the part of the callback that knows nothing of a Trainer."""

    def __init__(
        self,
        trial: BaseTrial | None,
        monitor: str,
        *,
        direction: str | None = None,
        epoch: str = "best",
        diverged: float | None = None,
        tracking_uri: str | None = None,
        experiment: str | None = None,
    ) -> None:
        super().__init__()
        if epoch not in ("best", "last"):
            raise InputError(f"epoch is 'best' or 'last'; got {epoch!r}.")
        if diverged is not None and not math.isfinite(diverged):
            raise InputError(f"diverged is a finite number or None; got {diverged!r}.")
        self.monitor = monitor
        self.outcome: Outcome | None = None
        """How the training ended; None until it has."""
        self.reason = ""
        """One sentence on the end."""
        self.values: list[float] = []
        """The monitored metric after each validation."""
        self.first_non_finite_step: int | None = None
        """The trainer's step after which a loss, a metric or a weight was not finite."""
        self._recorder = BehaviourRecorder()
        self._log = TrialLog(trial, monitor, tracking_uri, experiment) if trial is not None else None
        self._sign = 1 if self._log is None else self._log.checked_sign(direction)
        self._epoch, self._diverged = epoch, diverged
        self._ranks = Ranks()
        self._used = False
        self._fitting = False
        self._process = os.getpid()

    @property
    def behaviour(self) -> tuple[LossBehaviour, ...]:
        """What the loss did before each validation."""
        return tuple(self._recorder.found)

    def behaviour_frame(self) -> pd.DataFrame:
        """Return :attr:`behaviour` as a table, one row a validation."""
        return frame(self._recorder.found)

    def value(self) -> float:
        """Return what the objective returns: the metric at its best (or last) validation.

        Raises:
            optuna.TrialPruned: the trial was pruned, or it diverged and ``diverged`` is not given.
            RunFailedError: the training raised.
            InputError: there was no training, or no validation in it.
        """
        if self.outcome is None:
            raise InputError(
                "value() is for after trainer.fit, with this callback in the trainer's callbacks."
            )
        if self.outcome is Outcome.FAILED:
            raise RunFailedError(f"{self._name} failed: {self.reason}")
        if self.outcome is Outcome.DIVERGED and self._diverged is not None:
            return self._diverged
        if self.outcome is not Outcome.COMPLETED:
            if self._log is not None:
                self._log.warn_within_run()
            raise optuna.TrialPruned(self.reason)
        if not self.values:
            raise InputError(
                f"{self.reason} Give trainer.fit validation data, and log {self.monitor!r} there."
            )
        return self.values[self._chosen()]

    def state_dict(self) -> dict[str, Any]:
        """Return the values so far, as plain numbers."""
        return {**self._identity(), "values": list(self.values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint's values; a new trial that continues an old one reports them again."""
        self.values = [float(v) for v in state_dict["values"]]
        if self._log is not None and any(state_dict[k] != v for k, v in self._identity().items()):
            for step, value in enumerate(self.values):
                self._log.report(value, step)

    @property
    def _name(self) -> str:
        return "The trial" if self._log is None else f"Trial {self._log.trial.number}"

    def _identity(self) -> dict[str, Any]:
        if self._log is None:
            return {}
        return {"trial": self._log.trial.number, "study": self._log.study_name}

    def _known_sign(self) -> int:
        if self._log is None:
            raise InputError(
                "trial is None on rank zero, which reports: give it the objective's trial there."
            )
        return self._sign

    def _reported(self) -> bool:
        """Report the last value, on rank zero, and return whether that is the trial's last."""
        if self._log is None:
            return False
        self._log.report(self.values[-1], len(self.values) - 1)
        if self._log.should_prune():
            return True
        self._log.update(self.values)
        return False

    def _chosen(self) -> int:
        if self._epoch == "last":
            return len(self.values) - 1
        return max(range(len(self.values)), key=lambda i: self._sign * self.values[i])

    def _close(self, outcome: Outcome, reason: str, status: str) -> None:
        self._fitting = False
        self._recorder.detach()
        self.outcome, self.reason = outcome, reason
        if self._log is not None:
            epoch = self._chosen() + 1 if outcome is Outcome.COMPLETED and self.values else None
            self._log.close(outcome, reason, self.values, epoch, status, self.behaviour)

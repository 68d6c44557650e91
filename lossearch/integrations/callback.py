"""A Lightning callback that reports, prunes and stops one Optuna trial in a user's own Trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import optuna
import torch
from optuna.trial import BaseTrial
from torch import Tensor

from lossearch.errors import InputError, RunFailedError
from lossearch.integrations import lightning_packages, rules
from lossearch.integrations.trial_log import TrialLog
from lossearch.metrics.metric import SIGN
from lossearch.training.contract import Divergence, Outcome
from lossearch.training.finiteness import first_non_finite

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    # Two Lightning packages have a Callback each, so no one class is the base: see `lightning_packages.attachable`.
    _Base: TypeAlias = Any
else:
    _Base = object


class LossSearchCallback(_Base):  # type: ignore[misc]  # the base is chosen when an instance is made
    """Watches one trial's training: reports the metric, prunes, stops on non-finite values, keeps a record.

    After every validation (the sanity check aside) the monitored metric is reported to Optuna under the
    number of validations done before, which is the epoch where validation runs once an epoch. A trial
    that is to be pruned, or that leaves the finite numbers, stops by ``trainer.should_stop``: ``fit``
    returns normally and loggers close their run as finished. Then :meth:`value` returns what to tell
    Optuna, or raises ``optuna.TrialPruned``::

        def objective(trial):
            point = lossearch.suggest(trial, task="binary")
            watch = lossearch.LossSearchCallback(trial, monitor="val_f1")
            trainer = pl.Trainer(max_epochs=20, callbacks=[watch])
            trainer.fit(MyModule(point.criterion(), point.lr), train_loader, val_loader)
            return watch.value()

    A trial whose loss or metric was not finite is DIVERGED. With ``diverged=`` its value is that number
    (what a constant predictor scores is a fair one), and samplers learn from it; without, it is pruned,
    since no honest number is known here. The end is in the trial's user attributes ``lossearch.state``,
    ``lossearch.reason`` and ``lossearch.epoch``.

    MLflow: with ``tracking_uri`` the trial is a run of its own in ``experiment``. Otherwise the run of the
    trainer's ``MLFlowLogger`` is tagged, else the run that is active during ``fit``, one of ``mlflow.autolog``
    included; an active run that was started in the objective gets the trial's parameters too. Runs of pruned and
    diverged trials are FINISHED, where :meth:`value` is called after the run has ended::

        with mlflow.start_run(nested=True):
            trainer.fit(module, train_loader, val_loader)
        return watch.value()

    Works in ``pytorch_lightning`` and ``lightning`` trainers, on one device. One instance serves one fit.

    Args:
        trial: the trial that Optuna gave to the objective.
        monitor: a metric logged in validation. It is never a loss where the trial chose between losses.
        direction: "maximize" or "minimize"; the study's by default, which must be that of a known metric.
        epoch: which validation gives the value, "best" or "last".
        diverged: the value of a diverged trial; by default it is pruned.
        tracking_uri: an MLflow database or server.
        experiment: the MLflow experiment, by default the study's name.

    Raises:
        InputError: the options do not fit each other or the study.
        StoreError: MLflow cannot be written.

    Example:
        >>> import optuna, torch, lossearch
        >>> import pytorch_lightning as pl
        >>> class Net(pl.LightningModule):
        ...     def __init__(self, criterion, lr):
        ...         super().__init__()
        ...         self.criterion, self.lr, self.layer = criterion, lr, torch.nn.Linear(2, 1)
        ...     def training_step(self, batch):
        ...         return self.criterion(self.layer(batch[0]), batch[1])
        ...     def validation_step(self, batch):
        ...         right = self.criterion.predict(self.layer(batch[0])) == batch[1]
        ...         self.log("val_accuracy", right.float().mean())
        ...     def configure_optimizers(self):
        ...         return torch.optim.SGD(self.parameters(), self.lr)
        >>> x = torch.randn(32, 2)
        >>> rows = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, (x[:, 0] > 0).long()), 8)
        >>> trial = optuna.create_study(direction="maximize").ask()
        >>> watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
        >>> trainer = pl.Trainer(max_epochs=1, callbacks=[watch], accelerator="cpu", logger=False,
        ...     enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        >>> point = lossearch.suggest(trial)
        >>> trainer.fit(Net(point.criterion(), point.lr), rows, rows)
        >>> 0.0 <= watch.value() <= 1.0
        True
    """

    def __new__(cls, *_: object, **__: object) -> Self:
        """Make an instance of this class that also is a Callback of the imported Lightning packages."""
        return object.__new__(lightning_packages.attachable(cls, lightning_packages.callback_types()))

    def __init__(
        self,
        trial: BaseTrial,
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
        rules.refuse_a_loss(trial, monitor)
        self.monitor = monitor
        self.outcome: Outcome | None = None
        """How the training ended; None until it has."""
        self.reason = ""
        """One sentence on the end."""
        self.values: list[float] = []
        """The monitored metric after each validation."""
        self._log = TrialLog(trial, monitor, tracking_uri, experiment)
        self._trial = trial
        self._sign = SIGN[rules.direction_of(self._log.study, direction, monitor)]
        self._epoch, self._diverged = epoch, diverged
        self._used = False
        self._fitting = False

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
            raise RunFailedError(f"Trial {self._trial.number} failed: {self.reason}")
        if self.outcome is Outcome.DIVERGED and self._diverged is not None:
            return self._diverged
        if self.outcome is not Outcome.COMPLETED:
            self._log.warn_within_run()
            raise optuna.TrialPruned(self.reason)
        if not self.values:
            raise InputError(
                f"{self.reason} Give trainer.fit validation data, and log {self.monitor!r} there."
            )
        return self.values[self._chosen()]

    @property
    def state_key(self) -> str:
        """The name of this callback's state in a checkpoint."""
        return "LossSearchCallback"

    def state_dict(self) -> dict[str, Any]:
        """Return the values so far, as plain numbers."""
        return {"trial": self._trial.number, "study": self._log.study_name, "values": list(self.values)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a checkpoint's values; a new trial that continues an old one reports them again."""
        self.values = [float(v) for v in state_dict["values"]]
        if (state_dict["trial"], state_dict["study"]) != (self._trial.number, self._log.study_name):
            for step, value in enumerate(self.values):
                self._log.report(value, step)

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:  # noqa: ARG002 - Lightning's signature
        """Check that this callback can do its work here."""
        if stage != "fit":
            return
        if self._used:
            raise InputError(
                f"This LossSearchCallback watched a fit already (trial {self._trial.number}). Make a new one "
                f"for each trial: callbacks=[LossSearchCallback(trial, monitor={self.monitor!r})]."
            )
        if trainer.world_size > 1:
            raise InputError(
                f"LossSearchCallback works on one device; this trainer has {trainer.world_size} processes. "
                "Use Trainer(devices=1, num_nodes=1), and one process a trial to use more devices."
            )
        self._fitting = True

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Open the record: a search for a rate or a batch size by a Tuner has ended before this."""
        self._used = True
        self._log.open(trainer.loggers)

    def teardown(self, trainer: Trainer, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Be as new after a fit that trained nothing of its own, such as a Tuner's."""
        self._fitting = False

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: Any,  # noqa: ARG002
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Stop at the first loss that is not finite."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and self.outcome is None and not bool(torch.isfinite(loss).all()):
            self._diverge(trainer, "loss", float(loss.detach().float().mean()))

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Report the metric; stop where it is not finite or the pruner says so."""
        if trainer.sanity_checking or not self._fitting or self.outcome is not None:
            return
        if self.monitor not in trainer.callback_metrics:
            raise InputError(rules.absent(self.monitor, trainer.callback_metrics))
        value = float(trainer.callback_metrics[self.monitor])
        if not math.isfinite(value):
            self._diverge(trainer, self.monitor, value)
        self._look_at_weights(trainer, pl_module)
        if self.outcome is not None:
            return
        self._log.report(value, len(self.values))
        self.values.append(value)
        if self._log.should_prune():
            self._stop(
                trainer,
                Outcome.PRUNED,
                f"{self.monitor} was {value:.4g} after validation {len(self.values)}, "
                "and the study's pruner stopped it.",
            )
        else:
            self._log.update(self.values)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Stop where weights are not finite: what a module steps by itself, it need not return the loss of."""
        self._look_at_weights(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:  # noqa: ARG002
        """Close the record."""
        if self.outcome is None and not self.values:
            self.reason = "No validation ran."
        self._close(self.outcome or Outcome.COMPLETED, self.reason, "FINISHED")

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:  # noqa: ARG002
        """Close the record of a training that raised."""
        if not self._fitting:
            return
        self._used = True
        interrupted = isinstance(exception, KeyboardInterrupt)
        reason = "interrupted" if interrupted else f"{type(exception).__name__}: {exception}"
        self._close(Outcome.FAILED, reason, "KILLED" if interrupted else "FAILED")
        if interrupted:
            # Lightning turns the interrupt into SystemExit
            self._log.fail()

    def _chosen(self) -> int:
        if self._epoch == "last":
            return len(self.values) - 1
        return max(range(len(self.values)), key=lambda i: self._sign * self.values[i])

    def _look_at_weights(self, trainer: Trainer, pl_module: Any) -> None:
        bad = first_non_finite(pl_module.parameters()) if self.outcome is None else None
        if bad is not None:
            self._diverge(trainer, "weights", bad)

    def _diverge(self, trainer: Trainer, what: str, value: float) -> None:
        lr = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else math.nan
        where = Divergence(what, trainer.global_step, trainer.current_epoch + 1, value, float(lr))
        self._stop(trainer, Outcome.DIVERGED, f"{where}.")

    def _stop(self, trainer: Trainer, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason = outcome, reason
        trainer.should_stop = True

    def _close(self, outcome: Outcome, reason: str, status: str) -> None:
        self._fitting = False
        self.outcome, self.reason = outcome, reason
        epoch = self._chosen() + 1 if outcome is Outcome.COMPLETED and self.values else None
        self._log.close(outcome, reason, self.values, epoch, status)

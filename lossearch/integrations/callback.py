"""A Lightning callback that reports, prunes and stops one Optuna trial in a user's own Trainer."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import torch
from torch import Tensor

from lossearch.errors import InputError
from lossearch.integrations import lightning_packages, rules
from lossearch.integrations.ranks import Ranks
from lossearch.integrations.watched import Watched
from lossearch.training.contract import Divergence, Outcome
from lossearch.training.finiteness import first_non_finite

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

    # Two Lightning packages have a Callback each, so no one class is the base: see `lightning_packages.bare`.
    _Base: TypeAlias = Any
else:
    _Base = object


class LossSearchCallback(Watched, _Base):  # type: ignore[misc]  # the base is chosen when an instance is made
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

    What the loss did on the way is in :attr:`behaviour`, in the trial's user attribute ``lossearch.behaviour`` and in
    the trial's run in MLflow (``loss_gradient_norm``, ...): norm of the gradient, rows without a gradient, size of raw
    outputs, saturation, seen at one step in twenty.

    MLflow: with ``tracking_uri`` the trial is a run of its own in ``experiment``. Otherwise the run of the
    trainer's ``MLFlowLogger`` is tagged, else the run that is active during ``fit``, one of ``mlflow.autolog``
    included; an active run that was started in the objective gets the trial's parameters too. Runs of pruned and
    diverged trials are FINISHED, where :meth:`value` is called after the run has ended::

        with mlflow.start_run(nested=True):
            trainer.fit(module, train_loader, val_loader)
        return watch.value()

    Works in ``pytorch_lightning`` and ``lightning`` trainers; one instance serves one fit. Where several processes
    train one model (``strategy="ddp"``), rank zero has the trial, alone reports and decides for all, and the others
    are given None, to :func:`lossearch.suggest` too. ``ddp_spawn``, ``ddp_fork`` and ``ddp_notebook`` are refused, as
    nothing that a callback saw comes back from their processes. :meth:`value` gives or raises the same on each::

        torch.distributed.init_process_group("gloo")  # started by: torchrun --nproc-per-node 2 script.py
        if torch.distributed.get_rank() == 0:
            study.optimize(objective, n_trials=20)
        else:
            for _ in range(20):
                with contextlib.suppress(optuna.TrialPruned):
                    objective(None)

    Args:
        trial: the trial that Optuna gave to the objective; None on ranks other than zero.
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
        return lightning_packages.bare(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        return lightning_packages.bare, (lightning_packages.declared(type(self)),), vars(self)

    @property
    def state_key(self) -> str:
        """The name of this callback's state in a checkpoint."""
        return "LossSearchCallback"

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:  # noqa: ARG002 - Lightning's signature
        """Check that this callback can do its work here."""
        if stage != "fit":
            return
        if self._used:
            raise InputError(
                f"This LossSearchCallback watched a fit already ({self._name.lower()}). Make a new one "
                f"for each trial: callbacks=[LossSearchCallback(trial, monitor={self.monitor!r})]."
            )
        if os.getpid() != self._process:
            raise InputError(rules.ELSEWHERE)
        self._ranks = Ranks(trainer.strategy, trainer.global_rank, trainer.world_size)
        if self._ranks.rank != 0:
            # what another rank was given, such as a copy, is not to be written to
            self._log = None
        self._sign = self._ranks.on_zero(self._known_sign)
        self._fitting = True

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Open the record: a search for a rate or a batch size by a Tuner has ended before this."""
        for criterion in rules.criteria(pl_module):
            criterion.attach(pl_module)
        self._used = True
        self._ranks.on_zero(lambda: self._log.open(trainer.loggers) if self._log is not None else None)

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Check that every rank trains the same point."""
        mine = rules.trained(pl_module, trainer.optimizers)
        zero = self._ranks.told(mine)
        other = self._ranks.first(mine != zero)
        if other is not None:
            raise InputError(rules.unlike(zero, self._ranks.told(mine, by=other), other))
        self._recorder.attach(pl_module)

    def teardown(self, trainer: Trainer, pl_module: Any, stage: str) -> None:  # noqa: ARG002
        """Be as new after a fit that trained nothing of its own, such as a Tuner's."""
        self._fitting = False
        self._recorder.detach()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Tell losses that change over the training how much of it is done."""
        for criterion in rules.criteria(pl_module):
            criterion.progress = rules.done(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Look at what the loss does in some batches."""
        self._recorder.batch_begins()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Any) -> None:  # noqa: ARG002
        """Look at the gradients of some steps."""
        self._recorder.before_step(pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: Any,  # noqa: ARG002
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Any,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Stop at the first loss that is not finite."""
        self._recorder.batch_ends()
        if self.outcome is not None:
            return
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        bad = isinstance(loss, Tensor) and not bool(torch.isfinite(loss).all())
        self._diverge(trainer, "loss", float(loss.detach().float().mean()) if bad else None)  # type: ignore[union-attr]

    def on_validation_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Report the metric; stop where it is not finite or the pruner says so."""
        if trainer.sanity_checking or not self._fitting or self.outcome is not None:
            return
        self._recorder.validated(trainer.global_step, trainer.current_epoch + 1)
        value = self._ranks.on_zero(lambda: rules.monitored(self.monitor, trainer.callback_metrics))
        mine = float(trainer.callback_metrics.get(self.monitor, value))
        self._diverge(trainer, self.monitor, None if math.isfinite(mine) else mine)
        self._look_at_weights(trainer, pl_module)
        if self.outcome is not None:
            return
        self.values.append(value)
        if self._ranks.on_zero(self._reported):
            self._stop(
                trainer,
                Outcome.PRUNED,
                f"{self.monitor} was {value:.4g} after validation {len(self.values)}, "
                "and the study's pruner stopped it.",
            )

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
        if interrupted and self._log is not None:
            # Lightning turns the interrupt into SystemExit
            self._log.fail()

    def _look_at_weights(self, trainer: Trainer, pl_module: Any) -> None:
        if self.outcome is None:
            self._diverge(trainer, "weights", first_non_finite(pl_module.parameters()))

    def _diverge(self, trainer: Trainer, what: str, value: float | None) -> None:
        """Stop every rank where one of them has a value that is not finite."""
        rank = self._ranks.first(value is not None)
        if rank is None:
            return
        lr = trainer.optimizers[0].param_groups[0]["lr"] if trainer.optimizers else math.nan
        mine = Divergence(what, trainer.global_step, trainer.current_epoch + 1, value or math.nan, float(lr))
        found = self._ranks.told(mine, by=rank)
        self.first_non_finite_step = found.step
        on = f" on rank {rank}" if self._ranks.count > 1 else ""
        self._stop(trainer, Outcome.DIVERGED, f"{found}{on}.")

    def _stop(self, trainer: Trainer, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason = outcome, reason
        trainer.should_stop = True

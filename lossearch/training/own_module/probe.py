"""What is found of a user's module before a study: an epoch is trained, and what it meets and logs is noted."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from lossearch._imports import joined
from lossearch._random import draws_at_random, stream
from lossearch.errors import InputError, LossearchError, refuse
from lossearch.pairs import Pair
from lossearch.space import Point
from lossearch.tasks.own_module import OwnModule
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.own_module.applied_activation import applied_activation
from lossearch.training.own_module.build import build, held_criterion
from lossearch.training.own_module.criterion import Calls, RecordingCriterion, Rows, all_rows
from lossearch.training.own_module.loaders import (
    first_of,
    has_part,
    loaded_rows,
    moved,
    seeded,
    step_arguments,
)
from lossearch.training.own_module.packages import overrides, package_of
from lossearch.training.own_module.predicting import Given, predicting
from lossearch.training.own_module.slots import taking
from lossearch.training.own_module.steps import StepTrainer, template
from lossearch.training.own_module.trainers import own_trainer, without_logs
from lossearch.training.own_module.watcher import RowsWatcher
from lossearch.training.trainer import contained, fit

LR = 1e-3
"""The learning rate of the probe."""


@dataclass(frozen=True, eq=False)
class Probe:
    """What a module showed.

    ``train`` and ``validation`` are raw output and targets of the rows that its criterion met, of validation at the end of
    an epoch, None where it did not meet every batch. ``untrained`` and ``logged`` are what it logs in validation, before
    and after that epoch. ``shapes`` are those of its weights, ``optimizers`` the optimisers' class names.
    """

    train: Rows
    validation: Rows | None
    untrained: Mapping[str, float]
    logged: Mapping[str, float]
    batch_size: int
    batches: int
    shapes: Sequence[tuple[str, tuple[int, ...]]]
    optimizers: tuple[str, ...]
    random: bool
    """Whether a training step draws at random."""
    tests: bool
    """Whether there is a test part."""
    predicts: Given | None
    """What ``predict_step`` takes of a batch, where it alone shows raw output."""
    applied: str = ""
    """What says that the criterion is given the output of an activation, "" where it is raw."""
    test_rows: int | None = None
    """How many rows the test part has, None where that is not known."""


class _ProbeWatcher(RowsWatcher):
    """Notes the targets of an epoch's training rows and the learning rates of its optimisers."""

    def __init__(self, criterion: RecordingCriterion) -> None:
        super().__init__(criterion)
        self.trained: list[Rows] = []
        self.rates: list[float] = []
        self.optimizers: tuple[str, ...] = ()
        self.batch: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Note the optimisers."""
        self.optimizers = tuple(type(getattr(o, "optimizer", o)).__name__ for o in trainer.optimizers)
        self.rates = [
            float(value)
            for optimizer in trainer.optimizers
            for group in optimizer.param_groups
            for key, value in sorted(group.items())
            if key in ("lr", "initial_lr", "max_lr", "min_lr") and not isinstance(value, (list, tuple))
        ]

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Note what the criterion meets."""
        self.criterion.calls = Calls()
        self.batch = batch

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep it."""
        calls, self.criterion.calls = self.criterion.calls, None
        rows = calls.rows(batch, self.criterion.pair) if calls is not None else None
        if rows is not None:
            self.trained.append(rows)


def probe(own: OwnModule, pair: Pair, settings: TrainSettings, seed: int, threads: int | None = 1) -> Probe:
    """Train an epoch of a module, and say what it shows.

    Raises:
        InputError: it never asks its criterion, it logs nothing and shows no rows, or the learning rate does not reach
            its optimiser; the message has the lines to change.
    """
    one = replace(settings, epochs=1)
    with contained(stream(seed, "training"), threads), _told(own):
        first = _trained(own, pair, one, seed, LR, validate=True)
        second = _trained(own, pair, one, seed, 2 * LR, limit_train_batches=1, limit_val_batches=1)
        validation, predicts = first.watcher.collected(), None
        applied = _applied(own, first, one, seed)
        watcher, module = first.watcher, first.module
        refuse(_hard_wired(own, watcher) or _unreached(own, module, watcher.rates, second.watcher.rates))
        data = seeded(own.data({}), first.package, seed=seed)
        # the other one, so that the first can be validated as it is
        data.trainer = StepTrainer(1, 1, data, second.module)
        alone = template(second.module, data.trainer)
        random = _draws(alone, watcher.batch)
        if validation is None and overrides(module, "predict_step", first.package.LightningModule):
            batch = moved(next(iter(first_of(data.val_dataloader())), None), next(alone.parameters()).dtype)
            predicts = predicting(alone, held_criterion(alone, own), batch)
            watcher.predicts = predicts
            validation = None if predicts is None else _validated(own, first, one, seed)
    return Probe(
        train=all_rows(watcher.trained),
        validation=validation,
        untrained=first.untrained,
        logged={name: value for name, value in first.logged.items() if name in first.untrained},
        batch_size=len(watcher.trained[0][0]),
        batches=len(watcher.trained),
        shapes=tuple((name, tuple(p.shape)) for name, p in module.named_parameters()),
        optimizers=watcher.optimizers,
        random=random,
        tests=has_part(data, "test", first.package),
        predicts=predicts,
        applied=applied,
        test_rows=_test_rows(own, alone),
    )


@contextmanager
def _told(own: OwnModule) -> Iterator[None]:
    """Say of which module it is that something was raised."""
    try:
        yield
    except LossearchError:
        raise
    except Exception as error:
        raise InputError(
            f"{own.title} fails in its first epoch, before anything was searched: {type(error).__name__}: {error}"
        ) from error


def _validated(
    own: OwnModule, of: _Trained, settings: TrainSettings, seed: int, **limits: Any
) -> Rows | None:
    """Return the validation rows that a module shows as it is now, or of those what ``limits`` leave."""
    data = seeded(own.data({}), of.package, seed=seed)
    with TemporaryDirectory() as folder:
        kwargs = {**without_logs(of.package, own.trainer), **limits}
        trainer = own_trainer(of.package, settings, kwargs, [of.watcher], folder)
        trainer.validate(of.module, datamodule=data, verbose=False)
    rows: Rows | None = of.watcher.collected()
    return rows


def _applied(own: OwnModule, first: _Trained, settings: TrainSettings, seed: int) -> str:
    """Return what says that the criterion met what an activation gave; a batch is validated under other weights."""
    watcher, module = first.watcher, first.module
    met = [rows[0] for rows in (*watcher.trained, *watcher.rows)]

    def validated() -> Tensor | None:
        try:
            rows = _validated(own, first, settings, seed, limit_val_batches=1)
        except Exception:  # noqa: BLE001 - a module may refuse the numbers that strange weights give
            return None
        return None if rows is None else rows[0]

    same_width = len({rows.shape[-1] for rows in met}) == 1
    return applied_activation(module, met, validated, own.title) if same_width else ""


def _test_rows(own: OwnModule, module: Any) -> int | None:
    """Return how many rows the test part has, by a module that is not needed any more; None where that is not known."""
    if "limit_test_batches" in own.trainer:
        return None
    try:
        module.setup("test")  # the loaders may be its own
        data = copy.copy(own.data.with_test({}))
        data.trainer = module.trainer
        return loaded_rows(first_of(data.test_dataloader()))
    except Exception:  # noqa: BLE001 - a user's loader need not say its length, and says everything else when it is tested
        return None


def _draws(alone: Any, batch: Any) -> bool:
    """Return whether a training step draws at random, as far as it can be tried."""
    alone.train()
    batch = moved(batch, next(alone.parameters()).dtype)
    try:
        return draws_at_random(lambda: alone.training_step(*step_arguments(alone.training_step, batch, 0)))
    except Exception:  # noqa: BLE001 - a step that needs more than this is trained with its draws anyway
        return True


def _hard_wired(own: OwnModule, watcher: Any) -> list[str]:
    if watcher.trained:
        return []
    words = (
        f"{own.title} never calls the {own.criterion.name} it was given in training_step: its loss is hard-wired, and "
        f"every pair would train alike. These lines make it a component:\n{taking(own.title)}"
    )
    return [words]


def _unreached(own: OwnModule, module: Any, rates: Sequence[float], doubled: Sequence[float]) -> list[str]:
    if rates != doubled:
        return []
    shown = ", ".join(f"{rate:g}" for rate in dict.fromkeys(rates)) or "none"
    where = "hparams." if own.lr.name in module.hparams and not hasattr(module, own.lr.name) else ""
    words = (
        f"The learning rate does not reach the optimiser of {own.title}: it is {shown} whether {own.lr.name} is {LR:g} "
        f"or {2 * LR:g}. Use it in configure_optimizers, as in torch.optim.Adam(self.parameters(), lr=self.{where}{own.lr.name})."
    )
    return [words]


@dataclass(frozen=True, eq=False)
class _Trained:
    watcher: Any
    module: Any
    package: Any
    untrained: Mapping[str, float]
    logged: Mapping[str, float]


def _trained(
    own: OwnModule,
    pair: Pair,
    settings: TrainSettings,
    seed: int,
    lr: float,
    *,
    validate: bool = False,
    **limits: Any,
) -> _Trained:
    """Train an epoch, or what ``limits`` leave of it, of a module with a pair's criterion."""
    replicate = Replicate(Point(pair.name, lr, definition=pair), seed)
    criterion = RecordingCriterion(pair)
    module = build(own, replicate, criterion)
    package = package_of(module, own.name)
    watcher = joined(_ProbeWatcher, (package.Callback,))(held_criterion(module, own))
    with TemporaryDirectory() as folder:
        kwargs = {**without_logs(package, own.trainer), **limits}
        trainer = own_trainer(package, settings, kwargs, [watcher], folder)
        data = seeded(own.data({}), package, seed=seed)
        if validate:
            trainer.validate(module, datamodule=data, verbose=False)
        untrained = _numbers(trainer.callback_metrics)
        fit(trainer, module, datamodule=data)
        return _Trained(watcher, module, package, untrained, _numbers(trainer.callback_metrics))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}

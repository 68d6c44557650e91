"""Training a replicate of the user's module by a Trainer of its own."""

from __future__ import annotations

import time
from tempfile import TemporaryDirectory
from typing import Any

from lossearch._imports import joined
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.weights import class_weights
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainingCall, TrainSettings
from lossearch.training.own_module.build import build, held_criterion, settings_of
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.own_module.loaders import seeded
from lossearch.training.own_module.packages import package_of
from lossearch.training.own_module.trainers import own_trainer
from lossearch.training.own_module.watcher import Watcher
from lossearch.training.trainer import fit


def module_of(
    call: TrainingCall, own: OwnModule, replicate: Replicate, settings: TrainSettings
) -> tuple[Any, RecordingCriterion]:
    """Return a replicate's module before its first step, and the criterion that it holds; ``settings`` are its own."""
    point, fold = replicate.point, call.task.fold(replicate.seed)
    weights = class_weights(call.task, fold, settings.class_weight, settings.pos_weight)
    criterion = RecordingCriterion(call.pair(point), point.params, fold.statistics, weights)
    criterion.n_out = call.task.n_out
    module = build(own, replicate, criterion)
    return module, held_criterion(module, own)


def train_module(
    call: TrainingCall, own: OwnModule, replicate: Replicate, settings: TrainSettings
) -> ReplicateResult | None:
    """Return the result of one replicate, None where it was told to stop; ``settings`` are its own."""
    start = time.perf_counter()
    module, criterion = module_of(call, own, replicate, settings)
    package = package_of(module, own.name)
    watcher = _watcher(call, own, replicate, settings, criterion, package)
    with TemporaryDirectory() as folder:
        trainer = own_trainer(package, settings, own.trainer, [watcher], folder)
        data = seeded(
            own.data(settings_of(own, replicate)),
            package,
            seed=replicate.seed,
            epoch=lambda: int(trainer.current_epoch),
        )
        fit(trainer, module, datamodule=data)
    if watcher.stopped:
        return None
    divergence = watcher.divergence
    kept_epoch, weights = watcher.kept if watcher.kept and divergence is None else (None, None)
    # a module that stopped early is what it was until the end
    if kept_epoch is not None and replicate.until is not None:
        kept_epoch = replicate.until
    return ReplicateResult(
        replicate,
        Outcome.COMPLETED if divergence is None else Outcome.DIVERGED,
        watcher.whole_curves(replicate.until or settings.epochs),
        time.perf_counter() - start,
        reason="" if divergence is None else str(divergence),
        divergence=divergence,
        weights=weights,
        kept_epoch=kept_epoch,
    )


def _watcher(
    call: TrainingCall,
    own: OwnModule,
    replicate: Replicate,
    settings: TrainSettings,
    criterion: RecordingCriterion,
    package: Any,
) -> Any:
    last = settings.epoch == "last" or replicate.until is not None
    return joined(Watcher, (package.Callback,))(
        criterion,
        seed=replicate.seed,
        lr=replicate.point.lr,
        metrics=call.task.metrics,
        judge=call.task.metric,
        logged=own.logged,
        until=replicate.until,
        keeps=("last" if last else "best") if call.keep_weights else "none",
        stop=call.stop,
        predicts=own.predicts,
    )

"""What the weights of a user's module come to on a part of its data, by the module's own steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

from torch import Tensor

from lossearch._random import stream
from lossearch.errors import InputError, RunFailedError
from lossearch.space import Space
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.task import Task
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.own_module.build import settings_of
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.own_module.loaders import seeded
from lossearch.training.own_module.packages import hooked, package_of
from lossearch.training.own_module.train import module_of
from lossearch.training.own_module.trainers import own_trainer
from lossearch.training.own_module.watcher import Rows, RowsWatcher
from lossearch.training.trainer import contained

_ALONE = ("callbacks", "logger")


@dataclass(frozen=True, eq=False)
class Tested:
    """Raw output and targets of a part's rows, None where the criterion did not meet them all; and what was logged."""

    criterion: RecordingCriterion
    rows: Rows | None
    logged: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Tester:
    """Runs modules of one study on the validation or the test part.

    The test part is read by ``test_step``, or where a module has none by ``validation_step``.
    """

    task: Task
    space: Space
    settings: TrainSettings
    own: OwnModule

    def module(
        self, replicate: Replicate, weights: Mapping[str, Tensor] | None
    ) -> tuple[Any, RecordingCriterion]:
        """Return a replicate's module with these weights, or as it was before its first step."""
        module, criterion = module_of(TrainingCall(self.task, self.space, random=True), self.own, replicate)
        if weights is not None:
            module.load_state_dict(dict(weights))
        return module, criterion

    def __call__(self, replicate: Replicate, weights: Mapping[str, Tensor] | None, part: str) -> Tested:
        """Return what weights come to on a part, "validation" or "test".

        Raises:
            RunFailedError: the module's own code raised.
        """
        module, criterion = self.module(replicate, weights)
        package = package_of(module, self.own.name)
        settings = self.settings.of(replicate.point)
        watcher = hooked(RowsWatcher, package.Callback)(criterion)
        kwargs = {k: v for k, v in self.own.trainer.items() if k not in _ALONE}
        chosen = settings_of(self.own, replicate)
        tests = part == "test"
        data = self.own.data.with_test(chosen) if tests else self.own.data(chosen)
        own_step = tests and type(module).test_step is not package.LightningModule.test_step
        with contained(stream(replicate.seed, "test"), 1), TemporaryDirectory() as folder:
            trainer = own_trainer(package, settings, kwargs, [watcher], folder)
            run = trainer.test if own_step else trainer.validate
            held = "test" if tests else "val"
            try:
                run(module, datamodule=seeded(data, package, seed=replicate.seed, held=held), verbose=False)
            except InputError:
                raise
            except Exception as error:
                raise RunFailedError(
                    f"{self.own.title} failed on the {part} part: {type(error).__name__}: {error}"
                ) from error
        return Tested(
            criterion, watcher.collected(), {k: float(v) for k, v in trainer.callback_metrics.items()}
        )


def logged_as(name: str, part: str, logged: Mapping[str, float]) -> str | None:
    """Return under which name what is logged as ``name`` in validation is logged on a part; None where it is not.

    On the test part that is "test_f1" for "val_f1", or the same name.
    """
    if part == "validation":
        return name if name in logged else None
    prefixes = ("valid", "validation", "val", "eval", "dev")
    swapped = [f"test{name[len(p) :]}" for p in prefixes if name.startswith((f"{p}_", f"{p}/"))]
    return next((n for n in (*swapped, name) if n in logged), None)

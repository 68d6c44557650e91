"""What the weights of a user's module come to on a part of its data, by the module's own steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from lossearch._imports import joined
from lossearch._random import stream
from lossearch.errors import LossearchError, RunFailedError
from lossearch.metrics.metric import LOGGED
from lossearch.space import Space
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.task import Task
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.own_module.build import settings_of
from lossearch.training.own_module.criterion import RecordingCriterion, Rows, all_rows
from lossearch.training.own_module.judges import PREFIX
from lossearch.training.own_module.loaders import first_of, moved, seeded, step_arguments
from lossearch.training.own_module.packages import overrides, package_of
from lossearch.training.own_module.predicting import shown
from lossearch.training.own_module.steps import StepTrainer, template
from lossearch.training.own_module.train import module_of
from lossearch.training.own_module.trainers import own_trainer, without_logs
from lossearch.training.own_module.watcher import RowsWatcher
from lossearch.training.precision import PRECISIONS
from lossearch.training.trainer import contained, device_of

_PARTIAL = {"limit_val_batches", "limit_test_batches", "precision", "plugins"}
_PLAIN = ("32-true", "64-true")
_KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Tested:
    """Raw output and targets of a part's rows, None where the criterion did not meet them all; and what was logged."""

    criterion: RecordingCriterion
    rows: Rows | None
    logged: Mapping[str, float]


@dataclass(eq=False)
class Tester:
    """Runs modules of one study on the validation or the test part.

    The test part is read by ``test_step``, or where a module has none by ``validation_step``. The steps are called without
    a Trainer, which takes a hundred times as long, where the first module shows the same rows with and without.
    """

    task: Task
    space: Space
    settings: TrainSettings
    own: OwnModule

    def __post_init__(self) -> None:
        self._alike: dict[str, bool] = {}
        self._test_step_shows = True
        """Whether ``test_step`` shows what it predicts; where it does not, ``validation_step`` reads the test part."""
        self._held: dict[Any, list[Any]] = {}

    def module(
        self, replicate: Replicate, weights: Mapping[str, Tensor] | None
    ) -> tuple[Any, RecordingCriterion]:
        """Return a replicate's module with these weights, or as it was before its first step."""
        module, criterion = module_of(
            TrainingCall(self.task, self.space, random=True),
            self.own,
            replicate,
            self.settings.of(replicate.point),
        )
        if weights is not None:
            module.load_state_dict(dict(weights))
        return module, criterion

    def __call__(self, replicate: Replicate, weights: Mapping[str, Tensor] | None, part: str) -> Tested:
        """Return what weights come to on a part, "validation" or "test".

        Raises:
            RunFailedError: the module's own code raised.
        """
        if self._alike.get(part):
            found = self._by_hand(replicate, weights, part)
            if found is not None:
                return found
        tested = self._by_trainer(replicate, weights, part)
        if (
            part == "test"
            and tested.rows is None
            and self.task.metric.needs != LOGGED
            and self._test_step_shows
        ):
            self._test_step_shows = False
            tested = self._by_trainer(replicate, weights, part)
        if part not in self._alike:
            self._alike[part] = _same(tested, self._by_hand(replicate, weights, part))
        return tested

    def _by_trainer(self, replicate: Replicate, weights: Mapping[str, Tensor] | None, part: str) -> Tested:
        module, criterion = self.module(replicate, weights)
        package = package_of(module, self.own.name)
        settings = self.settings.of(replicate.point)
        watcher = joined(RowsWatcher, (package.Callback,))(criterion, self.own.predicts)
        kwargs = {k: v for k, v in without_logs(package, self.own.trainer).items() if k != "callbacks"}
        with contained(stream(replicate.seed, "test"), 1), TemporaryDirectory() as folder:
            trainer = own_trainer(package, settings, kwargs, [watcher], folder)
            run = trainer.test if self._tests(module, package, part) else trainer.validate
            try:
                run(module, datamodule=self._data(replicate, part, package), verbose=False)
            except LossearchError:
                raise
            except Exception as error:
                raise RunFailedError(
                    f"{self.own.title} failed on the {part} part: {type(error).__name__}: {error}"
                ) from error
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        return Tested(criterion, watcher.collected(), logged)

    def _tests(self, module: Any, package: Any, part: str) -> bool:
        """Return whether a part is read by the module's own ``test_step``."""
        own = overrides(module, "test_step", package.LightningModule)
        return part == "test" and own and self._test_step_shows

    def _data(self, replicate: Replicate, part: str, package: Any) -> Any:
        chosen = settings_of(self.own, replicate)
        data = self.own.data.with_test(chosen) if part == "test" else self.own.data(chosen)
        return seeded(data, package, seed=replicate.seed, held="test" if part == "test" else "val")

    def _by_hand(
        self, replicate: Replicate, weights: Mapping[str, Tensor] | None, part: str
    ) -> Tested | None:
        """Return the rows by the module's steps alone, None where that cannot be, or is not all there is to know."""
        if self.task.metric.needs == LOGGED or self.own.trainer.keys() & _PARTIAL:
            return None
        settings = self.settings.of(replicate.point)
        if settings.precision not in _PLAIN or device_of(settings).type != "cpu":
            return None
        dtype = PRECISIONS[settings.precision].weights
        try:
            module, criterion = self.module(replicate, weights)
            package = package_of(module, self.own.name)
            tests = self._tests(module, package, part)
            data = self._data(replicate, part, package)
            alone = template(module.to(dtype).eval(), StepTrainer(1, 1, data, module))
            step = alone.test_step if tests else alone.validation_step
            with contained(stream(replicate.seed, "test"), 1), torch.no_grad():
                return self._read(alone, step, criterion, self._batches(replicate, part, data, tests, alone))
        except Exception:  # noqa: BLE001 - a step that needs its Trainer is given one
            return None

    def _batches(self, replicate: Replicate, part: str, data: Any, tests: bool, module: Any) -> list[Any]:
        """Return the batches of a part, which are kept where they are few."""
        key = (part, tuple(sorted(settings_of(self.own, replicate).items())))
        if key not in self._held:
            data.trainer = module.trainer
            batches = list(first_of(data.test_dataloader() if tests else data.val_dataloader()))
            if sum(leaf.nbytes for leaf in tree_leaves(batches) if isinstance(leaf, Tensor)) > _KEPT_BYTES:
                return batches
            self._held[key] = batches
        return self._held[key]

    def _read(
        self, module: Any, step: Any, criterion: RecordingCriterion, batches: Sequence[Any]
    ) -> Tested | None:
        dtype = next(module.parameters()).dtype
        found: list[Rows] = []
        for index, given in enumerate(batches):
            batch = moved(given, dtype)
            with criterion.recording() as calls:
                step(*step_arguments(step, batch, index))
            rows = shown(calls, module, criterion, batch, self.own.predicts)
            if rows is None:
                return None
            found.append(rows)
        return Tested(criterion, all_rows(found), {})


def _same(one: Tested, other: Tested | None) -> bool:
    if one.rows is None or other is None or other.rows is None:
        return False
    return all(torch.equal(a, b) for a, b in zip(one.rows, other.rows, strict=True))


def logged_as(name: str, part: str, logged: Mapping[str, float]) -> str | None:
    """Return under which name what is logged as ``name`` in validation is logged on a part; None where it is not.

    On the test part that is "test_f1" for "val_f1", or the same name.
    """
    if part == "validation":
        return name if name in logged else None
    return next((n for n in (PREFIX.sub(r"test\2", name), name) if n in logged), None)

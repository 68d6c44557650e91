"""A study ready to run, and what it would cost.

What trains is imported where it is asked for: of a study that is done already, nothing of it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossearch._json import to_jsonable
from lossearch._options import option
from lossearch.config import StudyConfig, config_toml
from lossearch.records.environment import git_revision, versions
from lossearch.records.places import as_recorded
from lossearch.records.store import Store
from lossearch.records.study import MlflowRuns, StudyRecord
from lossearch.study.budget import MINIMUM
from lossearch.study.plan import Plan
from lossearch.study.undisturbed import undisturbed

if TYPE_CHECKING:
    from lossearch.study.cost import Cost
    from lossearch.training.contract import TrainingMethod
    from lossearch.training.preflight.preflight import Preflight
    from lossearch.training.workers.executor import Executor
    from lossearch.training.workers.worker import MakeTask


@dataclass(frozen=True)
class Prepared:
    """A study ready to run: its plan, and how another process makes its task again."""

    plan: Plan
    make_task: MakeTask
    config: StudyConfig

    @cached_property
    def preflight(self) -> Preflight:
        """What is found before the first replicate, when it is first asked for.

        Raises:
            InputError: the study cannot be trained.
        """
        from lossearch.training.preflight.preflight import preflight_study

        plan = self.plan
        return preflight_study(plan.task, plan.space, plan.budget.seeds, plan.settings)

    @property
    def min_trials(self) -> int:
        """Finished trials a pair needs for a rank: fewer only where it has no more points."""
        return MINIMUM if self.plan.budget.per_pair >= MINIMUM else 1

    def method(
        self,
        note: Callable[[str], None],
        group: Executor | None = None,
        seeds: Sequence[int] | None = None,
    ) -> TrainingMethod:
        """Return how replicates are trained: as populations where they can be, else one after another.

        Args:
            note: takes the line that says why.
            group: other processes that may train too.
            seeds: of the replicates; the search's by default.
        """
        from lossearch.training.methods import choose_method
        from lossearch.training.plain.train import train_plain
        from lossearch.training.workers.pool import PlainPool

        plan, found = self.plan, self.preflight
        plain: TrainingMethod = (
            partial(train_plain, preflight=found) if group is None else PlainPool(group, preflight=found)
        )
        method = choose_method(
            found,
            plain=plain,
            note=note,
            seeds=seeds,
            group=group,
            memory=self.config.train.memory_bytes,
            work=plan.total * len(plan.budget.seeds) if seeds is None else self.confirmed,
        )
        if method is plain and plan.budget.prune and seeds is None:
            note(
                "No trial is pruned: where seeds are trained one by one, there is no mean to judge a trial by."
            )
        return method

    @property
    def confirmed(self) -> int:
        """How many replicates the confirmation has: fresh seeds of every pair, or of the best point alone."""
        pairs = 1 if self.plan.budget.mode == "adaptive" else len(self.plan.space.pairs)
        return pairs * self.config.budget.confirming_seeds

    def workers(self, note: Callable[[str], None] = lambda _: None) -> Executor:
        """Return what trains beside this process, or instead of it.

        Args:
            note: takes the line that says why there is none.

        Raises:
            InputError: what was asked for cannot be had.
        """
        from lossearch.training.trainer import device_of
        from lossearch.training.workers.devices import gpus, name_of
        from lossearch.training.workers.engines import Asked, executor

        own, train, settings = self.plan.task.module, self.config.train, self.plan.settings
        device = device_of(settings)
        if settings.device == "auto" and device.type != "cpu":
            note(f"Trains on {name_of(device)}; {option('device', 'cpu')} trains on the processor.")
        asked = Asked(
            on=train.on,
            workers=1 if train.on == "local" and self.plan.budget.quick else train.workers,
            options=train.on_options,
            folder=Path(self.config.records.store).resolve() / "studies" / self.plan.name,
            gpu=device.type == "cuda" or settings.device.startswith(("gpu", "cuda")),
            gpus=gpus(settings, {} if own is None else own.trainer),
            note=note,
        )
        return executor(self.make_task, asked)

    def cost(self) -> Cost:
        """Estimate what a whole study takes, from a few epochs of its first trials."""
        from lossearch.study.cost import estimate_cost
        from lossearch.training.workers.group import cores

        with undisturbed():
            return estimate_cost(self.plan, self.method(lambda _: None), self.config.train.workers or cores())

    def record(self, store: Store, *, created: float, mlflow: MlflowRuns | None) -> StudyRecord:
        """Return the study as a store records it, begun at ``created``, in seconds since 1970."""
        plan, task, kept = self.plan, self.plan.task, self.config.records
        return StudyRecord(
            **vars(plan.definition()),
            name=plan.name,
            digest=plan.digest(),
            classes=tuple(map(str, task.classes)),
            metrics=tuple(m.name for m in task.metrics),
            target=task.target,
            describe=task.describe,
            conventional=plan.conventional,
            min_trials=self.min_trials,
            planned=plan.total,
            selected=plan.total > len(plan.space.pairs),
            rejections=plan.space.rejections,
            notes=(*task.notes, *plan.notes),
            accelerator=plan.settings.device,
            quick=plan.budget.quick,
            config=config_toml(self.config),
            storage=as_recorded(store, kept.storage),
            tracking_uri=as_recorded(store, kept.tracking_uri),
            created=created,
            versions=versions(),
            git_revision=git_revision(),
            mlflow=mlflow,
        )

    def as_json(self) -> dict[str, Any]:
        """Return what would be done, as plain values."""
        plan, cost = self.plan, self.cost()
        return {
            "name": plan.name,
            "notes": [*plan.task.notes, *plan.notes],
            "identity": plan.identity(),
            "pairs": list(plan.space.names),
            "rejections": to_jsonable(plan.space.rejections),
            "trials": plan.total,
            "replicates": cost.replicates,
            "seconds": cost.seconds,
            "confirm_replicates": self.confirmed,
            "confirm_seconds": self.confirmed * cost.seconds / cost.replicates,
            "disk_bytes": cost.disk,
            "memory_bytes": cost.memory,
            "together": cost.together,
            "processes": cost.processes,
        }

"""From a configuration to a study ready to run: task, space, budget; and what it would cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._imports import own_class
from lossearch._json import to_jsonable
from lossearch.config import StudyConfig, config_toml
from lossearch.data.sources import Dataset, read_data
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, Loss, losses_for
from lossearch.pairs import Rejection, pair_up
from lossearch.records.environment import git_revision, versions
from lossearch.records.store import hide_password
from lossearch.records.study import MlflowRuns, StudyRecord
from lossearch.study.budget import MINIMUM
from lossearch.study.cost import Cost, estimate_cost
from lossearch.study.own_losses import space_with_own
from lossearch.study.own_sampler import OwnSampler
from lossearch.study.plan import Plan
from lossearch.study.resolve import (
    refuse_configured,
    refuse_unknown,
    resolve_budget,
    resolve_settings,
)
from lossearch.study.undisturbed import undisturbed
from lossearch.tasks.build import make_task
from lossearch.tasks.judged_parts import check_judged
from lossearch.tasks.judges import Judging, as_metrics
from lossearch.tasks.task import Task
from lossearch.training.contract import TrainingMethod
from lossearch.training.methods import choose_method
from lossearch.training.own_module.task import ModuleSpec, make_module_task, probed
from lossearch.training.plain.train import train_plain
from lossearch.training.precision import PRECISIONS
from lossearch.training.preflight.preflight import Preflight, preflight_study
from lossearch.training.workers.group import WorkerGroup, cores
from lossearch.training.workers.pool import PlainPool
from lossearch.training.workers.worker import MakeTask

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Prepared:
    """A study ready to run: its plan, how another process makes its task again, what was found beforehand."""

    plan: Plan
    make_task: MakeTask
    config: StudyConfig
    preflight: Preflight

    @property
    def min_trials(self) -> int:
        """Finished trials a pair needs for a rank: fewer only where it has no more points."""
        return MINIMUM if self.plan.budget.per_pair >= MINIMUM else 1

    def method(
        self,
        note: Callable[[str], None],
        group: WorkerGroup | None = None,
        seeds: Sequence[int] | None = None,
    ) -> TrainingMethod:
        """Return how replicates are trained: as populations where they can be, else one after another.

        Args:
            note: takes the line that says why.
            group: other processes that may train too.
            seeds: of the replicates; the search's by default.
        """
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
        return pairs * self.config.budget.confirm_seeds

    @property
    def workers(self) -> int:
        """How many processes may train at once."""
        return self.config.train.workers or cores()

    def cost(self) -> Cost:
        """Estimate what a whole study takes, from a few epochs of its first trials."""
        with undisturbed():
            return estimate_cost(self.plan, self.method(lambda _: None), self.workers)

    def record(self, *, created: float, mlflow: MlflowRuns | None) -> StudyRecord:
        """Return the study as it is recorded, begun at ``created``, in seconds since 1970."""
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
            selected=plan.total > len(plan.space.pairs),
            rejections=plan.space.rejections,
            notes=(*task.notes, *plan.notes),
            accelerator=plan.settings.accelerator,
            config=hide_password(config_toml(self.config)),
            storage=kept.storage,
            tracking_uri=kept.tracking_uri,
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


def read_dataset(config: StudyConfig) -> Dataset:
    """Return the data a configuration names.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    t = config.task
    if t.data is None:
        raise InputError(
            'No data. Give arrays X and y, or data = "..." in [task] (on the command line: --data FILE).'
        )
    sides = {"groups": t.groups, "time": t.time, "sample_weight": t.sample_weight}
    return read_data(t.data, target=t.target, options=t.data_options, stream=t.stream, **sides)


def _task_maker(
    config: StudyConfig,
    dataset: Dataset,
    model: Callable[..., nn.Module] | None,
    metric: Judging,
) -> Callable[[], Task]:
    t = config.task
    return partial(
        make_task,
        dataset,
        kind=t.kind,
        metric=metric or t.metric,
        metrics=(*t.metrics, *_published_metrics(config)),
        model=model or t.model,
        hidden=t.hidden,
        init=t.init,
        scale=t.scale,
        standardize_target=t.standardize_target,
        rows=None if t.rows is None else t.rows.model_dump(exclude_none=True),
        validation=t.validation,
        test=t.test,
        seed=config.budget.seed,
        dtype=PRECISIONS[config.train.precision].weights,
        held_rows=t.held_rows,
        readers=t.readers,
        direction=t.direction,
    )


def _published_metrics(config: StudyConfig) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(row.metric for row in config.published if row.metric not in config.task.metrics)
    )


def _refused_as_published(config: StudyConfig, task: Task) -> list[str]:
    """Return a sentence for each published configuration that is not legal on this task."""
    notes = []
    known = losses_for(task.kind)
    for row in config.published:
        activation = row.pair.partition("/")[2]
        if row.label in known:
            found = pair_up(known[row.label], ACTIVATIONS[activation], task.facts)
            notes += [f"Not trained as published: {found}"] if isinstance(found, Rejection) else []
    return notes


@dataclass(frozen=True)
class ModuleObjects:
    """A module of the user's own, its data and its Trainer's arguments, as they were given in Python."""

    module: Callable[..., Any] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    datamodule: Any = None
    datamodule_args: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)


def _module_spec(config: StudyConfig, given: ModuleObjects, metric: Judging) -> ModuleSpec:
    t = config.task
    judges = as_metrics(metric or t.metric)
    refuse(["A study of your own module has one metric; got two."] if len(judges) > 1 else [])
    module, name = own_class(given.module if given.module is not None else t.module, "module")
    source = given.datamodule
    if source is None and t.datamodule is not None:
        source = own_class(t.datamodule, "datamodule")[0]
    return ModuleSpec(
        module=module,
        name=name,
        datamodule=source,
        module_args={**t.module_args, **given.args},
        datamodule_args={**t.datamodule_args, **given.datamodule_args},
        criterion=t.criterion,
        lr_name=t.lr_name,
        trainer={**config.train.trainer, **given.trainer},
        kind=t.kind,
        metric=judges[0] if judges else None,
        direction=t.direction,
        metrics=t.metrics,
        standardize_target=t.standardize_target,
        test=t.test is not False,
        seed=config.budget.seed,
    )


def _module_task(
    config: StudyConfig, given: ModuleObjects, metric: Judging
) -> tuple[Task, Callable[[], Task]]:
    """Return the task of a module, which is tried here, and what makes it again in another process."""
    spec = _module_spec(config, given, metric)
    task, found = probed(spec, resolve_settings(config.train, 1, 1))
    return task, partial(make_module_task, spec, found)


def prepare(
    config: StudyConfig,
    *,
    dataset: Dataset | None = None,
    losses: Sequence[Loss | Callable[..., Any]] = (),
    model: Callable[..., nn.Module] | None = None,
    metric: Judging = None,
    module: ModuleObjects | None = None,
    sampler: OwnSampler | None = None,
) -> Prepared:
    """Return a study ready to run. Nothing is trained or written.

    Raises:
        InputError: names, data, pairs, ranges or budget that cannot be.
    """
    refuse_unknown(config)
    if config.train.trainer and module is None and config.task.module is None:
        raise InputError(
            "[train] trainer holds arguments of the Trainer of a module of your own: name it, as [task] module."
        )
    make: Callable[[], Task]
    if module is None and config.task.module is None:
        make = _task_maker(config, dataset if dataset is not None else read_dataset(config), model, metric)
        task = make()
    else:
        task, make = _module_task(config, module or ModuleObjects(), metric)
    if task.module is not None:
        refuse_configured(config.train, task.module.title)
    epochs, batch_size = KINDS[task.kind].budget(task.sizes["train"])
    space, on_space = space_with_own(config.space, config.train, task, losses)
    settings = resolve_settings(config.train, epochs, batch_size)
    if task.module is not None:
        own = task.module
        settings = replace(settings, optimizer=", ".join(own.optimizers).lower(), batch_size=own.batch_size)
    budget, on_budget = resolve_budget(
        config.budget, space, extend=config.space.extend, objectives=len(task.objectives), own=sampler
    )
    notes = [*on_space, *on_budget, *_refused_as_published(config, task)]
    if task.module is not None:
        notes.append(f"{settings.epochs} epochs.")
    elif config.train.epochs is None or config.train.batch_size is None:
        notes.append(f"{settings.epochs} epochs in batches of {settings.batch_size}.")
    notes += check_judged(task, budget.seeds)
    plan = Plan(config.name, task, space, settings, budget, tuple(notes))
    return Prepared(plan, make, config, preflight_study(task, space, budget.seeds, settings))

"""From a configuration to a study ready to run: task, space, budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lossearch._imports import own_class
from lossearch._options import either
from lossearch.config import StudyConfig
from lossearch.data.sources import Dataset, read_data
from lossearch.errors import InputError, refuse
from lossearch.kinds import KINDS
from lossearch.losses import ACTIVATIONS, Loss, losses_for
from lossearch.pairs import Rejection, pair_up
from lossearch.space import Space
from lossearch.study.own_losses import space_with_own
from lossearch.study.own_sampler import OwnSampler
from lossearch.study.plan import Plan
from lossearch.study.prepared import Prepared
from lossearch.study.resolve import (
    refuse_configured,
    refuse_unknown,
    resolve_budget,
    resolve_settings,
)
from lossearch.tasks.build import make_task
from lossearch.tasks.judged_parts import check_judged
from lossearch.tasks.judges import Judging, as_metrics
from lossearch.tasks.task import Task
from lossearch.training.precision import PRECISIONS

if TYPE_CHECKING:
    from torch import nn

    from lossearch.training.own_module.task import ModuleSpec


def read_dataset(config: StudyConfig) -> Dataset:
    """Return the data a configuration names.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    t = config.task
    if t.data is None:
        raise InputError(
            f'No data. Give {either("arrays X and y, or data=", "--data FILE")}, or data = "..." in [task] of a study file.'
        )
    sides = {"groups": t.groups, "time": t.time, "sample_weight": t.sample_weight, "split": t.split}
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


def _searched_batches(space: Space) -> list[str]:
    """Return a sentence on losses of a whole batch where its size is searched too."""
    of_batch = [p.name for p in space.pairs if p.loss.after_mean is not None]
    if not of_batch or all(d.name != "batch_size" for d in space.settings):
        return []
    are = "is a loss" if len(of_batch) == 1 else "are losses"
    return [
        f"batch_size is searched, and {', '.join(of_batch)} {are} of the whole batch: another size is another loss."
    ]


@dataclass(frozen=True)
class ModuleObjects:
    """A module of the user's own, its data and its Trainer's arguments, as they were given in Python."""

    module: Callable[..., Any] | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    datamodule: Any = None
    datamodule_args: Mapping[str, Any] = field(default_factory=dict)
    trainer: Mapping[str, Any] = field(default_factory=dict)


def _module_spec(config: StudyConfig, given: ModuleObjects, metric: Judging) -> ModuleSpec:
    from lossearch.training.own_module.task import ModuleSpec

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
    from lossearch.training.own_module.task import make_module_task, probed

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
    checked: bool = True,
) -> Prepared:
    """Return a study ready to run. Nothing is trained or written.

    Args:
        config: the study file's tables.
        dataset: data in hand, instead of what the configuration names.
        losses: losses of your own, declared or not, searched beside the named ones.
        model: a network factory, instead of the configured one.
        metric: a metric of your own, or two metrics, names among them.
        module: a LightningModule of your own and its data, instead of what the configuration names.
        sampler: an Optuna sampler of your own, instead of the configured one.
        checked: whether networks and losses are tried now; else when :attr:`Prepared.preflight` is first asked for.

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
    notes += [*check_judged(task, budget.seeds), *_searched_batches(space)]
    plan = Plan(config.name, task, space, settings, budget, tuple(notes))
    prepared = Prepared(plan, make, config)
    if checked:
        _ = prepared.preflight
    return prepared

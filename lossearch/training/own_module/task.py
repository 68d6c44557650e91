"""The task that a user's module and data make: kind, metric, sizes, by what the module shows of itself."""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossearch.data.preparation import target_statistics
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetStatistics, refuse_constant
from lossearch.metrics.metric import LOGGED, Metric
from lossearch.metrics.registry import find_metric, metrics_for
from lossearch.pairs import find_pair
from lossearch.tasks.judges import Judge
from lossearch.tasks.own_module import OwnModule
from lossearch.tasks.task import Fold, Part, Task
from lossearch.tasks.weights import census, class_counts
from lossearch.training.contract import WEIGHTINGS, TrainSettings
from lossearch.training.own_module.criterion import RecordingCriterion
from lossearch.training.own_module.data_modules import OwnDataModules, own_loaders, refuse_without_validation
from lossearch.training.own_module.judges import Choice, choose_judge
from lossearch.training.own_module.packages import package_of
from lossearch.training.own_module.probe import LR, Probe, probe
from lossearch.training.own_module.slots import (
    CRITERION_NAMES,
    LR_NAMES,
    arguments,
    criterion_slot,
    lr_slot,
    made,
)
from lossearch.training.own_module.trainers import check_trainer


@dataclass(frozen=True, eq=False)
class ModuleSpec:
    """What a user says of a module: see the keys of [task] of these names."""

    module: Callable[..., Any]
    name: str
    datamodule: Any
    module_args: Mapping[str, Any]
    datamodule_args: Mapping[str, Any]
    criterion: str | None
    lr_name: str | None
    trainer: Mapping[str, Any]
    kind: str | None
    metric: Judge | None
    direction: str | None
    metrics: Sequence[str | Metric]
    standardize_target: bool
    test: bool
    seed: int


def probed(spec: ModuleSpec, settings: TrainSettings) -> tuple[Task, Probe]:
    """Return the task of a module, and what it shows of itself in an epoch, by which another process makes the task.

    Raises:
        InputError: module, data, Trainer and metric do not fit each other; the message says what to change.
    """
    kind = _kind(spec)
    own = _own_module(spec, kind)
    found = probe(own, find_pair(KINDS[kind].conventional, kind), settings, spec.seed)
    return _task(spec, own, kind, found), found


def make_module_task(spec: ModuleSpec, found: Probe) -> Task:
    """Return the task of a module that has shown itself in another process.

    Raises:
        InputError: there is no such metric, or the targets do not fit the kind.
    """
    kind = _kind(spec)
    return _task(spec, _own_module(spec, kind), kind, found)


def _task(spec: ModuleSpec, own: OwnModule, kind: str, found: Probe) -> Task:
    pair = find_pair(KINDS[kind].conventional, kind)
    n_out = pair.n_out(found.train[0].shape[-1]) or 0
    y = found.train[1].numpy()
    target = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 and not KINDS[kind].scaled else y
    if target.ndim == 1:
        refuse_constant(target)
    judge, notes = choose_judge(Choice(own, kind, found), spec.metric, spec.direction, target)
    more = [m if isinstance(m, Metric) else find_metric(m, kind) for m in spec.metrics]
    usual = metrics_for(kind) if found.validation is not None else ()
    metrics = tuple({m.name: m for m in (judge, *usual, *more)}.values())
    own = replace(
        own,
        logged={judge.name: str(spec.metric)} if judge.needs == LOGGED else {},
        untrained={judge.name: found.untrained[str(spec.metric)]} if judge.needs == LOGGED else {},
        optimizers=found.optimizers,
        batch_size=found.batch_size,
        random=found.random,
        predicts=found.predicts,
        width=found.train[0].shape[-1],
    )
    tested = spec.test and found.tests
    validation = found.validation[1] if found.validation is not None else found.train[1][:0]
    statistics = (
        target_statistics(y, standardize=spec.standardize_target)
        if KINDS[kind].scaled
        else TargetStatistics()
    )
    of_classes = census(kind, found.train[1], None, n_out)
    statistics = replace(statistics, class_counts=class_counts(kind, of_classes, n_out))
    train, held = _targets(found.train[1]), _targets(validation)
    # 1 says that there is a part, which may not say its length
    test = 1 if found.test_rows is None else found.test_rows
    sizes = {"train": len(train), "validation": len(held), "test": test if tested else 0}
    counted = _counted(sizes, found)
    return Task(
        name=own.title,
        kind=kind,
        facts=KINDS[kind].facts(target, n_out),
        metric=judge,
        metrics=metrics,
        fold=partial(_fold, train, held, statistics),
        test=_no_part,
        network=_no_network,
        digest=_digest(spec, own, found, judge.name, sizes, tested),
        sizes=sizes,
        classes=_classes(kind, n_out),
        notes=(f"{kind}: as asked", *notes, *_notes(own, found, counted, tested)),
        describe={
            "data": _data_name(spec),
            "rows": str(sum(counted.values())),
            "splits": ", ".join(f"{rows} {part}" for part, rows in counted.items()),
            "model": own.name,
            "optimizer": ", ".join(found.optimizers),
        },
        module=own,
    )


def _kind(spec: ModuleSpec) -> str:
    if spec.kind is None:
        raise InputError(
            f"Say what {spec.name} predicts: task = one of {', '.join(KINDS)}. Its losses, encodings and metrics follow."
        )
    return KINDS[spec.kind].name


def _own_module(spec: ModuleSpec, kind: str) -> OwnModule:
    """Return a user's module with the places where it takes what is searched."""
    check_trainer(spec.trainer)
    known, title = arguments(spec.module), spec.name.rpartition(":")[2]
    criterion = RecordingCriterion(find_pair(KINDS[kind].conventional, kind))
    stand_ins = {
        **_stand_ins(known, spec.criterion, CRITERION_NAMES, criterion),
        **_stand_ins(known, spec.lr_name, LR_NAMES, LR),
    }
    first = {name: value for name, value in stand_ins.items() if name not in spec.module_args}
    module = made(spec.module, title, {**spec.module_args, **first})
    package = package_of(module, spec.name)
    source = spec.datamodule if spec.datamodule is not None else own_loaders(module, package, title)
    data = OwnDataModules(source, spec.datamodule_args, package, spec.seed)
    refuse_without_validation(data({}), package)
    slots = criterion_slot(module, known, spec.criterion, title), lr_slot(module, known, spec.lr_name, title)
    taken = {slot.name for slot in slots}
    return OwnModule(
        spec.module,
        spec.name,
        {k: v for k, v in spec.module_args.items() if k not in taken},
        *slots,
        data,
        settings=frozenset(known) - taken - {*WEIGHTINGS},
        data_settings=data.takes,
        trainer=spec.trainer,
    )


def _stand_ins(
    known: Mapping[str, inspect.Parameter], asked: str | None, usual: Sequence[str], value: Any
) -> dict[str, Any]:
    """Return what a module is made with before it is known where it takes criterion or rate."""
    needed = {p for p in usual if p in known and known[p].default is inspect.Parameter.empty}
    names = set(usual) if asked is None else {asked, *needed}
    return {name: value for name in names if name in known}


def _targets(y: Tensor) -> Part:
    return Part(torch.empty(len(y), 0), y, np.arange(len(y)))


def _fold(train: Part, validation: Part, statistics: TargetStatistics, seed: int) -> Fold:
    return Fold(seed, train, validation, statistics)


def _no_part(seed: int) -> None:
    """Give no rows: a module's test part is read by the module."""


def _no_network(n_out: int) -> nn.Module:  # noqa: ARG001 - a task's signature
    raise TypeError("a task with the user's own module has no network factory")


def _counted(sizes: Mapping[str, int], found: Probe) -> dict[str, int]:
    """Return how many rows each part has; without a test part that does not say it."""
    return {p: rows for p, rows in sizes.items() if rows and (p != "test" or found.test_rows is not None)}


def _classes(kind: str, n_out: int) -> tuple[str, ...]:
    """Return names of the classes: their numbers."""
    if KINDS[kind].form.numbers:
        return ()
    return tuple(map(str, range(n_out if n_out > 1 else 2)))


def _notes(own: OwnModule, found: Probe, counted: Mapping[str, int], tested: bool) -> list[str]:
    weights = sum(math.prod(shape) for _, shape in found.shapes)
    by = f"{own.criterion.name} ({'argument' if own.criterion.argument else 'attribute'})"
    split = ", ".join(f"{rows} {part}" for part, rows in counted.items())
    unsaid = ", and test rows that are not counted here" if tested and "test" not in counted else ""
    lines = [
        f"module {own.name}: {weights} weights, {', '.join(found.optimizers)}; takes the loss as {by}, the rate as {own.lr.name}",
        f"{split} rows in {found.batches} batches an epoch{unsaid}; seeds vary weights, order and random layers, not the parts",
    ]
    if not tested:
        lines.append("no test part: the verdict is on validation rows, by which epochs were chosen")
    return [*lines, *([found.applied] if found.applied else [])]


def _data_name(spec: ModuleSpec) -> str:
    source = spec.datamodule
    of = source if isinstance(source, type) or callable(source) else type(source)
    return spec.name if source is None else str(getattr(of, "__name__", type(of).__name__))


def _digest(
    spec: ModuleSpec, own: OwnModule, found: Probe, judge: str, sizes: Mapping[str, int], tested: bool
) -> str:
    """Hash what another module, other data or another Trainer would change."""
    hashed = hashlib.blake2b(digest_size=16)
    settings = [
        spec.name, _plain(own.args), _data_name(spec), _plain(spec.datamodule_args), _plain(spec.trainer), judge,
        dict(sizes), tested, spec.standardize_target, [[n, list(s)] for n, s in found.shapes], found.optimizers,
    ]  # fmt: skip
    hashed.update(json.dumps(settings, sort_keys=True).encode())
    held = found.validation[1] if found.validation is not None else found.train[1][:0]
    # training rows come in a drawn order
    for tensor in (found.train[1].double().sort(dim=0).values, held.double()):
        hashed.update(tensor.numpy().tobytes())
    return hashed.hexdigest()


def _plain(value: Any) -> Any:
    """Return a value for the digest: of what is no plain value, its class alone."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    of = value if isinstance(value, type) or callable(value) else type(value)
    return str(getattr(of, "__qualname__", type(of).__qualname__))

"""Training one replicate after another, each by a Trainer of its own.

Random streams of a replicate (``lossearch._random``), all from its seed: ``weights`` (initial weights,
drawn in the default type and cast), ``batches`` and the epoch from 0 (row order), ``step`` and the global step from
0 (random layers; set only where the network draws at all).
"""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from lossearch._random import draws_at_random, isolated, seeded_build, stream
from lossearch._registry import unknown_name
from lossearch.errors import InputError, refuse
from lossearch.pairs import Criterion
from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.batches import Batches, Once, StreamedBatches, check_finite, prepare
from lossearch.training.contract import Outcome, Prune, Replicate, ReplicateResult, TrainSettings
from lossearch.training.optimizers import make_optimizer
from lossearch.training.plain.module import Keeper, LossModule, Progress, ReplicateModule
from lossearch.training.precision import PRECISIONS
from lossearch.training.schedules import SCHEDULES
from lossearch.training.scope import contained, quiet
from lossearch.training.scoring import ScoreBook
from lossearch.training.trainer import make_trainer

__all__ = [
    "Assignment",
    "LossModule",
    "check_settings",
    "initial_network",
    "preflight",
    "train_one",
    "train_plain",
]

_TRACEBACK_LINES = 12


def initial_network(task: Task, seed: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return the network of a task as every replicate of this seed starts from it."""
    return seeded_build(lambda: task.network(task.n_out), seed).to(dtype)


def train_plain(
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    stop: Callable[[], bool] = lambda: False,
    keep_weights: bool = False,
    prune: Prune | None = None,  # noqa: ARG001 - the contract's; there is no mean over replicates to judge by
    threads: int | None = 1,
) -> Iterator[ReplicateResult]:
    """Train each replicate by a plain Trainer and give its result, in order. See ``training.contract``.

    ``threads`` is how many the arithmetic uses: 1, so that results do not depend on the machine or on
    how many processes share it; None takes what torch has.

    Raises:
        InputError: settings, data or network would fail every replicate.
        KeyboardInterrupt: Ctrl-C.
    """
    if not replicates:
        return
    random = preflight(task, replicates, settings)
    for replicate in replicates:
        own = settings.of(replicate.point)
        result = train_one(Assignment(task, space, replicate, own, random, stop, keep_weights), threads)
        if result is None:
            return
        yield result


def preflight(task: Task, replicates: Sequence[Replicate], settings: TrainSettings) -> bool:
    """Refuse what would fail every replicate; return whether the task's network draws at random.

    Raises:
        InputError: settings, data or network.
    """
    every = {r.point.other: settings.of(r.point) for r in replicates}
    refuse(list(dict.fromkeys(p for own in every.values() for p in check_settings(own))))
    refuse(
        [
            f"A replicate is to be trained until epoch {until}; it must be a whole number from 1 to {epochs}."
            for until, epochs in dict.fromkeys((r.until, every[r.point.other].epochs) for r in replicates)
            if until is not None and until not in range(1, epochs + 1)
        ]
    )
    check_finite(task.fold(replicates[0].seed))
    return _probe(task, replicates[0], settings)


def check_settings(settings: TrainSettings) -> list[str]:
    """Return what is wrong with these settings, one sentence each."""
    problems = [
        f"{name} is {value}; it must be a whole number from 1 up."
        for name, value in (("epochs", settings.epochs), ("batch_size", settings.batch_size))
        if value != int(value) or value < 1
    ]
    if settings.clip is not None and not settings.clip > 0:
        problems.append(f"clip is {settings.clip}; it must be above 0, or left out.")
    if settings.schedule not in SCHEDULES:
        problems.append(unknown_name("schedule", settings.schedule, SCHEDULES))
    if settings.precision not in PRECISIONS:
        problems.append(unknown_name("precision", settings.precision, PRECISIONS))
    try:
        make_optimizer(settings.optimizer, [nn.Parameter(torch.zeros(1))], 1e-3, settings.options)
    except InputError as error:
        problems.append(str(error))
    if not problems:
        try:
            with quiet():
                _trainer(settings)
        except (MisconfigurationException, ValueError) as error:
            problems.append(f"accelerator {settings.accelerator!r} cannot be used: {error}")
    return problems


def _trainer(settings: TrainSettings) -> pl.Trainer:
    # a lower precision is taken care of where the network is applied, which leaves losses alone
    double = PRECISIONS[settings.precision].weights == torch.float64
    return make_trainer(settings, clip=settings.clip, double=double)


def _probe(task: Task, replicate: Replicate, settings: TrainSettings) -> bool:
    """Return whether the network draws at random, having checked the shape of what it gives."""
    dtype = PRECISIONS[settings.precision].weights
    x = task.fold(replicate.seed).train.x[: max(2, int(settings.of(replicate.point).batch_size))]
    x = x.to(dtype) if x.is_floating_point() else x
    network = initial_network(task, replicate.seed, dtype).train()
    found: list[Tensor] = []
    with torch.no_grad(), isolated(0):
        random = draws_at_random(lambda: found.append(network(x)))
    if not isinstance(found[0], Tensor) or found[0].shape != (len(x), task.n_out):
        got = tuple(found[0].shape) if isinstance(found[0], Tensor) else type(found[0]).__name__
        raise InputError(
            f"The network gives {got} for {len(x)} rows; this task needs ({len(x)}, {task.n_out}): end it with a "
            f"linear layer of {task.n_out} output{'s' * (task.n_out > 1)} and no activation."
        )
    return random


@dataclass(frozen=True)
class Assignment:
    """One replicate and what its training needs; ``settings`` are its own."""

    task: Task
    space: Space
    replicate: Replicate
    settings: TrainSettings
    random: bool
    stop: Callable[[], bool]
    keep_weights: bool


def train_one(job: Assignment, threads: int | None) -> ReplicateResult | None:
    """Return the result of one replicate, None where it was told to stop."""
    start = time.perf_counter()
    try:
        with contained(stream(job.replicate.seed, "training"), threads):
            result = _fit(job, start)
    except Exception as error:  # noqa: BLE001 - whatever one replicate raises is its result
        result = failed(job.replicate, error, start)
        free_memory()
    return result


def _fit(job: Assignment, start: float) -> ReplicateResult | None:
    trainer = _trainer(job.settings)
    module = _module(job, trainer.strategy.root_device)
    progress = module.progress
    batches = _batches(job, module, lambda: trainer.current_epoch)
    progress.steps_an_epoch = len(batches)
    trainer.fit(module, batches, Once((progress.validation.x, progress.validation.encoded)))
    if progress.stopped:
        return None
    divergence, keeper = progress.divergence, progress.keeper
    kept = keeper if divergence is None else None
    return ReplicateResult(
        job.replicate,
        Outcome.COMPLETED if divergence is None else Outcome.DIVERGED,
        progress.book.curves(),
        time.perf_counter() - start,
        reason="" if divergence is None else str(divergence),
        divergence=divergence,
        weights=None if kept is None else kept.weights,
        kept_epoch=None if kept is None else kept.epoch,
    )


def _batches(job: Assignment, module: ReplicateModule, epoch: Callable[[], int]) -> Batches | StreamedBatches:
    rows, size = module.progress.train, int(job.settings.batch_size)
    stream = job.task.fold(job.replicate.seed).stream
    if stream is None:
        return Batches(rows, job.replicate.seed, size, epoch)
    dtype, n_out = PRECISIONS[job.settings.precision].weights, job.task.n_out
    return StreamedBatches(
        stream, lambda y: module.criterion.encode(y, n_out), size, epoch, dtype, rows.x.device
    )


def _module(job: Assignment, device: torch.device) -> ReplicateModule:
    task, point, seed = job.task, job.replicate.point, job.replicate.seed
    dtype = PRECISIONS[job.settings.precision].weights
    fold = task.fold(seed)
    pair = point.definition or job.space[point.pair]
    criterion = Criterion(pair, point.params, fold.statistics).to(device, dtype)
    train = prepare(fold.train, criterion, task.n_out, dtype, device)
    validation = prepare(fold.validation, criterion, task.n_out, dtype, device)
    book = ScoreBook(criterion, task.train_metrics, task.metrics, train, validation)
    until = job.replicate.until
    progress = Progress(seed, job.random, train, validation, book, 1, job.stop, until=until)
    if job.keep_weights:
        last = job.settings.epoch == "last" or until is not None
        progress.keeper = Keeper(None if last else task.metric)
    network = initial_network(task, seed, dtype)
    return ReplicateModule(
        network,
        criterion,
        point.lr,
        job.settings.optimizer,
        job.settings.options,
        progress,
        schedule=job.settings.schedule,
        precision=PRECISIONS[job.settings.precision],
    )


def out_of_memory(error: Exception) -> bool:
    """Return whether an error says that memory ran out, on whatever device."""
    words = str(error).lower()
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(
        sign in words for sign in ("out of memory", "can't allocate memory")
    )


def failed(replicate: Replicate, error: Exception, start: float) -> ReplicateResult:
    """Return the result of a replicate that an exception ended."""
    words = str(error).strip() or "no message"
    reason = (
        f"{'out of memory: ' if out_of_memory(error) else ''}{type(error).__name__}: {words.splitlines()[0]}"
    )
    lines = "".join(traceback.format_exception(error)).splitlines()
    return ReplicateResult(
        replicate,
        Outcome.FAILED,
        {},
        time.perf_counter() - start,
        reason=reason,
        error="\n".join(lines[-_TRACEBACK_LINES:]),
    )


def free_memory() -> None:
    """Give back what a failed replicate held, so that the next one finds room."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

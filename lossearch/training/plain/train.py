"""Training one replicate after another, each by a Trainer of its own."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Unpack

from lossearch._random import stream
from lossearch.space import Space
from lossearch.tasks.task import Task
from lossearch.training.batches import Batches, SingleBatch, StreamedBatches, prepare
from lossearch.training.contract import (
    CallOptions,
    Outcome,
    Replicate,
    ReplicateResult,
    TrainingCall,
    TrainSettings,
)
from lossearch.training.own_module.train import train_module
from lossearch.training.preflight.preflight import Preflight, known_or_checked
from lossearch.training.trainer import contained, fit, free_memory, make_trainer, out_of_memory

_TRACEBACK_LINES = 12


def train_plain(
    task: Task,
    space: Space,
    replicates: Sequence[Replicate],
    settings: TrainSettings,
    *,
    threads: int | None = 1,
    preflight: Preflight | None = None,
    **options: Unpack[CallOptions],
) -> Iterator[ReplicateResult]:
    """Train each replicate by a plain Trainer and give its result, in order. See ``training.contract``.

    ``threads`` is how many the arithmetic uses: 1, so that results do not depend on the machine or on
    how many processes share it; None takes what torch has. ``preflight`` is what was found before.

    Raises:
        InputError: settings, data or network would fail every replicate.
        KeyboardInterrupt: Ctrl-C.
    """
    if not replicates:
        return
    found = known_or_checked(preflight, task, space, replicates, settings)
    call = TrainingCall(task, space, found.random, threads=threads, **options)
    for replicate in replicates:
        result = train_one(call, replicate, settings.of(replicate.point))
        if result is None:
            return
        call.observer.trained(1, replicate.until or int(settings.of(replicate.point).epochs))
        yield result


def train_one(call: TrainingCall, replicate: Replicate, settings: TrainSettings) -> ReplicateResult | None:
    """Return the result of one replicate, None where it was told to stop; ``settings`` are its own."""
    start = time.perf_counter()
    try:
        with contained(stream(replicate.seed, "training"), call.threads):
            own = call.task.module
            result = (
                _fit(call, replicate, settings, start)
                if own is None
                else train_module(call, own, replicate, settings)
            )
    except Exception as error:  # noqa: BLE001 - whatever one replicate raises is its result
        result = _failed(replicate, error, start)
        free_memory(error)
    return result


def _fit(
    call: TrainingCall, replicate: Replicate, settings: TrainSettings, start: float
) -> ReplicateResult | None:
    from lossearch.training.plain.module import ReplicateModule

    trainer = make_trainer(settings)
    module = ReplicateModule(call, replicate, settings, trainer.strategy.root_device)
    held_out = module.validation_part
    rows, size = module.training_part, int(settings.batch_size)
    stored = call.task.fold(replicate.seed).stream
    batches: Batches | StreamedBatches
    if stored is None:
        batches = Batches(rows, replicate.seed, size, lambda: trainer.current_epoch)
    else:
        ready = partial(
            prepare,
            criterion=module.criterion,
            n_out=call.task.n_out,
            dtype=module.precision.weights,
            device=rows.x.device,
        )
        batches = StreamedBatches(stored, ready, size, lambda: trainer.current_epoch)
    fit(trainer, module, batches, SingleBatch((held_out.x, held_out.encoded, held_out.weight)))
    if module.stopped:
        return None
    divergence = module.divergence
    kept_epoch, weights = module.kept if module.kept and divergence is None else (None, None)
    return ReplicateResult(
        replicate,
        Outcome.COMPLETED if divergence is None else Outcome.DIVERGED,
        module.recorder.curves(),
        time.perf_counter() - start,
        reason="" if divergence is None else str(divergence),
        divergence=divergence,
        weights=weights,
        kept_epoch=kept_epoch,
    )


def _failed(replicate: Replicate, error: Exception, start: float) -> ReplicateResult:
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

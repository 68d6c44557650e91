"""What a module's ``predict_step`` shows of its rows, where its ``validation_step`` shows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from lossearch.training.own_module.criterion import Calls, RecordingCriterion
from lossearch.training.own_module.loaders import step_arguments

Given = Callable[[Any], Any]
"""What ``predict_step`` is handed of a batch."""


def whole(batch: Any) -> Any:
    """Return the batch."""
    return batch


def inputs(batch: Any) -> Any:
    """Return the first part of a batch, as loaders without targets give it."""
    return batch[0]


def predicted(module: Any, criterion: RecordingCriterion, batch: Any, given: Given) -> Calls:
    """Return what the criterion reads in ``predict_step``, else what that returns, as raw output."""
    calls = criterion.calls = Calls()
    try:
        found = module.predict_step(*step_arguments(module.predict_step, given(batch), 0))
    finally:
        criterion.calls = None
    calls.by_criterion = bool(calls.met or calls.read)
    if not calls.by_criterion and isinstance(found, Tensor):
        calls.note(found)
    return calls


@torch.no_grad()
def predicting(
    module: Any, criterion: RecordingCriterion, batches: Iterable[Any]
) -> tuple[Given | None, tuple[Tensor, Tensor] | None]:
    """Return what ``predict_step`` takes of a batch, and raw output and targets of all batches; None where it shows no raw output.

    It does where the criterion reads it there, or where it returns what the criterion meets in ``training_step``.

    Args:
        module: one whose steps can be called without a Trainer.
        criterion: the one that it holds.
        batches: of the part, on the module's device.
    """
    module.eval()
    every = list(batches)
    for given in (whole, inputs):
        try:
            if not _raw(module, criterion, every[0], given):
                continue
            found = [predicted(module, criterion, b, given).rows(b, criterion.pair) for b in every]
        except Exception:  # noqa: BLE001, S112 - predict_step takes something else
            continue
        rows = [of for of in found if of is not None]
        if len(rows) == len(every):
            raw, target = zip(*rows, strict=True)
            return given, (torch.cat(raw).cpu(), torch.cat(target).cpu())
    return None, None


def _raw(module: Any, criterion: RecordingCriterion, batch: Any, given: Given) -> bool:
    """Return whether ``predict_step`` shows what the criterion meets."""
    shown = predicted(module, criterion, batch, given)
    rows = shown.rows(batch, criterion.pair)
    if shown.by_criterion:
        return rows is not None
    calls = criterion.calls = Calls()
    try:
        module.training_step(*step_arguments(module.training_step, batch, 0))
    finally:
        criterion.calls = None
    met = calls.rows(batch, criterion.pair)
    if rows is None or met is None or rows[0].shape != met[0].shape:
        return False
    return torch.allclose(rows[0], met[0], rtol=1e-4, atol=1e-5)

"""What a module's ``predict_step`` shows of its rows, where its ``validation_step`` shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lossearch.training.own_module.criterion import Calls, RecordingCriterion, Rows
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
    with criterion.recording() as calls:
        found = module.predict_step(*step_arguments(module.predict_step, given(batch), 0))
    calls.by_criterion = bool(calls.met or calls.read)
    if not calls.by_criterion and isinstance(found, Tensor):
        calls.note(found)
    return calls


def shown(
    calls: Calls, module: Any, criterion: RecordingCriterion, batch: Any, predicts: Given | None
) -> Rows | None:
    """Return a batch's rows as a step's calls show them, else as ``predict_step`` does; None where neither does."""
    rows = calls.rows(batch, criterion.pair)
    if rows is None and predicts is not None:
        rows = predicted(module, criterion, batch, predicts).rows(batch, criterion.pair)
    return rows


@torch.no_grad()
def predicting(module: Any, criterion: RecordingCriterion, batch: Any) -> Given | None:
    """Return what ``predict_step`` takes of a batch; None where it shows no raw output.

    It does where the criterion reads it there, or where it returns what the criterion meets in ``training_step``.

    Args:
        module: one whose steps can be called without a Trainer.
        criterion: the one that it holds.
        batch: on the module's device.
    """
    module.eval()
    for given in (whole, inputs):
        try:
            if _raw(module, criterion, batch, given):
                return given
        except Exception:  # noqa: BLE001, S112 - predict_step takes something else
            continue
    return None


def _raw(module: Any, criterion: RecordingCriterion, batch: Any, given: Given) -> bool:
    """Return whether ``predict_step`` shows what the criterion meets."""
    predictions = predicted(module, criterion, batch, given)
    rows = predictions.rows(batch, criterion.pair)
    if predictions.by_criterion:
        return rows is not None
    with criterion.recording() as calls:
        module.training_step(*step_arguments(module.training_step, batch, 0))
    met = calls.rows(batch, criterion.pair)
    if rows is None or met is None or rows[0].shape != met[0].shape:
        return False
    return torch.allclose(rows[0], met[0], rtol=1e-4, atol=1e-5)

"""Losses of a user's own that a study names or is given, in its space: found and checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from lossearch.checks.contract import NEEDED, Check, Finding, checks_of
from lossearch.config import SpaceTable, TrainTable
from lossearch.errors import refuse
from lossearch.losses import Loss, as_loss, assumptions, losses_for, parts_of
from lossearch.space import Space
from lossearch.study.named_losses import named_losses
from lossearch.study.resolve import resolve_space
from lossearch.tasks.task import Task


def space_with_own(
    table: SpaceTable, train: TrainTable, task: Task, given: Sequence[Loss | Callable[..., Any]]
) -> tuple[Space, tuple[str, ...]]:
    """Return the space, the losses of the user's own in it found and checked, and notes on it.

    Args:
        table: what the study file says of it.
        train: the training settings.
        task: what is trained on.
        given: losses from Python, functions that are not declared among them.

    Raises:
        InputError: names, losses, ranges or pairs that cannot be.
    """
    table, named = named_losses(table, task.kind)
    own = [as_loss(x, task.kind) for x in given]
    given_too = [inspect.unwrap(x.fn) for x in own]
    named = tuple(x for x in named if not any(inspect.unwrap(x.fn) is fn for fn in given_too))
    space, notes = resolve_space(table, train, task, own, named)
    usual = losses_for(task.kind)
    mine = [x for x in dict.fromkeys(p.loss for p in space.pairs) if usual.get(x.name) is not x]
    parts = list(dict.fromkeys(part for x in mine for part in parts_of(x)))
    return space, (*notes, *assumptions(parts), *checked_losses(parts))


def checked_losses(losses: Sequence[Loss]) -> tuple[str, ...]:
    """Return a note on each loss that is not all that a loss should be.

    Raises:
        InputError: what a loss gives cannot be trained; the message says what to change.
    """
    needed = [(x, finding) for x in losses for finding in _failures(x, NEEDED)]
    refuse([f"Loss {x.name!r} cannot be searched: {_said(finding)}." for x, finding in needed])
    failed = [(x, finding) for x in losses for finding in _failures(x, checks_of(x))]
    return tuple(f"Loss {x.name!r} of yours fails a check: {_said(finding)}." for x, finding in failed)


def _failures(loss: Loss, checks: Sequence[Check]) -> list[Finding]:
    return [finding for finding in (check(loss) for check in checks) if not finding.ok]


def _said(finding: Finding) -> str:
    return f"{finding.what}: {finding.detail}".rstrip(".")

"""Losses of a user's own that a study names or is given: found, checked, and named as the others are."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from lossearch._trust import NONE, Trust
from lossearch.checks.contract import NEEDED, Check, Finding, checks_of
from lossearch.config import SpaceTable, TrainTable
from lossearch.errors import InputError, refuse
from lossearch.losses import Loss, as_loss, assumptions, losses_for, own_loss, own_places, parts_of
from lossearch.pairs import find_pair
from lossearch.space import Point, Space
from lossearch.study.resolve import resolve_space
from lossearch.tasks.task import Task

T = TypeVar("T")


def named_losses(table: SpaceTable, kind: str) -> tuple[SpaceTable, tuple[Loss, ...]]:
    """Return a space table with every loss under its own name, and those that ``module:function`` named in it.

    Sums that hold such are among them.

    Raises:
        InputError: one is not found, or is no declared loss; the message lists all of them.
    """
    names = [*(table.losses or ()), *(p.rpartition("/")[0] for p in table.pairs or ())]
    known = losses_for(kind)
    found: dict[str, Loss] = {}
    problems = []
    for name in dict.fromkeys(n for n in names if own_places(n) and n not in known):
        try:
            found[name] = own_loss(name, kind)
        except InputError as error:
            problems.append(str(error))
    refuse(problems)

    def plain(pair: str) -> str:
        name, _, activation = pair.rpartition("/")
        return f"{found[name].name}/{activation}" if name in found else pair

    losses = None if table.losses is None else _once(found[n].name if n in found else n for n in table.losses)
    pairs = None if table.pairs is None else _once(map(plain, table.pairs))
    return table.model_copy(update={"losses": losses, "pairs": pairs}), _once(found.values())


def _once(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(values))


def with_pair(point: Point, table: SpaceTable, kind: str, trust: Trust = NONE) -> Point:
    """Return a point with its pair, as it is where that holds a loss that is not here.

    Args:
        point: has its pair by name.
        table: what the study file says of the space, losses of the user's own among it.
        kind: the kind of task.
        trust: which of those losses may be imported.
    """
    named = [*(table.losses or ()), *(p.rpartition("/")[0] for p in table.pairs or ())]
    known_to_us = tuple(n for n in named if (places := own_places(n)) and trust.issuperset(places))
    trusted = table.model_copy(update={"losses": known_to_us, "pairs": None})
    try:
        own = {loss.name: loss for loss in named_losses(trusted, kind)[1]}
        name = point.pair.rpartition("/")[0]
        if own_places(name) and name not in losses_for(kind):
            return point  # a stranger's: no point of ours names a place, and none is imported here
        return replace(point, definition=find_pair(point.pair, kind, losses=own))
    except InputError:
        return point


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

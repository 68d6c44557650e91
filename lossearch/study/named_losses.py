"""Losses of a user's own that a study names: found, and named as the others are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from lossearch._trust import NONE, Trust
from lossearch.config import SpaceTable
from lossearch.errors import InputError, refuse
from lossearch.losses import Loss, losses_for, own_loss, own_places
from lossearch.pairs import find_pair
from lossearch.space import Point

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

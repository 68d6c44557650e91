"""Losses of a user's own that a study names or is given: found, checked, and named as the others are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from lossearch._imports import is_reference
from lossearch.checks.contract import CHECKS, Finding
from lossearch.config import SpaceTable
from lossearch.errors import InputError, refuse
from lossearch.losses import Loss, losses_for, own_loss

T = TypeVar("T")


def named_losses(table: SpaceTable, kind: str) -> tuple[SpaceTable, tuple[Loss, ...]]:
    """Return a space table with every loss under its own name, and those that ``module:function`` named in it.

    Raises:
        InputError: one is not found, or is no declared loss; the message lists all of them.
    """
    names = [*(table.losses or ()), *(p.rpartition("/")[0] for p in table.pairs or ())]
    known = losses_for(kind)
    found: dict[str, Loss] = {}
    problems = []
    for name in dict.fromkeys(n for n in names if is_reference(n) and n not in known):
        try:
            found[name] = own_loss(name)
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


def checked_losses(losses: Sequence[Loss]) -> tuple[str, ...]:
    """Return a note on each loss that is not all that a loss should be.

    Raises:
        InputError: what a loss gives cannot be trained; the message says what to change.
    """
    notes, problems = [], []
    for loss in losses:
        for check in CHECKS:
            finding = check(loss)
            if not finding.ok and check.needed:
                problems.append(f"Loss {loss.name!r} cannot be searched: {_failed(finding)}.")
                break
            if not finding.ok:
                notes.append(f"Loss {loss.name!r} of yours fails a check: {_failed(finding)}.")
    refuse(problems)
    return tuple(notes)


def _failed(finding: Finding) -> str:
    return f"{finding.what}: {finding.detail}".rstrip(".")

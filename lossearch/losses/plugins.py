"""Losses of other packages, found by the entry-point group ``lossearch.losses``.

An entry point names one loss or an iterable of losses, as ``module:name``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points

from lossearch.errors import refuse
from lossearch.losses.declaration import Loss

GROUP = "lossearch.losses"


def _owner(point: EntryPoint) -> str:
    package = f" of {point.dist.name} {point.dist.version}" if point.dist else ""
    return f"plug-in {point.name!r}{package} ({point.value})"


def _declared(point: EntryPoint) -> list[Loss]:
    found = point.load()
    losses = [found] if isinstance(found, Loss) else list(found)
    wrong = [type(x).__name__ for x in losses if not isinstance(x, Loss)]
    if wrong:
        raise TypeError(f"it names {', '.join(wrong)}, not losses made by @lossearch.loss")
    return losses


def load(points: Iterable[EntryPoint] | None = None) -> list[tuple[str, Loss]]:
    """Return every plug-in loss with the words that say where it comes from.

    A plug-in that cannot be loaded is left out with a warning that names it and the reason.

    Args:
        points: the entry points to load; the installed ones by default.
    """
    found: list[tuple[str, Loss]] = []
    for point in entry_points(group=GROUP) if points is None else points:
        try:
            losses = _declared(point)
        except Exception as error:  # noqa: BLE001  # another's module may fail in any way
            words = f"Loss {_owner(point)} is left out: {type(error).__name__}: {error}"
            warnings.warn(words, RuntimeWarning, stacklevel=2)
            continue
        found += [(_owner(point), loss) for loss in losses]
    return found


def merged(
    builtin: Mapping[str, Sequence[Loss]], plugins: Iterable[tuple[str, Loss]]
) -> dict[str, list[Loss]]:
    """Return the built-in losses of each kind with the plug-ins' after them.

    Raises:
        InputError: a plug-in's name or alias is taken; the message says by what.
    """
    table = {kind: list(losses) for kind, losses in builtin.items()}
    taken = {
        (kind, name): f"the built-in {x.name!r}"
        for kind, xs in builtin.items()
        for x in xs
        for name in _names(x)
    }
    problems = []
    for owner, loss in plugins:
        problems += [
            f"Two {loss.kind} losses are named {name!r}: {taken[loss.kind, name]} and {loss.name!r} of "
            f"{owner}. Rename one, or uninstall the plug-in."
            for name in _names(loss)
            if (loss.kind, name) in taken
        ]
        taken |= {(loss.kind, name): f"{loss.name!r} of {owner}" for name in _names(loss)}
        table[loss.kind].append(loss)
    refuse(problems)
    return table


def _names(loss: Loss) -> tuple[str, ...]:
    return (loss.name, *loss.aliases)

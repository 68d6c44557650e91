"""Losses of other packages, found by the entry-point group ``lossearch.losses``.

An entry point names one loss or an iterable of losses, as ``module:name``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from lossearch.errors import refuse
from lossearch.kinds import KINDS
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


def merged(built_in: Iterable[Loss], plugins: Iterable[tuple[str, Loss]]) -> dict[str, list[Loss]]:
    """Return kind of task -> its losses, the plug-ins' after the built-in ones.

    Raises:
        InputError: a plug-in's name or alias is taken; the message says by what.
    """
    table: dict[str, list[Loss]] = {kind: [] for kind in KINDS}
    taken: dict[tuple[str, str], str] = {}
    problems = []
    for owner, loss in (*(("", x) for x in built_in), *plugins):
        whose = f"{loss.name!r} of {owner}" if owner else f"the built-in {loss.name!r}"
        for kind, name in ((k, n) for k in loss.kinds for n in (loss.name, *loss.aliases)):
            if (kind, name) in taken:
                problems.append(
                    f"Two {kind} losses are named {name!r}: {taken[kind, name]} and {whose}. Rename one, or "
                    "uninstall the plug-in."
                )
            taken[kind, name] = whose
        for kind in loss.kinds:
            table[kind].append(loss)
    refuse(problems)
    return table

"""The catalogue as plain rows: what `lossearch losses` prints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any

from lossearch._registry import unknown_name
from lossearch.errors import UnknownNameError
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import (
    ACTIVATIONS,
    ALL,
    FAMILIES,
    Distributed,
    Head,
    Loss,
    Range,
    is_searched,
    losses_for,
    members,
)
from lossearch.losses.properties import PROPERTIES, properties
from lossearch.pairs import Pair, pair_up


def rows(kind: str | None = None, family: str | None = None, has: str | None = None) -> list[dict[str, Any]]:
    """Return one row a loss, of one kind of task, family and property or of all, as plain values ready for JSON.

    Every field of :class:`Loss` but ``fn`` is a key: of functions whether they are there, or after which activations.
    Further ones: kind, properties, encodings (of the legal pairs), activations (the legal ones: name, usual, encoding,
    caution).

    Raises:
        UnknownNameError: there is no such kind, family or property.
    """
    if family is not None and family not in (ALL, *FAMILIES):
        raise UnknownNameError(unknown_name("family of losses", family, FAMILIES))
    if has is not None and has not in PROPERTIES:
        raise UnknownNameError(unknown_name("property of losses", has, PROPERTIES))
    kinds = KINDS if kind is None else (kind,)
    named = [(k, loss) for k in kinds for loss in members(family or ALL, losses_for(k))]
    return [_row(loss, k) for k, loss in named if has is None or PROPERTIES[has].holds(loss)]


def _row(loss: Loss, kind: str) -> dict[str, Any]:
    found = [pair_up(loss, activation, TargetFacts(kind)) for activation in ACTIVATIONS.values()]
    pairs = [p for p in found if isinstance(p, Pair)]
    declared = {f.name: _plain(getattr(loss, f.name)) for f in fields(Loss) if f.name not in _SAID_OTHERWISE}
    return {
        "name": loss.name,
        "kind": kind,
        **declared,
        **{name: list(getattr(loss, name)) for name in _AFTER},
        "encodings": list(dict.fromkeys(p.encoding.name for p in pairs)),
        "activations": [_activation(p) for p in pairs],
        "on_request": not is_searched(loss, kind),
        "properties": properties(loss),
    }


_SAID_OTHERWISE = ("name", "fn", "usual", "caution")
"""Fields that rows have under other keys, or not at all."""
_AFTER = ("fused", "probability", "fused_derivative")
"""Fields that hold functions, one an activation."""
_IN_WORDS = {Range: attrgetter("words"), Head: attrgetter("name"), Distributed: attrgetter("family.name")}


def _plain(value: Any) -> Any:
    """Return what is declared as JSON has it."""
    if type(value) in _IN_WORDS:
        return _IN_WORDS[type(value)](value)
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return True if callable(value) else value


def _activation(pair: Pair) -> dict[str, Any]:
    usual = pair.loss.usual is None or pair.activation.name in pair.loss.usual
    return {
        "name": pair.activation.name,
        "usual": usual and pair.equivalent is None,
        "encoding": pair.encoding.name,
        "caution": pair.caution or "",
    }

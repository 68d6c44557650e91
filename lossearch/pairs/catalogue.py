"""The catalogue as plain rows: what `lossearch losses` prints."""

from __future__ import annotations

from typing import Any

from lossearch._registry import unknown_name
from lossearch.errors import UnknownNameError
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import ACTIVATIONS, ALL, FAMILIES, Loss, Parameter, losses_for, members
from lossearch.pairs import Pair, pair_up


def rows(kind: str | None = None, family: str | None = None) -> list[dict[str, Any]]:
    """Return one row a loss, of one kind of task or family or of all, as plain values ready for JSON.

    Keys: name, kind, aliases, formula, domain, encodings (of the legal pairs), activations (the legal ones:
    name, usual, encoding, caution), params (name, default, low, high, log, integer, search, words),
    probability (activations after which it gives one), equivalent (activation -> the pair it repeats and
    why), families, weightable, on_request, source.

    Raises:
        UnknownNameError: there is no such kind, or family.
    """
    if family is not None and family not in (ALL, *FAMILIES):
        raise UnknownNameError(unknown_name("family of losses", family, FAMILIES))
    kinds = KINDS if kind is None else (kind,)
    return [_row(loss, k) for k in kinds for loss in members(family or ALL, losses_for(k))]


def _row(loss: Loss, kind: str) -> dict[str, Any]:
    found = [pair_up(loss, activation, TargetFacts(kind)) for activation in ACTIVATIONS.values()]
    pairs = [p for p in found if isinstance(p, Pair)]
    return {
        "name": loss.name,
        "kind": kind,
        "aliases": list(loss.aliases),
        "formula": loss.formula,
        "domain": loss.domain.words,
        "encodings": list(dict.fromkeys(p.encoding.name for p in pairs)),
        "activations": [_activation(p) for p in pairs],
        "params": [_param(p) for p in loss.params],
        "probability": [p.activation.name for p in pairs if p.activation.name in loss.probability],
        "equivalent": {a: {"pair": e.pair, "why": e.why} for a, e in loss.equivalent.items()},
        "families": list(loss.families),
        "weightable": loss.weightable,
        "on_request": loss.on_request,
        "source": loss.source,
    }


def _activation(pair: Pair) -> dict[str, Any]:
    usual = pair.loss.usual is None or pair.activation.name in pair.loss.usual
    return {
        "name": pair.activation.name,
        "usual": usual and pair.equivalent is None,
        "encoding": pair.encoding.name,
        "caution": pair.caution or "",
    }


def _param(param: Parameter) -> dict[str, Any]:
    return {
        "name": param.name,
        "default": param.default,
        "low": param.low,
        "high": param.high,
        "log": param.log,
        "integer": param.integer,
        "search": param.search,
        "words": param.words,
    }

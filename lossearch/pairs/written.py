"""A criterion as text: ``focal/sigmoid(gamma=2)``, read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lossearch.errors import InputError
from lossearch.losses import losses_for, reference_of
from lossearch.pairs.legality import infer_kind
from lossearch.pairs.pair import Pair

_FORM = re.compile(r"\s*(?P<pair>(?:.*/)?[^()/]*?)\s*(?:\((?P<params>[^()/]*)\)\s*)?")
_EXAMPLE = "'focal/sigmoid' or 'focal/sigmoid(gamma=2)'"
_TASK = "task"


@dataclass(frozen=True)
class WrittenCriterion:
    """What stands in a criterion's text: the pair's name, the loss's parameters, and the kind of task if it is said."""

    pair: str
    params: Mapping[str, float]
    task: str | None = None


def read_criterion(text: str) -> WrittenCriterion:
    """Return what a criterion's text says.

    Raises:
        InputError: the text has another form, or a parameter is given twice or is no number.
    """
    found = _FORM.fullmatch(text)
    if found is None or not found["pair"]:
        raise InputError(f"{text!r} is not a criterion: write {_EXAMPLE}.")
    said: dict[str, str] = {}
    for part in filter(str.strip, (found["params"] or "").split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise InputError(f"{text!r}: {part.strip()!r} is not of the form name=number, as in {_EXAMPLE}.")
        if name in said:
            raise InputError(f"{text!r} gives {name} twice.")
        said[name] = value
    task = said.pop(_TASK, None)
    params = {name: _number(value, text) for name, value in said.items()}
    return WrittenCriterion(found["pair"], params, task and task.strip("'\""))


def write_criterion(pair: Pair | str, params: Mapping[str, float]) -> str:
    """Return the text of a pair with its loss's parameters, the inverse of :func:`read_criterion`.

    The kind of task is part of it where the name alone would stand for another one, or for none. A loss of the
    user's own is named by its module. Of a pair's name alone neither is known.
    """
    said = {name: repr(value) for name, value in params.items()}
    if isinstance(pair, str):
        return _text(pair, said)
    usual = losses_for(pair.kind).get(pair.loss.name) is pair.loss
    home = None if usual else reference_of(pair.loss)
    name = pair.name if home is None else f"{home}/{pair.activation.name}"
    return _text(name, said if _alone(name) == pair.kind else {_TASK: pair.kind, **said})


def _text(name: str, said: Mapping[str, str]) -> str:
    inside = ", ".join(f"{k}={v}" for k, v in said.items())
    return f"{name}({inside})" if inside else name


def _alone(name: str) -> str | None:
    """Return the kind of task that a pair's name alone stands for, None where it stands for several or none."""
    try:
        return infer_kind(name)
    except InputError:
        return None


def _number(value: str, text: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{text!r}: {value!r} is not a number.") from None

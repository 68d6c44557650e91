"""A criterion as text: ``focal/sigmoid(gamma=2)``."""

from __future__ import annotations

import re

from lossearch.errors import InputError

_FORM = re.compile(r"\s*(?P<pair>[^()]*?)\s*(?:\((?P<params>[^()]*)\)\s*)?")
_EXAMPLE = "'focal/sigmoid' or 'focal/sigmoid(gamma=2)'"


def read_criterion(text: str) -> tuple[str, dict[str, float]]:
    """Return the pair's name and the parameters that stand behind it in brackets.

    Raises:
        InputError: the text has another form, or a parameter is given twice or is no number.
    """
    found = _FORM.fullmatch(text)
    if found is None or not found["pair"]:
        raise InputError(f"{text!r} is not a criterion: write {_EXAMPLE}.")
    params: dict[str, float] = {}
    for part in filter(str.strip, (found["params"] or "").split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise InputError(f"{text!r}: {part.strip()!r} is not of the form name=number, as in {_EXAMPLE}.")
        if name in params:
            raise InputError(f"{text!r} gives {name} twice.")
        params[name] = _number(value, text)
    return found["pair"], params


def _number(value: str, text: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{text!r}: {value!r} is not a number.") from None

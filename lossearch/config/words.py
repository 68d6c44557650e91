"""What is wrong with a study file, in plain words: pydantic's errors translated."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from reprlib import repr as repr_short
from typing import Any

from lossearch._registry import did_you_mean
from lossearch.config.toml import is_plain

_WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of ordinary size",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": 'must be text in quotes, as in "name"',
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must not hold the character NUL",
    "recursion_loop": "must not hold itself",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "tuple_type": "must be a list, as in [1, 2]",
    "list_type": "must be a list, as in [1, 2]",
    "missing": "is missing",
}
"""pydantic's error type -> what the value must be."""

_LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
    "string_too_long": ("max_length", "text of at most"),
    "too_long": ("max_length", "as many values as"),
}

_WIDEST = 60
"""Characters of a value that a message shows."""

ARRAYS = ("published",)
"""Top-level names that are lists of tables."""


def describe(error: Mapping[str, Any], keys: Mapping[str, Sequence[str]]) -> str:
    """Return one sentence for one pydantic error.

    Args:
        error: an item of ``ValidationError.errors()``.
        keys: table name -> the keys it takes; the tables themselves under "".
    """
    place, kind = error["loc"], error["type"]
    if kind == "extra_forbidden":
        return _unknown_key(place, keys)
    where = _where(place)
    if kind == "value_error":
        return f"{where} {error['ctx']['error']}."
    got = "" if kind == "missing" else f"; got {shown(error['input'])}"
    return f"{where} {predicate(error)}{got}.{_number_elsewhere(error, keys)}"


def _number_elsewhere(error: Mapping[str, Any], keys: Mapping[str, Sequence[str]]) -> str:
    """Return which key a number was meant for, where one of words was given it and that of the plural is there."""
    table, name = str(error["loc"][0]), f"{error['loc'][-1]}s"
    number = isinstance(error["input"], int | float) and error["type"] == "literal_error"
    return f" Did you mean {name}?" if number and name in keys.get(table, ()) else ""


def predicate(error: Mapping[str, Any]) -> str:
    """Return what a pydantic error says that the value must be."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _LIMITS:
        name, words = _LIMITS[kind]
        limit = context[name]
        return f"must be {words} {limit:g}" if isinstance(limit, float) else f"must be {words} {limit}"
    if kind == "literal_error":
        allowed = str(context["expected"]).replace(" or ", ", ").replace("'", '"')
        names = [name.strip('"') for name in allowed.split(", ")]
        hint = did_you_mean(error["input"], names) if isinstance(error["input"], str) else ""
        told = f" ({hint[1].lower()}{hint[2:]})" if hint else ""
        return f"must be one of {', '.join(names)}{told}"
    return _WORDS.get(kind, "is not of a form this key takes")


def shown(value: Any) -> str:
    """Return a value much as the study file writes it, cut where it is long."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
        else:
            text = json.dumps(value, ensure_ascii=False) if is_plain(value) else repr_short(value)
    except ValueError:
        text = "a number of thousands of digits"
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


def _where(place: Sequence[Any]) -> str:
    table, *rest = place
    if table in ARRAYS:
        head = f"[[{table}]]" + (f" row {rest[0] + 1}" if rest else "")
        return " ".join([head, *map(str, rest[1:])])
    path = ".".join(str(p) for p in rest if isinstance(p, str))
    return f"[{table}] {path}" if path else f"[{table}]"


def _unknown_key(place: Sequence[Any], keys: Mapping[str, Sequence[str]]) -> str:
    *above, name = [str(p) for p in place]
    homes = [f"[{table}]" for table in keys[""] if name in keys.get(table, ())] if len(above) < 2 else []
    if homes and not above:
        return f"{name!r} stands outside any table; it belongs in {' or '.join(homes)}."
    if not above:
        return unknown_table(name, keys[""])
    known = keys.get(".".join(p for p in above if not p.isdigit()), ())
    return unknown_key(name, _where(place[:-1]), known, homes)


def unknown_table(name: str, known: Iterable[str]) -> str:
    """Return the sentence for a table that does not exist."""
    tables = list(known)
    close = did_you_mean(name, tables).replace("mean '", "mean [").replace("'?", "]?")
    return f"No table [{name}].{close} Tables: {', '.join(f'[{t}]' for t in tables)}."


def unknown_key(name: str, where: str, known: Iterable[str], homes: Sequence[str] = ()) -> str:
    """Return the sentence for a key that a table does not take; ``homes`` are tables that do."""
    if homes:
        return f"No key {name!r} in {where}; it belongs in {' or '.join(homes)}."
    names = list(known)
    return f"No key {name!r} in {where}.{did_you_mean(name, names)} Known: {', '.join(names)}."

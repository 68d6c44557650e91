"""Places of code (``module:name``) within a longer text, such as ``mine.py:loss + 0.5*dice``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

_PLAIN = r"(?:\b[A-Za-z]:(?=[\\/]))?[\w.~/\\][\w.~/\\-]*:[A-Za-z_][\w.]*"
_PLACE = re.compile(
    rf"""(?P<quoted>"[^"]*:[^"]*"|'[^']*:[^']*')|(?P<plain>{_PLAIN}|(?<![\w.])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)"""
)
"""A place in quotes, or without: ``path/to/mine.py:name``, ``module:name`` or ``module.name``."""
_NAME = r"(?P<name>(?<![\w.])[A-Za-z_]\w*\b(?!\s*=))"
_PLACE_OR_NAME = re.compile(f"{_PLACE.pattern}|{_NAME}")
_MARKS = frozenset("+-*(")


def is_compound(text: str) -> bool:
    """Return whether a text puts names together, rather than being a single name or place.

    Within such a text a place holds letters, digits and ``_ . ~ / -`` (or backslashes) alone, unless it is in quotes. What names an
    existing file before its colon is a single place, whatever the path holds.
    """
    if not _MARKS & {*_PLACE.sub("", text)}:
        return False
    file, _, name = text.rpartition(":")
    alone = all(map(str.isidentifier, name.partition("/")[0].split(".")))
    return not (alone and file.endswith(".py") and Path(file).is_file())


def places_in(text: str) -> tuple[str, ...]:
    """Return the places that stand in a compound text, each once."""
    return tuple(dict.fromkeys(_place(found) for found in _PLACE.finditer(text)))


def names_in(text: str) -> tuple[str, ...]:
    """Return the names that stand in a compound text beside places, each once; those of arguments (``gamma=``) are none."""
    return tuple(dict.fromkeys(found["name"] for found in _PLACE_OR_NAME.finditer(text) if found["name"]))


def with_places(text: str, change: Callable[[str], str]) -> str:
    """Return a compound text with other places in it."""
    return _PLACE.sub(lambda found: _written(change(_place(found))), text)


def with_names(text: str, places: Mapping[str, str]) -> str:
    """Return a compound text with places in it where the names stand that they are of."""

    def put(found: re.Match[str]) -> str:
        return _written(places[found["name"]]) if found["name"] in places else found[0]

    return _PLACE_OR_NAME.sub(put, text)


def without_places(text: str) -> tuple[str, Mapping[int, str]]:
    """Return a compound text with names as long as they were for its places, and the places by where those begin.

    Where is counted in bytes, as Python's syntax trees have it.
    """
    found = {len(text[: m.start()].encode()): _place(m) for m in _PLACE.finditer(text)}
    return _PLACE.sub(lambda m: "_" * len(m[0]), text), found


def _place(found: re.Match[str]) -> str:
    return found[0][1:-1] if found["quoted"] else found[0]


def _written(place: str) -> str:
    """Return a place as it stands in a compound text, in quotes where it must."""
    if _PLACE.fullmatch(place):
        return place
    mark = "'" if '"' in place else '"'
    return f"{mark}{place}{mark}"

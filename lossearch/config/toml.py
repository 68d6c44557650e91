"""TOML read: a file with its errors in plain words, and one value from the command line."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from datetime import time as clock
from pathlib import Path
from typing import Any

from lossearch.errors import InputError

_PLACE = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$")
_DEEPEST = 20
"""Lists and tables within each other that a value may have."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        InputError: there is no such file, it cannot be read, or it is not TOML; the message has the line.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"No study file '{path}'.{_nearest(path)}") from None
    except IsADirectoryError:
        inside = ", ".join(f"'{p}'" for p in sorted(path.glob("*.toml"))) or "none"
        raise InputError(
            f"'{path}' is a directory; name one study file. Study files in it: {inside}."
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8 (byte {error.start}).") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return parse_toml(text.removeprefix("\ufeff"), str(path))


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Return the tables of TOML text; ``source`` is named in errors.

    Raises:
        InputError: the text is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise InputError(f"{source} has lists or tables nested too deeply.") from None
    except ValueError as error:  # a number of too many digits is one, beside wrong syntax
        raise InputError(_syntax(str(error), text, source)) from None


def _syntax(message: str, text: str, source: str) -> str:
    found = _PLACE.match(message)
    if found is None:
        return f"{source} is not valid TOML: {message[:1].lower()}{message[1:]}."
    what, line, column = found["what"], int(found["line"]), int(found["column"])
    shown = text.splitlines()[line - 1].rstrip()
    # where a URL ends, and the password in it, a broken line does not say
    told = "" if "://" in shown else f"\n    {shown}"
    return f"{source}, line {line}, column {column} is not valid TOML: {what[:1].lower()}{what[1:]}.{told}"


def _nearest(path: Path) -> str:
    try:
        there = sorted(p.name for p in path.parent.glob("*.toml"))
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, there, n=1, cutoff=0.6)
    if close:
        return f" Did you mean '{path.parent / close[0]}'?"
    return f" Study files there: {', '.join(there)}." if there else ""


def parse_value(text: str) -> Any:
    """Return the value of ``text`` as TOML writes it; a date, and what is no TOML value, is text without quotes."""
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    value = found["value"]
    return text if len(found) > 1 or isinstance(value, date | clock) else value


def is_plain(value: Any, depth: int = _DEEPEST) -> bool:
    """Return whether a value is text, a number of 64 bits, true, false, or a list or table of such, nested so far."""
    if isinstance(value, Mapping):
        return depth > 0 and all(isinstance(k, str) and is_plain(v, depth - 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return depth > 0 and all(is_plain(v, depth - 1) for v in value)
    return isinstance(value, str | float) or (isinstance(value, int) and -(2**63) <= value < 2**63)

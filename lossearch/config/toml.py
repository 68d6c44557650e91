"""TOML in and out: a file with its errors in plain words, one value from the command line, a writer."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lossearch.errors import InputError

_PLACE = re.compile(r"^(?P<what>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)$")
_BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")


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
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    return parse_toml(text.removeprefix("\ufeff"), str(path))


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """Return the tables of TOML text; ``source`` is named in errors.

    Raises:
        InputError: the text is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax(str(error), text, source)) from None


def _syntax(message: str, text: str, source: str) -> str:
    found = _PLACE.match(message)
    if found is None:
        return f"{source} is not valid TOML: {message[:1].lower()}{message[1:]}."
    what, line, column = found["what"], int(found["line"]), int(found["column"])
    shown = text.splitlines()[line - 1].rstrip()
    return f"{source}, line {line}, column {column} is not valid TOML: {what[:1].lower()}{what[1:]}.\n    {shown}"


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
    """Return the value of ``text`` as TOML writes it; what is no TOML value is text without quotes."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if found.keys() == {"value"} and is_plain(found["value"]) else text


def is_plain(value: Any) -> bool:
    """Return whether a value is text, a number, true, false, or a list or table of such."""
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return isinstance(value, str | int | float | bool)


def format_value(value: Any) -> str:
    """Return a plain value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(k)} = {format_value(v)}" for k, v in value.items() if v is not None)
        return f"{{{inside}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(format_value, value))}]"
    return str(value)


def _key(name: str) -> str:
    return name if _BARE_KEY.match(name) else format_value(name)


def format_tables(tables: Mapping[str, Any]) -> str:
    """Return a TOML document of tables and lists of tables, one level deep; None is left out."""
    blocks = []
    for name, content in tables.items():
        rows = [content] if isinstance(content, Mapping) else content
        head = f"[{_key(name)}]" if isinstance(content, Mapping) else f"[[{_key(name)}]]"
        for row in rows:
            lines = [f"{_key(k)} = {format_value(v)}" for k, v in row.items() if v is not None]
            blocks.append("\n".join([head, *lines]))
    return "\n\n".join(blocks) + "\n"

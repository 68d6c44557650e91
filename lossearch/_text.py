"""How quantities and names are written for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What moves a terminal's cursor, or turns the order of what stands around it, or is half of a character."""
_MARKUP = re.compile(r"[\\*_|\[\]<>`#]|(?<=[a-z]):(?=//)|(?<=www)\.", re.IGNORECASE)


def printable(text: str, sign: str | Callable[[re.Match[str]], str] = "\ufffd") -> str:
    """Return text that changes nothing around it where it is shown; each character that would is given as ``sign``."""
    return _UNPRINTABLE.sub(sign, text)


def escaped(text: str) -> str:
    """Return text, on one line, in which Markdown reads no mark-up, link or heading."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(printable(text).split("\n")))


def in_code(text: str) -> str:
    """Return text as code within a line of Markdown."""
    return f"`{' '.join(printable(text).split(chr(10))).replace('`', chr(39))}`"


def duration(seconds: float) -> str:
    """Return seconds as 45 s, 3 min 20 s or 2 h 5 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(nbytes: float) -> str:
    """Return bytes for people: "1.5 GiB"."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if nbytes < 1024 or unit == "GiB":
            break
        nbytes /= 1024
    return f"{nbytes:.0f} {unit}" if unit == "bytes" or nbytes >= 10 else f"{nbytes:.1f} {unit}"


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Return "a, b and c"; where there are at least two more than ``most``, "a, b and 3 more"."""
    if most is not None and len(names) > most + 1:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def separated(text: str) -> tuple[str, ...]:
    """Return the parts of a text between its commas, those within brackets left alone."""
    parts, depth = [""], 0
    for mark in text:
        depth += (mark in "([") - (mark in ")]")
        if mark == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += mark
    return tuple(part.strip() for part in parts)

"""Docstrings as the site's parser wants them: roles of Sphinx as code, and the section that is called Example here."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


def as_markdown(text: str) -> str:
    """Return a docstring with its examples in a section that is known, and names as code."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return ROLE.sub(r"`\1`", re.sub(r"::$", ":", text, flags=re.MULTILINE))


class Docstrings(griffe.Extension):
    """Rewrites every docstring that is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one object's."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)

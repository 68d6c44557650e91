"""What messages tell people to write in Python can be written."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

import lossearch

SOURCES = sorted(Path(lossearch.__file__).parent.rglob("*.py"))
CALL = re.compile(r"\blossearch((?:\.\w+)+)\(")


def named(path):
    """Return what the strings of a source call, as ``.load``, with their lines."""
    tree = ast.parse(path.read_text())
    texts = [
        (n.value, n.lineno)
        for n in ast.walk(tree)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    ]
    return [(found, line) for text, line in texts for found in CALL.findall(text)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.stem)
def test_every_call_that_is_written_for_people_exists(path):
    for dotted, line in named(path):
        holder, _, name = f"lossearch{dotted}".rpartition(".")
        assert hasattr(import_module(holder), name), f"{path.name}:{line} tells of lossearch{dotted}"


def test_calls_are_found():
    assert {found for path in SOURCES for found, _ in named(path)} >= {".search", ".load", ".criterion"}

"""The example programs run, and differ little from what they are without lossearch."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(p.name for p in (ROOT / "examples").glob("*.py"))
MOST_LINES = 5
FEW_SEEDS = """
import functools, runpy, sys
import lossearch
lossearch.search = functools.partial(lossearch.search, confirm_seeds=3)
runpy.run_path(sys.argv[1], run_name="__main__")
"""
"""Runs a program with few seeds of confirmation, unless it says how many."""


def changed(name: str) -> tuple[list[str], list[str]]:
    before, after = ((ROOT / "examples" / d / name).read_text().splitlines() for d in ("without", "."))
    lines = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return [line[1:] for line in lines if line.startswith("+")], [
        line for line in lines if line.startswith("-")
    ]


def test_every_example_has_its_version_without():
    assert len(EXAMPLES) >= 6
    assert sorted(p.name for p in (ROOT / "examples" / "without").glob("*.py")) == EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_changes_few_lines_and_the_readme_shows_them(name):
    added, removed = changed(name)
    statements = [line for line in added if line.strip() not in ("", ")")]
    assert 0 < len(statements) <= MOST_LINES
    assert len(removed) <= MOST_LINES
    shown = (ROOT / "README.md").read_text()
    assert [line for line in added if f"+{line}" not in shown] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", FEW_SEEDS, str(ROOT / "examples" / name)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr[-3000:]
    said = ("is best at", "tie at", "No pair was measurably better", "'pair'")
    assert any(words in run.stdout for words in said), run.stdout

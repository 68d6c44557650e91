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
LITTLE = """
import os, runpy, sys, traceback
import lossearch, mlflow, optuna, pytorch_lightning
from lossearch import api
search, little = lossearch.search, {"seeds": 1, "confirm_seeds": 3, "epochs": 2}
lossearch.search = lambda **own: search(**own | little)
for path in sys.argv[1:]:
    folder = os.path.basename(path)
    if os.fork():
        if os.wait()[1]:
            print(folder)
        continue
    os.mkdir(folder)
    os.chdir(folder)
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(name, os.O_CREAT | os.O_WRONLY), stream)
    try:
        runpy.run_path(path, run_name="__main__")
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)
"""
"""Runs programs, each in a process and folder of its own, with few seeds and epochs, whatever they say; their trials are
their own. Libraries are imported once.
"""
SAID = ("is best at", "tie at", "No pair was measurably better", "'pair'")


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
def test_an_example_changes_few_lines_and_the_guide_shows_them(name):
    added, removed = changed(name)
    statements = [line for line in added if line.strip() not in ("", ")")]
    assert 0 < len(statements) <= MOST_LINES
    assert len(removed) <= MOST_LINES
    shown = (ROOT / "docs" / "guides" / "lightning.md").read_text()
    assert [line for line in added if f"+{line}" not in shown] == []


@pytest.mark.slow
def test_every_example_runs(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", LITTLE, *(str(ROOT / "examples" / name) for name in EXAMPLES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (run.returncode, run.stderr) == (0, "")
    wrong = {name: (tmp_path / name / "err").read_text()[-3000:] for name in run.stdout.split()}
    assert not wrong, "\n".join(f"{name}:\n{errors}" for name, errors in wrong.items())
    for name in EXAMPLES:
        said = (tmp_path / name / "out").read_text()
        assert any(words in said for words in SAID), f"{name}: {said}"

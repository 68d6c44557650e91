"""The benchmarks run and print their tables; how fast is for a quiet machine to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "population.py"
TITLES = {
    1: ("1 Whole process", "usual script, circles", "usual script, all output off, circles"),
    2: ("2 Training alone", "torch loop, digits"),
    3: ("3 Training: ours validates",),
    4: ("4a Circles", "4b Digits"),
    5: ("5 Peak memory", "computed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("item", TITLES)
def test_population_runs_and_prints_its_table(item, tmp_path):
    figure = tmp_path / "cost.png"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--item", str(item), "--figure", figure],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    for title in TITLES[item]:
        assert title in done.stdout
    assert figure.exists() is (item == 4)

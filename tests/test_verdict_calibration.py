"""The calibration of the verdict runs, and prints what it measures; the full run is the benchmark's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "verdict.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("equal", ("Linear models", "accuracy, 14 pairs", "any told apart")),
        ("gap", ("Linear models, some worse", "worse excluded", "best kept")),
        ("trained", ("Trained on circles", "auroc, 4 pairs")),
    ],
)
def test_a_table_is_measured_and_printed(table, said, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--jobs", "1", "--only", table],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    for words in said:
        assert words in done.stdout
    assert "Stated level 5%" in done.stdout

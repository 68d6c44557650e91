"""The calibration of the verdict runs, prints what it measures, and few rows are known for few; the full run is the
benchmark's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = str(Path(__file__).parent.parent / "benchmarks")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("equal", ("Linear models", "accuracy, 14 pairs", "any told apart")),
        ("gap", ("Linear models, some worse", "worse excluded", "best kept")),
        ("few", ("Few rows", "accuracy, 5 rows", "falsely equal")),
        ("trained", ("Trained on circles", "auroc, 4 pairs")),
    ],
)
def test_a_table_is_measured_and_printed(table, said, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _few_rows
    import verdict

    monkeypatch.setattr(_few_rows, "TRUTH_SEEDS", 1)
    monkeypatch.setattr(_few_rows, "TRUTH_ROWS", 2_000)
    monkeypatch.setattr(verdict, "TRUTH_ROWS", 2_000)
    monkeypatch.setattr(sys, "argv", ["verdict.py", "--quick", "--jobs", "1", "--only", table])
    assert verdict.main() == 0
    printed = capsys.readouterr().out
    for words in (*said, "Stated level 5%"):
        assert words in printed


def test_few_rows_are_known_for_few(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _few_rows

    monkeypatch.setattr(_few_rows, "TRUTH_SEEDS", 5)
    even, rare = (0.5, 0.5), (0.9, 0.1)
    worlds = (
        _few_rows.FewRows("accuracy", 10, even, spread=0.01, bias=0.05),
        _few_rows.FewRows("brier", 10, even),
        _few_rows.FewRows("balanced_accuracy", 10, rare, draws=59, seeds=8),
        _few_rows.FewRows("rmse", 5, draws=99, seeds=8),
    )
    for world in worlds:
        biases, truths = world.pairs()
        found = [s for i in range(20) for s in _few_rows.see_few(world, biases, truths, i)]
        assert sum(s.false_equal for s in found) <= 3, world
        assert sum(s.told for s in found) <= 3, world
        assert np.mean([s.scores_hold for s in found]) >= 0.85, world
        assert np.mean([s.differences_hold for s in found]) >= 0.85, world

"""Weighted rows train as a loop by hand has them, whatever trains them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.problems import problem, replicate
from contracts.training_base import SETTINGS, TrainingTests, conventional

WEIGHTED = (
    ("regression", True, {}),
    ("count", True, {}),
    ("binary", False, {"class_weight": "balanced"}),
    ("binary", True, {"class_weight": '{"0": 1.0, "1": 5.0}'}),
    ("binary", True, {"pos_weight": "balanced"}),
    ("multiclass", True, {"class_weight": "balanced"}),
    ("multiclass", False, {"class_weight": '{"2": 4.0}'}),
    ("multilabel", True, {}),
    ("multilabel", True, {"pos_weight": "balanced"}),
    ("multilabel", False, {"pos_weight": "[2.0, 5.0, 0.5]"}),
)
"""Kind of task, whether rows have weights of their own, and what classes weigh."""


class WeightsTests(TrainingTests):
    """Every pair, ways of weighting."""

    @pytest.mark.parametrize(("kind", "of_rows", "weighting"), WEIGHTED, ids=str)
    def test_every_weighted_pair_trains_as_a_plain_loop_would(
        self, kind: str, of_rows: bool, weighting: dict[str, str]
    ) -> None:
        task = problem(kind, weighted=of_rows)
        settings = replace(SETTINGS, epochs=2, **weighting)
        # labels that are read together are not weighted one by one
        ways = [way for way in WEIGHTED if way[0] == kind]
        meeting = self.weighted_pairs(task, ways.index((kind, of_rows, weighting)), len(ways))
        pairs = [p for p in meeting if not (p.loss.joint and task.n_out > 1)]
        assert not self.agrees(task, [replicate(p) for p in pairs], settings)

    def test_weights_are_a_points_own_setting(self) -> None:
        task = problem("binary", weighted=True)
        pair = conventional(task)
        ways = ("none", "balanced", '{"1": 3.0}')
        own = [replicate(pair, seed=s, class_weight=way) for s in (0, 1) for way in ways]
        assert not self.agrees(task, own, SETTINGS)
        assert not self.agrees(task, [replicate(pair, pos_weight=2.5)], SETTINGS)

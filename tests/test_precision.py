"""Lower precision for products: the same in both ways of training, losses and weights in float32."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.problems import batchnorm_mlp, every_pair, problem, replicate, space_of

from lossearch.training.contract import Outcome, TrainSettings
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

SETTINGS = TrainSettings(8, 16, "adam", precision="bf16-mixed", epoch="last")


@pytest.mark.parametrize("train", [train_plain, train_population])
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_curves_are_near_those_in_float32(kind: str, train) -> None:
    task = problem(kind)
    todo = [replicate(p, 0.01, s) for p in every_pair(task)[:3] for s in (0, 1)]
    space = space_of(task, [r.point.definition for r in todo[::2]])
    low = list(train(task, space, todo, SETTINGS, keep_weights=True))
    full = list(train(task, space, todo, replace(SETTINGS, precision="32-true")))
    for one, other in zip(low, full, strict=True):
        assert one.outcome is Outcome.COMPLETED, one.error
        assert {w.dtype for w in one.weights.values()} == {torch.float32}
        ours, theirs = one.curves["train_loss"], other.curves["train_loss"]
        np.testing.assert_allclose(ours, theirs, rtol=0.1, atol=0.02)
        assert not np.array_equal(ours, theirs)


def test_both_ways_are_near_with_layers_of_any_kind() -> None:
    task = problem("binary", network=batchnorm_mlp)
    todo = [replicate(p, 0.01, s) for p in every_pair(task)[:2] for s in (0, 1)]
    space = space_of(task, [r.point.definition for r in todo[::2]])
    alone, together = (list(t(task, space, todo, SETTINGS)) for t in (train_plain, train_population))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.curves["val_loss"], other.curves["val_loss"], rtol=0.05, atol=0.02)

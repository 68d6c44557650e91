"""A population with compiled criteria trains as one without."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossearch.losses import TargetStatistics
from lossearch.pairs import find_pair
from lossearch.space import Point
from lossearch.testing.problems import problem, space_of
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.population import train_population
from lossearch.training.population.compiled import CompiledCriteria
from lossearch.training.population.criteria import Criteria, pair_slices

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
PAIRS = {
    "binary": ("bce/sigmoid", "focal/sigmoid", "hinge/identity", "mae/sigmoid"),
    "multiclass": ("cross_entropy/softmax", "crammer_singer/identity", "mse/softmax", "kl_div/softmax"),
    "regression": ("mse/identity", "huber/identity", "rmse/identity", "log_cosh/identity"),
}
"""Those with a declared slope and some without."""


@pytest.fixture(scope="module", autouse=True)
def _compiler_at_hand() -> None:
    # its first use sets a variable and a path of the process, which is torch's own doing
    if shutil.which("g++") is not None:
        torch.compile(lambda x: x + 1)(torch.zeros(1))


@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize("kind", PAIRS)
def test_compiled_slopes_and_losses_with_them_are_the_same(kind: str) -> None:
    like, n_out = torch.zeros(1, dtype=torch.float64), 3 if kind == "multiclass" else 1
    points = [Point(pair, 0.1) for pair in sorted(PAIRS[kind]) for _ in range(2)]
    pairs = [find_pair(p.pair, kind) for p in points]
    assert {p.has_slope for p in pairs} == {True, False} or kind == "binary"
    found = pair_slices(points, pairs, [TargetStatistics()] * 3, like)
    draws = torch.Generator().manual_seed(0)
    raw = torch.randn(3, 8, n_out, 5, generator=draws, dtype=torch.float64).transpose(2, 3)
    target = torch.randint(max(2, n_out), (3, 5), generator=draws)
    target = target if kind == "multiclass" else target.double()[..., None]
    encoded = {s.encoding: s.encode(target, n_out) for s in found}
    wanted, given = Criteria(found), CompiledCriteria(found)
    for criteria in (wanted, given):
        assert [s.pair.has_slope for s in found] == [k is None for k in criteria.slopes(raw, encoded)[1]]
    for theirs, ours in zip(_all_of(wanted, raw, encoded), _all_of(given, raw, encoded), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def _all_of(criteria: Criteria, raw: torch.Tensor, encoded: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    slopes, known = criteria.slopes(raw, encoded)
    losses = criteria.losses(raw, encoded)
    unknown = criteria.losses(raw, encoded, 5, unknown=True)
    return [torch.cat(slopes, dim=1), *(k for k in known if k is not None), *losses, *unknown]


@COMPILER
@pytest.mark.slow
def test_curves_and_divergences_are_the_same() -> None:
    task = problem("binary")
    pairs = [find_pair(name, "binary") for name in ("bce/sigmoid", "hinge/identity", "mse/identity")]
    todo = [Replicate(Point(p.name, lr, (), (), p), s) for p in pairs for lr in (0.01, 1e60) for s in (0, 1)]
    settings = TrainSettings(10, 16, "sgd", {"momentum": 0.9}, precision="64-true")
    space = space_of(task, pairs)
    eager = list(train_population(task, space, todo, settings))
    compiled = list(train_population(task, space, todo, replace(settings, compile=True)))
    assert any(r.divergence for r in eager)
    for one, other in zip(compiled, eager, strict=True):
        assert (one.outcome, one.divergence) == (other.outcome, other.divergence)
        for name, curve in other.curves.items():
            np.testing.assert_allclose(one.curves[name], curve, rtol=1e-9, atol=1e-11)

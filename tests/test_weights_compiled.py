"""A compiled population honours what rows weigh."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from contracts.problems import every_pair, problem, replicate, space_of
from contracts.training_base import SETTINGS
from torch import nn

from lossearch.training.contract import TrainingCall
from lossearch.training.population import population as engine
from lossearch.training.population.compiled import CompiledCriteria
from lossearch.training.population.population import Population
from lossearch.training.population.thin_network import ThinStack


def thin(n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, n_out))


@pytest.fixture(scope="module", autouse=True)
def _compiler_at_hand() -> None:
    # its first use sets a variable and a path of the process, which is torch's own doing
    if shutil.which("g++") is not None:
        torch.compile(lambda x: x + 1)(torch.zeros(1))


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "weighting"),
    [
        ("multiclass", {"class_weight": "balanced"}),
        ("multilabel", {"pos_weight": "balanced"}),
        ("regression", {}),
    ],
)
def test_compiled_losses_and_networks_honour_weights(kind, weighting, monkeypatch):
    monkeypatch.setattr(engine, "COMPILED_STEPS", 1)
    task = problem(kind, weighted=True, network=thin)
    alike = [p for p in every_pair(task) if p.loss.head is None and not p.loss.joint]
    pairs = sorted(alike, key=lambda p: p.name)[:4]
    call, points = TrainingCall(task, space_of(task, pairs), False), [replicate(p).point for p in pairs]
    found = []
    for how in (False, True):
        settings = replace(SETTINGS, compile=how, **weighting)
        population = Population(call, points, [0, 1], settings, torch.device("cpu"))
        assert isinstance(population.network, ThinStack) is how
        assert isinstance(population.criteria, CompiledCriteria) is how
        losses = population.train_epoch(0, population.optimizer.step, lambda: False)
        found.append((losses, dict(population.weights.views)))
    (plain, weights), (compiled, theirs) = found
    torch.testing.assert_close(compiled, plain, rtol=1e-12, atol=1e-12)
    for name, tensor in weights.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-12, atol=1e-12, msg=name)

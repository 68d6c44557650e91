"""A population that is compiled trains as one that is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.problems import problem, space_of
from torch import nn

from lossearch.kinds import TargetStatistics
from lossearch.pairs import find_pair
from lossearch.space import Point
from lossearch.training.contract import Replicate, TrainingCall, TrainSettings
from lossearch.training.population import compiled as compiling
from lossearch.training.population import minibatches as feeding
from lossearch.training.population import population as engine
from lossearch.training.population import thin_network as thin_layers
from lossearch.training.population.chunks import ChunkSizer
from lossearch.training.population.compiled import CompiledCriteria, _copied, compiled
from lossearch.training.population.criteria import Criteria, pair_slices
from lossearch.training.population.layer_stack import LayerStack
from lossearch.training.population.manual_backward import FusedStack
from lossearch.training.population.method import Populations, train_population
from lossearch.training.population.population import Population
from lossearch.training.population.thin_network import ThinStack
from lossearch.training.population.weights import Weights

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
PAIRS = {
    "binary": (
        "bce/sigmoid",
        "focal/sigmoid",
        "focal(gamma=anneal(3,0))/sigmoid",
        "hinge/identity",
        "mae/sigmoid",
    ),
    "multiclass": ("cross_entropy/softmax", "crammer_singer/identity", "mse/softmax", "kl_div/softmax"),
    "regression": ("mse/identity", "huber/identity", "rmse/identity", "log_cosh/identity"),
}
"""Those with a declared derivative and some without."""


@pytest.fixture(scope="module", autouse=True)
def _compiler_at_hand() -> None:
    # its first use sets a variable and a path of the process, which is torch's own doing
    if shutil.which("g++") is not None:
        torch.compile(lambda x: x + 1)(torch.zeros(1))


def test_no_version_of_torch_is_given_an_option_that_it_does_not_know(monkeypatch):
    assert compiling._options().items() <= compiling.OPTIONS.items()
    monkeypatch.setitem(compiling.OPTIONS, "of_another_version", 1)
    assert "of_another_version" not in compiling._options()
    assert "realize_reads_threshold" in compiling._options()


@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize("kind", PAIRS)
def test_compiled_derivatives_and_losses_with_them_are_the_same(kind: str) -> None:
    like, n_out = torch.zeros(1, dtype=torch.float64), 3 if kind == "multiclass" else 1
    points = [Point(pair, 0.1) for pair in sorted(PAIRS[kind]) for _ in range(2)]
    pairs = [find_pair(p.pair, kind) for p in points]
    assert {p.has_derivative for p in pairs} == {True, False} or kind == "binary"
    found = pair_slices(points, pairs, [TargetStatistics()] * 3, like)
    draws = torch.Generator().manual_seed(0)
    raw = torch.randn(3, len(points), n_out, 5, generator=draws, dtype=torch.float64).transpose(2, 3)
    target = torch.randint(max(2, n_out), (3, 5), generator=draws)
    target = target if kind == "multiclass" else target.double()[..., None]
    encoded = {s.encoding: s.encode(target, n_out) for s in found}
    wanted, given = Criteria(found), CompiledCriteria(found)
    for criteria in (wanted, given):
        assert [s.pair.has_derivative for s in found] == [
            k is None for k in criteria.derivatives(raw, encoded)[1]
        ]
    before = _all_of(wanted, raw, encoded)
    for theirs, ours in zip(before, _all_of(given, raw, encoded), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    given.train_at(0.5)
    now = _all_of(wanted, raw, encoded)
    assert any(not torch.equal(a, b) for a, b in zip(before, now, strict=True)) == (kind == "binary")
    for theirs, ours in zip(now, _all_of(given, raw, encoded), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def _all_of(criteria: Criteria, raw: torch.Tensor, encoded: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    derivatives, known = criteria.derivatives(raw, encoded)
    losses = criteria.losses(raw, encoded)
    unknown = criteria.losses(raw, encoded, 5, unknown=True)
    return [torch.cat(derivatives, dim=1), *(k for k in known if k is not None), *losses, *unknown]


@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize("together", [feeding.GATHER_BYTES, 2400])
def test_curves_and_divergences_are_the_same(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # with few batches copied together, those of a size differ in their strides
    monkeypatch.setattr(feeding, "GATHER_BYTES", together)
    monkeypatch.setattr(engine, "COMPILED_STEPS", 0)
    task = problem("binary", rows=90, train=70)
    pairs = [find_pair(name, "binary") for name in ("bce/sigmoid", "hinge/identity", "mse/identity")]
    todo = [Replicate(Point(p.name, lr, (), (), p), s) for p in pairs for lr in (0.01, 1e60) for s in (0, 1)]
    settings = TrainSettings(10, 16, "sgd", {"momentum": 0.9}, precision="64-true")
    space = space_of(task, pairs)
    eager = list(train_population(task, space, todo, settings))
    notes: list[str] = []
    way = Populations(sizer=ChunkSizer(note=notes.append))
    compiled = list(way(task, space, todo, replace(settings, compile=True)))
    assert not notes
    assert any(r.divergence for r in eager)
    for one, other in zip(compiled, eager, strict=True):
        assert (one.outcome, one.divergence) == (other.outcome, other.divergence)
        for name, curve in other.curves.items():
            np.testing.assert_allclose(one.curves[name], curve, rtol=1e-9, atol=1e-11)


@COMPILER
@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "bias", "n_out", "apart"),
    [
        (nn.ReLU, (True, True), 1, False),
        (nn.Tanh, (False, True), 3, True),
        (nn.Sigmoid, (True, False), 4, False),
    ],
)
def test_thin_layers_have_the_outputs_and_gradients_of_matrix_products(
    kind, bias, n_out, apart, monkeypatch
) -> None:
    # as for a CUDA graph, which must not write into what it is given
    monkeypatch.setattr(thin_layers, "captured", lambda _: apart)
    draws = torch.Generator().manual_seed(0)
    networks = [
        nn.Sequential(nn.Flatten(), nn.Linear(3, 7, bias[0]), kind(), nn.Linear(7, n_out, bias[1])).double()
        for _ in range(2)
    ]
    stack = LayerStack.made_of(networks[0], torch.zeros(2, 5, 3))
    assert stack is not None
    assert ThinStack.fits(stack)
    x = stack.rows(torch.randn(2, 5, 3, generator=draws, dtype=torch.float64))
    task_kind = "binary" if n_out == 1 else "multiclass"
    pairs = [find_pair(name, task_kind) for name in sorted(PAIRS[task_kind])]
    slices = pair_slices(
        [Point(p.name, 0.1) for p in pairs for _ in range(2)],
        [p for p in pairs for _ in range(2)],
        [TargetStatistics()] * 2,
        x,
    )
    target = torch.randint(max(2, n_out), (2, 5), generator=draws)
    target = target if n_out > 1 else target.double()[..., None]
    encoded = {s.encoding: s.encode(target, n_out) for s in slices}

    weights = Weights.of(networks, len(pairs) * 2)
    plain, criteria = FusedStack(stack.layers), Criteria(slices)
    raw = plain(weights.views, {}, x, training=True)
    derivatives, losses = criteria.derivatives(raw, encoded)
    plain.backward(derivatives, weights.views, weights.gradients)

    across = Weights.of(networks, len(pairs) * 2, across=True)
    thin = ThinStack(stack.layers)
    into = across.next_gradients
    said, total, known = thin.gradients(CompiledCriteria(slices), across.views, x, encoded, into)
    wanted = [raw, raw, raw.sum(), *weights.gradients.values(), *(v for v in losses if v is not None)]
    found = [said, thin.outputs(across.views, x), total, *into.values(), *(v for v in known if v is not None)]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)
    across.advance()
    assert across.gradients is into
    assert across.next_gradients is not into


@pytest.mark.parametrize(
    "layers",
    [
        (nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 1)),
        (nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 5)),
        (nn.Linear(3, 7), nn.GELU(), nn.Linear(7, 1)),
        (nn.Linear(3, 7), nn.ReLU(), nn.Dropout(0.5), nn.Linear(7, 1)),
        (nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 7), nn.ReLU(), nn.Linear(7, 1)),
        (nn.Linear(3, 1),),
    ],
)
def test_other_networks_are_not_thin(layers) -> None:
    stack = LayerStack.made_of(nn.Sequential(*layers), torch.zeros(1, 2, layers[0].in_features))
    assert stack is not None
    assert not ThinStack.fits(stack)


@COMPILER
@pytest.mark.slow
def test_what_has_been_compiled_serves_the_next_population() -> None:
    given = [torch.arange(3.0), torch.ones(3)]
    first = compiled(torch.add, "add", given)
    assert compiled(torch.add, "add", [t + 1 for t in given]) is first
    assert compiled(torch.add, "add", [t[:2] for t in given]) is not first
    torch.testing.assert_close(first(*given), given[0] + 1)


def test_what_a_graph_has_put_out_is_copied() -> None:
    one, other = torch.ones(2), torch.zeros(1)
    copies = _copied([one, (other,)])
    one.fill_(2)
    assert copies[0].tolist() == [1, 1]
    assert copies[1][0] is not other
    assert _copied(None) is None


def test_what_takes_few_steps_is_not_compiled() -> None:
    task, pair = problem("binary"), find_pair("bce/sigmoid", "binary")
    points = [Point(pair.name, lr, (), (), pair) for lr in (0.1, 0.2)]
    for epochs, long in ((10, False), (engine.COMPILED_STEPS, True)):
        settings = TrainSettings(epochs, 16, compile=True)
        cpu = torch.device("cpu")
        population = Population(TrainingCall(task, space_of(task), random=False), points, [0], settings, cpu)
        assert isinstance(population.network, ThinStack) is long
        assert isinstance(population.criteria, CompiledCriteria) is long
        # once little is left, configurations that leave change shapes that nothing is compiled for any more
        population.steps = population.total_steps - 1
        population.select([0])
        assert type(population.network) is FusedStack
        assert type(population.criteria) is Criteria


def test_without_a_compiler_it_is_trained_uncompiled(tmp_path: Path) -> None:
    script = """
from dataclasses import replace
from torch import nn
from lossearch.pairs import find_pair
from lossearch.space import Point
from contracts.problems import problem, space_of
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.population import population
from lossearch.training.population.method import Populations
from lossearch.training.preflight.batching import obstacle_to_batching
from lossearch.training.population.chunks import ChunkSizer
population.COMPILED_STEPS = 0
pair, notes = find_pair("bce/sigmoid", "binary"), []
settings = TrainSettings(2, 16, compile=True)
for layers in ([nn.ReLU()], [nn.LayerNorm(7), nn.ReLU()]):
    task = problem("binary", network=lambda n: nn.Sequential(nn.Linear(3, 7), *layers, nn.Linear(7, n)))
    todo = [Replicate(Point(pair.name, 0.1, (), (), pair), s) for s in (0, 1)]
    way, space = Populations(sizer=ChunkSizer(note=notes.append)), space_of(task, [pair])
    for _ in range(2):
        results = list(way(task, space, todo, settings))
        print([str(r.outcome) for r in results], "Inductor" in str(obstacle_to_batching(task, space, (0, 1), settings, random=False)))
    print(*notes, sep="|")
"""
    nowhere = {"CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = ran.stdout.splitlines()
    assert [line for line in lines if "completed" in line] == ["['completed', 'completed'] False"] * 4
    first, *more = lines[-1].split("|")
    assert first.startswith("Trained without compiling, for compiled it fails: ")
    assert "No working C++ compiler" in first
    # once by each way of training
    assert more == [first]

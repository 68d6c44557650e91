"""Training is what a plain loop would do, and depends on the replicate alone."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from contracts.problems import (
    NETWORKS,
    Factory,
    batchnorm_mlp,
    dropout_mlp,
    every_pair,
    mlp,
    network_problem,
    problem,
    replicate,
    space_of,
)
from contracts.training_base import (
    SETTINGS,
    VARIANTS,
    TrainingTests,
    conventional,
    equal,
    global_state,
    of_each_sort,
    variant_name,
)
from lossearch.kinds import KINDS
from lossearch.pairs import find_pair


class NumbersTests(TrainingTests):
    """Equality with a loop written by hand, and common random numbers."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pair_trains_as_a_plain_loop_would(self, kind: str) -> None:
        task = problem(kind)
        assert not self.agrees(task, [replicate(p) for p in self.pairs(task)], self.compared)

    @pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
    def test_every_optimiser_trains_as_a_plain_loop_would(self, variant: tuple[str, dict[str, Any]]) -> None:
        task = problem("binary")
        settings = replace(self.optimised, optimizer=variant[0], options=variant[1])
        assert not self.agrees(task, [replicate(conventional(task), lr=lr) for lr in (1e-3, 1e-1)], settings)

    @pytest.mark.parametrize("network", NETWORKS)
    def test_every_network_trains_as_a_plain_loop_would(self, network: str) -> None:
        task = network_problem("binary", network)
        pairs = [conventional(task), find_pair("hinge/identity", "binary")]
        assert not self.agrees(task, [replicate(p, seed=s) for p in pairs for s in (0, 1)], self.compared)

    def test_several_outputs_and_their_scales(self) -> None:
        def doubled(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, torch.cat([y, 0.9 - 0.8 * y.square()], dim=1)

        task = problem("regression", change=doubled)
        assert task.n_out == 2
        names = ("mse/identity", "huber/identity", "msle/exp", "rmse/identity")
        pairs = [find_pair(name, "regression") for name in names]
        assert not self.agrees(task, [replicate(p, seed=s) for p in pairs for s in (0, 1)], SETTINGS)

    @pytest.mark.slow
    @pytest.mark.parametrize("variant", VARIANTS, ids=variant_name)
    def test_pairs_with_every_optimiser(self, variant: tuple[str, dict[str, Any]]) -> None:
        """Each optimiser meets networks and kinds of task in turn, and of pairs, whose gradients are all that it sees, one
        of each sort; benchmarks/exactness.py takes them all.
        """
        turn = VARIANTS.index(variant)
        network = list(NETWORKS)[turn % len(NETWORKS)]
        task = network_problem(list(KINDS)[(turn // len(NETWORKS) + turn) % len(KINDS)], network)
        settings = replace(self.compared, optimizer=variant[0], options=variant[1])
        ours = [replicate(p) for p in of_each_sort(self.pairs(task))]
        chaotic = self.agrees(task, ours, settings)
        print(f"{task.kind} {network} {variant}: {len(chaotic)} of {len(ours)} chaotic")  # noqa: T201 - a table
        assert len(chaotic) < len(ours)

    @pytest.mark.parametrize("network", [dropout_mlp, batchnorm_mlp])
    def test_random_and_normalising_layers(self, network: Factory) -> None:
        task = problem("multiclass", network=network)
        pairs = [find_pair(n, "multiclass") for n in ("cross_entropy/softmax", "mse/softmax")]
        assert not self.agrees(task, [replicate(p, seed=s) for p in pairs for s in (0, 1)], self.compared)

    def test_float32(self) -> None:
        task = problem("regression", network=dropout_mlp)
        settings = replace(self.compared, precision="32-true")
        assert not self.agrees(task, [replicate(conventional(task))], settings, tolerance=1e-4)
        (result,) = self.run(task, [replicate(conventional(task))], settings, keep_weights=True)
        assert result.weights is not None
        assert {w.dtype for w in result.weights.values()} == {torch.float32}

    @pytest.mark.parametrize(("train", "batch_size"), [(41, 8), (43, 8), (40, 64), (5, 1)])
    def test_last_batches(self, train: int, batch_size: int) -> None:
        task = problem("binary", network=mlp if batch_size == 1 else batchnorm_mlp, train=train)
        assert not self.agrees(
            task, [replicate(conventional(task))], replace(SETTINGS, batch_size=batch_size)
        )

    def test_clipping(self) -> None:
        task = problem("regression")
        given = replicate(conventional(task), lr=0.1)
        settings = replace(SETTINGS, clip=1e-2)
        assert not self.agrees(task, [given, replicate(conventional(task), lr=0.3, seed=1)], settings)
        clipped, free = self.run(task, [given], settings), self.run(task, [given])
        assert clipped[0].curves["val_loss"][-1] != free[0].curves["val_loss"][-1]

    def test_a_points_own_settings_come_first(self) -> None:
        task = problem("binary")
        pair = conventional(task)
        own = [
            replicate(pair),
            replicate(pair, batch_size=5),
            replicate(pair, weight_decay=0.5),
            replicate(pair, epochs=2),
        ]
        assert not self.agrees(task, own, SETTINGS)

    def test_the_same_replicate_is_the_same_result(self) -> None:
        task = problem("binary", network=dropout_mlp)
        one = replicate(conventional(task))
        first, second = self.run(task, [one, one])
        equal(first, second, self.tolerance)
        equal(first, self.run(task, [one])[0], self.tolerance)

    def test_order_and_neighbours_do_not_matter(self) -> None:
        task = problem("binary", network=dropout_mlp)
        wild = replicate(find_pair("mse/identity", "binary"), lr=1e6)
        ours = [replicate(p, lr, s) for p in every_pair(task)[:2] for lr in (1e-2, 1e-1) for s in (3, 4)] + [
            wild
        ]
        together, reverse = self.run(task, ours), self.run(task, ours[::-1])[::-1]
        for alone, a, b in zip(ours, together, reverse, strict=True):
            equal(a, b, self.tolerance)
            equal(a, self.run(task, [alone])[0], self.tolerance)

    def test_seeds_differ(self) -> None:
        task = problem("binary")
        a, b = self.run(task, [replicate(conventional(task), seed=s) for s in (0, 1)])
        assert a.curves["train_loss"][0] != b.curves["train_loss"][0]

    def test_layers_of_equal_shape_start_equal(self) -> None:
        weights = []
        for classes in (3, 5):
            task = problem("multiclass", classes=classes)
            for name in ("cross_entropy/softmax", "mse/softmax"):
                still = replicate(find_pair(name, "multiclass"), lr=1e-300)
                (result,) = self.run(task, [still], replace(SETTINGS, epochs=1), keep_weights=True)
                assert result.weights is not None
                weights.append(result.weights)
        for other in weights[1:]:
            assert torch.equal(weights[0]["0.weight"], other["0.weight"])
        assert torch.equal(weights[0]["2.weight"], weights[1]["2.weight"])
        assert weights[2]["2.weight"].shape == (5, 8)

    def test_the_callers_state_is_as_before(self) -> None:
        task = problem("binary", network=dropout_mlp)
        pair = find_pair("mse/identity", "binary")
        self.run(task, [replicate(pair)])
        # a state that no seeded run ends in
        random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002, S311 - the callers own state
        before = global_state()
        self.run(task, [replicate(pair), replicate(pair, lr=1e6)])
        assert global_state() == before
        next(iter(self.method()(task, space_of(task), [replicate(pair)] * 2, SETTINGS)))
        assert global_state() == before

"""Training is what a plain loop would do, and depends on the replicate alone."""

# ruff: noqa: D102 - tests: their names say what they show, and they assert

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from lossearch.losses import KINDS
from lossearch.pairs import find_pair
from lossearch.testing.problems import (
    Factory,
    batchnorm_mlp,
    dropout_mlp,
    every_pair,
    mlp,
    problem,
    replicate,
    space_of,
)
from lossearch.testing.training_base import (
    FIFTY_STEPS,
    OPTIONS,
    SETTINGS,
    TrainingTests,
    conventional,
    equal,
    global_state,
)
from lossearch.training.optimizers import OPTIMIZERS


class NumbersTests(TrainingTests):
    """Equality with a loop written by hand, and common random numbers."""

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pair_trains_as_a_plain_loop_would(self, kind: str) -> None:
        task = problem(kind)
        self.agrees(task, [replicate(p) for p in every_pair(task)], FIFTY_STEPS)

    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_every_optimiser_trains_as_a_plain_loop_would(self, optimizer: str) -> None:
        task = problem("binary")
        settings = replace(FIFTY_STEPS, optimizer=optimizer, options=OPTIONS.get(optimizer, {}))
        self.agrees(task, [replicate(conventional(task), lr=lr) for lr in (1e-3, 1e-1)], settings)

    @pytest.mark.slow
    @pytest.mark.parametrize("network", [mlp, dropout_mlp, batchnorm_mlp])
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pair_with_every_optimiser(self, kind: str, optimizer: str, network: Factory) -> None:
        task = problem(kind, network=network)
        settings = replace(FIFTY_STEPS, optimizer=optimizer, options=OPTIONS.get(optimizer, {}))
        self.agrees(task, [replicate(p) for p in every_pair(task)], settings)

    @pytest.mark.parametrize("network", [dropout_mlp, batchnorm_mlp])
    def test_random_and_normalising_layers(self, network: Factory) -> None:
        task = problem("multiclass", network=network)
        pairs = [find_pair(n, "multiclass") for n in ("cross_entropy/softmax", "mse/softmax")]
        self.agrees(task, [replicate(p, seed=s) for p in pairs for s in (0, 1)], FIFTY_STEPS)

    def test_float32(self) -> None:
        task = problem("regression", network=dropout_mlp)
        settings = replace(FIFTY_STEPS, precision="32-true")
        self.agrees(task, [replicate(conventional(task))], settings, tolerance=1e-4)
        (result,) = self.run(task, [replicate(conventional(task))], settings, keep_weights=True)
        assert result.weights is not None
        assert {w.dtype for w in result.weights.values()} == {torch.float32}

    @pytest.mark.parametrize(("train", "batch_size"), [(41, 8), (43, 8), (40, 64), (5, 1)])
    def test_last_batches(self, train: int, batch_size: int) -> None:
        task = problem("binary", network=mlp if batch_size == 1 else batchnorm_mlp, train=train)
        self.agrees(task, [replicate(conventional(task))], replace(SETTINGS, batch_size=batch_size))

    def test_clipping(self) -> None:
        task = problem("regression")
        given = replicate(conventional(task), lr=0.1)
        settings = replace(SETTINGS, clip=1e-2)
        self.agrees(task, [given], settings)
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
        self.agrees(task, own, SETTINGS)

    def test_the_same_replicate_is_the_same_result(self) -> None:
        task = problem("binary", network=dropout_mlp)
        one = replicate(conventional(task))
        first, second, *_ = [*self.run(task, [one, one]), *self.run(task, [one])]
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
        next(iter(self.trains()(task, space_of(task), [replicate(pair)] * 2, SETTINGS)))
        assert global_state() == before

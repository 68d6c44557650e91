"""Configurations that leave a population before its end: done, pruned, or diverged in part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.problems import batchnorm_mlp, problem, reference_run, replicate, space_of
from contracts.training_base import SETTINGS, conventional

from lossearch.metrics.registry import constant_score
from lossearch.pairs import find_pair
from lossearch.training.contract import Outcome, TrainingCall
from lossearch.training.population.chunks import chunks
from lossearch.training.population.method import train_population
from lossearch.training.population.module import PopulationModule

BEST = replace(SETTINGS, epochs=30, epoch="best")


def train(task, replicates, settings=BEST, **keywords):
    pairs = list({r.point.pair: r.point.definition for r in replicates}.values())
    return list(train_population(task, space_of(task, pairs), replicates, settings, **keywords))


def grid(task, rates=(0.01, 0.02, 0.1, 0.2), seeds=(0, 1)):
    return [replicate(conventional(task), lr, s) for lr in rates for s in seeds]


@pytest.fixture
def trained(monkeypatch):
    """How many configurations were trained in each epoch of each population, in order."""
    found = []

    class Watched(PopulationModule):
        def __init__(self, *args, **keywords):
            super().__init__(*args, **keywords)
            found.append([])

        def training_step(self, batch):
            found[-1].append(self.population.n_configurations)
            assert self.population.weights.flat.numel() == self.population.optimizer.rates.numel()
            super().training_step(batch)

    monkeypatch.setattr("lossearch.training.population.module.PopulationModule", Watched)
    return found


def test_configurations_that_are_done_cost_no_more(trained):
    task = problem("binary")
    given = [replace(r, until=(3, 3, 8, 5)[i // 2]) for i, r in enumerate(grid(task))]
    train(task, given)
    assert trained == [[4] * 3 + [2] * 2 + [1] * 3]


def test_pruned_configurations_cost_no_more(trained):
    task = problem("binary")
    given = grid(task)
    results = train(task, given, prune=lambda point, epoch, _: epoch >= 100 * point.lr)
    assert trained == [[4] + [3] + [2] * 8 + [1] * 10]
    assert [len(r.curves["val_loss"]) for r in results] == [1, 1, 2, 2, 10, 10, 20, 20]
    assert {r.outcome for r in results} == {Outcome.PRUNED}


def test_chunks_hold_configurations_that_end_together():
    task = problem("binary")
    given = [replace(r, until=(9, None, 2, 8)[i // 2]) for i, r in enumerate(grid(task))]
    assert [
        [a.until for a in c.configurations]
        for c in chunks(TrainingCall(task, space_of(task), random=False), BEST, given, lambda _: 4)
    ] == [
        [9, None],
        [2, 8],
    ]


def stretched():
    """Return a task and replicates of which at some points some diverge, late."""

    def change(x, y):
        return x * torch.linspace(0.2, 3, len(x)).double()[:, None], y

    task = problem("regression", change=change)
    pairs = [find_pair(n, "regression") for n in ("mae/exp", "mse/exp")]
    return task, [replicate(p, lr, s) for p in pairs for lr in (0.1, 0.2, 0.3, 0.5, 1.0) for s in range(6)]


def test_a_diverged_replicate_counts_as_a_constant_predictor():
    task, given = stretched()
    asked = {}

    def prune(point, epoch, mean):
        asked[point, epoch] = mean
        return False

    results = train(task, given, prune=prune)
    partly = 0
    for i in range(0, len(results), 6):
        trial = results[i : i + 6]
        point = trial[0].replicate.point
        partly += len({r.outcome for r in trial}) == 2
        for epoch in range(1, BEST.epochs):
            scores = []
            for r in trial:
                fold = task.fold(r.replicate.seed)
                curve = r.curves.get("val_rmse", [])
                scores.append(
                    curve[epoch - 1]
                    if epoch <= len(curve)
                    else constant_score(task.metric, task.kind, fold.train.y, fold.validation.y, task.n_out)
                )
            everyone_gone = max(len(r.curves.get("val_rmse", [])) for r in trial) < epoch
            if everyone_gone:
                assert (point, epoch) not in asked
            else:
                assert asked[point, epoch] == pytest.approx(np.mean(scores), rel=1e-9), (point, epoch)
    assert partly > 2


def test_a_diverged_replicate_of_a_pruned_point_stays_diverged():
    task, given = stretched()
    results = train(task, given, prune=lambda *asked: asked[1] == 28)
    whole = train(task, given)
    assert {r.outcome for r in results} == {Outcome.PRUNED, Outcome.DIVERGED}
    for ours, theirs in zip(results, whole, strict=True):
        gone = theirs.divergence is not None and theirs.divergence.epoch <= 28
        assert ours.outcome is (Outcome.DIVERGED if gone else Outcome.PRUNED)
        if gone:
            assert (ours.divergence, ours.reason) == (theirs.divergence, theirs.reason)


@pytest.mark.parametrize("keep_weights", [True, False])
def test_a_partly_diverged_point_has_all_of_its_best_epoch(keep_weights, trained):
    """A replicate had a part in the choice of the epoch, and diverged later: the others are trained again."""
    task, given = stretched()
    results = train(task, given, keep_weights=keep_weights)
    assert len(trained) == 2
    assert len(trained[1]) < BEST.epochs
    for i in range(0, len(results), 6):
        done = [r for r in results[i : i + 6] if r.outcome is Outcome.COMPLETED]
        for r in done:
            best = int(np.argmin(sum(d.curves["val_rmse"] for d in done))) + 1
            assert all(np.isfinite(curve[best - 1]) for curve in r.curves.values())
            assert r.kept_epoch == (best if keep_weights else None)
            assert len(r.curves["val_rmse"]) == BEST.epochs


def test_what_was_trained_again_scores_as_a_run_that_ends_there():
    task, given = stretched()
    results = train(task, given, keep_weights=True)
    checked = 0
    for r in results:
        if r.outcome is Outcome.COMPLETED and r.kept_epoch < BEST.epochs:
            (alone,) = train(task, [replace(r.replicate, until=r.kept_epoch)], keep_weights=True)
            for name, curve in alone.curves.items():
                assert r.curves[name][r.kept_epoch - 1] == pytest.approx(curve[-1], rel=1e-7), name
            checked += 1
            if checked == 3:
                break
    assert checked


def test_statistics_of_a_normalisation_leave_too():
    task = problem("binary", network=batchnorm_mlp)
    given = [replace(r, until=(2, 6, 3, 5)[i // 2]) for i, r in enumerate(grid(task))]
    for result in train(task, given, replace(SETTINGS, epochs=6), keep_weights=True):
        short = replace(SETTINGS, epochs=result.replicate.until)
        expected = reference_run(task, replace(result.replicate, until=None), short)
        for name, tensor in expected.network.state_dict().items():
            if name != "0.bias":  # without effect before a normalisation, and so all rounding
                torch.testing.assert_close(result.weights[name], tensor, rtol=1e-8, atol=1e-8)

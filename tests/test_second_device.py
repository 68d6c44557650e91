"""Nothing is made on another device than what it is computed with: every pair, as a criterion and in a population."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.devices import SETTINGS, alone, by_head, said, trained
from contracts.problems import (
    NETWORKS,
    OPTIMIZER_CLASSES,
    every_pair,
    network_problem,
    problem,
)
from contracts.training_base import of_each_sort
from second_device import DEVICE, OtherDeviceError, elsewhere, second_device

from lossearch.kinds import KINDS
from lossearch.pairs import Criterion
from lossearch.training.contract import TrainSettings
from lossearch.training.population.batched_optimizers import supported


@pytest.mark.parametrize("kind", KINDS)
def test_a_criterion_computes_on_the_device_of_its_output(kind):
    task = problem(kind)
    fold = task.fold(0)
    y, statistics = fold.train.y, fold.statistics
    for pair in every_pair(task):
        raw = torch.randn(len(y), pair.width(task.n_out), generator=torch.Generator().manual_seed(0))
        weight = torch.linspace(0.1, 2, len(y))
        ours, theirs = (Criterion(pair, statistics=statistics) for _ in range(2))
        with second_device():
            found = said(theirs.to(DEVICE), elsewhere(raw), elsewhere(y), elsewhere(weight))
        expected = said(ours, raw, y, weight)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, rtol=0, atol=0, equal_nan=True, msg=f"{pair} {name}"
            )


def _same_on_both(task, pairs, settings=SETTINGS):
    expected = trained(task, pairs, torch.device("cpu"), settings)
    with second_device():
        found = trained(task, pairs, DEVICE, settings)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_computes_on_its_device(kind):
    task = problem(kind)
    for pairs in by_head(task):
        _same_on_both(task, pairs)


@pytest.mark.parametrize(("kind", "own"), [
    ("binary", {"class_weight": "balanced"}), ("multiclass", {"class_weight": "balanced"}),
    ("multilabel", {"pos_weight": "balanced"}), ("regression", {}),
])  # fmt: skip
def test_weighted_rows_are_on_the_device(kind, own):
    task = problem(kind, weighted=True)
    weightable = [
        p for p in every_pair(task) if p.loss.weightable and not p.loss.joint and p.loss.head is None
    ]
    _same_on_both(task, of_each_sort(weightable), replace(SETTINGS, **own))


@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "mlp"])
def test_every_form_of_network_is_on_the_device(network):
    task = network_problem("binary", network)
    _same_on_both(task, of_each_sort(every_pair(task)))


@pytest.mark.parametrize("optimizer", OPTIMIZER_CLASSES)
@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_every_optimiser_is_on_the_device(optimizer, precision):
    task = problem("binary")
    own = TrainSettings(2, 16, optimizer, {}, precision=precision, schedule="cosine")
    if supported(optimizer, {}):
        _same_on_both(task, of_each_sort(every_pair(task)), own)


@pytest.mark.parametrize("kind", KINDS)
def test_one_replicate_alone_is_on_its_device(kind):
    task = problem(kind)
    for pair in of_each_sort(every_pair(task)):
        expected = alone(task, pair, torch.device("cpu"))
        with second_device():
            found = alone(task, pair, DEVICE)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-6, err_msg=f"{pair} {name}")


def test_what_a_gpu_would_refuse_is_refused():
    with second_device():
        theirs, ours = torch.ones(3, device=DEVICE), torch.ones(3)
        for meet in (lambda: theirs + ours, lambda: torch.cat([theirs, ours]), lambda: theirs.add_(ours)):
            with pytest.raises(OtherDeviceError, match="meets tensors of two devices"):
                meet()
        with pytest.raises(TypeError, match="numpy"):
            theirs.numpy()
        assert (theirs * torch.tensor(2.0)).tolist() == [2, 2, 2]
        assert theirs[torch.tensor([0])].device == DEVICE
        assert (theirs.cpu() + ours).tolist() == [2, 2, 2]

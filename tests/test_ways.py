"""Which networks, losses and settings are trained as populations, and what is said of those that are not."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from contracts.problems import (
    NETWORKS,
    every_pair,
    mlp,
    network_problem,
    problem,
    replicate,
    space_of,
)
from contracts.training_base import SETTINGS, conventional, equal, with_identity
from second_device import DEVICE, second_device
from torch import nn
from torch.nn import functional

from lossearch.losses import loss
from lossearch.pairs import find_pair
from lossearch.space import Dimension, Space
from lossearch.training.contract import Outcome
from lossearch.training.methods import choose_method
from lossearch.training.plain.train import train_plain
from lossearch.training.preflight import batching
from lossearch.training.preflight.preflight import preflight_study


class Net(nn.Module):
    """A net of two layers with something of its own in between."""

    def __init__(self, n_out):
        super().__init__()
        self.enter, self.leave = nn.Linear(3, 8), nn.Linear(8, n_out)

    def forward(self, x):
        return self.leave(torch.tanh(self.between(self.enter(x), x)))

    def between(self, h, x):
        return h


class Recurrent(nn.Module):
    def __init__(self, n_out, kind):
        super().__init__()
        self.memory, self.leave = kind(1, 8, batch_first=True), nn.Linear(8, n_out)

    def forward(self, x):
        return self.leave(self.memory(x.unsqueeze(-1))[0][:, -1])


class Attentive(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.enter, self.leave = nn.Linear(1, 8), nn.Linear(8, n_out)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x):
        h = self.enter(x.unsqueeze(-1))
        return self.leave(self.attention(h, h, h, need_weights=False)[0].mean(1))


class Branching(Net):
    def between(self, h, x):
        return h if h.sum() > 0 else -h


class Scoring(Net):
    """Branches in evaluation mode alone."""

    def between(self, h, x):
        return h if self.training or x.sum() > 0 else -h


class Reading(Net):
    def between(self, h, x):
        return h * x.max().item()


class Lottery(Net):
    """Draws with numpy, by which no seed is set in a step."""

    def between(self, h, x):
        return h * (1 + 1e-6 * np.random.random())  # noqa: NPY002 - what users write


class Dice(Net):
    def between(self, h, x):
        return h * (1 + 1e-6 * random.random())  # noqa: S311


class Counting(Net):
    calls = 0

    def between(self, h, x):
        self.calls += 1
        return h


class Averaging(Net):
    """Keeps a running mean in a buffer that it replaces."""

    def __init__(self, n_out):
        super().__init__(n_out)
        self.register_buffer("mean", torch.zeros(8))

    def between(self, h, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(0)
        return h - self.mean


class Unused(Net):
    """Has a layer without a gradient, which weight decay leaves alone."""

    def __init__(self, n_out):
        super().__init__(n_out)
        self.spare = nn.Linear(3, 3)


class Frozen(Net):
    def __init__(self, n_out):
        super().__init__(n_out)
        self.enter.requires_grad_(False)


class Sampling(Net):
    """Drops numbers in evaluation mode too."""

    def between(self, h, x):
        return functional.dropout(h, 0.5, training=True)


class Dropping(Net):
    def between(self, h, x):
        return functional.dropout(h, 0.5, self.training)


def _normed(norm):
    return lambda n: nn.Sequential(norm(nn.Linear(3, 8)), nn.Tanh(), nn.Linear(8, n))


def _frozen_stack(n_out):
    net = mlp(n_out)
    net[0].requires_grad_(False)
    return net


def _hooked(n_out):
    net = mlp(n_out)
    net[0].register_forward_hook(lambda _, __, h: 2 * h)
    return net


def _scaled_gradient(n_out):
    net = mlp(n_out)
    net[0].weight.register_hook(lambda g: 3 * g)
    return net


def _tied(n_out):
    same = nn.Linear(8, 8)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), same, nn.Tanh(), same, nn.Tanh(), nn.Linear(8, n_out))


UNFIT = {
    "lstm": (lambda n: Recurrent(n, nn.LSTM), r"the network cannot be batched \(RuntimeError: Batching rule not implemented for aten::lstm.input\)"),
    "gru": (lambda n: Recurrent(n, nn.GRU), r"the network cannot be batched \(RuntimeError: Batching rule not implemented for aten::gru.input\)"),
    "branching": (Branching, r"the network cannot be batched \(RuntimeError: vmap: .*data-dependent control flow\)"),
    "scoring": (Scoring, r"the network cannot be batched \(RuntimeError: vmap: .*data-dependent control flow\)"),
    "reading": (Reading, r"the network cannot be batched \(RuntimeError: vmap: .*\.item\(\) on a Tensor\)"),
    "spectral norm": (_normed(nn.utils.parametrizations.spectral_norm), r"the network cannot be batched \(RuntimeError: Batching rule not implemented for .*\)"),
    "cumulative": (lambda n: nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8, momentum=None), nn.Linear(8, n)), r"the network cannot be batched \(RuntimeError: vmap: .*\)"),
    "weight norm": (_normed(nn.utils.parametrizations.weight_norm), r"the network's _weight_norm cannot be batched without a loop"),
    "attention": (Attentive, r"the network's .*attention.* cannot be batched without a loop"),
    "lottery": (Lottery, r"the network draws random numbers by numpy or python, not by torch"),
    "dice": (Dice, r"the network draws random numbers by numpy or python, not by torch"),
    "counting": (Counting, r"the network keeps a state of its own from one batch to the next"),
    "averaging": (Averaging, r"batched and alone it does not .*"),
    "unused": (Unused, r"batched and alone it does not .*"),
    "sampling": (Sampling, r"the network cannot be batched \(RuntimeError: vmap: .*random.*\)"),
    "scaled gradient": (_scaled_gradient, r"batched and alone it does not .*"),
}  # fmt: skip
FIT = {
    "frozen": Frozen, "frozen stack": _frozen_stack, "hooked": _hooked, "tied": _tied, "dropping": Dropping,
    **{name: factory for name, (factory, _) in NETWORKS.items()},
}  # fmt: skip
SETTING = replace(SETTINGS, options={"momentum": 0.9, "weight_decay": 0.01})


@pytest.fixture
def patient(monkeypatch):
    """Right or wrong is the question, not how fast: that depends on what else the machine does."""
    monkeypatch.setattr(batching._Comparison, "slowness", lambda _: None)


def chosen(task, settings=SETTING, space=None, seeds=(0, 1)):
    notes = []
    found = preflight_study(task, space or space_of(task), seeds, settings)
    return choose_method(found, plain=train_plain, note=notes.append), notes


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("precision", ["32-true", "64-true"])
def test_what_cannot_be_batched_is_said_in_a_line(name, precision):
    network, words = UNFIT[name]
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    method, notes = chosen(problem("binary", network=network), replace(SETTING, precision=precision))
    assert method is train_plain
    (line,) = notes
    assert re.fullmatch(rf"Replicates are trained one by one: {words}\.", line), line
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1], before[2]) == (np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("name", FIT)
def test_what_can_be_batched_trains_as_alone(name):
    task = network_problem("binary", name) if name in NETWORKS else problem("binary", network=FIT[name])
    method, notes = chosen(task)
    assert notes == []
    assert method is not train_plain
    given = [replicate(p, lr, s) for p in every_pair(task)[:2] for lr in (0.01, 0.1) for s in (0, 1)]
    space = space_of(task)
    together = list(method(task, space, given, SETTING, keep_weights=True))
    alone = list(train_plain(task, space, given, SETTING, keep_weights=True))
    for ours, theirs in zip(together, alone, strict=True):
        equal(ours, theirs, 1e-9)
        assert ours.weights.keys() == theirs.weights.keys()
        for key, tensor in theirs.weights.items():
            torch.testing.assert_close(ours.weights[key], tensor, rtol=1e-8, atol=1e-8)
        task.network(task.n_out).load_state_dict(dict(ours.weights))


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kind", ["regression", "multiclass"])
def test_a_bias_before_a_normalisation_is_no_reason(kind):
    """Its gradient is rounding alone, which Adagrad divides by its own size."""
    task = network_problem(kind, "convolution")
    _, notes = chosen(task, replace(SETTINGS, optimizer="adagrad", options={}))
    assert notes == []


def test_a_network_that_is_no_faster_together_is_trained_alone(monkeypatch):
    seconds = iter((1.0, 0.05))
    monkeypatch.setattr(batching, "_least_seconds", lambda *_: next(seconds))
    _, notes = chosen(problem("binary", network=Net))
    assert notes == ["Replicates are trained one by one: batching saves too little (1.6 times)."]


def test_the_saving_is_measured_where_the_study_trains(monkeypatch):
    met, task = [], network_problem("binary", "residual")

    def seconds(call, device):
        call()
        met.append(device)
        return len(met)

    monkeypatch.setattr(batching, "device_of", lambda _: DEVICE)
    monkeypatch.setattr(batching, "_least_seconds", seconds)
    with second_device():
        method, notes = chosen(task)
    assert met == [DEVICE, DEVICE]
    assert (notes, method is train_plain) == ([], False)


def test_the_probe_is_quick():
    for network in (mlp, Net, Branching):
        task = problem("binary", network=network, rows=5000, train=4000)
        chosen(task)
        begun = time.process_time()
        chosen(task)
        assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("name", "options"),
    [("nadam", {}), ("adam", {"amsgrad": True}), ("radam", {"decoupled_weight_decay": True})],
)
def test_optimisers_without_a_batched_form(name, options):
    method, notes = chosen(problem("binary"), replace(SETTINGS, optimizer=name, options=options))
    assert method is train_plain
    assert notes == [
        f"Replicates are trained one by one: optimiser {name} with these options has no batched form."
    ]


def test_seeds_of_different_sizes():
    task = problem("binary")

    def fold(seed):
        whole = task.fold(seed)
        part = replace(whole.train, x=whole.train.x[seed:], y=whole.train.y[seed:])
        return replace(whole, train=part)

    _, notes = chosen(replace(task, fold=fold))
    assert notes == ["Replicates are trained one by one: seeds have parts of different sizes."]


@loss(task="binary", encoding="plus_minus_one", source="a common slip")
def row_weighted(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Weigh by the share of a class among the rows, found along the wrong axis for a stack."""
    share = (target > 0).to(output.dtype).mean(dim=0, keepdim=True)
    return (output - target).square() * (1 + share)


@loss(task="binary", encoding="plus_minus_one", source="a common slip")
def two_axes(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Take apart what has rows and columns alone."""
    rows, _ = output.shape
    return (output - target).square() / rows


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (row_weighted, "row_weighted/identity does not give for a stack of models what it gives for one"),
        (two_axes, "two_axes/identity cannot be computed for a stack of models (ValueError: too many values to unpack (expected 2))"),
    ],
)  # fmt: skip
def test_losses_that_a_stack_of_models_breaks(slip, words):
    task = problem("binary")
    pairs = [conventional(task), find_pair("hinge/tanh", "binary"), with_identity(slip)]
    method, notes = chosen(task, space=space_of(task, pairs))
    assert notes == [f"Replicates are trained one by one: {words}."]
    results = list(method(task, space_of(task, pairs), [replicate(pairs[2])], SETTINGS))
    assert [r.outcome for r in results] == [Outcome.COMPLETED]


def test_searched_settings_are_probed():
    task = problem("binary")
    batch = Dimension("batch_size", choices=(5, 8))
    decay = Dimension("weight_decay", 1e-4, 1e-2, log=True)
    space = Space(task.kind, tuple(every_pair(task)), (0.01, 0.1), settings=(batch, decay))
    method, notes = chosen(task, SETTINGS, space)
    assert notes == []
    point = space.point("bce/sigmoid", {"lr": 0.05, "batch_size": 5, "weight_decay": 1e-3})
    given = replace(replicate(conventional(task)), point=point)
    (ours,), (theirs,) = (list(w(task, space, [given], SETTINGS)) for w in (method, train_plain))
    equal(ours, theirs, 1e-12)

"""Networks that already apply the activation a pair would add, judged by what they give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations

import lossearch
from lossearch._random import isolated
from lossearch.errors import InputError
from lossearch.networks.applied_activation import DRAWS, OutputRange, applied_activation, output_range

CURE = "Remove it: the network gives raw output, and the pair adds the activation."
WHATEVER = (
    "The network has an activation at its end: whatever its weights and however far out its inputs, it gives"
)


class Then(nn.Module):
    """A network and what ``forward`` does to its output, which is no layer of its own."""

    def __init__(self, body, end=lambda output: output):
        super().__init__()
        self.body, self.end = body, end

    def forward(self, x):
        return self.end(self.body(x))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, x):
        return x + self.inner(x)


class Gated(nn.Module):
    """Uses a softmax inside, and defines it last."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.head = nn.Linear(n_in, n_out)
        self.attention = nn.Softmax(dim=-1)

    def forward(self, x):
        return self.head(self.attention(x) * x)


class Recurrent(nn.Module):
    """Reads the columns one after another."""

    def __init__(self, layer, n_out):
        super().__init__()
        self.layer, self.head = layer(1, 8, batch_first=True), nn.Linear(8, n_out)

    def forward(self, x):
        return self.head(self.layer(x.unsqueeze(-1))[0][:, -1])


class Attention(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.lift = nn.Linear(1, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, n_out)

    def forward(self, x):
        return self.head(self.norm(self.layer(self.lift(x.unsqueeze(-1))).mean(dim=1)))


class Convolution(nn.Module):
    def __init__(self, n_out):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(1, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(), nn.AdaptiveAvgPool1d(1)
        )
        self.head = nn.Linear(6, n_out)

    def forward(self, x):
        return self.head(self.conv(x.unsqueeze(1)).flatten(1))


class Tokens(nn.Module):
    """Fails on what is no index of its table."""

    def __init__(self, n_out):
        super().__init__()
        self.table, self.head = nn.Embedding(5, 6), nn.Linear(6, n_out)

    def forward(self, x):
        return self.head(self.table(x.abs().long()).mean(dim=1))


class Prototypes(nn.Module):
    """Minus the squared distance to a learnt point of each class: sound scores of classes."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.points = nn.Parameter(torch.randn(n_out, n_in))

    def forward(self, x):
        return -torch.cdist(x, self.points).square()


def mlp(n_in, n_out, widths, inner, norm, dropout):
    layers, before = [], n_in
    for width in widths:
        layers += [nn.Linear(before, width), *([norm(width)] if norm else []), inner()]
        layers += [nn.Dropout(0.3)] * dropout
        before = width
    return nn.Sequential(*layers, nn.Linear(before, n_out))


def zero_head(n_in, n_out):
    network = nn.Sequential(nn.Linear(n_in, 16), nn.Tanh(), nn.Linear(16, n_out))
    nn.init.zeros_(network[-1].weight)
    nn.init.zeros_(network[-1].bias)
    return network


def small_head(n_in, n_out):
    network = zero_head(n_in, n_out)
    nn.init.normal_(network[-1].weight, std=1e-6)
    nn.init.constant_(network[-1].bias, 0.5)
    return network


PLAIN = st.builds(
    lambda widths, inner, norm, dropout: lambda n_in, n_out: mlp(n_in, n_out, widths, inner, norm, dropout),
    st.lists(st.sampled_from([1, 2, 8, 64]), max_size=12),
    st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.ELU, nn.SiLU, nn.LeakyReLU, nn.Softplus]),
    st.sampled_from([None, nn.LayerNorm, nn.BatchNorm1d]),
    st.booleans(),
)
SHAPED = st.sampled_from(
    [
        Gated,
        zero_head,
        small_head,
        lambda n_in, n_out: nn.Linear(n_in, n_out, bias=False),
        lambda n_in, n_out: Recurrent(nn.LSTM, n_out),
        lambda n_in, n_out: Recurrent(nn.GRU, n_out),
        lambda n_in, n_out: Recurrent(nn.RNN, n_out),
        lambda n_in, n_out: Attention(n_out),
        lambda n_in, n_out: Convolution(n_out),
        lambda n_in, n_out: nn.Sequential(*(Residual(n_in) for _ in range(3)), nn.LayerNorm(n_in), nn.Linear(n_in, n_out)),
        lambda n_in, n_out: parametrizations.weight_norm(nn.Linear(n_in, n_out)),
        lambda n_in, n_out: nn.Sequential(parametrizations.spectral_norm(nn.Linear(n_in, 8)), nn.ReLU(), nn.Linear(8, n_out)),
        lambda n_in, n_out: nn.Sequential(nn.RMSNorm(n_in), nn.Linear(n_in, n_out)),
        lambda n_in, n_out: nn.Sequential(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out)),
    ]
)  # fmt: skip
RAW = st.one_of(PLAIN, SHAPED)
ENDS = {
    "from 0 to 1": (torch.sigmoid, F.hardsigmoid, torch.special.ndtr, lambda z: torch.exp(-z.square())),
    "from -1 to 1": (torch.tanh, F.softsign, torch.sin, F.hardtanh),
    "below 0": (torch.relu, F.softplus, torch.exp, torch.square, torch.abs, F.relu6),
}  # fmt: skip


def by_hand(z):
    shifted = (z - z.amax(dim=-1, keepdim=True)).exp()
    return shifted / shifted.sum(dim=-1, keepdim=True)


CLASS_ENDS = {
    "sum to 1": (lambda z: z.softmax(dim=-1), by_hand),
    "log-probabilities": (lambda z: z.log_softmax(dim=-1),),
}


def judged(network, n_in, *, n_out=1, jointly=False):
    with isolated(0):
        x = torch.randn(8, n_in)
        return applied_activation(output_range(network.eval(), x), n_out, jointly=jointly)


@settings(max_examples=40)
@given(RAW, st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_no_network_that_gives_raw_output_is_suspected(build, n_in, n_out, seed):
    torch.manual_seed(seed)
    network = build(n_in, n_out)
    assert judged(network, n_in, n_out=n_out) is None


@settings(max_examples=40)
@given(RAW, st.integers(1, 6), st.integers(1, 5), st.data())
def test_every_activation_in_forward_is_found(build, n_in, n_out, data):
    words = data.draw(st.sampled_from(sorted(ENDS)))
    end = data.draw(st.sampled_from(ENDS[words]))
    found = judged(Then(build(n_in, n_out), end), n_in, n_out=n_out)
    assert found is not None
    assert found.certain
    assert words in found.words or "below 0" in found.words or "from 0 to 1" in found.words
    assert CURE in found.words


@settings(max_examples=25)
@given(RAW, st.integers(1, 6), st.integers(2, 5), st.data())
def test_every_activation_over_classes_is_found(build, n_in, n_out, data):
    words = data.draw(st.sampled_from(sorted(CLASS_ENDS)))
    end = data.draw(st.sampled_from(CLASS_ENDS[words]))
    found = judged(Then(build(n_in, n_out), end), n_in, n_out=n_out, jointly=True)
    assert found is not None
    assert found.certain
    assert words in found.words


@pytest.mark.parametrize(("classes", "floor"), [(2, "0.313"), (3, "0.551"), (10, "1.461"), (100, "3.622")])
def test_softmax_twice_has_a_floor(classes, floor):
    found = judged(nn.Sequential(nn.Linear(4, classes), nn.Softmax(dim=-1)), 4, n_out=classes, jointly=True)
    assert found.words == (
        f"{WHATEVER} rows that sum to 1, as after a softmax; applied twice, softmax leaves cross_entropy a floor: "
        f"it cannot go below {floor} for {classes} classes. {CURE}"
    )
    right = 1e4 * torch.eye(classes)
    assert f"{F.cross_entropy(torch.softmax(right, dim=-1), torch.arange(classes)):.3f}" == floor


def test_what_is_said_of_other_ends():
    assert judged(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), 4).words == (
        f"{WHATEVER} values from 0 to 1 alone, as after a sigmoid; applied twice, sigmoid leaves bce a floor: it "
        f"cannot go below 0.313 for class 1, 0.693 for class 0, 0.503 for as many of each. {CURE}"
    )
    one = judged(Then(nn.Linear(4, 1), lambda z: z.softmax(dim=-1)), 4)
    assert one.certain
    assert "gives 1 for every row, as a softmax over one output does" in one.words
    below = judged(Then(nn.Linear(4, 1), F.logsigmoid), 4)
    assert below.certain
    assert "no value above 0, as after a logsigmoid" in below.words


def test_minus_distances_are_scores_of_classes_and_of_nothing_else():
    assert judged(Prototypes(4, 3), 4, n_out=3, jointly=True) is None
    assert judged(Prototypes(4, 1), 4).certain


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (lambda z: 3 * z.tanh(), "no value below -3 or above 3,"),
        (F.elu, "no value below -1,"),
        (lambda z: 1 + 4 * z.sigmoid() - 3, "no value below -2 or above 2,"),
    ],
)
def test_other_bounds_are_likely_and_not_certain(end, said):
    found = judged(Then(nn.Linear(4, 1), end), 4)
    assert not found.certain
    assert said in found.words


def test_a_network_that_cannot_be_driven_far_is_judged_by_its_weights_alone():
    tokens = torch.randint(0, 5, (8, 3)).float()
    with isolated(0):
        raw = output_range(Tokens(2).eval(), tokens)
        bounded = output_range(Then(Tokens(2), torch.sigmoid).eval(), tokens)
    assert applied_activation(raw, 2) is None
    assert applied_activation(bounded, 2).certain


def test_whole_numbers_are_not_driven_far():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(5, 6), nn.Linear(6, 2)

        def forward(self, x):
            assert not x.is_floating_point()
            return self.head(self.table(x).mean(dim=1))

    with isolated(0):
        assert output_range(Words().eval(), torch.randint(0, 5, (8, 3))).raw


def test_too_few_numbers_are_no_certainty():
    few = OutputRange(0.1, 0.9, sums_to_one=False, log_sums_to_zero=False, draws=DRAWS // 2 - 1)
    assert not applied_activation(few, 1).certain
    assert applied_activation(OutputRange(), 1) is None
    assert applied_activation(OutputRange(0.0, 0.0, False, False, 1), 1) is None
    assert judged(Then(nn.Linear(4, 1), lambda z: z * math.nan), 4) is None


RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
QUICK: dict[str, Any] = {"trials": 5, "seeds": 1, "confirm_seeds": 0, "epochs": 1, "mlflow": False, "lr": 0.1}
TARGETS = {
    "binary": (X[:, 0] > 0).astype(int),
    "multiclass": np.digitize(X[:, 0], [-0.5, 0.5]),
    "regression": 3 * X[:, 0] + X[:, 1],
}


@pytest.mark.parametrize(
    ("task", "end", "said"),
    [
        ("binary", torch.sigmoid, "from 0 to 1 alone, as after a sigmoid"),
        ("binary", torch.tanh, "from -1 to 1 alone, as after a tanh"),
        ("multiclass", torch.relu, "no value below 0, as after a ReLU"),
        ("multiclass", lambda z: torch.softmax(z, 1), "rows that sum to 1, as after a softmax"),
        ("multiclass", lambda z: torch.log_softmax(z, 1), "log-probabilities, as log_softmax does"),
        ("regression", torch.relu, "no value below 0, as after a ReLU"),
        ("regression", torch.tanh, "from -1 to 1 alone, as after a tanh"),
    ],
)
def test_a_search_refuses_it_before_anything_is_made(task, end, said, store):
    with pytest.raises(InputError, match=said):
        lossearch.search(
            X,
            TARGETS[task],
            task=task,
            model=lambda n_in, n_out: Then(mlp(n_in, n_out, [8], nn.ReLU, None, False), end),
            store=store,
            **QUICK,
        )
    assert not store.exists()


def test_a_search_says_what_is_likely_and_goes_on(store):
    result = lossearch.search(
        X,
        TARGETS["regression"],
        task="regression",
        losses=["mse"],
        model=lambda n_in, n_out: Then(nn.Linear(n_in, n_out), lambda z: 3 * z.tanh()),
        store=store,
        **QUICK,
    )
    assert any("no value below -3 or above 3," in note for note in result.declared.notes)

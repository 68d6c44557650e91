"""Networks that already end in the activation a pair would add."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from lossearch.networks.output_check import network_activation_problem

CURE = "Remove its last layer: the network gives raw output, and the pair adds the activation."


class Hidden(nn.Module):
    def __init__(self, n_out, end):
        super().__init__()
        self.body = nn.Linear(4, n_out)
        self.end = end

    def forward(self, x):
        return self.end(self.body(x))


class Functional(nn.Module):
    def __init__(self, n_out, end):
        super().__init__()
        self.body = nn.Linear(4, n_out)
        self.fn = end

    def forward(self, x):
        return self.fn(self.body(x), dim=-1)


class Gated(nn.Module):
    """Uses a softmax inside, and defines it last."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 3)
        self.attention = nn.Softmax(dim=-1)

    def forward(self, x):
        return self.head(self.attention(x) * x)


def ends(network):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        return network_activation_problem(network, network(torch.randn(16, 4, generator=generator)))


@pytest.mark.parametrize(("classes", "floor"), [(2, "0.313"), (3, "0.551"), (10, "1.461"), (100, "3.622")])
@pytest.mark.parametrize("build", [lambda n, end: nn.Sequential(nn.Linear(4, n), end), Hidden])
def test_a_network_that_ends_in_softmax(build, classes, floor):
    assert ends(build(classes, nn.Softmax(dim=-1))) == (
        "The network already ends in Softmax; applied twice, softmax leaves cross_entropy a floor: it cannot go "
        f"below {floor} for {classes} classes. {CURE}"
    )
    right = 1e4 * torch.eye(classes)
    floor_found = F.cross_entropy(torch.softmax(right, dim=-1), torch.arange(classes))
    assert f"{floor_found:.3f}" == floor


def test_a_softmax_that_is_not_a_layer():
    assert ends(Functional(3, F.softmax)) == (
        "The network already gives rows that sum to 1, as after a softmax; applied twice, softmax leaves "
        f"cross_entropy a floor: it cannot go below 0.551 for 3 classes. {CURE}"
    )
    assert ends(Functional(3, F.log_softmax)) == (
        "The network already gives log-probabilities, as log_softmax does; margins and squared errors would be "
        f"taken of logarithms. {CURE}"
    )


def test_other_endings():
    assert ends(Hidden(1, nn.Sigmoid())) == (
        "The network already ends in Sigmoid; applied twice, sigmoid leaves bce a floor: it cannot go below 0.313 "
        f"for class 1, 0.693 for class 0, 0.503 for as many of each. {CURE}"
    )
    assert ends(nn.Sequential(nn.Linear(4, 1), nn.Sequential(nn.Tanh()))) == (
        f"The network already ends in Tanh; what it gives cannot leave -1 to 1. {CURE}"
    )
    assert ends(Hidden(2, nn.LogSoftmax(dim=-1))) == (
        "The network already ends in LogSoftmax; margins and squared errors would be taken of logarithms. "
        + CURE
    )
    assert ends(Hidden(1, nn.Softmax(dim=-1))) == (
        f"The network already ends in Softmax, which over one output is always 1. {CURE}"
    )


def test_raw_output_is_not_suspected():
    for network in (
        nn.Linear(4, 3),
        nn.Sequential(nn.Tanh(), nn.Linear(4, 1)),
        Gated(),
        nn.Sequential(nn.Linear(4, 3), nn.ReLU()),
    ):
        assert ends(network) is None
    assert network_activation_problem(nn.Linear(1, 2), torch.full((3, 2), math.nan)) is None
    assert network_activation_problem(nn.Linear(1, 2), torch.zeros(0, 2)) is None

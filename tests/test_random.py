# ruff: noqa: NPY002, S311 - the global generators are what is watched

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lossearch._random import draws_at_random, generator, isolated, rng, seeded_build, stream

names = st.lists(st.one_of(st.text(max_size=8), st.integers()), max_size=3)


def states():
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        np.random.get_state()[2],
        torch.random.get_rng_state().tolist(),
    )


@given(st.integers(), names)
def test_a_stream_is_a_63_bit_seed_and_repeats(seed, parts):
    value = stream(seed, *parts)
    assert 0 <= value < 2**63
    assert value == stream(seed, *parts)
    torch.Generator().manual_seed(value)


def test_streams_of_other_seeds_and_names_differ():
    seen = {
        stream(s, *n)
        for s in range(50)
        for n in [(), ("a",), ("b",), ("a", 1), ("a", 11), ("a", "b"), (1, 1)]
    }
    assert len(seen) == 50 * 7


def test_streams_are_the_same_on_every_machine():
    assert stream(0, "weights") == 8499703138442296907
    assert stream(7, "step", 3) == 6449023221254889580


def test_generators_start_at_the_stream():
    a, b = (torch.rand(4, generator=generator(3, "x")) for _ in range(2))
    assert torch.equal(a, b)
    assert rng(3, "x").random(3).tolist() == rng(3, "x").random(3).tolist()
    assert rng(3, "x").random() != rng(4, "x").random()


def test_inside_is_seeded_and_outside_is_untouched():
    def draw():
        return random.random(), np.random.random(), torch.rand(1).item()

    before = states()
    with isolated(5):
        first = draw()
    assert states() == before
    draw()
    with isolated(5):
        assert draw() == first
    with isolated(6):
        assert draw() != first


def test_outside_is_untouched_after_an_error():
    before = states()
    with pytest.raises(KeyError), isolated(5):  # noqa: PT012 - it draws, then raises
        torch.rand(1)
        raise KeyError
    assert states() == before


def net(width, head):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(8, 8), nn.Linear(8, head), nn.Linear(4, 4))


def test_layers_of_equal_shape_are_equal_whatever_the_others():
    before = states()
    a, b, c = (seeded_build(lambda size=size: net(*size), 1) for size in ((8, 2), (8, 5), (16, 2)))
    assert states() == before
    for i in (0, 2, 4):
        assert torch.equal(a[i].weight, b[i].weight)
        assert torch.equal(a[i].bias, b[i].bias)
    for i in (2, 3, 4):
        assert torch.equal(a[i].weight, c[i].weight)
    assert a[3].weight.shape != b[3].weight.shape


def test_seeds_give_other_weights_and_layers_are_independent():
    a, b = (seeded_build(lambda: nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5)), s) for s in (0, 1))
    assert not torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, a[1].weight)


def test_initial_weights_have_the_distribution_the_factory_asks_for():
    def wide():
        layer = nn.Linear(100, 400)
        nn.init.normal_(layer.weight, std=3.0)
        return layer

    weight = seeded_build(wide, 2).weight.detach()
    assert weight.std().item() == pytest.approx(3.0, rel=0.02)
    assert weight.mean().item() == pytest.approx(0.0, abs=0.06)
    assert np.corrcoef(weight[:200].flatten(), weight[200:].flatten())[0, 1] == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize(
    ("layer", "draws"),
    [
        (nn.Identity(), False),
        (nn.Linear(3, 3), False),
        (nn.BatchNorm1d(3), False),
        (nn.Dropout(0.5), True),
        (nn.Dropout(0.5).eval(), False),
        (nn.AlphaDropout(0.2), True),
        (nn.RReLU(), True),
    ],
)
def test_random_layers_are_found(layer, draws):
    before = states()
    assert draws_at_random(lambda: layer(torch.ones(4, 3))) is draws
    assert states() == before

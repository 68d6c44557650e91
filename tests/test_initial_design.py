"""Points that need no model: learning rates end to end, quasi-random in the rest."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.space import Dimension
from lossearch.study.initial_design import (
    from_unit,
    full_factorial,
    grid,
    quasi_random,
    space_filling,
    spread_order,
    to_unit,
)

LR = Dimension("lr", 1e-3, 1.0, log=True)
GAMMA = Dimension("focal.gamma", 0.0, 5.0)
BATCH = Dimension("batch_size", 8, 128, integer=True, log=True)
CHOICE = Dimension("momentum", choices=(0.0, 0.9, 0.99))


@given(st.integers(0, 40))
def test_spread_order_is_a_permutation(n: int) -> None:
    assert sorted(spread_order(n)) == list(range(n))


def test_every_beginning_of_the_order_is_spread() -> None:
    assert spread_order(7)[:3] == [3, 0, 6]


@pytest.mark.parametrize("dimension", [LR, GAMMA, BATCH, CHOICE], ids=lambda d: d.name)
@given(share=st.floats(0, 1))
def test_a_share_gives_a_value_inside(dimension: Dimension, share: float) -> None:
    value = from_unit(dimension, share)
    if dimension.choices:
        assert value in dimension.choices
    else:
        assert dimension.low <= float(value) <= dimension.high
        assert isinstance(value, int) == dimension.integer


@given(share=st.floats(0, 1))
def test_share_of_undoes_at(share: float) -> None:
    for dimension in (LR, GAMMA):
        assert to_unit(dimension, from_unit(dimension, share)) == pytest.approx(share, abs=1e-4)


def test_cover_spans_the_learning_rate_evenly_on_a_log_scale() -> None:
    rates = sorted(float(p["lr"]) for p in space_filling([LR], 7, seed=0))
    assert rates[0] == 1e-3
    assert rates[-1] == 1.0
    steps = [math.log10(b / a) for a, b in pairwise(rates)]
    assert steps == pytest.approx([0.5] * 6, abs=1e-4)


def test_learning_rates_of_a_cover_do_not_depend_on_other_dimensions() -> None:
    plain = [p["lr"] for p in space_filling([LR], 7, seed=0)]
    assert [p["lr"] for p in space_filling([LR, GAMMA, CHOICE], 7, seed=5)] == plain


def test_a_quasi_random_sequence_goes_on_where_it_stopped() -> None:
    whole = quasi_random([LR, GAMMA], 0, 9, seed=3)
    assert quasi_random([LR, GAMMA], 4, 5, seed=3) == whole[4:]
    assert quasi_random([LR, GAMMA], 0, 9, seed=4) != whole


def test_grid_has_even_levels_and_no_more_points_than_asked() -> None:
    points = grid([LR, GAMMA], 16)
    assert len(points) == 16
    assert len({p["lr"] for p in points}) == 4
    assert {p["focal.gamma"] for p in points} == {0.0, 5 / 3, 10 / 3, 5.0} or len(
        {p["focal.gamma"] for p in points}
    ) == 4
    assert len(grid([LR, GAMMA], 10)) <= 10


def test_every_point_of_a_finite_space() -> None:
    found = full_factorial([CHOICE, Dimension("n", 1, 3, integer=True)])
    assert found is not None
    assert len(found) == 9
    assert full_factorial([CHOICE, LR]) is None

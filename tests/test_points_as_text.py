"""A point's text is taken back by ``lossearch.criterion``: the same pair of the same kind of task, to the last digit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lossearch
from lossearch.config import make_config
from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.pairs import Pair, pair_up
from lossearch.space import Point
from lossearch.study.named_losses import with_pair

EVERY_PAIR = [
    found
    for kind in KINDS
    for loss in losses_for(kind).values()
    for activation in ACTIVATIONS.values()
    if isinstance(found := pair_up(loss, activation, TargetFacts(kind)), Pair)
]


def parameters(pair):
    """Return values of a loss's own parameters: any float that each may be."""
    return st.tuples(
        *(
            st.tuples(st.just(p.name), st.floats(*_ends(p)).filter(lambda v, p=p: p.problem(v) is None))
            for p in pair.loss.params
        )
    )


def _ends(p):
    low, high = p.valid
    return (p.low if math.isinf(low) else low), (p.high if math.isinf(high) else high)


@pytest.mark.parametrize("pair", EVERY_PAIR, ids=lambda p: f"{p.kind}-{p.name}")
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_text_is_taken_back(pair, data):
    point = Point(pair.name, 0.1, data.draw(parameters(pair)), definition=pair)
    found, own = lossearch.criterion(point.text), point.criterion()
    assert (found.pair, found.params) == (pair, own.params)
    assert all(found.params[k] == v for k, v in point.own)


def test_the_task_is_written_only_where_the_name_leaves_it_open():
    by_kind = {p.kind: p for p in EVERY_PAIR if p.name == "mse/sigmoid"}
    assert Point("mse/sigmoid", 0.1, definition=by_kind["multilabel"]).text == "mse/sigmoid(task=multilabel)"
    (hinge,) = [p for p in EVERY_PAIR if p.name == "hinge/tanh" and p.kind == "binary"]
    assert Point("hinge/tanh", 0.1, (("margin", 0.1 + 0.2),), definition=hinge).text == (
        "hinge/tanh(margin=0.30000000000000004)"
    )


def test_a_pair_that_is_not_at_hand_is_written_by_its_name():
    point = Point("focal/sigmoid", 0.1, (("gamma", 1e-7),))
    assert point.text == "focal/sigmoid(gamma=1e-07)"
    assert lossearch.criterion(point.text).params == point.criterion().params


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_the_task_may_be_written_by_hand(quote):
    found = lossearch.criterion(f"mse/sigmoid(task={quote}binary{quote})")
    assert found.pair.kind == "binary"
    with pytest.raises(InputError, match="Leave out task"):
        lossearch.criterion("mse/sigmoid(task=binary)", task="multilabel")
    with pytest.raises(InputError, match="Did you mean 'binary'"):
        lossearch.criterion("mse/sigmoid(task=binry)")


def test_what_a_study_gives_is_taken_back(tmp_path):
    x = [[i / 40, (i * 7 % 40) / 40] for i in range(40)] * 3
    y = [int(a > 0.5) for a, _ in x]
    result = lossearch.search(
        x, y, losses=["bce", "focal"], trials=10, seeds=1, confirm_seeds=2, epochs=1, mlflow=False,
        store=tmp_path, name="text",
    )  # fmt: skip
    again = lossearch.load("text", store=tmp_path)
    for point in (result.best, result.leader, again.best, *(r.point for r in again.trials)):
        found = lossearch.criterion(point.text)
        assert (found.pair.kind, found.pair.name) == ("binary", point.pair)
        assert found.params == point.criterion().params


LOSSES = '''
import lossearch


@lossearch.loss(
    task="binary", encoding="zero_one", domain="real", source="ours", example=(0.5, 1.0, 0.5),
    params=[lossearch.losses.Parameter("power", 2.0, 0.5, 4.0)],
)
def steep(output, target, power):
    """|f - y|^power"""
    return (output - target).abs() ** power


def plain(output, target):
    return (output - target).square()
'''


def test_a_loss_of_ones_own_is_named_by_its_module(tmp_path, monkeypatch):
    (tmp_path / "text_losses.py").write_text(LOSSES)
    monkeypatch.chdir(tmp_path)
    table = make_config({"space": {"losses": ["text_losses:steep", "text_losses:plain"]}}).space
    trust = frozenset(table.losses)
    assert with_pair(Point("plain/identity", 0.1), table, "binary").definition is None
    steep = with_pair(Point("steep/identity", 0.1, (("power", 1 / 3),)), table, "binary", trust)
    plain = with_pair(Point("plain/identity", 0.1), table, "binary", trust)
    assert steep.text == f"text_losses:steep/identity(power={1 / 3!r})"
    assert plain.text == "text_losses:plain/identity(task=binary)"
    for point in (steep, plain):
        assert lossearch.criterion(point.text).pair.loss.name == point.loss
        assert lossearch.criterion(point.text).params == point.params


def test_a_loss_in_no_module_is_given_beside_its_text():
    @lossearch.loss(task="binary", encoding="zero_one", domain="real", source="ours")
    def near(output, target):
        """|f - y|"""
        return (output - target).abs()

    pair = lossearch.criterion("near/identity", losses=[near]).pair
    point = Point("near/identity", 0.1, definition=pair)
    assert lossearch.criterion(point.text, losses=[near]).pair == pair


def test_a_point_itself_is_refused_with_what_to_take():
    with pytest.raises(InputError, match=r"point\.criterion\(\), and its text point\.text"):
        lossearch.criterion(Point("bce/sigmoid", 0.1))

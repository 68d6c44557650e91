"""The catalogue of losses: the contract over every one, numbers far out, prediction rules, equivalences, names."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from counted import counted
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from lossearch.errors import InputError
from lossearch.kinds import KINDS, TargetFacts, TargetForm
from lossearch.losses import ACTIVATIONS, BUILT_IN
from lossearch.pairs import Pair, find_pair, pair_up
from lossearch.pairs.making import criterion
from lossearch.testing.losses import LossContract

torch.func.vmap(torch.func.grad(torch.sum))(
    torch.zeros(1, 1)
)  # its first call sets an environment variable of torch's own

EVERY = list(BUILT_IN)
PAIRS = [
    p
    for x in EVERY
    for kind in x.kinds
    for a in ACTIVATIONS.values()
    if isinstance(p := pair_up(x, a, TargetFacts(kind)), Pair)
]


FIRST = [p for p in PAIRS if p.kind == p.loss.kinds[0]]
"""Those of losses that serve several kinds once, where nothing depends on the kind."""


def pair_id(pair):
    return f"{pair.kind}-{pair.name}"


LABELS = ("multilabel", "segmentation")


def has_labels(pair):
    # those of several labels are held against these, label by label, in test_multilabel.py
    return "label" in KINDS[pair.kind].gives and pair.kind not in LABELS


RNG = np.random.default_rng(0)
Z1 = 3 * RNG.standard_normal(40)
Y01 = RNG.integers(0, 2, 40)
POSITIVE = RNG.exponential(2.0, 40)
ZC = 3 * RNG.standard_normal((40, 4))
YC = RNG.integers(0, 4, 40)
t = torch.as_tensor


class TestEveryLoss(LossContract):
    losses = EVERY


# --- far out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "z", "y", "value", "derivative"),
    [
        ("bce/sigmoid", -50.0, 1, 50.0, -1.0),  # sigmoid, then BCE: gradient -1.9e-10
        ("bce/sigmoid", 20.0, 0, 20.0, 1.0),  # prints 100, gradient 0
        ("bce/sigmoid", -1000.0, 1, 1000.0, -1.0),  # torch's BCE stops at 100
        ("focal/sigmoid", -1000.0, 1, 1000.0, -1.0),
        ("bce/sigmoid", -200.0, 1, 200.0, -1.0),  # torch's soft_margin_loss is infinite here
    ],
)
def test_confident_mistakes_are_told_in_float32(name, z, y, value, derivative):
    raw = torch.tensor([z], requires_grad=True)
    found = criterion(name, task="binary")(raw, t([y]))
    found.backward()
    assert float(found.detach()) == pytest.approx(value, rel=1e-6)
    assert float(raw.grad) == pytest.approx(derivative, rel=1e-6)


def test_focal_below_gamma_one_has_a_gradient_where_it_is_right():
    for name, raw, y in (
        ("focal/sigmoid", torch.tensor([40.0], requires_grad=True), [1]),
        ("focal/softmax", torch.tensor([[40.0, 0.0, 0.0]], requires_grad=True), [0]),
    ):
        criterion(name, gamma=0.5)(raw, t(y)).backward()
        assert bool(raw.grad.isfinite().all())


def test_msle_clamped_does_not_learn_below_zero():
    raw = torch.tensor([-0.5, 0.5], requires_grad=True)
    criterion("msle_clamped/identity")(raw, t([-2.0, 1.0])).backward()
    assert raw.grad[0] == 0
    assert raw.grad[1] != 0


@given(
    st.sampled_from([p for p in PAIRS if p.activation.name != "exp"]),
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3),
    st.integers(0, 1),
)
def test_finite_everywhere(pair, z, y):
    width = pair.width(3 if pair.loss.form.by_row else 1)
    raw = torch.tensor([(z * width)[:width]], requires_grad=True)
    real = [[0.2, 0.3, 0.5]] if pair.loss.form is TargetForm.SHARES else [[0.5]]
    target = torch.tensor(real if pair.loss.form.numbers else [y])
    crit = criterion(pair.name, task=pair.kind, statistics=counted(pair))
    value = crit(raw, target)
    value.backward()
    assert math.isfinite(float(value.detach()))
    assert bool(raw.grad.isfinite().all())


# --- what a score says ---------------------------------------------------------------------------------

OF_CLASSES = [(0.6, 0.3, 0.1), (0.15, 0.2, 0.65)]
TRUTHS = {"binary": [(0.9, 0.1), (0.35, 0.65)], "multiclass": OF_CLASSES, "ordinal": OF_CLASSES}


def params_to_try(pair):
    # margin and tanh: a minimum beyond the reach of tanh has no inverse
    if pair.name == "squared_hinge/tanh":
        return [{}]
    tried = [{}]
    for p in pair.loss.params:
        low, high = max(p.low, p.valid[0]), min(p.high, p.valid[1])
        inner = math.sqrt(low * high) if p.log else (low + high) / 2
        tried += [{p.name: round(v) if p.integer else v} for v in {low, inner, high}]
    return tried


def expected_loss(pair, truth, params):
    crit = criterion(pair.name, task=pair.kind, statistics=counted(pair), **params)

    def risk(z):
        """Return the expected loss and its gradient."""
        raw = t(np.atleast_2d(z), dtype=torch.float64).requires_grad_()
        found = sum(p * crit(raw, t([k])) for k, p in enumerate(truth))
        (gradient,) = torch.autograd.grad(found, raw)
        return float(found.detach()), gradient.numpy().ravel()

    return crit, risk


@pytest.mark.parametrize(
    "pair",
    [p for p in FIRST if has_labels(p) and p.activation.name in p.loss.probability],
    ids=pair_id,
)
def test_declared_probabilities_are_those_that_minimise_the_expected_loss(pair):
    for params in params_to_try(pair):
        for truth in TRUTHS[pair.kind]:
            crit, risk = expected_loss(pair, truth, params)
            start = np.zeros(1 if pair.kind == "binary" else pair.width(len(truth)))
            best = optimize.minimize(risk, start, jac=True, method="BFGS", options={"gtol": 1e-9})
            if not best.success:  # it has a corner there
                best = optimize.minimize(
                    lambda z, risk=risk: risk(z)[0],
                    best.x,
                    method="Nelder-Mead",
                    options={"xatol": 1e-6, "fatol": 1e-13},
                )
            found = crit.predict_proba(t(np.atleast_2d(best.x)))[0]
            np.testing.assert_allclose(found, truth, atol=1e-3, err_msg=str(params))


def test_pairs_that_only_rank_give_no_probability():
    with pytest.raises(
        InputError, match=r"^hinge/identity gives no probabilities: its minimiser is not one.$"
    ):
        criterion("hinge/identity").predict_proba(torch.zeros(3))


@pytest.mark.parametrize("pair", [p for p in PAIRS if has_labels(p)], ids=pair_id)
def test_probabilities_are_finite_and_sum_to_one(pair):
    crit = criterion(pair.name, task=pair.kind, statistics=counted(pair))
    z = torch.tensor([-1e4, -500.0, -20.0, 0.0, 20.0, 500.0, 1e4])
    raw = z[:, None] if pair.kind == "binary" else torch.stack([z, -z, torch.zeros(7)], dim=-1)
    if pair.loss.head is not None:
        raw = raw[:, : pair.width(3)]
    if pair.activation.name in pair.loss.probability:
        for params in params_to_try(pair):
            made = criterion(pair.name, task=pair.kind, statistics=counted(pair), **params)
            p = made.predict_proba(raw)
            assert bool(((p >= 0) & (p <= 1)).all())
            torch.testing.assert_close(p.sum(-1), torch.ones(7))
            if "alpha" not in params:
                likely = (p.cumsum(-1) < 0.5).sum(-1) if pair.kind == "ordinal" else p.argmax(-1)
                assert bool((likely == crit.predict(raw))[z != 0].all())
    if pair.kind == "ordinal":
        # median or nearest levels: see test_ordinal.py
        return
    expected = (z >= 0).long() if pair.kind == "binary" else torch.tensor([1, 1, 1, 0, 0, 0, 0])
    if (pair.kind, pair.name) != ("binary", "mse/identity"):
        assert torch.equal(crit.predict(raw), expected)


def test_threshold_follows_the_encoding():
    for name in ("hinge/tanh", "mse/tanh", "mse/identity", "bce/sigmoid", "mse/sigmoid"):
        crit = criterion(name, task="binary")
        assert crit.predict(torch.tensor([-0.01, 0.01, 0.3])).tolist() == [0, 1, 1]


# --- exact equivalences --------------------------------------------------------------------------------

EQUIVALENT = [p for p in PAIRS if p.equivalent and p.kind not in LABELS]


@pytest.mark.parametrize("pair", EQUIVALENT, ids=pair_id)
def test_an_equivalent_pair_is_the_other_up_to_factor_and_logit_scale(pair):
    same = pair.loss.equivalent[pair.activation.name]
    other = find_pair(same.pair, pair.kind)
    assert other.equivalent is None
    raw, target = {
        TargetForm.ZERO_ONE: (t(Z1)[:, None], t(Y01)[:, None]),
        TargetForm.INDEX: (t(ZC), t(YC)),
        TargetForm.REAL: (t(Z1)[:, None], t(POSITIVE)[:, None]),
        TargetForm.SHARES: (t(ZC), torch.softmax(t(ZC).flip(0), dim=-1)),
    }[pair.loss.form]
    if pair.loss.form is TargetForm.SHARES:
        # what no output changes differs from row to row
        ours, theirs = (
            torch.func.grad(lambda raw, p=p: criterion(p.name, task=p.kind)(raw, target))(raw)
            for p in (pair, other)
        )
        torch.testing.assert_close(ours, same.factor * theirs, rtol=1e-10, atol=1e-12)
        return
    ours = criterion(pair.name, task=pair.kind).per_sample(raw, target)
    theirs = same.factor * criterion(other.name, task=pair.kind).per_sample(same.scale * raw, target)
    apart = ours - theirs
    # a constant is nothing to a gradient
    torch.testing.assert_close(apart, apart.mean().expand_as(apart), rtol=1e-10, atol=1e-12)


def test_two_classes_as_two_outputs_or_one():
    two = torch.stack([torch.zeros(40, dtype=torch.float64), t(Z1)], dim=-1)
    for multi, binary in (("cross_entropy/softmax", "bce/sigmoid"), ("focal/softmax", "focal/sigmoid")):
        ours = criterion(multi).per_sample(two, t(Y01))
        torch.testing.assert_close(ours, criterion(binary).per_sample(t(Z1), t(Y01)), rtol=1e-9, atol=1e-12)


def test_crammer_singer_has_no_phantom_rival():
    raw = torch.tensor([[-2.0, -5.0, -6.0]])
    assert float(criterion("categorical_hinge/identity")(raw, t([0]))) == 0.0

"""Losses that are put together of others: what they are worth, what is said of those that cannot be, and that they are losses."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch
from contracts.problems import problem, space_of
from contracts.training_base import SETTINGS, equal
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

import lossearch
from lossearch.checks.contract import checks_of
from lossearch.errors import InputError, UnknownNameError
from lossearch.kinds import KINDS, TargetFacts, TargetForm, TargetStatistics
from lossearch.losses import ACTIVATIONS, UnreadableError, losses_for
from lossearch.pairs import Pair, find_pair, pair_up
from lossearch.pairs.making import criterion
from lossearch.space import Point
from lossearch.training.contract import Replicate
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population

RNG = np.random.default_rng(0)
t = torch.as_tensor
LOSSES = [
    ("binary", "bce+0.5*dice"),
    ("binary", "[0.1,10]*dice+bce"),
    ("binary", "focal(gamma=[1,3])+0.1*confidence"),
    ("binary", "smooth(focal(gamma=2),0.1)"),
    ("binary", "smooth(hinge)"),
    ("binary", "bce+mse"),
    ("binary", "bce+anneal(0,[0.1,2],0.5)*dice"),
    ("binary", "focal(gamma=anneal([1,3],0,[0.2,0.9]))"),
    ("multiclass", "switch(1,0,0.6)*cross_entropy+switch(0,1,0.6)*mse"),
    ("multiclass", "smooth(cross_entropy,anneal(0.2,0))"),
    ("multilabel", "lsep+0.2*hinge"),
    ("multilabel", "smooth(bce)+0.5*jaccard"),
    ("multiclass", "cross_entropy+0.3*confidence"),
    ("multiclass", "mse+2*cross_entropy"),
    ("multiclass", "smooth(mse,0.2)"),
    ("multiclass", "smooth(focal)+0.5*tversky"),
    ("multiclass", "cross_entropy+0.01*output_l2"),
    ("multiclass", "cross_entropy+[0.001,0.1]*weights_l1"),
    ("regression", "mse+0.5*mae"),
    ("regression", "huber(delta=0.5)+[0.1,1]*rmse"),
    ("regression", "mse+0.1*output_l1"),
    ("regression", "gaussian_nll+0.5*crps_gaussian"),
    ("count", "poisson_nll+0.5*neg_binomial_nll"),
    ("probabilistic", "gaussian_nll+0.5*crps_gaussian"),
]


def pair_of(kind, name):
    loss = losses_for(kind)[name]
    found = [pair_up(loss, a, TargetFacts(kind)) for a in ACTIVATIONS.values()]
    return next(p for p in found if isinstance(p, Pair))


@pytest.mark.parametrize(("kind", "name"), LOSSES)
def test_it_is_a_loss_like_any_other(kind, name):
    loss = losses_for(kind)[name]
    assert loss.name == name
    assert losses_for(kind)[name.replace("+", " + ").replace("*", " * ")] is loss
    pair = pair_of(kind, name)
    for thing in (loss, pair):
        assert pickle.loads(pickle.dumps(thing)) == thing  # noqa: S301 - our own bytes
    for check in checks_of(loss):
        finding = check(loss)
        assert finding.ok or any(word in check.what for word in exempt(name)), str(finding)


def exempt(name):
    """What does not hold: a penalty pulls away from the target, raw output is no activated one, a root of inf has no slope."""
    if "output_" in name:
        return ("least at the target", "the form on raw output")
    return ("least at the target",) if "confidence" in name else ("finite far out",) if "rmse" in name else ()


@pytest.mark.parametrize(("kind", "name"), LOSSES)
def test_together_replicates_are_what_they_are_alone(kind, name):
    task = problem(kind)
    loss = losses_for(kind)[name]
    pair = next(
        p
        for a in loss.usual or ACTIVATIONS
        if isinstance(p := pair_up(loss, ACTIVATIONS[a], task.facts), Pair)
    )
    values = [{}, *({p.name: v} for p in loss.params for v in (p.low, p.high))]
    points = [
        Point(pair.name, 0.02 + 0.01 * i, tuple(sorted({**loss.defaults, **v}.items())), definition=pair)
        for i, v in enumerate(values)
        if all(p.problem({**loss.defaults, **v}[p.name]) is None for p in loss.params)
    ]
    given = [Replicate(point, s) for point in points for s in (0, 1)]
    both = [list(f(task, space_of(task, [pair]), given, SETTINGS)) for f in (train_plain, train_population)]
    for one, other in zip(*both, strict=True):
        equal(one, other, 1e-8)


def _data(kind, rows=24):
    raw = t(2 * RNG.normal(size=(rows, 1 if kind == "binary" else 3)))
    target = KINDS[kind].sample(t(RNG.normal(size=tuple(raw.shape))))
    return raw, target[:, 0] if kind == "binary" else target


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass", "regression", "count"])
def test_a_sum_is_the_sum(kind):
    """Over every two losses of a kind and every activation that both may meet, each by its own criterion."""
    raw, target = _data(kind)
    table = [x for x in losses_for(kind).values() if x.head is None and not x.params]
    counts = TargetStatistics(class_counts=(9, 3, 1) if kind == "multiclass" else ())
    found = 0
    for a, b in itertools.combinations(table, 2):
        for activation in ACTIVATIONS:
            names = [f"{x.name}/{activation}" for x in (a, b)]
            try:
                whole = criterion(f"{a.name}+0.3*{b.name}/{activation}", task=kind, statistics=counts)
                one, other = (criterion(n, task=kind, statistics=counts) for n in names)
            except InputError:
                continue
            if one.pair.encoding != other.pair.encoding and KINDS[kind].form is not TargetForm.INDEX:
                continue
            expected = one(raw, target) + 0.3 * other(raw, target)
            assert float(whole(raw, target)) == pytest.approx(float(expected), rel=1e-9, abs=1e-12), names
            found += 1
    assert found > 10


@pytest.mark.parametrize("kind", ["binary", "multilabel", "multiclass"])
def test_smoothing_is_the_loss_expected_of_a_label_drawn_anew(kind):
    raw, target = _data(kind)
    n = 2 if kind != "multiclass" else raw.shape[1]
    for loss in losses_for(kind).values():
        if loss.joint or loss.gathers or "smoothing" in loss.defaults or loss.statistics:
            continue
        pair = pair_of(kind, loss.name)
        plain = criterion(pair.name, task=kind)
        smooth = criterion(f"smooth({loss.name},0.2)/{pair.activation.name}", task=kind)
        if smooth.pair.encoding != plain.pair.encoding:
            continue
        every = sum(plain.per_sample(raw, torch.full_like(target, c)) for c in range(n)) / n
        expected = 0.8 * plain.per_sample(raw, target) + 0.2 * every
        assert torch.allclose(smooth.per_sample(raw, target), expected, rtol=1e-8, atol=1e-10), loss.name


@pytest.mark.parametrize(
    ("own", "ours"), [("bce", "label_smoothing_bce"), ("cross_entropy", "label_smoothing_ce")]
)
def test_smoothed_cross_entropy_is_that_of_smoothed_targets(own, ours):
    kind = "binary" if own == "bce" else "multiclass"
    raw, target = _data(kind)
    ending = "sigmoid" if own == "bce" else "softmax"
    found, known = (
        criterion(f"smooth({own},0.2)/{ending}", task=kind),
        criterion(f"{ours}/{ending}", task=kind, smoothing=0.2),
    )
    assert float(found(raw, target)) == pytest.approx(float(known(raw, target)), rel=1e-10)
    assert torch.allclose(found.predictions(raw).probability, known.predictions(raw).probability)


def test_smoothed_probabilities_are_those_that_occur():
    truth = 0.8
    crit = criterion("smooth(mse,0.2)/sigmoid", task="binary")

    def expected(z):
        raw = t([float(z)] * 2, dtype=torch.float64)
        values = crit.per_sample(raw, t([0, 1]))
        return float((1 - truth) * values[0] + truth * values[1])

    best = optimize.minimize_scalar(expected, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10}).x
    assert float(crit.predictions(t([best])).probability) == pytest.approx(truth, abs=1e-5)


def test_a_penalty_is_what_it_says():
    raw, target = _data("multiclass")
    p = special.softmax(raw.numpy(), axis=1)
    found = criterion("cross_entropy+0.3*confidence/softmax", task="multiclass")(raw, target)
    known = criterion("confidence_penalty/softmax", beta=0.3)(raw, target)
    assert float(found) == pytest.approx(float(known), rel=1e-10)
    alone = found - criterion("cross_entropy/softmax", task="multiclass")(raw, target)
    assert float(alone) == pytest.approx(0.3 * (p * np.log(p)).sum(1).mean(), rel=1e-9)
    shrunk = criterion("cross_entropy+0.3*output_l2/softmax", task="multiclass")(raw, target)
    plain = criterion("cross_entropy/softmax", task="multiclass")(raw, target)
    assert float(shrunk - plain) == pytest.approx(0.3 * (raw.numpy() ** 2).mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("written", "place", "said"),
    [
        ("bce + 0.5*dicee", "dicee", "no loss named 'dicee'. Did you mean 'dice'?"),
        ("bce +", None, "this is no sum of losses"),
        ("bce - dice", "bce - dice", "losses are added with [+] and weighted with [*] alone"),
        ("-1*bce", "-1", "a weight is above 0"),
        ("0*bce", "0", "a weight is above 0"),
        ("focal(gama=2)", "gama=2", "focal has no parameter 'gama'; it has gamma and alpha"),
        ("focal(gamma=-2)", "gamma=-2", "gamma must lie between 0 and 100; got -2"),
        ("focal(gamma='x')", "'x'", "a number stands here"),
        ("focal(2)", "2", "a parameter is given by its name"),
        ("bce + [1]*dice", "[1]", "a range goes from low to high"),
        ("bce + [2, 1]*dice", "[2, 1]", "a range goes from low to high"),
        ("bce*dice", "bce*dice", "one side of [*] is a weight"),
        ("smooth(bce, 2)", "2", "smoothing must lie between 0 and 0.999; got 2"),
        ("smooth()", "smooth()", "smooth takes a loss"),
        ("smooth(lsep)", "smooth(lsep)", "lsep reads several labels together"),
        ("smooth(output_l2)", "output_l2", "a penalty reads no labels"),
        ("bce + bce", None, "adds bce twice"),
        ("output_l2", None, "holds penalties alone"),
        ("bce + hinge", None, "they read targets in ways that exclude each other"),
        ("dice + jaccard", None, "dice and jaccard are each of a whole batch"),
        ("gaussian_nll + mse", None, "they read different numbers off a network"),
        ("__import__('os').system('true')", None, "a loss stands here by its name"),
        ("bce + " + "(" * 300 + "bce" + ")" * 300, None, "this is no sum of losses"),
        ("bce + " * 200 + "bce", None, "at most"),
        ("bce\0+bce", None, "this is no sum of losses"),
    ],
)  # fmt: skip
def test_a_fault_is_pointed_at(written, place, said):
    with pytest.raises(UnreadableError, match=said) as caught:
        find_pair(f"{written}/sigmoid", "multilabel") if "nll" not in written else find_pair(
            f"{written}/identity", "regression"
        )
    if place is not None:
        _, shown, marked = str(caught.value).split("\n")
        at = marked.index("^")
        assert shown[at : at + marked.count("^")] == place


def test_the_fault_is_that_of_the_kind_that_read_most():
    with pytest.raises(UnknownNameError, match="Did you mean 'dice'"):
        criterion("bce + 0.5*dicee/sigmoid")
    with pytest.raises(InputError, match="sigmoid is not an output activation"):
        criterion("mse + cross_entropy/sigmoid")


@pytest.mark.parametrize(("kind", "name"), LOSSES)
@given(data=st.data())
@settings(max_examples=3, deadline=None)
def test_text_is_taken_back(kind, name, data):
    pair = pair_of(kind, name)
    own = {
        p.name: data.draw(st.floats(p.low, p.high).filter(lambda v, p=p: p.problem(v) is None))
        for p in pair.loss.params
        if p.low < p.high
    }
    point = Point(pair.name, 0.1, tuple(sorted(own.items())), definition=pair)
    found = lossearch.criterion(point.text)
    assert (found.pair, found.params) == (pair, point.criterion().params)


def test_it_is_searched_recorded_and_trained_again(tmp_path):
    x = RNG.normal(size=(200, 3))
    y = (x[:, 0] + 0.5 * RNG.normal(size=200) > 0).astype(int)
    result = lossearch.search(
        x, y, losses="bce, [0.1, 10]*dice + bce, smooth(focal(gamma=[0.5, 4], alpha=0.25))", seeds=1, confirm_seeds=2, epochs=3,
        lr=0.05, store=tmp_path, name="sums", mlflow=False, workers=1,
    )  # fmt: skip
    pairs = {"bce/sigmoid", "[0.1,10]*dice+bce/sigmoid", "smooth(focal(gamma=[0.5,4],alpha=0.25))/sigmoid"}
    assert set(result.leaderboard["pair"]) == pairs
    searched = {k for p in result.declared.space.pairs.values() for k in p}
    assert searched >= {
        "[0.1,10]*dice+bce.dice_weight",
        "smooth(focal(gamma=[0.5,4],alpha=0.25)).gamma",
        "smooth(focal(gamma=[0.5,4],alpha=0.25)).smoothing",
    }
    again = lossearch.load("sums", store=tmp_path)
    assert list(again.leaderboard["pair"]) == list(result.leaderboard["pair"])
    assert again.model.predict(x[:5]).shape == (5,)

"""Verdicts on few rows: intervals in the metric's range and never without width, and no equality that rows cannot show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from evidence import evidence as evidence_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lossearch.errors import InputError
from lossearch.kinds import Predictions
from lossearch.metrics.registry import EVERY_METRIC, METRICS, find_metric
from lossearch.verdict.decision import judge
from lossearch.verdict.verdict import Relation

THREE = {"multiclass": torch.arange(3), "ordinal": torch.arange(3)}
"""Kinds of task that have three classes here; a metric that is not defined on so few has a like of fewer that is."""
EVERY = [
    (m, kind)
    for m in EVERY_METRIC
    for kind in m.kinds
    if kind not in THREE or m.undefined is None or not m.undefined(THREE[kind])
]
NAMES = [f"{m.name} of {kind}" for m, kind in EVERY]


OTHERS = {
    "positive": (lambda z: z[:, :1].exp(), lambda y, off: y * off.exp()),
    "angles": (lambda z: z[:, :1], lambda y, off: y + off),
    "compositional": (lambda z: z.softmax(-1), lambda y, off: (y.log() + off).softmax(-1)),
}
"""Kind of task -> its targets from normal numbers, and what a model says that is off by some."""


def said(kind, target, noise, rng):
    """What a good model says of targets, (N, ...), the worse the more noise there is."""
    if kind in {"regression", "reconstruction", "count"}:
        return Predictions(
            value=(target + noise * torch.from_numpy(rng.normal(size=target.shape))).clamp(min=0)
        )
    if kind in OTHERS:
        return Predictions(
            value=OTHERS[kind][1](target, noise * torch.from_numpy(rng.normal(size=target.shape)))
        )
    if kind == "probabilistic":
        place = target + noise * torch.from_numpy(rng.normal(size=target.shape))
        params = torch.stack([place, torch.full_like(place, max(noise, 1e-3))], dim=-1)
        return Predictions(value=place, distribution=params, family="normal")
    if kind in {"multiclass", "ordinal"}:
        z = torch.nn.functional.one_hot(target, 3).double() * 4 + noise * torch.from_numpy(
            rng.normal(size=(len(target), 3))
        )
        return Predictions(z.argmax(-1), z.softmax(-1), z)
    z = 4.0 * (2 * target - 1) + noise * torch.from_numpy(rng.normal(size=target.shape))
    p = torch.sigmoid(z)
    return Predictions((z > 0).long(), p, z, output=p, codes=(0.0, 1.0))


def targets(kind, rows, rng):
    if kind in {"regression", "reconstruction", "count", "probabilistic"}:
        return torch.from_numpy(rng.poisson(3.0, size=(rows, 1)).astype(float))
    if kind in OTHERS:
        return OTHERS[kind][0](torch.from_numpy(rng.normal(size=(rows, 3))))
    if kind in {"multilabel", "segmentation"}:
        return torch.from_numpy(rng.integers(0, 2, size=(rows, 2)))
    return torch.arange(rows) % (3 if kind in {"multiclass", "ordinal"} else 2)


def evidence(metric, kind, target, predictions, groups=None):
    """Return an evidence of which no record says what a constant predictor scores."""
    return evidence_of(metric, predictions, target, kind=kind, groups=groups, constant=np.nan)


def judged(found, draws=199):
    return judge(found, direction=found.metric.direction, conventional="a", draws=draws)


def models(kind, target, noise, seeds=6, seed=0):
    rng = np.random.default_rng(seed)
    return {pair: [said(kind, target, noise, rng) for _ in range(seeds)] for pair in "ab"}


def binary(label, score):
    z = torch.as_tensor(score, dtype=torch.float64)
    return Predictions(torch.as_tensor(label), torch.sigmoid(z), z, output=torch.sigmoid(z), codes=(0.0, 1.0))


@pytest.mark.parametrize(("metric", "kind"), EVERY, ids=NAMES)
@pytest.mark.parametrize("noise", [1e-3, 1.0])
def test_five_rows_show_no_equality_and_leave_room(metric, kind, noise):
    real = metric.needs == "value" and kind not in OTHERS
    target = torch.tensor([[0.0], [1], [2], [4], [7]]) if real else None
    target = targets(kind, 5, np.random.default_rng(1)) if target is None else target.double()
    if kind in {"multilabel", "segmentation"}:
        target = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 1], [0, 0]])
    verdict = judged(evidence(metric, kind, target, models(kind, target, noise)))
    (c,) = verdict.comparisons
    assert c.relation is Relation.UNDECIDED
    assert c.low < 0 < c.high
    assert 0 < c.equal < 1
    assert "no difference here that matters" not in " ".join(verdict.sentences)
    assert verdict.detectable > 0
    if math.isfinite(metric.high - metric.low):
        assert verdict.detectable > verdict.rope
    for r in verdict.ranking:
        assert metric.low <= r.low <= r.score <= r.high <= metric.high
        assert r.low < r.high


@pytest.mark.parametrize(("metric", "kind"), EVERY, ids=NAMES)
@settings(max_examples=10, deadline=None)
@given(rows=st.integers(2, 30), noise=st.floats(0, 20), seed=st.integers(0, 10**6))
def test_intervals_stay_in_the_range(metric, kind, rows, noise, seed):
    target = targets(kind, rows, np.random.default_rng(seed))
    try:
        # what holds whatever is drawn needs few draws
        verdict = judged(evidence(metric, kind, target, models(kind, target, noise, 3, seed)), draws=59)
    except InputError:
        return  # not defined on these rows
    for r in verdict.ranking:
        assert metric.low <= r.low <= r.score <= r.high <= metric.high
    for c in verdict.comparisons:
        assert metric.low - metric.high <= c.low <= c.difference <= c.high <= metric.high - metric.low
        assert (c.low > 0) == (c.p <= verdict.level)
        assert c.better + c.equal + c.worse == pytest.approx(1)


@pytest.mark.parametrize("right", [0, 30, 200, 399, 400])
def test_an_accuracy_that_no_seed_changes_has_wilsons_interval(right):
    label = [1] * right + [0] * (400 - right)
    same = [binary(label, np.array(label) - 0.5)] * 6
    verdict = judged(evidence(METRICS["accuracy"], "binary", torch.ones(400).long(), {"a": same}))
    ends = stats.binomtest(right, 400).proportion_ci(method="wilson")
    assert (verdict.ranking[0].low, verdict.ranking[0].high) == pytest.approx(ends, abs=0.003)


@pytest.mark.parametrize(
    ("rows", "relation"), [(100, Relation.UNDECIDED), (370, Relation.UNDECIDED), (390, Relation.EQUAL)]
)
def test_a_hundredth_is_excluded_by_as_many_rows_as_could_show_it(rows, relation):
    y = np.arange(rows) % 2
    both = {pair: [binary(y, scale * (y - 0.5))] * 6 for pair, scale in (("a", 1.0), ("b", 2.0))}
    verdict = judged(evidence(METRICS["accuracy"], "binary", torch.from_numpy(y), both))
    assert verdict.comparisons[0].relation is relation
    assert ("a difference of 0.0" in verdict.sentences[2].lower()) == (len(verdict.sentences) > 2)


def test_rows_of_a_group_count_as_one():
    y = np.arange(1000) % 2
    both = {pair: [binary(y, scale * (y - 0.5))] * 6 for pair, scale in (("a", 1.0), ("b", 2.0))}
    found = [
        judged(evidence(METRICS["accuracy"], "binary", torch.from_numpy(y), both, groups))
        for groups in (None, np.arange(1000) // 20)
    ]
    assert [v.comparisons[0].relation for v in found] == [Relation.EQUAL, Relation.UNDECIDED]


@pytest.mark.parametrize(
    "name", ["balanced_accuracy", "recall_macro", "f1_macro", "auroc", "average_precision", "mcc"]
)
def test_two_rows_of_a_class_are_two_rows(name):
    y = np.array([1, 1] + [0] * 998)
    both = {pair: [binary(y, scale * (y - 0.5))] * 6 for pair, scale in (("a", 1.0), ("b", 2.0))}
    verdict = judged(evidence(find_metric(name, "binary"), "binary", torch.from_numpy(y), both))
    assert verdict.ranking[0].score == 1
    assert verdict.ranking[0].low < 0.8
    assert verdict.comparisons[0].relation is Relation.UNDECIDED


def test_models_that_predict_the_same_are_equal_however_few_the_rows():
    y = torch.tensor([0, 1, 0, 1, 1])
    a = models("binary", y, 3.0)["a"]
    verdict = judged(evidence(METRICS["accuracy"], "binary", y, {"a": a, "b": a}))
    (c,) = verdict.comparisons
    assert (c.low, c.high, c.equal, c.relation) == (0, 0, 1, Relation.EQUAL)


@pytest.mark.parametrize("metric", EVERY_METRIC, ids=lambda m: f"{m.name} of {m.kinds[0]}")
def test_leverage_is_a_share_a_row(metric):
    for rows in (2, 5, 40):
        shares = metric.leverage(targets(metric.kinds[0], rows, np.random.default_rng(rows)))
        assert shares.shape == (rows,)
        assert ((shares > 0) & (shares <= 1)).all()
        assert shares.max() >= 1 / rows - 1e-12


def test_what_so_few_rows_could_never_show_is_said():
    y = torch.tensor([0, 1, 0, 1, 1])
    rng = np.random.default_rng(0)
    wild = {p: [binary((z > 0).astype(int), z) for z in rng.normal(size=(2, 5))] for p in "ab"}
    verdict = judged(evidence(METRICS["accuracy"], "binary", y, wild))
    assert verdict.detectable == math.inf
    assert verdict.sentences[2] == (
        "So few seeds or rows would hardly have shown any difference: raise confirm_seeds, or have more test rows."
    )


@pytest.mark.parametrize(("rows", "told"), [(2, False), (5, False), (6, True), (30, True)])
def test_rows_that_all_agree_tell_as_much_as_the_sign_test(rows, told):
    y = np.arange(rows) % 2
    both = {"a": [binary(y, y - 0.5)] * 6, "b": [binary(1 - y, 0.5 - y)] * 6}
    (c,) = judged(evidence(METRICS["accuracy"], "binary", torch.from_numpy(y), both)).comparisons
    assert c.difference == 1
    assert (c.relation is Relation.BETTER) == told
    assert c.p >= 0.999 * stats.binomtest(rows, rows).pvalue
    assert (c.low > 0) == told


@pytest.mark.parametrize("name", ["balanced_accuracy", "f1_macro", "auroc", "average_precision"])
def test_one_row_of_a_class_tells_no_pair_from_another(name):
    y = np.array([1] + [0] * 19)
    finds, misses = y - 0.5, np.linspace(-1, -0.5, 20)
    both = {p: [binary((z > 0).astype(int), z)] * 6 for p, z in (("a", finds), ("b", misses))}
    (c,) = judged(evidence(find_metric(name, "binary"), "binary", torch.from_numpy(y), both)).comparisons
    assert c.difference > 0
    assert c.relation is Relation.UNDECIDED
    assert c.low < 0

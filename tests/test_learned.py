"""A verdict says where nothing was learned: losses whose models know no more than a constant are not called equal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_few_rows import EVERY, NAMES, binary, evidence, judged, said, targets

from lossearch.kinds import KINDS
from lossearch.metrics.registry import METRICS, find_metric
from lossearch.verdict.sentences import sentences
from lossearch.verdict.verdict import Verdict

CONSTANTS_DO = {
    "ece", "medae", "coverage_90", "coverage_error_90", "calibration_error", "off_by_one", "pinball_05", "pinball_10",
    "pinball_95",
}  # fmt: skip
"""A constant predictor is calibrated, of counts it meets the median row about as well as any, of three levels the middle is
never more than one off, and in the tails a constant costs little."""
FIELDS = ("label", "probability", "score", "value", "output", "distribution")


def constants(metric, kind, target):
    """What a constant predictor says, a replicate's own worth."""
    found = KINDS[kind].constant(metric.constant, target, len(target), 3)
    own = {f: t[0] for f in FIELDS if (t := getattr(found, f)) is not None}
    return type(found)(**own, codes=found.codes, family=found.family)


def some_targets(kind, rows=60):
    found = targets(kind, rows, np.random.default_rng(5))
    return found.double() if kind in {"regression", "reconstruction", "count", "probabilistic"} else found


@pytest.mark.parametrize(("metric", "kind"), EVERY, ids=NAMES)
def test_constant_predictors_have_learned_nothing(metric, kind):
    target = some_targets(kind)
    same = [constants(metric, kind, target)] * 6
    verdict = judged(evidence(metric, kind, target, {"a": same, "b": same}))
    if verdict.constant == pytest.approx(metric.high if metric.sign > 0 else 0):
        assert [r.learned for r in verdict.ranking] == [None, None]
        return
    assert verdict.nothing_learned
    constant = f"{metric.name} {verdict.constant:.3g}"
    assert verdict.sentences[0].startswith(
        f"No pair was measurably better than predicting a constant always ({constant}); the best of them was a at"
    )
    assert not any("Take" in s or "difference here" in s for s in verdict.sentences)
    assert [r.score for r in verdict.ranking] == pytest.approx([verdict.constant] * 2)


@pytest.mark.parametrize(("metric", "kind"), [e for e in EVERY if e[0].name not in CONSTANTS_DO])
def test_good_models_have_learned(metric, kind):
    rng = np.random.default_rng(0)
    target = some_targets(kind)
    good = {pair: [said(kind, target, 0.3, rng) for _ in range(6)] for pair in "ab"}
    verdict = judged(evidence(metric, kind, target, good))
    assert [r.learned for r in verdict.ranking] == [True, True]
    assert "constant" not in " ".join(verdict.sentences)


@pytest.mark.parametrize(("metric", "kind"), [e for e in EVERY if e[0].name not in CONSTANTS_DO])
def test_one_pair_that_learned_leaves_the_other_named(metric, kind):
    rng = np.random.default_rng(0)
    target = some_targets(kind)
    good = [said(kind, target, 0.3, rng) for _ in range(6)]
    verdict = judged(evidence(metric, kind, target, {"a": good, "b": [constants(metric, kind, target)] * 6}))
    assert {r.pair: r.learned for r in verdict.ranking} == {"a": True, "b": False}
    assert not verdict.nothing_learned
    assert any(s.startswith("Not measurably better than a constant predictor") for s in verdict.sentences)


def test_noise_is_seldom_taken_for_learning():
    y = np.arange(40) % 2
    called = 0
    for seed in range(20):
        r = np.random.default_rng(seed)
        scores = {p: r.normal(size=40) + 0.2 * r.normal(size=(4, 40)) for p in "ab"}
        pairs = {p: [binary((z > 0).astype(int), z) for z in of] for p, of in scores.items()}
        verdict = judged(evidence(METRICS["auroc"], "binary", torch.from_numpy(y), pairs))
        called += sum(bool(r.learned) for r in verdict.ranking)
    assert called <= 5  # of 40, at most 5 % are meant


def test_models_that_see_one_class_are_named_with_what_to_try():
    y = np.zeros(100, int)
    y[:5] = 1
    r = np.random.default_rng(0)
    blind = {p: [binary(np.zeros(100, int), -3 + 0.1 * r.normal(size=100)) for _ in range(4)] for p in "ab"}
    metric = find_metric("balanced_accuracy", "binary")
    verdict = judged(evidence(metric, "binary", torch.from_numpy(y), blind))
    assert verdict.sentences[0] == (
        "No pair was measurably better than predicting a constant always (balanced_accuracy 0.5); the best of them was "
        "a at balanced_accuracy 0.50 (4 seeds x 100 test rows)."
    )
    assert "made for rare classes" in verdict.sentences[1]
    assert verdict.sentences[-1] == (
        "The same label is predicted of every row: a under 4 of 4 seeds and b under 4 of 4 seeds."
    )
    assert Verdict.from_json(verdict.as_json()).ranking == verdict.ranking


def test_one_label_is_said_under_metrics_that_do_not_read_it():
    y = np.zeros(60, int)
    y[:9] = 1
    r = np.random.default_rng(0)
    ranked = {p: [binary(np.zeros(60, int), y - 4 + 0.2 * r.normal(size=60)) for _ in range(4)] for p in "ab"}
    verdict = judged(evidence(METRICS["auroc"], "binary", torch.from_numpy(y), ranked))
    assert not verdict.nothing_learned
    assert any(s.startswith("The same label is predicted of every row: a under 4") for s in verdict.sentences)


def test_a_pair_to_take_that_is_no_better_than_a_constant_is_said_first():
    found = judged(evidence(METRICS["auroc"], "binary", *ranked_rows()))
    ranking = tuple(replace(r, learned=r.pair != found.recommended, tied=True) for r in found.ranking)
    tied = tuple(r.pair for r in ranking)
    doubtful = replace(found, ranking=ranking, tied=tied)
    assert (found.recommended_learned, doubtful.recommended_learned) == (True, False)
    assert not doubtful.nothing_learned
    (other,) = [pair for pair in tied if pair != found.recommended]
    first, second, *_ = sentences(doubtful)
    assert first.startswith(
        f"{found.recommended} was not measurably better than predicting a constant always (auroc 0.5): "
    )
    assert second.startswith(f"The first to try is {found.recommended}")
    assert second.endswith(f"; measurably better than a constant: {other}.")
    assert sentences(found)[1].startswith(f"Take {found.recommended}")
    alone = replace(doubtful, ranking=(replace(ranking[0], learned=False),), comparisons=(), tied=tied[:1])
    assert sentences(alone)[0].startswith(
        f"{ranking[0].pair} was not measurably better than predicting a constant"
    )


def ranked_rows():
    """Return targets, and two pairs that rank them equally well but for noise."""
    y = np.arange(60) % 2
    r = np.random.default_rng(0)
    pairs = {p: [binary(np.zeros(60, int), y + 0.5 * r.normal(size=60)) for _ in range(4)] for p in "ab"}
    return torch.from_numpy(y), pairs

"""The verdict: errors over seeds and rows against other libraries, and what must never change it."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from evidence import SEEDS, evidence
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics
from statsmodels.stats.multitest import multipletests
from test_metrics import rows_for

from lossearch.errors import InputError
from lossearch.kinds import EVERY_FIELD, Predictions
from lossearch.metrics.metric import Metric
from lossearch.metrics.registry import METRICS
from lossearch.verdict.bootstrap import resample
from lossearch.verdict.decision import judge
from lossearch.verdict.multiple_testing import Estimates, _by_max_t, means, step_down
from lossearch.verdict.verdict import Relation, Rule, Verdict

ROWS = 60


def of_errors(errors, metric="mae", **more):
    """Regression pairs with these errors, pair -> (S, N), on targets 0 and 64 in turn."""
    size = 1 + max(r.max() for r in more["rows"]) if "rows" in more else next(iter(errors.values())).shape[1]
    target = 64.0 * (torch.arange(size) % 2)[:, None].double()
    predictions = {
        pair: [
            Predictions(
                value=target[more["rows"][s] if "rows" in more else slice(None)] + torch.tensor(e)[:, None]
            )
            for s, e in enumerate(by_seed)
        ]
        for pair, by_seed in errors.items()
    }
    return evidence(METRICS[metric], predictions, target, kind="regression", **more)


def of_scores(scores, target, metric="accuracy", **more):
    """Binary pairs with these raw scores, pair -> (S, N)."""

    def predicted(row):
        z = torch.tensor(row, dtype=torch.float64)
        p = torch.sigmoid(z)
        return Predictions((z > 0).long(), p, z, output=p, codes=(0.0, 1.0))

    predictions = {pair: [predicted(row) for row in by_seed] for pair, by_seed in scores.items()}
    return evidence(METRICS[metric], predictions, torch.tensor(target), kind="binary", **more)


def crossed(seed, pairs=4, seeds=SEEDS, rows=ROWS, gap=0.0, spread=1.0):
    """Errors with a part of the seed, of the row and of the cell; each further pair is worse by ``gap``."""
    r = np.random.default_rng(seed)
    row = r.normal(size=rows)
    return {
        f"p{i}": 5
        + gap * i
        + row
        + spread
        * (0.2 * r.normal(size=(seeds, 1)) + 0.5 * r.normal(size=rows) + 0.5 * r.normal(size=(seeds, rows)))
        for i in range(pairs)
    }


def binary_problem(seed, pairs=3, seeds=SEEDS, rows=ROWS):
    r = np.random.default_rng(seed)
    target = np.arange(rows) % 2
    base = r.normal(size=rows) + 1.5 * (2 * target - 1)
    return {f"p{i}": base + r.normal(size=(seeds, rows)) for i in range(pairs)}, target


def verdict_of(found, **more):
    given_ = {"direction": found.metric.direction, "conventional": "p0", "draws": 400, **more}
    return judge(found, **given_)


def by_pair(verdict):
    return {frozenset((c.a, c.b)): c if c.a < c.b else c.turned() for c in verdict.comparisons}


# ---- scores, and scores on drawn rows

USUAL = ("regression", "count", "binary", "multiclass", "multilabel")
"""Kinds of task whose rows are made here."""


def made_here(metric):
    """Whether a metric reads the rows that are made here: those of classes hold one score, of two classes."""
    return metric.kinds[0] in USUAL and not metric.name.startswith("top_")


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda m: m.name)
def test_by_row_is_declared_where_the_score_is_a_mean_over_rows(metric: Metric):
    r = np.random.default_rng(0)
    if not made_here(metric):
        said, y = rows_for(metric, metric.kinds[0], k=2, n=9)
    elif metric.needs == "value":
        y = torch.tensor(r.poisson(2.0, size=(9, 1)).astype(float))
        said = Predictions(value=torch.tensor(r.exponential(size=(2, 9, 1))))
    elif "multilabel" in metric.kinds:
        y = torch.tensor(r.integers(0, 2, size=(9, 3)))
        z = torch.tensor(2 * r.normal(size=(2, 9, 3)))
        said = Predictions((z > 0).long(), torch.sigmoid(z), z)
    else:
        y = torch.tensor([0, 1, 1, 0, 1, 1, 1, 0, 1])
        z = torch.tensor(2 * r.normal(size=(2, 9)))
        said = Predictions((z > 0).long(), torch.sigmoid(z), z, output=torch.sigmoid(z), codes=(0.0, 1.0))

    def at(rows):
        cut = {
            f: t[:, rows]
            for f in ("label", "probability", "score", "value", "output", "distribution")
            if (t := getattr(said, f)) is not None
        }
        return metric.fn(replace(said, **cut), y[rows])

    alone = torch.stack([at([i]) for i in range(9)])
    draws = [list(range(9)), [0, 0, 1, 2, 3, 4, 4, 4, 8], [5, 6, 7, 8, 1, 1, 2, 0, 3]]
    mean = all(torch.allclose(at(d), alone[d].mean(0), atol=1e-12) for d in draws)
    assert metric.by_row == mean


@pytest.mark.parametrize(
    ("metric", "oracle"),
    [
        ("accuracy", lambda y, z: sklearn_metrics.accuracy_score(y, z > 0)),
        ("log_loss", lambda y, z: sklearn_metrics.log_loss(y, 1 / (1 + np.exp(-z)))),
        ("auroc", sklearn_metrics.roc_auc_score),
    ],
)
def test_scores_are_each_pairs_under_each_seed(metric, oracle):
    scores, y = binary_problem(1)
    drawn = resample(of_scores(scores, y, metric), 50, 0)
    expected = [[oracle(y, row) for row in scores[pair]] for pair in drawn.pairs]
    assert np.allclose(drawn.scores, expected)
    assert np.allclose(drawn.seeds.sum(axis=1), 1)


@pytest.mark.parametrize("metric", [m for m in METRICS.values() if m.by_row], ids=lambda m: m.name)
def test_means_over_rows_are_what_the_metric_says_of_drawn_rows(metric):
    if not made_here(metric):
        said, target = rows_for(metric, metric.kinds[0], k=12, n=60)
        each = [
            replace(said, **{f: v[k] for f in EVERY_FIELD if isinstance(v := getattr(said, f), torch.Tensor)})
            for k in range(12)
        ]
        found = evidence(metric, {"a": each[:6], "b": each[6:]}, target, kind=metric.kinds[0])
    elif metric.needs == "value":
        positive = {pair: np.exp(e) for pair, e in crossed(2).items()}
        found = of_errors(positive, metric.name)
    elif "multilabel" in metric.kinds:
        scores, target = binary_problem(2)
        labels = {p: np.stack([by_seed, by_seed[:, ::-1]], axis=2) for p, by_seed in scores.items()}
        found = of_scores(labels, np.stack([target, 1 - target], axis=1), metric.name)
    else:
        found = of_scores(*binary_problem(2), metric.name)
    anew = replace(found, metric=replace(metric, by_row=False))
    fast, slow = resample(found, 100, 3), resample(anew, 100, 3)
    assert np.allclose(fast.by_rows, slow.by_rows)
    # a replicate may be right of every row
    assert (fast.by_rows.std(axis=0) > 0).mean() > 0.9


def test_a_row_counts_under_each_seed_as_often_as_it_is_drawn():
    r = np.random.default_rng(0)
    rows = [r.permutation(30)[:20] for _ in range(5)]
    errors = {"a": r.random((5, 20)), "b": r.random((5, 20))}
    drawn = resample(of_errors(errors, rows=rows, part="validation"), 200, 0)
    assert drawn.units == 30
    # the same draw for both pairs: recover the weights of a draw from a pair whose errors are one-hot
    hot = {f"row {i}": np.stack([(ids == i).astype(float) for ids in rows]) for i in range(30)}
    weights = resample(of_errors(hot, rows=rows, part="validation"), 200, 0).by_rows  # (B, row, S)
    for s, ids in enumerate(rows):
        assert np.allclose(weights[:, ids, s].sum(axis=1), 1)
        assert np.allclose(drawn.by_rows[:, 0, s], weights[:, ids, s] @ errors["a"][s])
        counts = weights[:, ids, s] / weights[:, ids, s].max(axis=1, keepdims=True)
        assert len(np.unique(counts.round(6))) > 2


@pytest.mark.parametrize("by_row", [True, False])
def test_rows_in_another_order_under_each_seed_change_nothing(by_row):
    errors = crossed(4)
    r = np.random.default_rng(4)
    rows = [r.permutation(ROWS) for _ in range(SEEDS)]
    shuffled = {p: np.stack([e[s][rows[s]] for s in range(SEEDS)]) for p, e in errors.items()}
    metric = replace(METRICS["mae"], by_row=by_row)
    plain = resample(replace(of_errors(errors), metric=metric), 100, 0)
    other = resample(replace(of_errors(shuffled, rows=rows), metric=metric), 100, 0)
    assert np.allclose(plain.by_rows, other.by_rows)


def test_a_diverged_replicate_scores_its_constant_in_every_draw():
    errors = crossed(5)
    ended = np.zeros(SEEDS, bool)
    ended[[2, 7]] = True
    drawn = resample(of_errors(errors, diverged={"p1": ended}, constant=9.0), 100, 0)
    assert (drawn.scores[1, ended] == 9).all()
    assert (drawn.by_rows[:, 1, ended] == 9).all()
    assert drawn.by_rows[:, 1, ~ended].std(axis=0).min() > 0


def test_draws_without_a_class_are_drawn_again():
    r = np.random.default_rng(0)
    y = np.array([1, 1] + [0] * 18)  # every eighth draw has no class 1
    found = of_scores({"p0": r.normal(size=(4, 20)), "p1": r.normal(size=(4, 20))}, y, "auroc")
    assert np.isfinite(resample(found, 200, 0).by_rows).all()


def test_one_class_only_is_refused():
    found = of_scores({"p0": np.ones((4, 20))}, np.ones(20, int), "auroc")
    with pytest.raises(InputError) as caught:
        verdict_of(found)
    assert str(caught.value) == (
        "auroc is not defined on the test part: it holds one class only. "
        "Judge by another metric, or hold out more rows."
    )


# ---- standard errors


def test_the_error_over_seeds_alone_is_that_of_their_mean():
    r = np.random.default_rng(0)
    by_seed = {"a": r.random(SEEDS), "b": r.random(SEEDS)}
    found = means(resample(of_errors({p: np.tile(v[:, None], 30) for p, v in by_seed.items()}), 4000, 0))
    for i, v in enumerate(by_seed.values()):
        assert found.se[i] == pytest.approx(stats.sem(v))
        oracle = stats.bootstrap((v,), np.mean, n_resamples=4000, rng=0, method="percentile").standard_error
        assert found.se[i] == pytest.approx(oracle * math.sqrt(SEEDS / (SEEDS - 1)), rel=0.05)
    assert np.allclose(found.share, 1)


def test_the_error_over_rows_alone_is_that_of_their_mean():
    row = np.random.default_rng(0).random(12)
    found = means(resample(of_errors({"a": np.tile(row, (SEEDS, 1))}), 8000, 0))
    assert found.se[0] == pytest.approx(stats.sem(row), rel=0.025)
    oracle = stats.bootstrap((row,), np.mean, n_resamples=8000, rng=0, method="percentile").standard_error
    assert found.se[0] == pytest.approx(oracle * math.sqrt(12 / 11), rel=0.04)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_over_both_is_that_of_two_way_analysis_of_variance(seed):
    x = crossed(seed, pairs=1, spread=2.0)["p0"]
    n, m = x.shape
    of_seed, of_row = x.mean(1, keepdims=True), x.mean(0, keepdims=True)
    seeds = m * of_seed.var(ddof=1)
    rows = n * of_row.var(ddof=1)
    cells = ((x - of_seed - of_row + x.mean()) ** 2).sum() / ((n - 1) * (m - 1))
    found = means(resample(of_errors({"p0": x}), 8000, 0))
    assert found.se[0] ** 2 == pytest.approx((seeds + rows - cells) / (n * m), rel=0.08)


def test_rows_of_a_group_count_once():
    once = crossed(6)
    groups = np.repeat(np.arange(ROWS), 5)
    repeated = {p: np.repeat(e, 5, axis=1) for p, e in once.items()}
    one = means(resample(of_errors(once), 2000, 0))
    grouped = means(resample(of_errors(repeated, groups=groups), 2000, 0))
    apart = means(resample(of_errors(repeated), 2000, 0))
    assert np.allclose(one.se, grouped.se)
    assert (apart.se < 0.7 * grouped.se).all()


def test_a_single_comparison_over_seeds_is_the_paired_t_test():
    for seed in range(8):
        r = np.random.default_rng(seed)
        a, b = r.normal(5, 0.3, SEEDS), r.normal(5.2, 0.3, SEEDS)
        found = of_errors({"p0": np.tile(a[:, None], 20), "p1": np.tile(b[:, None], 20)})
        (c,) = verdict_of(found, draws=8000).comparisons
        assert c.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.03)
        assert abs(c.effect) == pytest.approx(abs((a - b).mean() / (a - b).std(ddof=1)))


def test_with_few_seeds_comparisons_are_holms_over_paired_t_tests():
    for seed in range(5):
        by_seed = {
            f"p{i}": 5 + 0.3 * i + np.random.default_rng([seed, i]).normal(0, 0.2, 6) for i in range(4)
        }
        found = of_errors({p: np.tile(v[:, None], 20) for p, v in by_seed.items()})
        compared = verdict_of(found).comparisons
        raw = [stats.ttest_rel(by_seed[c.a], by_seed[c.b]).pvalue for c in compared]
        expected = multipletests(raw, method="holm")[1]
        assert [c.p for c in compared] == pytest.approx(expected, rel=0.01)


# ---- the family


def independent(observed, draws=20_000, df=1e9):
    z = np.random.default_rng(0).normal(size=(draws, len(observed)))
    one = np.ones(len(observed))
    return Estimates(np.array(observed), one, one, (df, df), z / z.std(axis=0))


OBSERVED = [3.4, -2.9, 2.1, -1.0, 0.4, 0.1]


@pytest.mark.parametrize("method", ["holm-sidak", "holm"])
def test_independent_estimates_are_told_from_0_as_by_holm(method):
    expected = multipletests(2 * stats.norm.sf(np.abs(OBSERVED)), method=method)[1]
    found = independent(OBSERVED)
    if method == "holm":
        assert step_down(found, 0.05).p == pytest.approx(expected, abs=0.002)
    else:
        p = np.maximum.accumulate(_by_max_t(np.abs(OBSERVED), np.abs(found.z), 0.05)[0])
        assert p == pytest.approx(expected, abs=0.01)


def test_errors_with_long_tails_make_p_larger_than_holms():
    found = independent(OBSERVED)
    z = np.random.default_rng(0).standard_t(3, size=found.z.shape)
    longer = replace(found, z=z / z.std(axis=0))
    assert step_down(longer, 0.05).p[0] > 3 * step_down(found, 0.05).p[0]


def test_intervals_leave_out_0_exactly_where_p_is_small():
    for seed in range(20):
        observed = np.random.default_rng(seed).normal(0, 2.5, 10)
        found = step_down(independent(observed.tolist(), draws=999, df=11), 0.05)
        assert ((np.abs(observed) > found.half) == (found.p <= 0.05)).all()


@given(st.lists(st.floats(-8, 8), min_size=1, max_size=8))
@settings(max_examples=50, deadline=None)
def test_further_from_0_is_never_less_sure(observed):
    found = step_down(independent(observed, draws=300, df=10), 0.05)
    order = np.argsort(np.abs(observed))
    assert (np.diff(found.p[order]) <= 0).all()
    assert ((found.p > 0) & (found.p <= 1)).all()


def test_too_few_draws_for_the_level_are_refused():
    with pytest.raises(InputError, match=r"^At level 0.05 a verdict needs at least 19 draws; here are 10\.$"):
        verdict_of(of_errors(crossed(0)), draws=10)


# ---- what a verdict does not depend on


def test_pairs_in_another_order_give_the_same_verdict():
    errors = crossed(8, gap=0.1)
    turned = dict(reversed(errors.items()))
    one, other = verdict_of(of_errors(errors)), verdict_of(of_errors(turned))
    assert one == other


def test_other_names_give_the_same_verdict():
    errors = crossed(8, gap=0.1)
    names = {"p0": "z", "p1": "y", "p2": "x", "p3": "w"}
    one = verdict_of(of_errors(errors))
    other = verdict_of(of_errors({names[p]: e for p, e in errors.items()}), conventional="z")
    assert [names[r.pair] for r in one.ranking] == [r.pair for r in other.ranking]
    assert [(c.difference, c.p, c.relation) for c in one.comparisons] == [
        (c.difference, c.p, c.relation) for c in other.comparisons
    ]


def test_the_direction_only_turns_the_sign():
    scores, y = binary_problem(3)
    scores["p1"] = scores["p1"] + 0.8 * (2 * y - 1)
    wrong = Metric(
        "error", ("binary",), "minimize", lambda p, t: 1 - METRICS["accuracy"].fn(p, t), "label", "majority",
        low=0, high=1,
    )  # fmt: skip
    up = of_scores(scores, y)
    down = replace(up, metric=replace(wrong, by_row=True))
    one, other = verdict_of(up, rope=0.01), verdict_of(down, rope=0.01)
    assert [r.pair for r in one.ranking] == [r.pair for r in other.ranking]
    for a, b in zip(one.comparisons, other.comparisons, strict=True):
        assert (a.a, a.b, a.relation, a.p) == (b.a, b.b, b.relation, b.p)
        assert (a.low, a.high, a.better) == pytest.approx((b.low, b.high, b.better))


@pytest.mark.parametrize("seed", range(25))
def test_a_loss_that_plainly_fails_changes_nothing_among_the_others(seed):
    errors = crossed(seed, pairs=5, gap=0.15)
    r = np.random.default_rng(seed)
    silly = 40 + 4 * r.normal(size=(SEEDS, ROWS)) + 3 * r.normal(size=(SEEDS, 1))
    without, with_it = (verdict_of(of_errors(e)) for e in (errors, errors | {"silly": silly}))
    before, after = by_pair(without), by_pair(with_it)
    assert {k: after[k] for k in before} == before
    assert with_it.tied == without.tied
    assert with_it.recommended == without.recommended
    assert with_it.ranking[:-1] == without.ranking


@pytest.mark.parametrize("seed", range(25))
def test_a_loss_of_wild_luck_turns_nobody_round(seed):
    errors = crossed(seed, pairs=5, gap=0.15)
    r = np.random.default_rng(seed)
    wild = 5.3 + 3 * r.normal(size=(SEEDS, 1)) * np.ones(ROWS) + r.normal(size=(SEEDS, ROWS))
    before, after = (by_pair(verdict_of(of_errors(e))) for e in (errors, errors | {"wild": np.abs(wild)}))
    for key, one in before.items():
        other = after[key]
        kept = ("difference", "effect", "better", "equal", "worse")
        assert [getattr(one, k) for k in kept] == [getattr(other, k) for k in kept]
        assert other.relation in {one.relation, Relation.UNDECIDED}
        assert other.high - other.difference <= 1.2 * (one.high - one.difference)
        if other.relation is one.relation:
            assert other.difference - other.low <= 1.2 * (one.difference - one.low)


@pytest.mark.parametrize("seed", range(5))
def test_a_loss_that_repeats_another_changes_nothing(seed):
    errors = crossed(seed, gap=0.2)
    once, twice = verdict_of(of_errors(errors)), verdict_of(of_errors(errors | {"p2 again": errors["p2"]}))
    before, after = by_pair(once), by_pair(twice)
    assert {k: after[k] for k in before} == before
    same = after[frozenset(("p2", "p2 again"))]
    assert (same.difference, same.low, same.high, same.p, same.effect) == (0, 0, 0, 1, 0)
    assert (same.better, same.equal, same.worse, same.relation) == (0, 1, 0, Relation.EQUAL)


def test_rounding_is_no_difference():
    errors = crossed(1, pairs=1)["p0"]
    (c,) = verdict_of(of_errors({"p0": errors, "p1": errors * (1 + 1e-15)})).comparisons
    assert (c.difference, c.p, c.relation) == (0, 1, Relation.EQUAL)


@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(2, 12), st.floats(0, 0.5), st.floats(0, 0.3))
@settings(max_examples=40, deadline=None)
def test_what_a_verdict_says_fits_together(seed, pairs, seeds, gap, rope):
    found = of_errors(crossed(seed, pairs=pairs, seeds=seeds, gap=gap, rows=25))
    verdict = verdict_of(found, rope=rope, draws=199)
    assert len(verdict.comparisons) == pairs * (pairs - 1) // 2
    assert [r.rank for r in verdict.ranking] == sorted(r.rank for r in verdict.ranking)
    assert verdict.leader in verdict.tied
    assert verdict.recommended in verdict.tied
    for c in verdict.comparisons:
        assert c.difference >= 0
        assert c.low <= c.difference <= c.high
        assert (c.low > 0) == (c.p <= verdict.level)
        assert c.better + c.equal + c.worse == pytest.approx(1)
        inside = -rope <= c.low and c.high <= rope
        expected = Relation.EQUAL if inside else Relation.BETTER if c.low > 0 else Relation.UNDECIDED
        assert c.relation is expected
        assert (c.b in verdict.tied) == (expected is not Relation.BETTER) or c.a != verdict.leader
    for r in verdict.ranking:
        assert r.low <= r.score <= r.high
    assert Verdict.from_json(json.loads(json.dumps(verdict.as_json(), allow_nan=False))) == verdict


# ---- ties, the region of practical equivalence, and what to take


def test_exact_ties_share_a_rank_and_the_conventional_pair_leads():
    errors = crossed(0, pairs=1)["p0"]
    found = of_errors({"a": errors, "b": errors, "c": errors + 3})
    verdict = verdict_of(found, conventional="b")
    assert [(r.pair, r.rank) for r in verdict.ranking] == [("b", 1), ("a", 1), ("c", 3)]
    assert verdict.tied == ("b", "a")
    assert (verdict.recommended, verdict.rule) == ("b", Rule.CONVENTIONAL)
    assert {r.pair: r.gain for r in verdict.ranking} == pytest.approx({"b": None, "a": 0.0, "c": -3.0})


def test_a_small_but_certain_difference_is_equal_for_practical_purposes():
    errors = crossed(0, pairs=1, rows=3000)["p0"]
    r = np.random.default_rng(0)
    found = of_errors({"p0": errors, "p1": errors + 0.01 + 0.001 * r.normal(size=errors.shape)})
    told, equal = verdict_of(found, rope=0.0), verdict_of(found, rope=0.02)
    assert (told.comparisons[0].relation, told.tied) == (Relation.BETTER, ("p0",))
    assert (equal.comparisons[0].relation, equal.tied) == (Relation.EQUAL, ("p0", "p1"))
    assert equal.comparisons[0].equal > 0.99


@pytest.mark.parametrize(("metric", "expected"), [("accuracy", 0.01), ("auroc", 0.01), ("log_loss", None)])
def test_what_is_practically_equal_goes_by_the_metric(metric, expected):
    scores, y = binary_problem(3)
    verdict = verdict_of(of_scores(scores, y, metric), conventional="p2")
    own = next(r.score for r in verdict.ranking if r.pair == "p2")
    assert verdict.rope == pytest.approx(0.01 * own if expected is None else expected)


def test_the_tied_are_told_apart_by_sensitivity_then_cost():
    found = of_errors(crossed(0, pairs=3))
    assert set(verdict_of(found, conventional=None).tied) == {"p0", "p1", "p2"}

    def taken(**more):
        verdict = verdict_of(found, **{"conventional": None, **more})
        return verdict.recommended, verdict.rule

    leader = verdict_of(found).leader
    assert taken() == (leader, Rule.SCORE)
    assert taken(cost={"p0": 3, "p1": 1, "p2": 2}) == ("p1", Rule.COST)
    assert taken(sensitivity={"p0": 3, "p1": 1, "p2": 0.5}, cost={"p0": 1}) == ("p2", Rule.SENSITIVITY)
    assert taken(sensitivity={"p0": 1, "p1": 1, "p2": 2}, cost={"p0": 2, "p1": 1}) == ("p1", Rule.COST)
    assert taken(conventional="p1", sensitivity={"p0": 0.1}) == ("p1", Rule.CONVENTIONAL)
    assert taken(conventional="gone") == (leader, Rule.SCORE)


def test_history_is_kept_beside_the_score():
    found = of_errors(crossed(0, pairs=2, gap=3.0))
    verdict = verdict_of(found, search_scores={"p0": 4.0, "p1": 7.0}, validation_scores={"p0": 5.0})
    assert [(r.search, r.validation) for r in verdict.ranking] == [(4.0, 5.0), (7.0, None)]
    assert verdict.optimism == 1.0
    assert verdict.ranking[1].gain_high < 0 < verdict.between("p0", "p1").low


def test_the_detectable_difference_is_seen_with_the_power_stated():
    def verdict(seed, gap):
        errors = crossed(seed, pairs=2, seeds=20, rows=30, gap=gap)
        return verdict_of(of_errors(errors), rope=0.0, draws=199)

    gap = float(np.mean([verdict(seed, 0.0).detectable for seed in range(20)]))
    seen = np.mean([len(verdict(seed, gap).tied) == 1 for seed in range(40)])
    assert 0.65 <= seen <= 0.95


# ---- what cannot be judged


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"errors": {"p0": np.ones((1, 20))}},
            "A verdict needs at least 2 seeds, to know how results vary; here is 1. Raise confirm_seeds.",
        ),
        (
            {"errors": {"p0": np.ones((3, 1))}},
            "A verdict needs at least 2 test rows or groups of rows. Hold out more.",
        ),
        ({"rope": -1.0}, "rope must be a finite number of at least 0, got -1.0."),
        ({"direction": "up"}, "direction must be one of maximize, minimize, got 'up'."),
        ({"level": 1.5}, "level must be between 0 and 1, got 1.5."),
    ],
)
def test_what_cannot_be_judged_is_refused(change, words):
    found = of_errors(change.pop("errors", crossed(0)))
    with pytest.raises(InputError) as caught:
        verdict_of(found, **change)
    assert str(caught.value) == words


def test_a_pair_without_what_the_metric_reads_is_named():
    scores, y = binary_problem(0)
    found = of_scores(scores, y, "log_loss")
    predictions = {**found.predictions, "p1": [replace(s, probability=None) for s in found.predictions["p1"]]}
    with pytest.raises(InputError) as caught:
        verdict_of(replace(found, predictions=predictions))
    assert str(caught.value) == (
        "log_loss reads the probability, which these pairs do not have: p1. "
        "Judge by another metric, or leave them out."
    )


# ---- sentences


def test_one_pair_has_nothing_to_be_compared_with():
    verdict = verdict_of(of_errors({"p0": np.full((3, 10), 0.25)}))
    assert verdict.sentences == (
        "p0 scores mae 0.250 (3 seeds x 10 test rows); it is the only pair, so nothing was compared.",
    )
    assert (verdict.comparisons, verdict.tied, verdict.rule) == ((), ("p0",), Rule.ALONE)


def test_ties_are_said_first():
    verdict = verdict_of(of_errors(crossed(0)))
    names = [r.pair for r in verdict.ranking]
    assert verdict.sentences == (
        (
            f"{', '.join(names[:3])} and {names[3]} tie at mae {verdict.ranking[0].score:.2f} "
            "(12 seeds x 60 test rows)."
        ),
        "Take p0, the conventional pair: the loss makes no measurable difference here.",
        (
            f"A difference of {verdict.detectable:.2g} or more would probably (80 %) have shown; "
            "smaller ones may be there."
        ),
    )


def test_a_clear_winner_is_said_with_its_margin():
    r = np.random.default_rng(0)
    errors = {"p0": 5 + 0.1 * r.normal(size=(8, 50)), "p1": 3 + 0.1 * r.normal(size=(8, 50))}
    verdict = verdict_of(of_errors(errors))
    c = verdict.comparisons[0]
    assert verdict.sentences[0] == (
        f"p1 is best at mae {verdict.ranking[0].score:.2f} (8 seeds x 50 test rows); it beats p0 by at least "
        f"{c.low:.2g} (95 % confidence)."
    )
    assert verdict.sentences[1] == (
        f"Take p1: over the conventional pair p0 it gains {c.difference:.2g} ({c.low:.2g} to {c.high:.2g})."
    )


def test_equal_for_practical_purposes_is_said():
    verdict = verdict_of(of_errors(crossed(0)), rope=2.0)
    assert verdict.sentences[1] == (
        "Take p0, the conventional pair: the loss makes no difference here that matters (none above 2)."
    )


def test_nothing_is_known_where_everything_diverged():
    ended = {p: np.ones(SEEDS, bool) for p in ("p0", "p1", "p2", "p3")}
    verdict = verdict_of(of_errors(crossed(0), diverged=ended))
    assert verdict.sentences == (
        "Every training of every pair diverged (12 seeds), so nothing is known of them.",
        "Lower the learning rates, or look at the data.",
    )
    assert verdict.tied == ("p0", "p1", "p2", "p3")


def test_some_divergence_and_validation_rows_are_said():
    ended = np.arange(SEEDS) < 3
    verdict = verdict_of(of_errors(crossed(0), diverged={"p1": ended}, constant=6.0, part="validation"))
    assert verdict.sentences[-2:] == (
        "Diverged, and scored as a constant predictor: p1 under 3 of 12 seeds.",
        "Where the epoch was chosen on such validation rows, these scores are a little optimistic.",
    )

"""What is confirmed: the best of every pair that can be judged, under seeds the search has not seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from confirming import prepared, searched, trial
from hypothesis import given
from hypothesis import strategies as st

from lossearch.confirm.selection import select_points
from lossearch.study.seeds import confirm_seeds, search_seeds
from lossearch.training.contract import Outcome


@pytest.fixture(scope="module")
def plan():
    return prepared().plan


def chosen(plan, trials, min_trials=5):
    return {t.point.pair: t.number for t in select_points(plan, trials, min_trials).trials}


@given(st.integers(0, 2**31), st.integers(0, 40), st.integers(1, 40))
def test_fresh_seeds_are_distinct_and_none_of_the_search_s(seed, n, searched_seeds):
    known = search_seeds(seed, searched_seeds)
    fresh = confirm_seeds(seed, n, known)
    assert len(set(fresh)) == len(fresh) == n
    assert not set(fresh) & set(known)
    assert all(0 <= s < 2**31 for s in fresh)


@given(st.integers(0, 2**31), st.integers(0, 20), st.integers(0, 20))
def test_more_seeds_begin_with_the_fewer(seed, n, more):
    assert confirm_seeds(seed, n + more, ())[:n] == confirm_seeds(seed, n, ())


@given(st.integers(0, 2**31), st.sets(st.integers(0, 9), max_size=9))
def test_a_seed_that_the_search_has_had_is_passed_over(seed, taken):
    drawn = confirm_seeds(seed, 10, ())
    had = {drawn[i] for i in taken}
    kept = [s for s in drawn if s not in had]
    assert list(confirm_seeds(seed, 10, had))[: len(kept)] == kept


def test_the_best_trial_of_every_pair_is_a_finalist(plan):
    trials = searched(plan)
    found = select_points(plan, trials, 5)
    assert {t.point.pair: (t.number, t.value) for t in found.trials} == {
        "bce/sigmoid": (4, 0.9),
        "mse/sigmoid": (9, 0.9),
    }
    assert found.left_out == {}


def test_less_is_better_where_the_metric_says_so():
    plan = prepared(task={"hidden": [4], "metric": "log_loss"}, losses=["bce"]).plan
    assert plan.task.metric.sign < 0
    trials = [trial(plan, "bce/sigmoid", i, value) for i, value in enumerate([0.7, 0.3, 0.5, 0.3, 0.9])]
    assert chosen(plan, trials) == {"bce/sigmoid": 1}


def test_a_pair_with_too_few_trials_is_left_out_and_says_so(plan):
    trials = [t for t in searched(plan) if t.point.pair == "bce/sigmoid" or t.index < 4]
    found = select_points(plan, trials, 5)
    assert [t.point.pair for t in found.trials] == ["bce/sigmoid"]
    assert found.left_out == {"mse/sigmoid": "4 finished trials, and 5 are needed"}
    only = [t for t in trials if t.point.pair == "bce/sigmoid" or t.index < 1]
    assert select_points(plan, only, 5).left_out == {"mse/sigmoid": "1 finished trial, and 5 are needed"}


def test_a_failed_trial_is_not_a_finished_one_and_a_repeated_one_counts_once(plan):
    trials = searched(plan)
    failed = replace(trials[9], outcome=Outcome.FAILED, value=None, epoch=None)
    assert chosen(plan, [*trials[:9], failed]) == {"bce/sigmoid": 4}
    again = replace(trials[9], number=10, value=0.6)
    assert chosen(plan, [*trials[:9], failed, again]) == {"bce/sigmoid": 4, "mse/sigmoid": 8}


def test_where_time_was_up_each_pair_is_judged_on_as_many_of_its_first_trials():
    plan = prepared(budget={"trials": 20, "seeds": 2}).plan
    level = searched(plan, 10)
    assert chosen(plan, level) == {"bce/sigmoid": 9, "mse/sigmoid": 19}
    ragged = [t for t in level if t.point.pair == "bce/sigmoid" or t.index < 7]
    assert chosen(plan, ragged) == {"bce/sigmoid": 6, "mse/sigmoid": 16}
    hopeless = [t for t in level if t.point.pair == "bce/sigmoid" or t.index < 3]
    assert chosen(plan, hopeless) == {"bce/sigmoid": 9}, "a pair that is left out holds no other back"


def test_a_diverged_trial_is_no_finalist_however_good_its_constant(plan):
    trials = searched(plan)
    trials[9] = replace(trials[9], outcome=Outcome.DIVERGED, value=0.99)
    assert chosen(plan, trials)["mse/sigmoid"] == 8
    lost = [t if t.number < 5 else replace(t, outcome=Outcome.DIVERGED) for t in trials]
    found = select_points(plan, lost, 5)
    assert [t.point.pair for t in found.trials] == ["bce/sigmoid"]
    assert found.left_out == {
        "mse/sigmoid": "no trial was completed: every replicate of each diverged or was pruned"
    }


def test_a_pair_of_one_point_needs_one_trial_and_holds_no_other_back():
    plan = prepared(losses=["bce", "focal"], space={"lr": 0.1}).plan
    assert plan.budget.per_pair > 5
    assert not plan.space.dimensions("bce/sigmoid")
    values = {"focal.gamma": 1.0, "focal.alpha": 0.5}
    focal = [
        replace(
            trial(plan, "bce/sigmoid", i, i / 10, number=1 + i),
            point=plan.space.point("focal/sigmoid", values),
        )
        for i in range(plan.budget.per_pair)
    ]
    trials = [trial(plan, "bce/sigmoid", 0, 0.8), *focal]
    assert chosen(plan, trials) == {"bce/sigmoid": 0, "focal/sigmoid": focal[-1].number}


def test_where_the_sampler_was_free_the_best_point_alone_is_confirmed():
    plan = prepared(budget={"trials": 20, "seeds": 2, "mode": "adaptive"}).plan
    trials = searched(plan, 7)
    trials[3] = replace(trials[3], value=3.0)
    assert chosen(plan, trials) == {"bce/sigmoid": 3}
    trials[3] = replace(trials[3], outcome=Outcome.PRUNED, value=None)
    assert chosen(plan, trials) == {"bce/sigmoid": 6}

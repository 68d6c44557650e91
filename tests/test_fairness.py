"""What each pair was given, how sensitive it is to its learning rate, and families against their members."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.checks.contract import CHECKS
from lossearch.config import SpaceTable, TrainTable
from lossearch.diagnostics.fairness import OwnRange, SearchSummary, search_summaries, sensitivity
from lossearch.diagnostics.special_cases import (
    Shortfall,
    SpecialCase,
    confirmed_shortfalls,
    searched_shortfalls,
    special_cases,
)
from lossearch.kinds import KINDS
from lossearch.losses import losses_for
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome
from lossearch.verdict.verdict import Comparison, Relation

GAMMA = OwnRange("gamma", 0.0, 5.0, 2.0)


def trial(
    number, lr, value, *, pair="bce/sigmoid", outcome=Outcome.COMPLETED, own=(), seeds=5, lost=0, **more
):
    return TrialRecord(
        number, more.pop("stage", "cover"), Point(pair, lr, own), "", tuple(range(seeds)), outcome, value, 3,
        n_diverged=lost, **more,
    )  # fmt: skip


def summary(records, **options):
    asked = {"direction": "maximize", "lr": (1e-3, 1.0), "pairs": ["bce/sigmoid"]} | options
    return search_summaries(records, **asked)[0]


def test_one_row_says_what_a_pair_was_given():
    records = [
        trial(0, 0.001, 0.70, seconds=5.0),
        trial(1, 0.01, 0.90, seconds=10.0),
        trial(2, 0.1, 0.80, seconds=15.0, lost=2),
        trial(3, 0.3, None, outcome=Outcome.FAILED),
        trial(4, 0.1, None, outcome=Outcome.PRUNED, seconds=2.0),
    ]
    assert summary(records) == SearchSummary(
        pair="bce/sigmoid",
        trials=4,
        searched=1,
        coverage=pytest.approx(2 / 3),
        best_lr=0.01,
        best_at=pytest.approx(1 / 3),
        at_edge=False,
        diverged=0.1,
        pruned=0.25,
        score=0.9,
        default_score=0.9,
        sensitivity=pytest.approx((0.2 + 0.1) * math.log(3) / math.log(10) / 2),
        seconds=1.5,
    )


def test_a_pair_without_trials_has_a_row():
    found = search_summaries([], direction="maximize", lr=(1e-3, 1.0), pairs=["a/x", "b/x"])
    assert [e.pair for e in found] == ["a/x", "b/x"]
    assert (found[0].trials, found[0].score, found[0].best_at, found[0].sensitivity) == (0, None, None, None)


def test_a_best_rate_at_an_end_is_told_until_the_range_is_extended():
    records = [trial(0, 0.01, 0.7), trial(1, 1.0, 0.9)]
    assert summary(records).at_edge
    wider = summary([*records, trial(2, 10.0, 0.8, stage="extension")])
    assert (wider.at_edge, wider.best_at) == (False, pytest.approx(0.75))


def test_an_extension_for_one_pair_widens_the_range_of_all():
    records = [trial(0, 1.0, 0.9), trial(1, 10.0, 0.8, pair="mse/sigmoid", stage="extension")]
    first, second = search_summaries(
        records, direction="maximize", lr=(1e-3, 1.0), pairs=["bce/sigmoid", "mse/sigmoid"]
    )
    assert (first.best_at, second.best_at) == (pytest.approx(0.75), 1.0)


def test_a_fixed_rate_has_no_place():
    found = summary([trial(0, 0.1, 0.9)], lr=(0.1, 0.1))
    assert (found.searched, found.best_at, found.coverage, found.at_edge) == (0, None, None, False)


def test_the_score_with_the_learning_rate_alone_is_that_near_the_defaults():
    records = [
        trial(0, 0.1, 0.90, pair="focal/sigmoid", own=(("gamma", 0.5),)),
        trial(1, 0.1, 0.80, pair="focal/sigmoid", own=(("gamma", 2.3),)),
        trial(2, 0.01, 0.70, pair="focal/sigmoid", own=(("gamma", 1.9),)),
    ]
    found = summary(records, pairs=["focal/sigmoid"], own={"focal/sigmoid": [GAMMA]}, settings=["batch_size"])
    assert (found.score, found.default_score, found.searched) == (0.9, 0.8, 3)
    nowhere = summary(records[:1], pairs=["focal/sigmoid"], own={"focal/sigmoid": [GAMMA]})
    assert nowhere.default_score is None


def test_an_own_range_is_measured_on_its_scale():
    log = OwnRange("delta", 0.01, 10.0, 1.0, log=True)
    assert log.share(1.0) == pytest.approx(2 / 3)
    assert GAMMA.share(2.0) == pytest.approx(0.4)
    assert OwnRange("margin", 1.0, 1.0, 1.0).share(1.0) == 0.0


# --- sensitivity -----------------------------------------------------------------------------------------


def at(rates, values, **more):
    return [trial(i, lr, v, **more) for i, (lr, v) in enumerate(zip(rates, values, strict=True))]


def test_sensitivity_is_the_mean_drop_a_factor_of_three_away():
    records = at([0.1 / 3, 0.1, 0.3], [0.70, 0.90, 0.86])
    assert sensitivity(records, direction="maximize") == pytest.approx((0.20 + 0.04) / 2)
    errors = at([0.1 / 3, 0.1, 0.3], [1.5, 1.0, 1.2])
    assert sensitivity(errors, direction="minimize") == pytest.approx((0.5 + 0.2) / 2)


def test_a_flat_response_is_not_sensitive():
    assert sensitivity(at([0.01, 0.1, 1.0], [0.9, 0.9, 0.9]), direction="maximize") == 0.0


def test_between_tried_rates_the_score_is_interpolated_on_the_log_scale():
    records = at([0.01, 0.1], [0.7, 0.9])
    assert sensitivity(records, direction="maximize") == pytest.approx(0.2 * math.log10(3))


def test_a_bad_own_parameter_at_a_good_rate_is_not_counted_against_the_rate():
    good = at([0.1, 0.3, 1.0], [0.90, 0.88, 0.86])
    bad = [*good, trial(3, 0.25, 0.50), trial(4, 0.1, 0.3)]
    assert sensitivity(bad, direction="maximize") == pytest.approx(sensitivity(good, direction="maximize"))


def test_a_diverged_trial_counts_for_what_a_constant_scores():
    records = [trial(0, 0.1, 0.9), trial(1, 0.3, 0.5, outcome=Outcome.DIVERGED)]
    assert sensitivity(records, direction="maximize") == pytest.approx(0.4)


@pytest.mark.parametrize(
    "records", [[], at([0.1], [0.9]), at([0.1, 0.2], [0.9, 0.8]), at([0.1], [None])], ids=["none", "one", "near", "no value"]
)  # fmt: skip
def test_where_no_rate_is_a_factor_away_nothing_is_said(records):
    assert sensitivity(records, direction="maximize") is None


@given(
    st.lists(
        st.tuples(st.floats(-4, 0), st.floats(0, 1).map(lambda v: round(v, 6))), min_size=2, max_size=12, unique_by=lambda t: t[0]
    ),
    st.randoms(),
)  # fmt: skip
def test_sensitivity_is_never_negative_and_knows_no_order(points, random):
    records = at([10.0**e for e, _ in points], [v for _, v in points])
    found = sensitivity(records, direction="maximize")
    shuffled = random.sample(records, len(records))
    assert found is None or found >= 0
    assert found == sensitivity(shuffled, direction="maximize")
    turned = at([10.0**e for e, _ in points], [-v for _, v in points])
    assert sensitivity(turned, direction="minimize") == found


def test_a_sharper_peak_is_more_sensitive():
    rates = np.geomspace(1e-3, 1, 7)

    def bell(width):
        return sensitivity(
            at(rates, 0.5 + 0.4 * np.exp(-((np.log10(rates) + 1.5) ** 2) / width)), direction="maximize"
        )

    assert bell(0.3) > bell(1.0) > bell(3.0)


# --- inclusion -------------------------------------------------------------------------------------------


def space_of(kind, **table):
    """Return the pairs' searched ranges as a study's declaration has them."""
    from lossearch.data.sources import from_arrays
    from lossearch.study.resolve import resolve_space
    from lossearch.tasks.build import make_task

    rng = np.random.default_rng(0)
    y = rng.normal(size=60) if kind == "regression" else np.arange(60) % (2 if kind == "binary" else 3)
    task = make_task(from_arrays(rng.normal(size=(60, 2)), y, name="made"), kind=kind)
    return resolve_space(SpaceTable(**table), TrainTable(), task)[0].as_json()["pairs"]


CONTAINED = [(kind, loss) for kind in KINDS for loss in losses_for(kind).values() if loss.contains]


def test_some_losses_contain_others():
    assert {loss.name for _, loss in CONTAINED} >= {"focal", "huber", "label_smoothing_ce"}


@pytest.mark.parametrize(("kind", "loss"), CONTAINED, ids=str)
def test_what_is_declared_to_be_contained_is(kind, loss):
    (check,) = [c for c in CHECKS if c.what == "it becomes every loss it says it contains"]
    assert check(loss).detail == ""
    assert kind in loss.kinds


def test_containments_follow_from_the_declarations():
    found = special_cases("binary", space_of("binary", losses=("focal", "bce", "hinge")))
    assert found == (SpecialCase("focal/sigmoid", "bce/sigmoid", {"gamma": 0.0}),)
    found = special_cases("regression", space_of("regression", losses=("huber", "mse", "mae")))
    assert [(c.general, c.special, c.where) for c in found] == [
        ("huber/identity", "mse/identity", "delta = 10"),
        ("huber/identity", "mae/identity", "delta = 0.01"),
    ]


def test_a_narrowed_or_fixed_range_contains_nothing():
    narrowed = space_of("binary", losses=("focal", "bce"), params={"focal.gamma": (1.0, 5.0)})
    fixed = space_of("binary", losses=("focal", "bce"), params={"focal.gamma": 2.0})
    assert special_cases("binary", narrowed) == special_cases("binary", fixed) == ()


def test_an_absent_member_and_an_unknown_loss_are_passed_over():
    ranges = space_of("binary", losses=("focal", "bce"))
    del ranges["bce/sigmoid"]
    assert special_cases("binary", {**ranges, "my_own/sigmoid": {}}) == ()


FOCAL = SpecialCase("focal/sigmoid", "bce/sigmoid", {"gamma": 0.0})


def comparison(a, b, difference, relation):
    return Comparison(
        a, b, difference, difference - 0.01, difference + 0.01, 0.01, 1.0, 0.0, 0.0, 0.0, relation
    )


@pytest.mark.parametrize(
    ("seen", "by"),
    [
        (comparison("focal/sigmoid", "bce/sigmoid", -0.02, Relation.WORSE), 0.02),
        (comparison("bce/sigmoid", "focal/sigmoid", 0.02, Relation.BETTER), 0.02),
        (comparison("focal/sigmoid", "bce/sigmoid", 0.02, Relation.BETTER), None),
        (comparison("bce/sigmoid", "focal/sigmoid", -0.02, Relation.WORSE), None),
        (comparison("focal/sigmoid", "bce/sigmoid", -0.02, Relation.UNDECIDED), None),
        (comparison("focal/sigmoid", "mse/sigmoid", -0.02, Relation.WORSE), None),
    ],
)
def test_a_verdict_says_where_a_family_loses_to_its_member(seen, by):
    found = confirmed_shortfalls([FOCAL], [seen])
    assert found == (() if by is None else (Shortfall(FOCAL, by, confirmed=True),))


def test_the_sentence_says_what_to_do():
    assert str(Shortfall(FOCAL, 0.02, confirmed=True)) == (
        "focal/sigmoid becomes bce/sigmoid at gamma = 0, yet is 0.02 worse on fresh seeds: its search was too "
        "small. Give more trials, or narrow the range of focal.gamma."
    )


@pytest.mark.parametrize(
    ("direction", "general", "special", "told"),
    [
        ("maximize", 0.80, 0.90, True),
        ("maximize", 0.90, 0.80, False),
        ("maximize", 0.895, 0.90, False),
        ("minimize", 0.90, 0.80, True),
        ("minimize", 0.80, 0.90, False),
    ],
)
def test_search_scores_tell_a_shortfall_beyond_two_standard_errors(direction, general, special, told):
    # two standard errors of the difference: 2 * 0.01 * sqrt(2 / 5) = 0.0126
    best = {
        pair: trial(0, 0.1, v, pair=pair, spread={"val_accuracy": 0.01})
        for pair, v in (("focal/sigmoid", general), ("bce/sigmoid", special))
    }
    found = searched_shortfalls([FOCAL], best, direction=direction, metric="accuracy")
    assert bool(found) is told
    assert not told or str(found[0]).startswith(
        "focal/sigmoid becomes bce/sigmoid at gamma = 0, yet is 0.1 worse in the search"
    )
    assert searched_shortfalls([FOCAL], {}, direction=direction, metric="accuracy") == ()

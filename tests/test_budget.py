"""Tuning curves from the cover: the best of n, its bands, and who overtakes whom."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossearch.diagnostics.tuning_curves import Crossing, TuningCurve, crossings, tuning_curves
from lossearch.records.trial import TrialRecord
from lossearch.space import Dimension, Point
from lossearch.study.initial_design import space_filling
from lossearch.training.contract import Outcome

LR = Dimension("lr", 1e-4, 1.0, log=True)


def trials(pair, values, *, stage="cover", first=0):
    return [
        TrialRecord(first + i, stage, Point(pair, 0.1), "", (1, 2), Outcome.COMPLETED, v, 3)
        for i, v in enumerate(values)
    ]


def median_best(values, n):
    """Return the least value that the best of n draws from ``values`` reaches half the time or more."""
    ordered = np.sort(values)
    share = np.arange(1, len(ordered) + 1) / len(ordered)
    return ordered[np.flatnonzero(share**n >= 0.5)[0]]


SCORES = st.lists(st.integers(0, 60).map(lambda i: i / 60), min_size=5, max_size=7)


@settings(max_examples=30)
@given(SCORES)
def test_the_typical_best_is_the_median_over_searches(values):
    (curve,) = tuning_curves(trials("bce/sigmoid", values), direction="maximize")
    assert curve.typical.tolist() == [median_best(values, n) for n in range(1, len(values) + 1)]
    assert (np.diff(curve.typical) >= 0).all()
    assert (curve.low <= curve.typical).all()
    assert (curve.typical <= curve.high).all()
    assert curve.budgets.tolist() == list(range(1, len(values) + 1))


@settings(max_examples=30)
@given(SCORES)
def test_an_error_is_a_score_turned_round(values):
    (up,) = tuning_curves(trials("bce/sigmoid", values), direction="maximize")
    (down,) = tuning_curves(trials("bce/sigmoid", [-v for v in values]), direction="minimize")
    assert np.allclose(down.typical, -up.typical)
    assert np.allclose(down.low, -up.high)
    assert np.allclose(down.high, -up.low)


def test_scores_that_repeat_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (curve,) = tuning_curves(trials("bce/sigmoid", [0.5, 0.5, 0.5, 0.8, 0.9]), direction="maximize")
    assert curve.trials == 5


def test_known_bounds_close_the_bands():
    values = [0.5, 0.61, 0.7, 0.8, 0.84, 0.9, 0.93]
    (free,) = tuning_curves(trials("bce/sigmoid", values), direction="maximize")
    (held,) = tuning_curves(trials("bce/sigmoid", values), direction="maximize", bounds=(0.0, 1.0))
    assert np.isinf(free.high).any()
    assert np.isfinite([held.low, held.high]).all()
    assert held.high.max() == 1.0


def test_only_independent_points_of_pairs_that_have_enough_count():
    records = [
        *trials("bce/sigmoid", [0.5, 0.6, 0.7, 0.8, 0.9]),
        *trials("bce/sigmoid", [0.99] * 4, stage="search", first=5),
        *trials("mse/sigmoid", [0.5, 0.6, 0.7, 0.8, None], first=9),
    ]
    (curve,) = tuning_curves(records, direction="maximize")
    assert (curve.pair, curve.trials, curve.typical.max()) == ("bce/sigmoid", 5, 0.9)
    both = tuning_curves(records, direction="maximize", stages=("cover", "search"))
    assert [c.trials for c in both] == [9]


def test_nothing_gives_nothing():
    assert tuning_curves([], direction="maximize") == ()


def test_more_pairs_widen_each_band():
    values = [0.5, 0.61, 0.7, 0.8, 0.84, 0.9, 0.93]
    (alone,) = tuning_curves(trials("a/b", values), direction="maximize", bounds=(0, 1))
    many = tuning_curves(
        [r for i in range(5) for r in trials(f"{i}/b", values)], direction="maximize", bounds=(0, 1)
    )
    assert (many[0].high - many[0].low).sum() > (alone.high - alone.low).sum()


@pytest.mark.parametrize("best", [0.2, 0.5, 0.75])
@pytest.mark.parametrize("width", [0.1, 0.3])
def test_the_cover_of_a_smooth_response_holds_what_a_random_search_finds(best, width):
    """The cover is no random sample; on a smooth response its bands hold all the same."""

    def response(share):
        return 0.5 + 0.4 * np.exp(-(((share - best) / width) ** 2))

    rates = [p["lr"] for p in space_filling([LR], 7, seed=0)]
    shares = np.log(np.array(rates) / LR.low) / np.log(LR.high / LR.low)
    (curve,) = tuning_curves(trials("bce/sigmoid", response(shares)), direction="maximize")
    drawn = np.sort(response(np.random.default_rng(0).random(20_000)))
    truth = [np.quantile(drawn, 0.5 ** (1 / n)) for n in curve.budgets]
    assert (curve.low <= truth).all()
    assert (truth <= curve.high).all()


def test_the_bands_hold_at_their_level():
    rng = np.random.default_rng(1)
    truth = 0.5 ** (1 / np.arange(1, 6))
    inside = 0
    for _ in range(40):
        (curve,) = tuning_curves(trials("bce/sigmoid", rng.random(5)), direction="maximize", level=0.8)
        inside += bool(((curve.low <= truth) & (truth <= curve.high)).all())
    assert inside >= 24  # 0.8 of 40 is 32, its sd 2.5


def curve(pair, typical, reach):
    typical = np.array(typical)
    return TuningCurve(pair, len(typical), typical, typical - reach, typical + reach, 0.95)


def test_a_pair_that_wins_only_after_some_trials_is_named():
    steady, late = (
        curve("bce/sigmoid", [0.8, 0.8, 0.8, 0.8], 0.01),
        curve("focal/sigmoid", [0.6, 0.7, 0.85, 0.9], 0.01),
    )
    (found,) = crossings([steady, late], direction="maximize")
    assert found == Crossing("bce/sigmoid", "focal/sigmoid", 3, clear=True)
    assert str(found) == "focal/sigmoid overtakes bce/sigmoid from 3 trials on."
    assert crossings([late, steady], direction="maximize") == (found,)


def test_wide_bands_leave_a_crossing_in_doubt():
    steady, late = curve("a/x", [0.8, 0.8, 0.8], 0.2), curve("b/x", [0.6, 0.7, 0.9], 0.2)
    (found,) = crossings([steady, late], direction="maximize")
    assert not found.clear
    assert str(found) == "b/x overtakes a/x from 3 trials on; so few trials cannot show it for sure."


@pytest.mark.parametrize("typical", [[0.6, 0.7, 0.75], [0.8, 0.8, 0.8], [0.8, 0.9, 0.9]])
def test_a_pair_that_never_changes_place_crosses_nothing(typical):
    assert crossings([curve("a/x", [0.8, 0.8, 0.8], 0), curve("b/x", typical, 0)], direction="maximize") == ()


def test_errors_cross_the_other_way():
    steady, late = curve("a/x", [0.3, 0.3, 0.3], 0.01), curve("b/x", [0.5, 0.4, 0.1], 0.01)
    (found,) = crossings([steady, late], direction="minimize")
    assert (found.early, found.late, found.trials, found.clear) == ("a/x", "b/x", 3, True)

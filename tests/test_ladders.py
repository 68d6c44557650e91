"""What the parameters bring that a loss has beyond a simpler one it contains."""

from __future__ import annotations

import pytest
from test_fairness import space_of

from lossearch.diagnostics.ladders import Rung, Use, direct, rungs
from lossearch.diagnostics.special_cases import SpecialCase, special_cases
from lossearch.report import frames
from lossearch.verdict.verdict import Comparison, Relation

BCE, FOCAL, ASL = "bce/sigmoid", "focal/sigmoid", "asl/sigmoid"


def seen(relation, difference=0.02):
    low, high = difference - 0.01, difference + 0.01
    return Comparison(FOCAL, BCE, difference, low, high, 0.01, 1.0, 0.0, 0.0, 0.0, relation)


def test_each_loss_is_held_against_the_nearest_it_contains():
    cases = special_cases("binary", space_of("binary", losses=("bce", "focal", "asl", "class_balanced_ce")))
    assert [(c.general, c.special, c.where) for c in direct(cases)] == [
        (FOCAL, BCE, "gamma = 0"),
        (ASL, FOCAL, "clip = 0, gamma_neg = gamma_pos"),
        ("class_balanced_ce/sigmoid", BCE, "volume = 1"),
    ]
    assert (ASL, BCE) in {(c.general, c.special) for c in cases}
    without = special_cases("binary", space_of("binary", losses=("bce", "asl")))
    assert [(c.general, c.special) for c in direct(without)] == [(ASL, BCE)]


@pytest.mark.parametrize(
    ("alpha", "where"), [((0.1, 0.9), ["gamma = 0, alpha = 0.5"]), ((0.25, 0.25), []), (None, ["gamma = 0"])]
)
def test_what_is_said_of_one_parameter_holds_where_the_others_are_at_their_defaults(alpha, where):
    searched = {"bce/sigmoid": {}, FOCAL: {"focal.gamma": {"low": 0.0, "high": 5.0}}}
    if alpha is not None:
        searched[FOCAL]["focal.alpha"] = {"low": alpha[0], "high": alpha[1]}
    assert [c.where for c in special_cases("binary", searched)] == where


def test_a_loss_may_contain_a_pair_with_another_activation():
    cases = special_cases("multiclass", space_of("multiclass", losses=("logit_adjusted", "vs_loss")))
    assert [(c.general, c.special, c.where) for c in cases] == [
        ("logit_adjusted/softmax", "cross_entropy/softmax", "tau = 0"),
        ("vs_loss/identity", "logit_adjusted/softmax", "gamma = 0"),
    ]


def test_regression_has_a_ladder_of_its_own():
    losses = ("mse", "huber", "barron", "pseudo_huber", "cauchy")
    found = {
        (c.general, c.special) for c in special_cases("regression", space_of("regression", losses=losses))
    }
    assert found == {
        ("huber/identity", "mse/identity"),
        ("pseudo_huber/identity", "mse/identity"),
        ("barron/identity", "mse/identity"),
        ("barron/identity", "pseudo_huber/identity"),
        ("barron/identity", "cauchy/identity"),
    }


@pytest.mark.parametrize(
    ("relation", "use", "said"),
    [
        (
            Relation.BETTER,
            Use.HELPS,
            "gamma of focal/sigmoid helps: +0.02 (0.01 to 0.03) over bce/sigmoid, which it is at gamma = 0.",
        ),
        (
            Relation.EQUAL,
            Use.USELESS,
            (
                "gamma of focal/sigmoid makes no difference that matters: +0.02 (0.01 to 0.03) over bce/sigmoid, "
                "which it is at gamma = 0."
            ),
        ),
        (
            Relation.UNDECIDED,
            Use.UNKNOWN,
            (
                "Whether gamma of focal/sigmoid helps over bce/sigmoid cannot be said: these seeds and rows leave open "
                "0.01 to 0.03."
            ),
        ),
    ],
)
def test_what_is_added_helps_or_does_not_or_cannot_be_said(relation, use, said):
    rung = Rung(SpecialCase(FOCAL, BCE, {"gamma": 0.0}), seen(relation))
    assert rung.use is use
    assert str(rung) == said


def test_the_search_alone_says_nothing():
    cases = special_cases("binary", space_of("binary", losses=("bce", "focal")))
    (rung,) = rungs(cases, None)
    assert str(rung) == (
        "Whether gamma of focal/sigmoid helps over bce/sigmoid cannot be said: not both were confirmed on fresh seeds."
    )
    table = frames.ladder([rung])
    assert table["use"].tolist() == ["cannot be said"]
    assert table["difference"].isna().all()
    assert frames.ladder([]).empty


def test_worse_is_a_search_too_small():
    rung = Rung(SpecialCase(FOCAL, BCE, {"gamma": 0.0}), seen(Relation.WORSE, -0.02))
    assert str(rung).startswith(
        "gamma of focal/sigmoid does worse (too few trials to find the simpler loss): -0.02"
    )

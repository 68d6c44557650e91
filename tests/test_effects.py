"""Where the spread in score comes from, against least squares; tests on ranks against SciPy and a textbook."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lossearch.diagnostics.effects import (
    Effect,
    Effects,
    design_effects,
    effects_sentence,
    replicate_scores,
    tuned_effects,
)
from lossearch.records.trial import TrialRecord
from lossearch.space import Dimension, Point
from lossearch.study.importance import importances
from lossearch.training.contract import Outcome
from lossearch.verdict.across_tasks.rank_tests import (
    critical_difference,
    friedman_p,
    holm,
    practical,
    rank_sum,
    wilcoxon_p,
)
from lossearch.verdict.scale import Scale, merit, scale_of

PAIRS = ("bce/sigmoid", "mse/sigmoid", "mse/identity", "hinge/identity")
RATES = (0.001, 0.01, 0.1)


def scores_of(value, pairs=PAIRS, rates=RATES, seeds=5):
    rows = [
        {"pair": p, "lr": lr, "seed": s, "score": value(p, lr, s)} for p in pairs for lr in rates for s in range(seeds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def noisy(draw=0, **weights):
    rng = np.random.default_rng(draw)
    of_pair = dict(zip(PAIRS, rng.normal(size=len(PAIRS)), strict=True))

    def value(pair, lr, s):
        return (
            weights.get("pair", 0) * of_pair[pair]
            + weights.get("lr", 0) * math.log10(lr)
            + weights.get("seed", 0) * s
            + weights.get("residual", 0) * rng.normal()
        )

    return scores_of(value)


def explained(frame, *columns):
    """Return the sum of squares about the mean that dummies of these columns explain, by least squares."""
    y = frame["score"].to_numpy() - frame["score"].mean()
    dummies = pd.get_dummies(frame[list(columns)].astype(str).agg(" ".join, axis=1)).to_numpy(float)
    fitted = dummies @ np.linalg.lstsq(dummies, y, rcond=None)[0]
    return float((fitted**2).sum())


@pytest.mark.parametrize("draw", range(4))
def test_shares_are_those_of_an_analysis_of_variance(draw):
    frame = noisy(draw, pair=0.5, lr=0.4, seed=0.1, rest=0.3)
    frame["loss"] = frame["pair"].str.partition("/")[0]
    total = float(((frame["score"] - frame["score"].mean()) ** 2).sum())
    squares = {
        "loss": (explained(frame, "loss"), 2),
        "activation": (explained(frame, "pair") - explained(frame, "loss"), 1),
        "lr": (explained(frame, "lr"), 2),
        "pair x lr": (explained(frame, "pair", "lr") - explained(frame, "pair") - explained(frame, "lr"), 6),
        "seed": (explained(frame, "seed"), 4),
    }
    freedom = len(frame) - 1 - sum(f for _, f in squares.values())
    noise = (total - sum(s for s, _ in squares.values())) / freedom
    wanted = {name: max(s - f * noise, 0) / total for name, (s, f) in squares.items()}
    found = design_effects(frame, direction="maximize")
    assert {e.name: e.df for e in found.effects} == {
        **{n: f for n, (_, f) in squares.items()},
        "residual": freedom,
    }
    assert {e.name: e.share for e in found.effects if e.name != "residual"} == pytest.approx(wanted)
    assert sum(e.share for e in found.effects) == pytest.approx(1)
    assert found.size == (4, 3, 5)


@pytest.mark.parametrize(
    ("weights", "name"),
    [({"lr": 1}, "lr"), ({"seed": 1}, "seed"), ({"residual": 1}, "residual")],
)
def test_what_alone_varies_explains_everything(weights, name):
    found = design_effects(noisy(**weights), direction="maximize")
    assert found.share(name) == pytest.approx(1, abs=0.15)


def test_noise_alone_is_not_given_to_the_loss():
    shares = [
        design_effects(noisy(s, rest=1), direction="maximize").share("loss", "activation") for s in range(40)
    ]
    assert np.mean(shares) < 0.04  # a plain share of squares gives 3 / 59 = 0.05 on average


def test_loss_and_activation_are_told_apart():
    def by_loss(p, _, s):
        return {"bce": 0, "mse": 1, "hinge": 2}[p.partition("/")[0]] + 1e-3 * s

    found = design_effects(scores_of(by_loss), direction="maximize")
    assert found.share("loss") == pytest.approx(1, abs=1e-4)

    def by_activation(p, _, s):
        return {"mse/sigmoid": -1, "mse/identity": 1}.get(p, 0) + 1e-3 * s

    found = design_effects(scores_of(by_activation), direction="maximize")
    assert found.share("activation") == pytest.approx(1, abs=1e-4)


def test_one_exploding_error_does_not_stand_for_everything():
    frame = noisy(lr=0.5, rest=0.05)
    frame["score"] = np.exp(frame["score"])
    frame.loc[0, "score"] = 1e4
    assert design_effects(frame, direction="minimize").share("lr") > 0.25
    assert design_effects(frame, direction="maximize").share("lr") < 0.1


def test_an_incomplete_pair_is_left_out():
    frame = noisy(pair=1, rest=0.1)
    holes = frame.drop(index=frame.index[(frame["pair"] == "hinge/identity") & (frame["lr"] == 0.1)])
    assert design_effects(holes, direction="maximize").size == (3, 3, 5)


@pytest.mark.parametrize("column", ["pair", "lr", "seed"])
def test_one_level_of_anything_says_nothing(column):
    frame = noisy(rest=1)
    assert design_effects(frame[frame[column] == frame[column].iloc[0]], direction="maximize") is None
    assert design_effects(frame.iloc[:0], direction="maximize") is None


def test_equal_scores_have_no_spread_to_share():
    found = design_effects(scores_of(lambda *_: 0.5), direction="maximize")
    assert {e.name: e.share for e in found.effects if e.share} == {"residual": 1.0}


def test_tuned_pairs_share_the_spread_with_seeds():
    rng = np.random.default_rng(0)
    base = rng.normal(size=20)
    far = tuned_effects(
        {"a/x": base, "b/x": base + 5, "c/x": base + 0.1 * rng.normal(size=20)}, direction="maximize"
    )
    assert far.share("loss") > 0.8
    assert far.p < 1e-6
    near = tuned_effects({f"{n}/x": base + 0.1 * rng.normal(size=20) for n in "abc"}, direction="maximize")
    assert near.share("loss") < 0.02
    assert near.share("seed") > 0.9
    assert near.p > 0.01
    assert tuned_effects({"a/x": base}, direction="maximize") is None
    assert tuned_effects({}, direction="maximize") is None


# --- the sentence ----------------------------------------------------------------------------------------


def effects(p=None, size=(4, 7, 5), **shares):
    return Effects(tuple(Effect(n.replace("_x_", " x "), s, 1) for n, s in shares.items()), size, p)


COVER = effects(loss=0.05, activation=0.02, lr=0.6, pair_x_lr=0.2, seed=0.03, rest=0.1)


@pytest.mark.parametrize(
    ("tuned", "tied", "said"),
    [
        (
            effects(0.4, loss=0.03, activation=0.0, seed=0.7, rest=0.27),
            None,
            "once tuned, the 4 pairs do not differ significantly over these seeds (3% of the variance).",
        ),
        (
            effects(0.01, loss=0.03, activation=0.0, seed=0.7, rest=0.27),
            ["a/x"] * 4,
            "the loss makes no measurable difference here once each of the 4 pairs has its own learning rate.",
        ),
        (
            effects(0.01, loss=0.3, activation=0.1, seed=0.4, rest=0.2),
            ["a/x"],
            "once tuned, the pair still matters: it explains 40% of the variance, the seed 40%.",
        ),
        (
            effects(0.01, loss=0.03, activation=0.01, seed=0.4, rest=0.56),
            ["a/x"],
            "once tuned, the pair still matters little: it explains 4% of the variance, the seed 40%.",
        ),
        (None, None, "what is left once every pair is tuned cannot be said from one pair or one seed."),
    ],
)
def test_whether_the_loss_matters_is_one_sentence(tuned, tied, said):
    start = (
        "The learning rate, and which rate suits which pair, explains 80% of the variance in accuracy over the initial design, "
        "loss and activation 7%; "
    )
    assert effects_sentence(COVER, tuned, metric="accuracy", tied=tied) == start + said
    alone = effects_sentence(None, tuned, metric="accuracy", tied=tied)
    assert alone == said[0].upper() + said[1:]


# --- replicates ------------------------------------------------------------------------------------------


def record(
    number,
    value,
    *,
    pair="bce/sigmoid",
    lr=0.1,
    seeds=(1, 2),
    stage="cover",
    epoch=2,
    outcome=Outcome.COMPLETED,
):
    return TrialRecord(number, stage, Point(pair, lr), "", seeds, outcome, value, epoch)


def curve(trial, seed, scores, outcome="completed"):
    return [
        {"trial": trial, "pair": "bce/sigmoid", "lr": 0.1, "seed": seed, "epoch": e, "outcome": outcome, "val_accuracy": v}
        for e, v in enumerate(scores, start=1)
    ]  # fmt: skip


def test_a_replicate_scores_at_its_trials_epoch_and_a_diverged_one_as_a_constant():
    frame = pd.DataFrame(
        [
            *curve(0, 1, [0.7, 0.9, 0.8]),
            *curve(0, 2, [0.6, 0.7, 0.9]),
            *curve(1, 1, [0.8, 0.9]),
            *curve(1, 2, [0.3], "diverged"),
        ]
    )
    records = [record(0, 0.8), record(1, 0.7), record(2, None, epoch=None), record(3, 0.4, stage="search")]
    found = replicate_scores(frame, records, metric="accuracy", stage="cover")
    assert found[["trial", "seed", "loss", "activation"]].to_numpy().tolist() == [
        [0, 1, "bce", "sigmoid"], [0, 2, "bce", "sigmoid"], [1, 1, "bce", "sigmoid"], [1, 2, "bce", "sigmoid"],
    ]  # fmt: skip
    assert found["score"].tolist() == pytest.approx([0.9, 0.7, 0.9, 0.5])


def test_a_wholly_diverged_trial_has_its_value_everywhere():
    found = replicate_scores(
        pd.DataFrame(curve(0, 1, [0.7])), [record(3, 0.4, outcome=Outcome.DIVERGED)], metric="accuracy"
    )
    assert found["score"].tolist() == [0.4, 0.4]


# --- tests on ranks --------------------------------------------------------------------------------------

DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.975, 0.973], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip
"""AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets: table 6 of Demsar 2006."""


def test_the_textbook_example():
    ranks = stats.rankdata(-DEMSAR, axis=1).mean(axis=0)
    assert ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    # the paper's F of 3.69 leaves ties uncorrected
    assert 0.005 < friedman_p(DEMSAR) < stats.f.sf(3.69, 3, 39)
    assert critical_difference(4, 14, 0.05) == pytest.approx(1.25, abs=5e-3)
    assert rank_sum(DEMSAR[:, 1] - DEMSAR[:, 0]) == 93 - 12
    assert wilcoxon_p(DEMSAR[:, 1] - DEMSAR[:, 0]) < 0.02


@pytest.mark.parametrize("draw", range(5))
def test_friedmans_p_is_that_of_an_analysis_of_variance_of_ranks(draw):
    """The form of Iman and Davenport is the F of treatments in a two-way layout of ranks, ties or not."""
    blocks = np.random.default_rng(draw).normal(size=(9, 4)).round(draw % 3) + np.arange(4) / 4
    ranks = stats.rankdata(blocks, axis=1)
    centred = ranks - 2.5
    treatments = 9 * (centred.mean(axis=0) ** 2).sum()
    rest = (centred**2).sum() - treatments
    assert friedman_p(blocks) == pytest.approx(stats.f.sf((treatments / 3) / (rest / 24), 3, 24))


def test_perfect_agreement_of_two_blocks_is_not_certainty():
    assert friedman_p(np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])) == pytest.approx(1 / 6)
    assert friedman_p(np.ones((5, 3))) == 1.0
    assert friedman_p(np.array([[1.0, 2.0]] * 6)) == pytest.approx(2 / 64)
    assert friedman_p(np.array([[1.0, 2.0, 3.0]])) == 1.0


@settings(max_examples=40)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=7))
def test_signed_ranks_have_scipys_exact_p(tenths):
    difference = np.array(tenths) / 10
    exact = stats.PermutationMethod(n_resamples=10_000)
    wanted = stats.wilcoxon(difference, zero_method="zsplit", method=exact).pvalue if any(tenths) else 1.0
    assert wilcoxon_p(difference) == pytest.approx(wanted)


def test_signed_ranks_without_ties_have_the_tabled_p():
    difference = np.random.default_rng(0).normal(0.2, 1, 25)
    assert wilcoxon_p(difference) == pytest.approx(stats.wilcoxon(difference, method="exact").pvalue)


def test_a_tie_hidden_by_rounding_is_a_tie():
    assert wilcoxon_p(np.array([0.3 - 0.1, 0.2 - 0.4, 0.1])) == wilcoxon_p(np.array([0.2, -0.2, 0.1]))


@pytest.mark.parametrize("p", [[0.03], [0.01, 0.04, 0.03], [0.2, 0.2, 0.001, 0.9, 0.02], [0.0, 1.0, 0.5]])
def test_holm_is_that_of_statsmodels(p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


def test_probabilities_of_practical_difference_add_up():
    pytest.importorskip("baycomp")
    rng = np.random.default_rng(0)
    base = rng.random(12)
    assert practical(base + 0.05, base, 0.01) == pytest.approx((1, 0, 0), abs=0.01)
    assert practical(base, base + 0.05, 0.01) == pytest.approx((0, 0, 1), abs=0.01)
    assert practical(base + rng.normal(0, 1e-3, 12), base, 0.01) == pytest.approx((0, 1, 0), abs=0.01)
    assert sum(practical(base, rng.random(12), 0.01)) == pytest.approx(1)
    assert practical(base, base[::-1], 0.01) == practical(base, base[::-1], 0.01)


# --- scales ----------------------------------------------------------------------------------------------


def test_scores_are_subtracted_and_errors_divided():
    assert scale_of("maximize", [0.5, 0.9]) is Scale.DIFFERENCE
    assert scale_of("minimize", [0.5, 9.0]) is Scale.RATIO
    assert scale_of("minimize", [0.0, 9.0]) is Scale.DIFFERENCE
    assert merit([0.5, 0.9], "maximize", Scale.DIFFERENCE).tolist() == [0.5, 0.9]
    assert merit([0.5, 0.9], "minimize", Scale.DIFFERENCE).tolist() == [-0.5, -0.9]
    grown = merit([1.0, 1.01], "minimize", Scale.RATIO)
    assert grown[0] - grown[1] == pytest.approx(0.01, rel=0.01)


# --- fANOVA ----------------------------------------------------------------------------------------------


def searched(n, value, pairs=("bce/sigmoid", "focal/sigmoid"), own=()):
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        lr = float(10 ** rng.uniform(-3, 0))
        params = {name: float(rng.uniform(0, 5)) for name in own}
        pair = pairs[i % len(pairs)]
        point = Point(pair, lr, tuple(params.items()))
        found.append(
            TrialRecord(i, "search", point, "", (1,), Outcome.COMPLETED, value(pair, lr, **params), 1)
        )
    return found


def test_the_learning_rate_is_important_where_it_alone_decides():
    found = importances(
        searched(60, lambda _, lr: -abs(math.log10(lr) + 1)), direction="maximize", lr=(1e-3, 1.0)
    )
    assert set(found) == {"pair", "lr"}
    assert sum(found.values()) == pytest.approx(1)
    assert found["lr"] > 0.9


def test_an_own_parameter_is_important_within_its_pair():
    records = searched(60, lambda _, lr, gamma: gamma + 0.01 * lr, pairs=("focal/sigmoid",), own=("gamma",))
    own = {"focal.gamma": Dimension("focal.gamma", 0.0, 5.0)}
    found = importances(records, direction="maximize", lr=(1e-3, 1.0), own=own)
    assert set(found) == {"lr", "focal.gamma"}
    assert found["focal.gamma"] > 0.9
    assert found == importances(records, direction="maximize", lr=(1e-3, 1.0), own=own)


def test_rates_of_the_extension_widen_the_range_for_all():
    records = [*searched(60, lambda _, lr: lr), record(60, 5.0, lr=10.0, stage="extension")]
    assert importances(records, direction="maximize", lr=(1e-3, 1.0))["lr"] > 0.5


@pytest.mark.parametrize(
    "records", [searched(49, lambda _, lr: lr), searched(60, lambda *_: 1.0)], ids=["few", "flat"]
)
def test_where_nothing_can_be_said_nothing_is(records):
    assert importances(records, direction="maximize", lr=(1e-3, 1.0)) == {}

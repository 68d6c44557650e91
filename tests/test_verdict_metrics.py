"""The same pairs under several metrics: leaderboards, winners, agreement, Pareto sets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossearch.diagnostics.agreement import (
    agreement,
    agreement_sentence,
    confirmed_scores,
    leaderboards,
    winners,
)
from lossearch.diagnostics.pareto import Objectives, front, nondominated, searched
from lossearch.records.confirmations import Confirmation, Confirmed
from lossearch.records.trial import TrialRecord
from lossearch.space import Point
from lossearch.training.contract import Outcome

VALUES = {
    "bce/sigmoid": {"accuracy": (0.90, 0.92), "log_loss": (0.30, 0.32), "auroc": (0.95, 0.97)},
    "mse/sigmoid": {"accuracy": (0.93, 0.95), "log_loss": (0.40, 0.42), "auroc": (0.94, 0.96)},
    "hinge/identity": {"accuracy": (0.80, 0.82), "auroc": (0.90, 0.92)},
}


def confirmation(pair, values, part="test", extra=None):
    prefix = {"test": "test_", "validation": "val_"}[part]
    named = {prefix + name: v for name, v in values.items()} | {f"{prefix}loss": (1.0, 1.0)} | (extra or {})
    return Confirmation(
        Point(pair, 0.1),
        "",
        0,
        0.9,
        3,
        f"{prefix}accuracy",
        (1, 2),
        (Outcome.COMPLETED,) * 2,
        named,
        ("label",),
    )


def confirmed_of(values, part="test", metric="accuracy"):
    return Confirmed(part, metric, (1, 2), {}, tuple(confirmation(p, v, part) for p, v in values.items()))


@pytest.fixture
def board():
    return leaderboards(confirmed_scores(confirmed_of(VALUES), "maximize"))


def test_every_metric_has_a_row_a_pair_and_seed_and_losses_have_none():
    scores = confirmed_scores(confirmed_of(VALUES), "maximize")
    assert list(dict.fromkeys(scores["metric"])) == ["accuracy", "auroc", "log_loss"]
    assert len(scores) == 2 * (3 + 3 + 2)
    assert set(zip(scores["metric"], scores["direction"], strict=True)) == {
        ("accuracy", "maximize"), ("auroc", "maximize"), ("log_loss", "minimize"),
    }  # fmt: skip


def test_scores_are_those_of_the_judged_part():
    values = {"bce/sigmoid": {"accuracy": (0.5, 0.6)}}
    confirmed = confirmed_of(values, "validation")
    assert confirmed_scores(confirmed, "maximize")["score"].tolist() == [0.5, 0.6]
    on_test = Confirmed("test", "accuracy", (1, 2), {}, confirmed.confirmations)
    assert confirmed_scores(on_test, "maximize").empty


def test_a_metric_of_ones_own_judges_in_its_direction():
    values = {"bce/sigmoid": {"cost": (3.0, 1.0)}, "mse/sigmoid": {"cost": (1.0, 1.0)}}
    board = leaderboards(confirmed_scores(confirmed_of(values, metric="cost"), "minimize"))
    assert winners(board) == {"cost": ("mse/sigmoid",)}


def test_what_is_not_finite_is_left_out():
    board = leaderboards(
        confirmed_scores(confirmed_of({"bce/sigmoid": {"accuracy": (0.5, math.nan)}}), "maximize")
    )
    assert board[["mean", "seeds"]].to_numpy().tolist() == [[0.5, 1]]
    assert math.isnan(board["sd"].iloc[0])


def test_leaderboards_rank_each_metric_in_its_direction(board):
    assert board[["metric", "pair", "rank"]].to_numpy().tolist() == [
        ["accuracy", "mse/sigmoid", 1], ["accuracy", "bce/sigmoid", 2], ["accuracy", "hinge/identity", 3],
        ["auroc", "bce/sigmoid", 1], ["auroc", "mse/sigmoid", 2], ["auroc", "hinge/identity", 3],
        ["log_loss", "bce/sigmoid", 1], ["log_loss", "mse/sigmoid", 2],
    ]  # fmt: skip
    assert board["mean"].iloc[0] == pytest.approx(0.94)
    assert board["sd"].iloc[0] == pytest.approx(np.std([0.93, 0.95], ddof=1))


def test_who_wins_where(board):
    assert winners(board) == {
        "accuracy": ("mse/sigmoid",), "auroc": ("bce/sigmoid",), "log_loss": ("bce/sigmoid",),
    }  # fmt: skip
    assert agreement_sentence(board, "accuracy") == (
        "mse/sigmoid is best by accuracy. 2 of 2 other metrics prefer another (auroc: bce/sigmoid; log_loss: bce/sigmoid); "
        "whether by more than chance is not known here."
    )
    assert agreement_sentence(board, "auroc") == (
        "bce/sigmoid is best by auroc. 1 of 2 other metrics prefers another (accuracy: mse/sigmoid); whether by more than "
        "chance is not known here. The other one agrees."
    )
    assert agreement_sentence(board, "f1_macro") == "No pair has a score under f1_macro."


def test_one_metric_or_one_winner_is_said_so():
    one = leaderboards(confirmed_scores(confirmed_of({"a/x": {"accuracy": (0.9, 0.9)}}), "maximize"))
    assert agreement_sentence(one, "accuracy") == "a/x is best by accuracy, the only metric."
    both = pd.concat([one, one.assign(pair="b/x")])
    assert agreement_sentence(both, "accuracy") == "a/x and b/x are best by accuracy, the only metric."
    both = {p: {"accuracy": v, "auroc": v} for p, v in (("a/x", (0.9, 0.9)), ("b/x", (0.8, 0.8)))}
    board = leaderboards(confirmed_scores(confirmed_of(both), "maximize"))
    assert (
        agreement_sentence(board, "accuracy") == "a/x is best by accuracy and by every other metric (auroc)."
    )


def test_agreement_is_kendalls_over_the_pairs_both_judge(board):
    table = agreement(board)
    assert table.loc["accuracy", "auroc"] == pytest.approx(1 / 3)  # one of three couples is turned round
    assert table.loc["auroc", "accuracy"] == table.loc["accuracy", "auroc"]
    assert math.isnan(table.loc["accuracy", "log_loss"])
    assert np.diag(table).tolist() == [1, 1, 1]


# --- Pareto ----------------------------------------------------------------------------------------------


TWO = Objectives(("accuracy", "log_loss"), ("maximize", "minimize"))


def test_the_pareto_set_holds_what_nothing_beats_twice():
    table = pd.DataFrame({"accuracy": [0.9, 0.8, 0.95, 0.7, math.nan], "log_loss": [0.3, 0.2, 0.5, 0.4, 0.1]})
    assert front(table, TWO) == [2, 0, 1]
    assert front(table, replace(TWO, directions=("maximize", "maximize"))) == [2]


ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(ROWS)
def test_nondominated_is_its_definition(rows):
    def beats(a, b):
        return a[0] >= b[0] and a[1] >= b[1] and a != b

    wanted = [not any(beats(other, row) for other in rows) for row in rows]
    assert nondominated(rows).tolist() == wanted
    assert any(wanted)


@given(ROWS)
def test_nondominated_is_that_of_optuna(rows):
    optuna = pytest.importorskip("optuna")
    study = optuna.create_study(directions=["maximize", "maximize"])
    study.add_trials([optuna.trial.create_trial(values=list(map(float, row))) for row in rows])
    wanted = {t.number for t in study.best_trials}
    assert set(np.flatnonzero(nondominated(rows)).tolist()) == wanted


def test_trials_are_a_table_of_their_metrics():
    def record(number, value, **scores):
        return TrialRecord(
            number, "cover", Point("bce/sigmoid", 0.1), "", (1,), Outcome.COMPLETED, value, 3,
            scores={f"val_{k}": v for k, v in scores.items()},
        )  # fmt: skip

    records = [record(0, 0.9, accuracy=0.9, log_loss=0.5), record(1, 0.8, accuracy=0.8), record(2, None)]
    table = searched(records, TWO)
    assert table["trial"].tolist() == [0]
    assert table["accuracy"].tolist() == [0.9]
    assert table["front"].tolist() == [True]
    names = ["stage", "pair", "trial", "lr", "accuracy", "log_loss", "front"]
    assert searched([], TWO).columns.tolist() == names

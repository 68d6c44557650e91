"""A quick look: the study's own first trials, in little time, with an end that claims little; a whole run goes on."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pandas as pd
import pytest
from report_sources import Study, sources

import lossearch
from lossearch.cli import invoke
from lossearch.config import make_config
from lossearch.errors import InputError
from lossearch.report.leaderboard import make_leaderboard
from lossearch.report.sentences import quick_sentence
from lossearch.study.pace import Pace, Training
from lossearch.study.prepare import prepare
from lossearch.study.quick_look import GivesUp, next_look, points_to_look_at
from lossearch.study.time_left import TimeLeft

STUDY = {
    "data": "circles",
    "losses": ["bce", "hinge", "mse"],
    "seeds": 2,
    "epochs": 6,
    "confirm_seeds": 3,
    "workers": 1,
    "mlflow": False,
}


def plan(**changed):
    tables = {
        "task": {"data": "circles"},
        "space": {"losses": ["bce", "hinge", "mse"], **changed.pop("space", {})},
        "budget": {"seeds": 2, "quick": True, **changed},
    }
    return prepare(make_config(tables)).plan


def places(proposals):
    return {(p.point.pair, p.index) for p in proposals}


# --- which trials


@pytest.mark.parametrize("sampler", ["tpe", "grid", "qmc"])
def test_it_looks_at_the_studys_own_points_middle_rates_first_and_pairs_alike(sampler):
    found = plan(sampler=sampler)
    looks = points_to_look_at(found.schedule, found.conventional)
    whole = {(p.point.pair, p.index): p.point for p in found.schedule.next_round({})}
    assert [{p.point.pair for p in look} for look in looks] == [set(found.space.names)] * 3
    assert all(whole[p.point.pair, p.index] == p.point for look in looks for p in look)
    assert looks[0][0].point.pair == found.conventional
    middle = np.log(np.array(found.space.lr)).mean()
    for pair in found.space.names:
        tried = [abs(np.log(p.point.lr) - middle) for look in looks for p in look if p.point.pair == pair]
        others = [abs(np.log(point.lr) - middle) for (own, _), point in whole.items() if own == pair]
        assert tried == pytest.approx(sorted(others)[:3])


def pace(seconds_a_replicate: float) -> Pace:
    found = Pace(5.0)
    found.add(100, 1, 100 * seconds_a_replicate)
    return found


def look(seconds: float, done=(), cost: float | None = 0.01):
    found = plan()
    looks = points_to_look_at(found.schedule, found.conventional)
    known = Pace(5.0) if cost is None else pace(cost)
    return looks, next_look(looks, done, known, 2, 10, seconds)


def test_while_nothing_is_known_one_point_of_every_pair_is_trained():
    looks, first = look(10, cost=None)
    assert first == looks[0]


def test_as_many_whole_looks_are_trained_as_there_is_time_for():
    looks, first = look(100)
    assert places(first) == places(chain.from_iterable(looks))
    _, first = look(2.0)
    assert places(first) == places(looks[0])


def test_where_time_is_short_fewer_pairs_are_looked_at_and_the_conventional_one_first():
    looks, first = look(0.7)
    assert first == looks[0][: len(first)]
    assert 0 < len(first) < len(looks[0])


def test_two_pairs_are_tried_at_the_least_but_nothing_more_once_time_is_up():
    looks, first = look(0.01)
    assert first == looks[0][:2]
    assert look(0.01, places(looks[0][:1]))[1] == []


def test_later_points_are_trained_for_all_pairs_or_none():
    looks, _ = look(1)
    assert look(0.7, places(looks[0]))[1] == []
    assert look(1000, places(chain.from_iterable(looks)))[1] == []


def test_what_would_last_far_too_long_is_given_up_soon_and_what_ends_soon_is_not():
    now = [0.0]
    left = TimeLeft(seeds=1, clock=lambda: now[0])
    left.search([Training(10, 100)])
    stop = GivesUp(left, deadline=10.0)
    stopped = []
    for now[0] in np.arange(0, 40, 0.5):
        left.trained(10, 1)
        stopped.append(stop())
    assert stopped.index(True) == 4
    left = TimeLeft(seeds=1, clock=lambda: now[0])
    left.search([Training(10, 28)])
    now[0], stop = 0.0, GivesUp(left, deadline=10.0)
    for now[0] in np.arange(0, 14, 0.5):
        left.trained(10, 1)
        assert not stop()


# --- what it says


def board(scores, sd=0.01, trials=2):
    base = scores["bce/sigmoid"]
    return pd.DataFrame(
        {
            "pair": list(scores),
            "score": [np.nan if s is None else s for s in scores.values()],
            "sd": [np.nan if s is None else sd for s in scores.values()],
            "gain": [np.nan if s is None or base is None else s - base for s in scores.values()],
            "trials": [0 if s is None else trials for s in scores.values()],
        }
    )


def said(scores, **more):
    study = sources(Study("binary")).study
    return quick_sentence(board(scores, **more), study)


def test_nothing_big_is_said_where_none_is_clearly_ahead():
    text = said({"bce/sigmoid": 0.8, "hinge/identity": 0.801, "mse/identity": 0.7})
    assert text.startswith("Nothing big here: no pair is clearly ahead of bce/sigmoid;")
    assert "not a verdict" in text


def test_what_is_ahead_of_the_spread_is_to_be_looked_at_closer():
    text = said({"bce/sigmoid": 0.8, "hinge/identity": 0.9, "mse/identity": 0.801})
    assert text.startswith("Look closer at these, ahead of bce/sigmoid: hinge/identity (+0.1")
    assert "mse/identity" not in text


@pytest.mark.parametrize(
    "scores", [{"bce/sigmoid": 0.8, "hinge/identity": None}, {"bce/sigmoid": None, "hinge/identity": 0.9}]
)
def test_where_too_little_was_seen_that_is_said_and_what_is_missing(scores):
    text = said(scores)
    missing = next(pair for pair, score in scores.items() if score is None)
    assert text.startswith("A quick look that saw too little: give it more time (timeout='2m').")
    assert f"Not looked at: {missing}." in text


# --- whole runs


def test_a_whole_run_goes_on_from_a_quick_look(store):
    quick = lossearch.search(**STUDY, quick=True, name="study", store=store)
    n = len(quick.trials)
    assert n == 3 * len(quick.declared.space.pairs)
    assert quick.verdict is None
    assert quick.confirmed is None
    assert lossearch.api.studies(store)[0]["verdict"] == "none: a quick look"
    with pytest.raises(InputError, match=r"only looked at quickly.*without quick=True: it goes on from here"):
        quick.model  # noqa: B018 - a property that refuses
    assert invoke(["export", "study", str(store / "model"), "--store", str(store)]) == 2
    again = lossearch.search(**STUDY, quick=True, name="study", store=store)
    assert len(again.trials) == n
    whole = lossearch.search(**STUDY, name="study", store=store)
    fresh = lossearch.search(**STUDY, name="fresh", store=store)
    assert whole.verdict is not None
    assert [r.started for r in whole.trials[:n]] == [r.started for r in quick.trials]
    first = {(r.point.pair, r.index): r for r in whole.trials if r.stage == "initial_design"}
    alone = {(r.point.pair, r.index): r for r in fresh.trials if r.stage == "initial_design"}
    assert first.keys() == alone.keys()
    for place, record in first.items():
        assert record.point == alone[place].point
        assert record.value == pytest.approx(alone[place].value, abs=1e-3)
    assert len(whole.trials) == len(fresh.trials)
    assert not whole.declared.quick


def test_the_command_says_what_it_saw_and_gives_no_verdict(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [
        "run",
        "--data",
        "circles",
        "--losses",
        "bce,mse",
        "--seeds",
        "2",
        "--epochs",
        "4",
        "--quick",
    ]
    assert invoke(arguments) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "Nothing big here" in shown or "Look closer at these" in shown
    assert "not a verdict" in shown
    assert "Take " not in shown
    assert invoke(["report", "circles"]) == 0
    assert "not a verdict" in " ".join(capsys.readouterr().out.split())


def test_the_leaderboard_of_a_quick_look_has_its_sentence():
    found = sources(Study("binary"))
    shown = make_leaderboard(found.board, replace(found.study, quick=True))
    assert any("not a verdict" in note for note in shown.notes)
    assert not any("Not ranked" in note for note in shown.notes)

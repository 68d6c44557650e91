"""Which points come next, judged by the histories of simulated studies."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from lossearch.losses import ACTIVATIONS, losses_for
from lossearch.metrics.registry import METRICS
from lossearch.pairs import Pair, find_pair
from lossearch.records.trial import TrialRecord
from lossearch.space import Dimension, Point, Space
from lossearch.study.budget import Budget
from lossearch.study.history import by_pair
from lossearch.study.schedule import Proposal, Schedule, round_starts
from lossearch.training.contract import Outcome

PAIRS = tuple(find_pair(n, "binary") for n in ("bce/sigmoid", "mse/sigmoid", "hinge/identity"))
SPACE = Space("binary", PAIRS, (1e-3, 1.0))
SEEDS = (1, 2, 3)


def record(item: Proposal, number: int, value: float | None, sd: float = 0.001) -> TrialRecord:
    return TrialRecord(
        number=number,
        stage=item.stage,
        point=item.point,
        encoding="zero_one",
        seeds=SEEDS,
        outcome=Outcome.FAILED if value is None else Outcome.COMPLETED,
        value=value,
        epoch=None if value is None else 1,
        scores={} if value is None else {"val_accuracy": value},
        spread={} if value is None else {"val_accuracy": sd},
        index=item.index,
    )


def schedule(space: Space, budget: Budget) -> Schedule:
    return Schedule(space, budget, (METRICS["accuracy"],))


def play(
    space: Space,
    budget: Budget,
    score: Callable[[Point], float | None],
    stop_after: int | None = None,
    records: Sequence[TrialRecord] = (),
) -> list[TrialRecord]:
    done = list(records)
    while batch := schedule(space, budget).next_round(by_pair(done)):
        for item in batch:
            if stop_after is not None and len(done) >= stop_after:
                return done
            done.append(record(item, len(done), score(item.point)))
    return done


def peak(best: float) -> Callable[[Point], float]:
    return lambda p: 0.9 - 0.05 * (math.log10(p.lr) - best) ** 2


def test_every_pair_gets_the_same_number_of_trials() -> None:
    done = play(SPACE, Budget(16, SEEDS), peak(-1.5))
    assert Counter(r.point.pair for r in done) == dict.fromkeys(SPACE.names, 16)
    assert schedule(SPACE, Budget(16, SEEDS)).total == len(done) == 48
    assert all(sorted(r.index for r in rs) == list(range(16)) for rs in by_pair(done).values())


def test_the_model_finds_the_peak_better_than_the_initial_design() -> None:
    done = play(SPACE, Budget(16, SEEDS), peak(-1.27))
    for records in by_pair(done).values():
        first = max(r.value or 0 for r in records if r.stage == "cover")
        assert max(r.value or 0 for r in records) > first


@pytest.mark.parametrize("stop", [1, 10, 21, 25, 30, 47])
def test_a_resumed_study_asks_what_an_uninterrupted_one_would(stop: int) -> None:
    budget = Budget(16, SEEDS)
    whole = play(SPACE, budget, peak(-1.5))
    resumed = play(SPACE, budget, peak(-1.5), records=play(SPACE, budget, peak(-1.5), stop_after=stop))
    assert {(r.point, r.index) for r in resumed} == {(r.point, r.index) for r in whole}


def test_points_of_a_pair_depend_on_no_other_pair() -> None:
    alone = Space("binary", PAIRS[:1], SPACE.lr)
    name = PAIRS[0].name
    together = [r.point for r in by_pair(play(SPACE, Budget(16, SEEDS), peak(-1.5)))[name]]
    assert [r.point for r in by_pair(play(alone, Budget(16, SEEDS), peak(-1.5)))[name]] == together


def test_more_trials_continue_a_study() -> None:
    first = play(SPACE, Budget(10, SEEDS), peak(-1.5))
    more = play(SPACE, Budget(13, SEEDS), peak(-1.5), records=first)
    assert len(more) == 39
    assert [r.point for r in more[: len(first)]] == [r.point for r in first]


def test_points_are_distinct() -> None:
    done = play(SPACE, Budget(16, SEEDS), peak(-1.5))
    for records in by_pair(done).values():
        assert len({r.point for r in records}) == 16


def test_best_at_the_edge_extends_the_range_once_for_all() -> None:
    def score(p: Point) -> float:
        return peak(0.7)(p) if p.pair == "hinge/identity" else peak(-1.5)(p)

    budget = Budget(16, SEEDS)
    done = play(SPACE, budget, score)
    assert schedule(SPACE, budget).extended_lr(by_pair(done)) == (1e-3, 10.0)
    extension = [r for r in done if r.stage == "extension"]
    assert Counter(r.point.pair for r in extension) == dict.fromkeys(SPACE.names, 2)
    assert all(1.0 < r.point.lr <= 10.0 for r in extension)
    assert Counter(r.point.pair for r in done) == dict.fromkeys(SPACE.names, 16)
    best = max(by_pair(done)["hinge/identity"], key=lambda r: r.value or 0)
    assert 1.0 < best.point.lr <= 10.0


@pytest.mark.parametrize(
    ("budget", "centre"),
    [(Budget(16, SEEDS, extend=False), 1.0), (Budget(7, SEEDS), 1.0), (Budget(16, SEEDS), -1.5)],
    ids=["switched off", "no budget after the initial design", "best inside"],
)
def test_no_extension(budget: Budget, centre: float) -> None:
    done = play(SPACE, budget, peak(centre))
    assert schedule(SPACE, budget).extended_lr(by_pair(done)) is None
    assert all(1e-3 <= r.point.lr <= 1.0 for r in done)


def test_a_plateau_is_no_edge() -> None:
    done = play(SPACE, Budget(7, SEEDS), lambda p: 0.8 + 1e-6 * math.log10(p.lr))
    assert schedule(SPACE, Budget(16, SEEDS)).extended_lr(by_pair(done)) is None


def test_failed_trials_count_once_and_stop_nothing() -> None:
    done = play(SPACE, Budget(10, SEEDS), lambda p: None if p.lr > 0.5 else peak(-1.5)(p))
    assert Counter(r.point.pair for r in done) == dict.fromkeys(SPACE.names, 10)


def test_a_pair_with_one_point_is_trained_once() -> None:
    space = Space("binary", PAIRS, (0.01, 0.01))
    done = play(space, Budget(1, SEEDS, extend=False), peak(-1.5))
    assert Counter(r.point.pair for r in done) == dict.fromkeys(space.names, 1)
    assert {r.point.lr for r in done} == {0.01}


def test_own_parameters_are_searched_under_unique_names() -> None:
    focal = find_pair("focal/sigmoid", "binary")
    space = Space("binary", (*PAIRS, focal), (1e-3, 1.0))
    done = play(space, Budget(10, SEEDS), peak(-1.5))
    assert len({r.point.params["gamma"] for r in by_pair(done)["focal/sigmoid"]}) == 10
    assert set(space.searched(by_pair(done)["focal/sigmoid"][0].point)) == {"lr", "focal.gamma"}


def test_a_fixed_parameter_is_not_searched() -> None:
    focal = find_pair("focal/sigmoid", "binary")
    space = Space("binary", (focal,), (1e-3, 1.0), params={"focal.gamma": Dimension("focal.gamma", 2.0, 2.0)})
    done = play(space, Budget(8, SEEDS), peak(-1.5))
    assert {r.point.params["gamma"] for r in done} == {2.0}


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "qmc", "grid"])
def test_every_sampler_spends_the_budget_inside_the_ranges(sampler: str) -> None:
    settings = (Dimension("batch_size", choices=(16, 32)),)
    space = Space("binary", PAIRS[:2], (1e-3, 1.0), settings=settings)
    done = play(space, Budget(9, SEEDS, sampler=sampler, extend=False), peak(-1.5))
    assert len(done) == schedule(space, Budget(9, SEEDS, sampler=sampler)).total
    assert all(1e-3 <= r.point.lr <= 1.0 and r.point.settings["batch_size"] in {16, 32} for r in done)


def test_brute_force_tries_everything_once() -> None:
    settings = (Dimension("batch_size", choices=(16, 32)), Dimension("momentum", choices=(0.0, 0.9)))
    space = Space("binary", PAIRS[:2], (0.01, 0.01), settings=settings)
    done = play(space, Budget(99, SEEDS, sampler="brute", extend=False), peak(-1.5))
    assert len({(r.point) for r in done}) == len(done) == 8


def test_adaptive_spends_more_on_better_pairs_and_resumes() -> None:
    def score(p: Point) -> float:
        return peak(-1.5)(p) + (0.1 if p.pair == "hinge/identity" else 0.0)

    budget = Budget(4, SEEDS, mode="adaptive", total=48, extend=False)
    whole = play(SPACE, budget, score)
    counts = Counter(r.point.pair for r in whole)
    assert len(whole) == schedule(SPACE, budget).total == 48
    assert counts["hinge/identity"] == max(counts.values()) > 16
    for stop in (5, 12, 20):
        resumed = play(SPACE, budget, score, records=play(SPACE, budget, score, stop_after=stop))
        assert [r.point for r in resumed] == [r.point for r in whole]


def test_rounds_begin_where_a_budget_says() -> None:
    assert round_starts(Budget(16, SEEDS), extended=False) == [0, 7, 12]
    assert round_starts(Budget(16, SEEDS), extended=True) == [0, 7, 9, 14]
    assert round_starts(Budget(13, SEEDS), extended=False) == [0, 7]
    assert round_starts(Budget(5, SEEDS), extended=True) == [0]


@pytest.mark.parametrize("best", [-1.5, 0.3], ids=["inside", "at the edge"])
def test_a_trial_is_found_with_its_round_as_it_was_asked_for(best: float) -> None:
    budget, done, rounds = Budget(16, SEEDS), [], []
    while batch := schedule(SPACE, budget).next_round(by_pair(done)):
        rounds.append([n.point for n in batch])
        done += [record(n, len(done) + i, peak(best)(n.point)) for i, n in enumerate(batch)]
    for one in done:
        beside = schedule(SPACE, budget).round_of(by_pair(done), one)
        assert one in beside
        assert [r.point for r in beside] in rounds
    assert schedule(SPACE, Budget(16, SEEDS, "adaptive")).round_of(by_pair(done), done[0]) == []


def test_pairs_stay_level_within_a_round() -> None:
    batch = schedule(SPACE, Budget(16, SEEDS)).next_round({})
    assert [n.index for n in batch] == [i for i in range(7) for _ in SPACE.names]


def test_catalogue_pairs_all_have_a_first_round() -> None:
    for kind in ("binary", "multiclass", "regression"):
        for loss in losses_for(kind).values():
            for activation in ACTIVATIONS.values():
                try:
                    pair = find_pair(f"{loss.name}/{activation.name}", kind)
                except ValueError:
                    continue
                assert isinstance(pair, Pair)
                space = Space(kind, (pair,), (1e-3, 1.0))
                assert len(schedule(space, Budget(5, SEEDS)).next_round({})) == 5

"""Early stopping: a pair found worse gets no more seeds, the level holds over all analyses, and a kill changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from confirming import Notes, Watched, prepared, searched, way
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

import lossearch
from lossearch import loss
from lossearch._json import dumps
from lossearch.cli.dry_run import _then
from lossearch.cli.run import configure
from lossearch.config import make_config
from lossearch.confirm import early_stopping
from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.early_stopping import confirm_with_early_stopping
from lossearch.confirm.judging import analyse, judge_study, read_verdict
from lossearch.confirm.selection import select_points
from lossearch.errors import InputError
from lossearch.kinds import Predictions
from lossearch.metrics.definedness import everywhere
from lossearch.metrics.registry import METRICS
from lossearch.records.confirmations import FILE, EarlyStopping, read_confirmed, write_confirmed
from lossearch.records.curves import read_curves
from lossearch.records.evidence import Evidence, read_evidence
from lossearch.records.predictions import read_predictions
from lossearch.report.markdown import to_markdown
from lossearch.training.contract import Outcome
from lossearch.verdict.decision import judge
from lossearch.verdict.early_stopping import (
    combined,
    first_analysis,
    level_share,
    next_analysis,
    plan_analyses,
)
from lossearch.verdict.verdict import Relation, Verdict

LEVEL = 0.05


# --- interim analyses, and what of the level they use up


@pytest.mark.parametrize(
    ("seeds", "analyses"),
    [(2, (2,)), (9, (9,)), (10, (8, 10)), (14, (8, 14)), (20, (8, 12, 20)), (40, (8, 12, 18, 27, 40))],
)
def test_analyses_are_planned_half_as_far_apart_again(seeds, analyses):
    assert plan_analyses(seeds) == analyses


@given(st.integers(1, 500))
def test_analyses_rise_to_the_end_and_use_up_the_level_and_no_more(seeds):
    analyses = plan_analyses(seeds)
    assert analyses[-1] == seeds
    assert list(analyses) == sorted(set(analyses))
    assert sum(level_share(analyses, at) for at in analyses) == pytest.approx(1)
    if len(analyses) > 1:
        assert level_share(analyses, seeds) == 0.5


def of_errors(errors):
    """Regression pairs with these errors, pair -> (S, N), on targets that are all 0."""
    seeds, rows = next(iter(errors.values())).shape
    return Evidence(
        kind="regression",
        metric=METRICS["mae"],
        part="test",
        seeds=tuple(range(seeds)),
        target=torch.zeros(rows, 1, dtype=torch.float64),
        rows=[np.arange(rows)] * seeds,
        predictions={
            pair: [Predictions(value=torch.from_numpy(row)[:, None]) for row in by_seed]
            for pair, by_seed in errors.items()
        },
        diverged={pair: np.zeros(seeds, bool) for pair in errors},
        constants=np.ones(seeds),
    )


def drawn(rng, gaps, seeds=20, rows=60):
    """Errors of whole new studies: each pair worse by its gap, in standard deviations over seeds of its mean.

    Parts belong to the row, to the row under a pair, to the seed, to the seed under a pair, and to one cell.
    """
    row, seed = rng.normal(size=rows), rng.normal(size=(seeds, 1))
    return {
        f"p{i}": 9
        + gap
        + row
        + 0.3 * rng.normal(size=rows)
        + (seed + rng.normal(size=(seeds, 1))) / np.sqrt(2)
        + 0.5 * rng.normal(size=(seeds, rows))
        for i, gap in enumerate(gaps)
    }


def judged(errors, stopping, *, rope=0.0, draws=300, seed=0, conventional="p0"):
    """Judge the pairs that were not dropped before on the seeds they have."""
    left = {p: e[: stopping.at] for p, e in errors.items() if p not in stopping.dropped}
    return judge(
        of_errors(left),
        direction="minimize",
        conventional=conventional,
        rope=rope,
        share=level_share(stopping.analyses, stopping.at),
        draws=draws,
        seed=seed,
    )


def ran(errors, **how):
    """Confirm to the end: what is said of it, and how far it came."""
    stopping, said = first_analysis(len(next(iter(errors.values())))), {}
    while True:
        said[stopping.at] = judged(errors, stopping, **how)
        onward = next_analysis(stopping, said[stopping.at])
        if onward is None:
            return combined(said, stopping.dropped), stopping
        stopping = onward


def spent(stopping, errors):
    """Return the share of all seeds that were used."""
    full = len(errors) * stopping.analyses[-1]
    return sum(stopping.dropped.get(pair, stopping.at) for pair in errors) / full


def test_one_look_is_an_ordinary_verdict():
    errors = drawn(np.random.default_rng(0), (0.0, 1.0, 3.0), seeds=9)
    verdict, stopping = ran(errors)
    assert stopping == EarlyStopping((9,), 9)
    assert verdict == judge(
        of_errors(errors), direction="minimize", conventional="p0", rope=0.0, draws=300, seed=0
    )


def test_a_share_of_the_level_widens_intervals_and_raises_p_alike():
    found = of_errors(drawn(np.random.default_rng(1), (0.0, 0.4, 1.2)))
    how = {"direction": "minimize", "conventional": "p0", "rope": 0.0, "draws": 999}
    whole, half = judge(found, **how), judge(found, share=0.5, **how)
    stricter = judge(found, level=LEVEL / 2, **how)
    assert half.level == whole.level == LEVEL
    for a, b, c in zip(whole.comparisons, half.comparisons, stricter.comparisons, strict=True):
        assert (b.low, b.high, b.relation) == (c.low, c.high, c.relation)
        assert b.low < a.low < a.high < b.high
        assert b.p == pytest.approx(min(1, 2 * a.p))
        assert (b.p <= LEVEL) == (b.low > 0 or b.high < 0)


# --- calibration, through the code that runs


def test_equal_pairs_are_seldom_dropped_or_told_apart():
    cases = 150
    found = [ran(drawn(np.random.default_rng([7, i]), (0.0,) * 3), seed=i) for i in range(cases)]
    allowed = LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / cases)
    assert np.mean([bool(stopping.dropped) for _, stopping in found]) <= allowed
    assert np.mean([any(c.p <= LEVEL for c in v.comparisons) for v, _ in found]) <= allowed
    assert np.mean([all(c.low <= 0 <= c.high for c in v.comparisons) for v, _ in found]) >= 1 - allowed


def test_a_pair_two_standard_deviations_worse_is_left_behind_early():
    found = []
    for i in range(40):
        errors = drawn(np.random.default_rng([8, i]), (0.0, 0.0, 2.0))
        verdict, stopping = ran(errors, seed=i)
        assert "p2" not in verdict.tied or stopping.at == 20
        found.append(
            ("p2" in stopping.dropped or stopping.at < 20, "p2" not in verdict.tied, spent(stopping, errors))
        )
        assert not {"p0", "p1"} & set(stopping.dropped)
    early, told, used = np.mean(found, axis=0)
    assert early >= 0.6
    assert told >= 0.8
    assert used <= 0.9


def test_a_pair_far_behind_gets_the_first_seeds_alone():
    errors = drawn(np.random.default_rng(3), (0.0, 0.0, 9.0))
    verdict, stopping = ran(errors)
    assert stopping == EarlyStopping((8, 12, 20), 20, {"p2": 8})
    assert [(r.pair, r.dropped) for r in verdict.ranking][2] == ("p2", 8)
    assert verdict.ranking[2].score == pytest.approx(np.abs(errors["p2"][:8]).mean())
    assert (verdict.seeds, set(verdict.tied)) == (20, {"p0", "p1"})
    assert any(s == "Dropped early, as clearly worse: p2 after 8 seeds." for s in verdict.sentences)


# --- the verdict after early stopping


@pytest.fixture(scope="module")
def stages():
    """A confirmation in which p3 is dropped at the first analysis and p2, which was better than it, at the second."""
    errors = drawn(np.random.default_rng(4), (0.0, 0.0, 1.6, 9.0))
    said = {8: judged(errors, EarlyStopping((8, 12, 20), 8))}
    said[12] = judged(errors, EarlyStopping((8, 12, 20), 12, {"p3": 8}))
    said[20] = judged(errors, EarlyStopping((8, 12, 20), 20, {"p3": 8, "p2": 12}))
    return said


def test_every_two_pairs_are_compared_on_the_seeds_of_both(stages):
    verdict = combined(stages, {"p3": 8, "p2": 12})
    assert {frozenset((c.a, c.b)) for c in verdict.comparisons} == {
        frozenset(two) for two in combinations(("p0", "p1", "p2", "p3"), 2)
    }
    assert verdict.between("p0", "p1") == stages[20].between("p0", "p1")
    assert verdict.between("p1", "p2") == stages[12].between("p1", "p2")
    assert verdict.between("p2", "p3") == stages[8].between("p2", "p3")
    places = [r.pair for r in verdict.ranking]
    assert all(places.index(c.a) < places.index(c.b) for c in verdict.comparisons), "better ranked first"
    assert places == [*(r.pair for r in stages[20].ranking), "p2", "p3"]
    assert [r.rank for r in verdict.ranking] == [1, 2, 3, 4]
    assert [r.dropped for r in verdict.ranking] == [None, None, 12, 8]
    assert (verdict.tied, verdict.leader) == (stages[20].tied, stages[20].leader)
    assert Verdict.from_json(json.loads(dumps(verdict.as_json()))) == verdict


def test_a_dropped_pair_is_behind_the_leader_whatever_its_own_seeds_say(stages):
    lucky = {8: stages[8], 20: stages[20]}
    rows = tuple(replace(r, score=-1.0) if r.pair == "p3" else r for r in stages[8].ranking)
    lucky[8] = replace(stages[8], ranking=rows)
    verdict = combined(lucky, {"p3": 8})
    assert verdict.leader == verdict.ranking[0].pair == stages[20].leader
    assert [(r.pair, r.rank, r.tied) for r in verdict.ranking][-1] == ("p3", 3, False)


def test_where_nobody_was_dropped_the_last_look_is_the_verdict(stages):
    assert combined({8: stages[8], 12: stages[12]}, {}) is stages[12]


def test_a_margin_that_no_look_measured_is_not_stated():
    first = drawn(np.random.default_rng(5), (0.0, 3.0, 3.0))
    said = {
        8: judged(first, EarlyStopping((8, 20), 8)),
        20: judged(first, EarlyStopping((8, 20), 20, {"p2": 8})),
    }
    verdict = combined(said, {"p2": 8})
    assert "by at least" in verdict.sentences[0]
    close = tuple(
        replace(c, low=-0.1, relation=Relation.UNDECIDED) if {c.a, c.b} == {"p0", "p2"} else c
        for c in said[8].comparisons
    )
    verdict = combined({**said, 8: replace(said[8], comparisons=close)}, {"p2": 8})
    assert verdict.sentences[0].endswith("it beats every other pair (95 % confidence).")


def test_the_conventional_pair_stays_however_bad(stages):
    errors = drawn(np.random.default_rng(6), (9.0, 0.0, 0.0))
    verdict, stopping = ran(errors)
    assert stopping == EarlyStopping((8, 12, 20), 20, {})
    assert verdict.ranking[-1].pair == "p0"
    assert ran(errors, conventional=None)[1].dropped == {"p0": 8}


def test_a_race_ends_where_one_is_best_or_those_tied_are_equal_in_practice():
    rng = np.random.default_rng(9)
    assert ran(drawn(rng, (0.0, 9.0)))[1] == EarlyStopping((8, 12, 20), 8)
    verdict, stopping = ran(drawn(rng, (0.0, 0.0, 99.0)), rope=50.0)
    assert stopping == EarlyStopping((8, 12, 20), 8)
    assert verdict.between("p0", "p1").relation is Relation.EQUAL
    assert verdict.seeds == 8


# --- a study


WORSE = "mae/identity"
OTHERS = ("mse/identity", "huber/identity")


def losing(*pairs):
    """Return a change that makes all replicates of some pairs diverge."""

    def change(result):
        if result.replicate.point.pair not in pairs:
            return result
        curves = {name: curve[:0] for name, curve in result.curves.items()}
        return replace(
            result, outcome=Outcome.DIVERGED, reason="nan", curves=curves, weights=None, kept_epoch=None
        )

    return change


RNG = np.random.default_rng(1)
X = RNG.normal(size=(300, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.3 * RNG.normal(size=300)


def three(**budget):
    """Return three pairs of which two are alike, on targets that a line gives."""
    given_ = {"trials": 15, "seeds": 2, **budget}
    return prepared(Y, ["mse", "mae", "huber"], ["identity"], x=X, budget=given_)


@pytest.fixture(scope="module")
def study():
    return three()


def trials_of(study):
    """Return trials whose best points differ little: near 0 Huber's loss is half of the squared error."""
    rates = {"huber/identity": 2.5}
    return [
        replace(t, epoch=3, point=replace(t.point, lr=t.point.lr * rates.get(t.point.pair, 1.0)))
        for t in searched(study.plan)
    ]


def racing(study, folder, *, n=12, train=None, rope=0.0, listener=None, plain=False):
    selection = select_points(study.plan, trials_of(study), study.min_trials)
    confirm = Confirmer(study.plan, train or way(study), folder, listener or Notes())
    return confirm(selection, n) if plain else confirm_with_early_stopping(confirm, selection, n, rope)


def asked(watched):
    """Return how many replicates of each pair were trained in each stage."""
    return [
        {pair: sum(r.point.pair == pair for r in call) for pair in dict.fromkeys(r.point.pair for r in call)}
        for call in watched.calls
    ]


def scores(confirmed):
    return {c.point.pair: (c.seeds, c.values) for c in confirmed.confirmations}


@pytest.fixture(scope="module")
def stopping(study, tmp_path_factory):
    folder, notes = tmp_path_factory.mktemp("raced"), Notes()
    watched = Watched(way(study), losing(WORSE))
    return folder, racing(study, folder, train=watched, listener=notes), watched, notes


def test_a_pair_told_worse_is_not_trained_again(stopping):
    folder, confirmed, watched, notes = stopping
    assert asked(watched) == [dict.fromkeys((OTHERS[0], WORSE, OTHERS[1]), 8), dict.fromkeys(OTHERS, 4)]
    assert confirmed.stopping == EarlyStopping((8, 12), 12, {WORSE: 8})
    assert [len(confirmed[pair].seeds) for pair in (*OTHERS, WORSE)] == [12, 12, 8]
    assert confirmed[WORSE].seeds == confirmed.seeds[:8]
    assert read_confirmed(folder) == confirmed
    assert notes.said == [
        "Confirming 3 pairs on 8 fresh seeds: 24 replicates.",
        f"Dropped after 8 seeds, as clearly worse: {WORSE}.",
        "Confirming 2 pairs on 4 fresh seeds: 8 replicates.",
    ]
    frame = read_predictions(folder)
    assert frame.groupby("pair")["seed"].nunique().to_dict() == {**dict.fromkeys(OTHERS, 12), WORSE: 8}
    assert read_curves(folder, "confirm")["seed"].nunique() == 12


def test_the_evidence_of_a_race_is_of_those_that_came_to_its_end(stopping):
    folder, confirmed, _, _ = stopping
    judged = ("regression", "rmse")
    found = read_evidence(folder, *judged)
    assert (set(found.pairs), found.seeds) == (set(OTHERS), confirmed.seeds)
    first = read_evidence(folder, *judged, seeds=8, without=())
    assert (set(first.pairs), first.seeds) == ({*OTHERS, WORSE}, confirmed.seeds[:8])
    assert first.diverged[WORSE].tolist() == [True] * 8
    assert len(first.constants) == len(first.rows) == 8


def test_the_verdict_of_a_race_names_who_was_dropped(study, stopping):
    folder, confirmed, _, _ = stopping
    verdict = judge_study(folder, study.plan.question, confirmed, trials_of(study), 0.0)
    assert read_verdict(folder) == verdict
    assert [(r.pair, r.dropped) for r in verdict.ranking][-1] == (WORSE, 8)
    assert set(verdict.tied) == set(OTHERS)
    assert (verdict.seeds, len(verdict.comparisons)) == (12, 3)
    assert f"Dropped early, as clearly worse: {WORSE} after 8 seeds." in verdict.sentences
    assert f"Diverged, and scored as a constant predictor: {WORSE} under 8 of 8 seeds." in verdict.sentences
    assert verdict.ranking[-1].score == pytest.approx(np.mean(confirmed.constants["test"]["rmse"][:8]))


def test_each_look_has_its_share_and_all_have_the_same_region_of_equivalence(study, stopping):
    folder, confirmed, _, _ = stopping
    verdict = judge_study(folder, study.plan.question, confirmed, trials_of(study))
    judged = ("regression", "rmse")
    how = {"direction": "minimize", "conventional": "mse/identity", "share": 0.5}
    first = judge(read_evidence(folder, *judged, seeds=8, without=()), **how)
    last = judge(read_evidence(folder, *judged), rope=first.rope, **how)
    assert verdict.rope == first.rope
    assert verdict.between(*OTHERS) == last.between(*OTHERS)
    assert verdict.between(OTHERS[0], WORSE) == first.between(OTHERS[0], WORSE)


def test_what_counts_as_equal_is_settled_at_the_first_look(study, tmp_path, monkeypatch):
    asked_for, said = [], []

    def watched(*args, rope):
        asked_for.append(rope)
        said.append(analyse(*args, rope=rope))
        return said[-1]

    monkeypatch.setattr(early_stopping, "analyse", watched)
    confirmed = racing(study, tmp_path, train=Watched(way(study), losing(WORSE)), n=15, rope=None)
    assert confirmed.stopping.past == (8, 12, 15)
    assert asked_for == [None, said[0].rope]


def test_a_finished_race_is_not_run_again(study, stopping):
    folder, confirmed, _, _ = stopping

    def refuse(*_, **__):
        raise AssertionError("this was confirmed already")

    assert racing(study, folder, train=refuse) == confirmed
    assert racing(study, folder, train=refuse, n=0, plain=True) == confirmed


def test_a_race_that_is_decided_ends(study, tmp_path):
    watched = Watched(way(study), losing(*OTHERS))
    confirmed = racing(study, tmp_path, train=watched, n=20)
    assert asked(watched) == [dict.fromkeys((OTHERS[0], WORSE, OTHERS[1]), 8)]
    assert confirmed.stopping == EarlyStopping((8, 12, 20), 8)
    verdict = judge_study(tmp_path, study.plan.question, confirmed, trials_of(study), 0.0)
    assert (verdict.tied, verdict.seeds) == ((WORSE,), 8)
    again = racing(study, tmp_path, train=Watched(way(study)), n=20)
    assert again == confirmed


class Killed(Watched):
    """A way of training that is killed before it gives so many results."""

    def __init__(self, train, change, after):
        super().__init__(train, change)
        self.left = after

    def __call__(self, *args, **how):
        for result in super().__call__(*args, **how):
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield result


@pytest.mark.parametrize("after", [3, 23, 24, 30])
def test_a_race_that_was_killed_goes_on_as_it_would_have(study, stopping, tmp_path, after):
    _, whole, _, _ = stopping
    with pytest.raises(KeyboardInterrupt):
        racing(study, tmp_path, train=Killed(way(study), losing(WORSE), after))
    assert (read_confirmed(tmp_path) is None) == (after < 24)
    watched = Watched(way(study), losing(WORSE))
    confirmed = racing(study, tmp_path, train=watched)
    assert len(watched.replicates) == (32 if after < 24 else 8)
    assert (confirmed.stopping, confirmed.seeds) == (whole.stopping, whole.seeds)
    for pair, (seeds, values) in scores(confirmed).items():
        assert seeds == whole[pair].seeds
        np.testing.assert_allclose(values["test_rmse"], whole[pair].values["test_rmse"], rtol=1e-6)


def test_without_the_race_those_dropped_catch_up(study, tmp_path):
    racing(study, tmp_path, train=Watched(way(study), losing(WORSE)))
    watched = Watched(way(study), losing(WORSE))
    confirmed = racing(study, tmp_path, train=watched, plain=True)
    assert asked(watched) == [{WORSE: 4}]
    assert confirmed.stopping == EarlyStopping()
    verdict = judge_study(tmp_path, study.plan.question, confirmed, trials_of(study), 0.0)
    assert {r.dropped for r in verdict.ranking} == {None}
    watched = Watched(way(study))
    assert racing(study, tmp_path, train=watched) == confirmed, "nothing is left to save"
    assert watched.calls == []


def test_early_stopping_on_more_seeds_has_analyses_of_its_own(study, tmp_path):
    racing(study, tmp_path, train=Watched(way(study), losing(WORSE)))
    watched = Watched(way(study), losing(WORSE))
    confirmed = racing(study, tmp_path, train=watched, n=14)
    assert asked(watched) == [dict.fromkeys(OTHERS, 2)]
    assert confirmed.stopping == EarlyStopping((8, 14), 14, {WORSE: 8})
    assert racing(study, tmp_path, train=Watched(way(study)), n=10) == confirmed, "seeds that are there stay"


def test_a_new_finalist_races_from_the_start(study, tmp_path):
    racing(study, tmp_path, train=Watched(way(study), losing(WORSE)))
    better = [
        replace(t, value=-9.0, epoch=2) if t.point.pair == WORSE and t.index == 4 else t
        for t in trials_of(study)
    ]
    selection = select_points(study.plan, better, study.min_trials)
    watched = Watched(way(study), losing(WORSE))
    confirmed = confirm_with_early_stopping(
        Confirmer(study.plan, watched, tmp_path, Notes()), selection, 12, 0.0
    )
    assert asked(watched) == [{WORSE: 8}]
    assert confirmed.stopping.dropped == {WORSE: 8}
    assert confirmed[WORSE].epoch == 2


def test_a_pair_that_fails_leaves_the_race(study, tmp_path):
    def change(result):
        if result.replicate.point.pair == WORSE:
            return replace(result, outcome=Outcome.FAILED, reason="ValueError: no", curves={}, weights=None)
        return result

    confirmed = racing(study, tmp_path, train=Watched(way(study), change))
    assert confirmed.pairs == ("mse/identity", "huber/identity")
    assert confirmed.left_out == {WORSE: "its confirmation failed: ValueError: no"}
    assert (confirmed.stopping.at, confirmed.stopping.dropped) == (12, {})


def test_what_cannot_be_judged_is_confirmed_in_full(tmp_path):
    one_class = (X[:20], np.zeros(20, dtype=int))
    own = replace(METRICS["auroc"], undefined=everywhere)  # a metric that does not say where it says nothing
    study = prepared((Y > 0).astype(int), x=X, test=one_class, metric=own)
    confirmed = racing(study, tmp_path, n=10)
    assert confirmed.stopping == EarlyStopping()
    assert [len(c.seeds) for c in confirmed.confirmations] == [10, 10]


def test_one_pair_has_nobody_to_race(tmp_path):
    study = prepared(losses=["bce"])
    assert racing(study, tmp_path, n=10).stopping == EarlyStopping()


def test_a_confirmation_from_before_there_were_races_is_read(study, stopping, tmp_path):
    _, confirmed, _, _ = stopping
    write_confirmed(tmp_path, replace(confirmed, stopping=EarlyStopping()))
    path = tmp_path / FILE
    old = json.loads(path.read_text())
    del old["raced"]
    path.write_text(json.dumps(old))
    assert read_confirmed(tmp_path) == replace(confirmed, stopping=EarlyStopping())


# --- how it is asked for


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (
            {"mode": "adaptive"},
            "[budget] race = true needs mode = 'equal': in mode 'adaptive' one point alone is confirmed. Leave race out.",
        ),
        (
            {"confirm_seeds": 9},
            "[budget] race = true needs confirm_seeds of at least 10: pairs are first told apart after 8. Raise confirm_seeds, or leave race out.",
        ),
    ],
)
def test_a_race_that_cannot_be_is_refused(budget, said):
    with pytest.raises(InputError) as caught:
        make_config({"budget": {"race": True, **budget}})
    assert str(caught.value) == said


def test_the_command_line_asks_for_a_race():
    assert configure(None, {"task.data": "circles", "budget.race": True}).budget.race
    assert not configure(None, {"task.data": "circles"}).budget.race


def test_a_race_is_foretold_at_its_most_and_is_no_part_of_the_study(study):
    other = three(race=True)
    (said,) = _then(other, study.cost())
    assert said.startswith(
        "then the best of every pair on up to 20 fresh seeds: at most 60 replicates, about "
    )
    assert other.plan.digest() == study.plan.digest()


# --- all of it


@loss(task="regression", encoding="raw", source="made to lose")
def off_by_three(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Aim beside the target."""
    return (output - target - 3).square()


LAST = "off_by_three/identity"


def whole(store, **options):
    """Search and confirm with early stopping; every pair has one point."""
    given_ = {
        "losses": ["mse", "huber", off_by_three],
        "activations": ["identity"],
        "params": {"huber.delta": 1.0},
        "lr": 0.05,
        "seeds": 2,
        "confirm_seeds": 12,
        "rope": 0.0,
        "race": True,
        "epochs": 4,
        "batch_size": 32,
        "workers": 1,
        "name": "raced",
        "mlflow": False,
    }
    return lossearch.search(X, Y, listener=Notes(), store=store, **{**given_, **options})


def test_a_whole_study_races(tmp_path):
    result = whole(tmp_path)
    verdict = result.verdict
    assert result.confirmed.stopping == EarlyStopping((8, 12), 12, {LAST: 8})
    assert [(r.pair, r.dropped) for r in verdict.ranking][-1] == (LAST, 8)
    assert f"Dropped early, as clearly worse: {LAST} after 8 seeds." in verdict.sentences
    board = result.leaderboard.set_index("pair")
    assert (board.loc[LAST, "seeds"], board.loc["mse/identity", "seeds"]) == (8, 12)
    assert not board.loc[LAST, "tied"]
    assert result.evidence().pairs == tuple(p for p in result.confirmed.pairs if p != LAST)
    again = whole(tmp_path)
    assert (again.verdict, again.confirmed) == (verdict, result.confirmed)
    assert whole(tmp_path, race=False).confirmed.stopping == EarlyStopping(), (
        "not what makes it another study"
    )


@pytest.mark.slow
def test_the_report_and_the_dashboard_tell_of_a_race(tmp_path):
    result = whole(tmp_path, mlflow=True)
    assert "after 8 seeds" in to_markdown(result.report())
    runs = MlflowClient(result.store.tracking_uri).search_runs(
        [str(result.experiment_id)], "tags.`lossearch.stage` = 'confirm'"
    )
    assert {r.data.params["pair"]: r.data.params["n_seeds"] for r in runs} == {
        "mse/identity": "12",
        "huber/identity": "12",
        LAST: "8",
    }

"""Trials that are given up: the rule, the decisions of a study, and what is recorded."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts.problems import problem
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState
from torch import Tensor, nn

import lossearch
from lossearch._epochs import thin
from lossearch.config import make_config
from lossearch.errors import InputError
from lossearch.pairs import find_pair
from lossearch.records.curves import read_curves
from lossearch.records.trial import TrialRecord
from lossearch.space import Point, Space
from lossearch.study.budget import Budget
from lossearch.study.history import by_pair
from lossearch.study.loop import Search
from lossearch.study.plan import Plan
from lossearch.study.progress import Listener
from lossearch.study.pruning import MIN_TRIALS, Pruning, rungs
from lossearch.study.trial_value import Objective, objective_values, summarise
from lossearch.training.contract import Outcome, Replicate, ReplicateResult, TrainSettings
from lossearch.training.population.method import train_population

SETTINGS = TrainSettings(40, 8, "sgd")
AHEAD = Point("bce/sigmoid", 0.5)


def finished(scored: dict[int, float], pair: str = "bce/sigmoid", **changed: Any) -> TrialRecord:
    given: dict[str, Any] = {"outcome": Outcome.COMPLETED, "value": 0.5, "epoch": 1, **changed}
    return TrialRecord(0, "cover", Point(pair, 0.1), "", (0,), intermediate_values=scored, **given)


def flat(score: float, epochs: int = 40) -> dict[int, float]:
    return dict.fromkeys(thin(epochs, 20), score)


def decisions(pruning: Pruning, scores: list[float], point: Point = AHEAD) -> list[int]:
    """Return the epochs after which a point with these scores would be given up."""
    return [e for e, score in enumerate(scores, start=1) if pruning(point, e, score)]


# --- the rule ----------------------------------------------------------------------------------------


@given(st.integers(1, 3000))
def test_trials_are_looked_at_where_scores_are_recorded(epochs: int) -> None:
    found = rungs(epochs)
    assert set(found) <= set(thin(epochs, 20)) - {epochs}
    assert len(found) <= 3
    assert bool(found) == (epochs > 1)
    if epochs >= 16:
        assert len(found) == 3
        for rung, share in zip(found, (1 / 8, 1 / 4, 1 / 2), strict=True):
            assert 0.7 < rung / (share * epochs) < 1.4


scores = st.floats(-2, 2).map(lambda x: round(x, 1))


@pytest.mark.parametrize("policy", ["best", "last"])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@given(
    st.lists(st.lists(scores, min_size=1, max_size=12), max_size=14),
    st.lists(scores, min_size=12, max_size=12),
)
def test_it_is_the_median_of_what_earlier_trials_scored(
    direction: str, policy: str, earlier: list[list[float]], ours: list[float]
) -> None:
    sign = 1 if direction == "maximize" else -1

    def value(scored: list[float], epoch: int) -> float:
        return scored[epoch - 1] if policy == "last" else sign * max(sign * s for s in scored[:epoch])

    expected = []
    for epoch in rungs(12):
        there = [value(scored, epoch) for scored in earlier if len(scored) >= epoch]
        if len(there) >= MIN_TRIALS and sign * value(ours, epoch) < sign * float(np.median(there)) - 1e-12:
            expected.append(epoch)
    records = [finished(dict(enumerate(scored, start=1))) for scored in earlier]
    settings = replace(SETTINGS, epochs=12, epoch=policy)
    assert decisions(Pruning(records, direction, settings), ours) == expected
    assert decisions(Pruning(records[::-1], direction, settings), ours) == expected


def test_eight_trials_of_the_same_pair_are_needed() -> None:
    bad = [0.1] * 40
    few = [finished(flat(0.9))] * (MIN_TRIALS - 1)
    others = [finished(flat(0.9), "mse/sigmoid")] * 20
    failed = [finished({}, outcome=Outcome.FAILED, value=None)] * 20
    assert decisions(Pruning([*few, *others, *failed], "maximize", SETTINGS), bad) == []
    enough = Pruning([*few, finished(flat(0.9)), *others], "maximize", SETTINGS)
    assert decisions(enough, bad) == list(rungs(40))
    assert decisions(enough, bad, Point("hinge/tanh", 0.1)) == []


def test_a_pruned_trial_counts_for_as_far_as_it_went() -> None:
    first, *_, last = rungs(40)
    short = {e: 0.1 for e in thin(40, 20) if e <= first}
    earlier = [finished(flat(0.5))] * 7 + [finished(short, outcome=Outcome.PRUNED, value=None)] * 9
    # at the first look most earlier trials are as bad, at the others too few are left
    assert decisions(Pruning(earlier, "maximize", SETTINGS), [0.2] * 40) == []
    more = Pruning([*earlier, finished(flat(0.5))], "maximize", SETTINGS)
    assert decisions(more, [0.2] * 40) == list(rungs(40))[1:]
    assert last in decisions(more, [0.2] * 40)


def test_a_second_attempt_begins_anew() -> None:
    pruning = Pruning([finished(flat(0.5))] * 8, "maximize", SETTINGS)
    assert decisions(pruning, [0.9] * 40) == []
    assert decisions(pruning, [0.1] * 40) == list(rungs(40))


def test_a_points_own_epochs_set_its_rungs() -> None:
    longer = replace(AHEAD, other=(("epochs", 80),))
    pruning = Pruning([finished(flat(0.5, 80))] * 8, "maximize", SETTINGS)
    assert decisions(pruning, [0.1] * 80, longer) == list(rungs(80))


def test_another_process_decides_alike() -> None:
    pruning = Pruning([finished(flat(0.5))] * 8, "maximize", SETTINGS)
    before = decisions(pruning, [0.1] * 40)
    again: Pruning = pickle.loads(pickle.dumps(pruning))  # noqa: S301 - as a worker gets it
    assert decisions(again, [0.1] * 40) == before == list(rungs(40))


def test_a_model_is_told_the_last_value_of_a_pruned_trial() -> None:
    assert objective_values(finished({1: 0.2, 4: 0.3}, outcome=Outcome.PRUNED, value=None)) == (0.3,)
    assert objective_values(finished({1: 0.2, 4: 0.3}, value=0.25)) == (0.25,)
    assert objective_values(finished({}, outcome=Outcome.FAILED, value=None)) is None


def test_pairs_that_are_compared_are_trained_in_full() -> None:
    assert make_config({"budget": {"mode": "adaptive"}}).budget.prunes
    assert not make_config({"budget": {"mode": "adaptive", "prune": False}}).budget.prunes
    assert not make_config({}).budget.prunes
    with pytest.raises(InputError) as caught:
        make_config({"budget": {"prune": True}})
    assert str(caught.value) == (
        "[budget] prune = true needs mode = 'adaptive': in mode 'equal' pairs are compared, and every trial is "
        "trained in full so that none loses one that starts slowly."
    )


# --- the value of a trial ---------------------------------------------------------------------------

TRIAL = TrialRecord(3, "search", AHEAD, "zero_one", index=1)
ACCURACY = problem("binary").metric


def result(
    seed: int, curve: list[float], outcome: Outcome = Outcome.COMPLETED, until: int | None = None
) -> ReplicateResult:
    curves = {"val_accuracy": np.array(curve), "val_loss": 1 - np.array(curve)}
    reason = "" if outcome is Outcome.COMPLETED else f"{outcome} after epoch {len(curve)}"
    return ReplicateResult(Replicate(AHEAD, seed, until), outcome, curves, 1.0, reason)


def summarised(*results: ReplicateResult) -> TrialRecord:
    constants = {r.replicate.seed: 0.5 for r in results}
    return summarise(TRIAL, results, [Objective(ACCURACY, constants)], epochs=40, policy="best")


def test_replicates_trained_until_an_epoch_are_judged_there() -> None:
    record = summarised(result(0, [0.2, 0.9, 0.4], until=3), result(1, [0.2, 0.9, 0.6], until=3))
    assert (record.outcome, record.epoch, record.value) == (Outcome.COMPLETED, 3, 0.5)
    assert record.scores == {"val_accuracy": 0.5, "val_loss": 0.5}
    assert record.intermediate_values == pytest.approx({1: 0.2, 2: 0.9, 3: 0.5})


def test_a_replicate_that_diverged_before_counts_as_a_constant_predictor() -> None:
    record = summarised(
        result(0, [0.8, 0.9, 0.8], until=3),
        result(1, [0.8], Outcome.DIVERGED, until=3),
        result(2, [0.9] * 3, until=3),
    )
    assert (record.outcome, record.epoch, record.n_diverged) == (Outcome.COMPLETED, 3, 1)
    assert record.value == pytest.approx((0.8 + 0.5 + 0.9) / 3)


def test_a_pruned_trial_has_scores_and_no_value() -> None:
    record = summarised(
        result(0, [0.2, 0.4, 0.3], Outcome.PRUNED),
        result(1, [0.4], Outcome.DIVERGED),
        result(2, [0.4, 0.6, 0.7], Outcome.PRUNED),
    )
    assert (record.outcome, record.value, record.epoch, record.n_diverged) == (Outcome.PRUNED, None, 3, 1)
    assert record.scores == pytest.approx({"val_accuracy": 0.5, "val_loss": 0.5})
    assert record.intermediate_values == pytest.approx({1: 1.1 / 3, 2: 0.5, 3: 0.5})
    assert record.reason.startswith("pruned after epoch 3, where it was worse")


def test_a_failed_replicate_fails_a_pruned_trial() -> None:
    record = summarised(result(0, [0.2], Outcome.PRUNED), result(1, [], Outcome.FAILED))
    assert (record.outcome, record.value, record.intermediate_values) == (Outcome.FAILED, None, {})


# --- a search ----------------------------------------------------------------------------------------


class Pages:
    """A recorder in memory."""

    def __init__(self, records: list[TrialRecord] | None = None) -> None:
        self.kept = list(records or ())
        self.lengths: dict[int, set[int]] = {}

    def records(self) -> list[TrialRecord]:
        return list(self.kept)

    def next_number(self) -> int:
        return len(self.kept)

    def add(self, record: TrialRecord, results: Any) -> None:
        self.kept.append(record)
        self.lengths[record.number] = {len(c) for r in results for c in r.curves.values()}


def plan(**changed: Any) -> Plan:
    task = problem("binary")
    pairs = tuple(find_pair(name, "binary") for name in ("bce/sigmoid", "mse/sigmoid"))
    budget = Budget(7, (0, 1), mode="adaptive", total=32, extend=False, prune=True)
    settings = TrainSettings(16, 8, "sgd", {"momentum": 0.9}, precision="64-true")
    return Plan("pruned", task, Space("binary", pairs, (1e-4, 1.0)), settings, replace(budget, **changed))


def search(records: list[TrialRecord] | None = None, **changed: Any) -> Pages:
    pages = Pages(records)
    Search(plan(**changed), partial(train_population, threads=1), pages, Listener())()
    return pages


@pytest.fixture(scope="module")
def searched() -> Pages:
    return search()


def summary(records: list[TrialRecord]) -> list[tuple[Any, ...]]:
    return [(r.point, r.outcome, r.epoch, r.value, r.index, dict(r.intermediate_values)) for r in records]


def test_decisions_follow_from_what_is_recorded(searched: Pages) -> None:
    mine = plan()
    pruned = 0
    assert len(searched.kept) == 32
    for number, record in enumerate(searched.kept):
        begun = max(0, (number - 14) // 2 * 2 + 14)
        earlier = [
            r for r in searched.kept[: begun if number >= 14 else 0] if r.point.pair == record.point.pair
        ]
        ended = None
        for rung in rungs(16):
            there = [
                max(v for e, v in r.intermediate_values.items() if e <= rung)
                for r in earlier
                if rung in r.intermediate_values
            ]
            ours = max((v for e, v in record.intermediate_values.items() if e <= rung), default=None)
            if ended is None and len(there) >= 8 and ours is not None and ours < np.median(there):
                ended = rung
        assert record.outcome is (Outcome.COMPLETED if ended is None else Outcome.PRUNED), number
        assert searched.lengths[number] == {ended or 16}
        if ended is not None:
            pruned += 1
            assert record.value is None
            assert record.epoch == ended == max(record.intermediate_values)
            assert record.scores[f"val_{mine.task.metric.name}"] == pytest.approx(
                record.intermediate_values[ended]
            )
            assert record.reason == (
                f"pruned after epoch {ended}, where it was worse than the median of the pair's earlier trials"
            )
    assert 2 <= pruned <= 16


def test_without_pruning_all_are_trained_in_full() -> None:
    pages = search(total=20, prune=False)
    assert {r.outcome for r in pages.kept} == {Outcome.COMPLETED}


@pytest.mark.parametrize("done", [9, 21, 26])
def test_a_killed_search_goes_on_with_the_same_decisions(searched: Pages, done: int) -> None:
    again = search(searched.kept[:done])
    for ours, theirs in zip(summary(again.kept), summary(searched.kept), strict=True):
        assert ours[:-1] == theirs[:-1]
        assert ours[-1] == pytest.approx(theirs[-1], rel=1e-9)


def test_rounds_that_are_not_whole_have_no_part(searched: Pages) -> None:
    mine = plan()
    for done, whole in ((5, 0), (14, 14), (15, 14), (16, 16), (31, 30)):
        found = mine.schedule.whole_rounds(by_pair(searched.kept[:done]))
        assert [r.number for r in found] == list(range(whole)), done


# --- a study -----------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=160) > 0).astype(int)


class Heard(Listener):
    """Keeps notes, and interrupts after so many trials."""

    def __init__(self, after: int = 10**9) -> None:
        self.notes: list[str] = []
        self._after = after

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trial_done(self, record: TrialRecord, done: int, total: int, best: Any, failed: int) -> None:
        if done == self._after:
            raise KeyboardInterrupt


def study(store: Path, heard: Heard | None = None, **changed: Any) -> Any:
    options: dict[str, Any] = {
        "pairs": ["bce/sigmoid", "mse/sigmoid"],
        "mode": "adaptive",
        "trials": 30,
        "seeds": 2,
        "epochs": 12,
        "batch_size": 32,
        "optimizer": "sgd",
        "lr": (1e-4, 1.0),
        "confirm_seeds": 0,
        "name": "lean",
        "mlflow": False,
    }
    return lossearch.search(X, Y, store=store, listener=heard or Heard(), **{**options, **changed})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return study(tmp_path_factory.mktemp("whole"), mlflow=True)


def test_all_records_say_which_trials_were_pruned(whole: Any) -> None:
    result, store = whole, Path(whole.store.root)
    trials = result.study.get_trials()
    pruned = [t for t in trials if t.state is TrialState.PRUNED]
    assert len(trials) == 30
    assert 2 <= len(pruned) <= 16
    assert {t.state for t in trials} == {TrialState.PRUNED, TrialState.COMPLETE}
    assert all(t.number >= 14 and t.last_step in rungs(12) for t in pruned)
    client = MlflowClient(f"sqlite:///{store}/mlflow.db")
    runs = {
        int(r.data.tags["lossearch.trial"]): r
        for r in client.search_runs([str(result.experiment_id)], "tags.`lossearch.role` = 'trial'")
    }
    assert set(runs) == {t.number for t in trials}
    curves = read_curves(store / "studies" / "lean", "search")
    lengths = curves.groupby("trial")["epoch"].max()
    for trial, record in zip(trials, result.trials, strict=True):
        run = runs[trial.number]
        lost = trial.state is TrialState.PRUNED
        assert run.info.status == "FINISHED"
        assert run.data.tags["lossearch.state"] == str(record.outcome) == ("pruned" if lost else "completed")
        assert run.data.tags.get("lossearch.reason", "") == record.reason
        assert ("score" in run.data.metrics) is not lost
        assert lengths[trial.number] == (trial.last_step if lost else 12)
        assert (record.value is None) is lost
        if not lost:
            assert trial.intermediate_values[record.epoch] == pytest.approx(trial.value)
    board = result.leaderboard
    assert board["trials"].sum() == 30
    assert not set(board["trial"].dropna()) & {t.number for t in pruned}
    assert result.study.best_trial.state is TrialState.COMPLETE


@pytest.mark.slow
def test_an_interrupted_study_goes_on_with_the_same_decisions(whole: Any, tmp_path: Path) -> None:
    for after in (17, 22):
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path, Heard(after))
    again = study(tmp_path)
    assert [(r.point, r.outcome, r.epoch, r.value) for r in again.trials] == [
        (r.point, r.outcome, r.epoch, r.value) for r in whole.trials
    ]
    assert Outcome.PRUNED in {r.outcome for r in again.trials}


def test_an_adaptive_study_without_pruning_is_another_study() -> None:
    assert "prune" not in plan(prune=False).identity()["search"]
    assert plan(prune=True).identity()["search"]["prune"] is True
    assert plan(prune=True).digest() != plan(prune=False).digest()


class Remembering(nn.Module):
    """A network that cannot be batched: it counts the rows it has seen."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        output: Tensor = self.layer(x)
        return output


def test_where_trials_are_not_trained_together_none_is_pruned_and_it_is_said(tmp_path: Path) -> None:
    heard = Heard()
    result = study(tmp_path, heard, model=Remembering, trials=18, seeds=1, epochs=2, workers=1)
    assert {r.outcome for r in result.trials} == {Outcome.COMPLETED}
    line = "No trial is pruned: where seeds are trained one by one, there is no mean to judge a trial by."
    assert heard.notes.count(line) == 1

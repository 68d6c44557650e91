"""Confirmation: fresh seeds, the search's epoch, test rows read once, and records that survive anything."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from confirming import BINARY, CLASSES, REAL, Notes, Watched, X, prepared, searched, trial, way
from sklearn import metrics as oracle

from lossearch._json import dumps
from lossearch.confirm import confirmation as module
from lossearch.confirm.confirmation import Confirmer
from lossearch.confirm.judging import judge_study, read_verdict
from lossearch.confirm.selection import Selection, select_points
from lossearch.errors import RunFailedError
from lossearch.records.confirmations import FILE, Confirmation, read_confirmed
from lossearch.records.curves import read_curves
from lossearch.records.evidence import read_evidence
from lossearch.records.predictions import FILE as PREDICTIONS
from lossearch.records.predictions import read_predictions
from lossearch.study.loop import Search
from lossearch.training.contract import Outcome
from lossearch.training.plain.train import train_plain

SEEDS = 3


def confirm(study, folder, *, n=SEEDS, train=None, trials=None, listener=None, plan=None):
    plan = plan or study.plan
    train = train or way(study)
    trials = searched(plan) if trials is None else trials
    selection = select_points(plan, trials, study.min_trials)
    return Confirmer(plan, train, folder, listener or Notes())(selection, n)


def values(confirmed):
    return {c.point.pair: {k: np.array(v) for k, v in c.values.items()} for c in confirmed.confirmations}


def same(one, other, *, within=0.0):
    assert one.pairs == other.pairs
    assert one.seeds == other.seeds
    for pair, scores in values(one).items():
        assert scores.keys() == values(other)[pair].keys()
        for name, value in scores.items():
            np.testing.assert_allclose(value, values(other)[pair][name], atol=within, equal_nan=True)


@pytest.fixture(scope="module")
def binary():
    return prepared()


def test_every_finalist_is_trained_once_under_fresh_seeds_to_its_own_epoch(binary, tmp_path):
    plan, watched, notes = binary.plan, Watched(way(binary)), Notes()
    confirmed = confirm(binary, tmp_path, train=watched, listener=notes)
    assert len(watched.calls) == 1, "all pairs as one population"
    assert watched.kept == [True]
    assert {(r.point.pair, r.until) for r in watched.replicates} == {("bce/sigmoid", 1), ("mse/sigmoid", 2)}
    seeds = {r.seed for r in watched.replicates}
    assert len(seeds) == SEEDS
    assert not seeds & set(plan.budget.seeds)
    assert seeds == set(confirmed.seeds)
    assert [(c.trial, c.epoch, c.search) for c in confirmed.confirmations] == [(4, 1, 0.9), (9, 2, 0.9)]
    assert notes.said == ["Confirming 2 pairs on 3 fresh seeds: 6 replicates."]
    curves = read_curves(tmp_path, "confirm")
    assert set(zip(curves["trial"], curves["seed"], curves["epoch"], strict=True)) == {
        (t, s, e) for t, last in ((4, 1), (9, 2)) for s in confirmed.seeds for e in range(1, last + 1)
    }


class Gate:
    """Test rows that nobody may look at yet."""

    def __init__(self, task):
        self.task, self.open, self.seeds = task, False, []

    def __call__(self, seed):
        assert self.open, "the test part was read before everything was chosen"
        self.seeds.append(seed)
        return self.task.test(seed)


class Memory:
    """A recorder that keeps what it is given."""

    def __init__(self):
        self.kept = []

    def records(self):
        return list(self.kept)

    def next_number(self):
        return len(self.kept)

    def add(self, record, _):
        self.kept.append(record)


def test_the_test_part_is_read_by_the_confirmation_alone(binary, tmp_path):
    gate = Gate(binary.plan.task)
    plan = replace(binary.plan, task=replace(binary.plan.task, test=gate))
    recorder = Memory()
    Search(plan, way(binary), recorder, Notes())()
    selection = select_points(plan, recorder.records(), 5)
    gate.open = True
    confirmed = Confirmer(plan, way(binary), tmp_path, Notes())(selection, 2)
    assert set(gate.seeds) == set(confirmed.seeds)
    gate.open = False
    Confirmer(plan, way(binary), tmp_path, Notes())(selection, 2)
    judge_study(tmp_path, plan.question, confirmed, recorder.records())


def test_without_a_test_part_validation_rows_are_judged(tmp_path):
    study = prepared(task={"hidden": [4], "test": False})
    gate = Gate(study.plan.task)
    plan = replace(study.plan, task=replace(study.plan.task, test=gate))
    confirmed = confirm(study, tmp_path, plan=plan)
    assert confirmed.part == "validation"
    assert [c.judged for c in confirmed.confirmations] == ["val_accuracy"] * 2
    assert set(confirmed.constants) == {"validation"}
    assert set(read_predictions(tmp_path)["part"]) == {"validation"}
    verdict = judge_study(tmp_path, plan.question, confirmed, searched(plan))
    assert verdict.part == "validation"
    assert read_verdict(tmp_path) == verdict


# --- what is recorded is what the predictions say


def of_replicate(frame, pair, seed, part="test"):
    return frame[(frame["pair"] == pair) & (frame["seed"] == seed) & (frame["part"] == part)]


def checked(confirmed, folder, scores):
    """Compare every recorded score with what scikit-learn makes of the recorded predictions."""
    frame = read_predictions(folder)
    for c in confirmed.confirmations:
        for i, seed in enumerate(c.seeds):
            for part, prefix in (("test", "test_"), ("validation", "val_")):
                rows = of_replicate(frame, c.point.pair, seed, part)
                for name, score in scores(rows).items():
                    assert c.values[prefix + name][i] == pytest.approx(score, rel=1e-5, abs=1e-6), name
        assert c.scores["test_" + confirmed.metric] == pytest.approx(
            np.mean(c.values["test_" + confirmed.metric])
        )
        assert c.spread["test_" + confirmed.metric] == pytest.approx(
            np.std(c.values["test_" + confirmed.metric], ddof=1)
        )


def test_binary_predictions_come_to_the_recorded_scores(binary, tmp_path):
    confirmed = confirm(binary, tmp_path)

    def scores(rows):
        return {
            "accuracy": oracle.accuracy_score(rows["target"], rows["label"]),
            "f1_macro": oracle.f1_score(rows["target"], rows["label"], average="macro", zero_division=0),
            "auroc": oracle.roc_auc_score(rows["target"], rows["score"]),
            "log_loss": oracle.log_loss(
                rows["target"], rows["probability"].astype(np.float64), labels=[0, 1]
            ),
        }

    checked(confirmed, tmp_path, scores)
    frame = read_predictions(tmp_path)
    assert (frame["target"].to_numpy() == BINARY[frame["row"]]).all(), "rows are those of the data as given"
    sizes = binary.plan.task.sizes
    assert len(frame) == 2 * SEEDS * (sizes["test"] + sizes["validation"])
    test = {tuple(rows["row"]) for _, rows in frame[frame["part"] == "test"].groupby(["pair", "seed"])}
    assert len(test) == 1, "the test part is the same under every seed"
    assert frame["score"].dtype == np.float32


def test_class_predictions_come_to_the_recorded_scores(tmp_path):
    study = prepared(CLASSES, ["cross_entropy", "mse"], ["softmax"])
    confirmed = confirm(study, tmp_path)

    def scores(rows):
        p = rows[[f"probability_{i}" for i in range(3)]].to_numpy(np.float64)
        return {
            "accuracy": oracle.accuracy_score(rows["target"], rows["label"]),
            "log_loss": oracle.log_loss(rows["target"], p / p.sum(axis=1, keepdims=True), labels=[0, 1, 2]),
        }

    checked(confirmed, tmp_path, scores)
    assert confirmed.confirmations[0].fields == ("label", "probability", "score")


def test_real_predictions_come_to_the_recorded_scores(tmp_path):
    study = prepared(REAL, ["mse", "mae"], ["identity"])
    confirmed = confirm(study, tmp_path)
    checked(
        confirmed,
        tmp_path,
        lambda rows: {
            "rmse": math.sqrt(oracle.mean_squared_error(rows["target"], rows["value"])),
            "mae": oracle.mean_absolute_error(rows["target"], rows["value"]),
            "r2": oracle.r2_score(rows["target"], rows["value"]),
        },
    )
    frame = read_predictions(tmp_path)
    np.testing.assert_allclose(frame["target"], REAL[frame["row"]], rtol=1e-6)


def test_both_ways_of_training_confirm_the_same(binary, tmp_path):
    together = confirm(binary, tmp_path / "together")
    alone = confirm(binary, tmp_path / "alone", train=train_plain)
    same(together, alone, within=1e-4)


def test_a_constant_predictor_is_scored_on_each_part_under_each_seed(binary, tmp_path):
    confirmed = confirm(binary, tmp_path)
    frame = read_predictions(tmp_path)
    task = binary.plan.task
    for part in ("test", "validation"):
        for i, seed in enumerate(confirmed.seeds):
            rows = of_replicate(frame, "bce/sigmoid", seed, part)
            train = task.fold(seed).train.y[:, 0]
            majority = float(train.mean() > 0.5)
            accuracy = float((rows["target"] == majority).mean())
            assert confirmed.constants[part]["accuracy"][i] == pytest.approx(accuracy)


# --- what goes wrong


def diverging(pair, seeds=None):
    """Return a change that makes replicates of a pair diverge."""

    def change(result):
        r = result.replicate
        if r.point.pair != pair or (seeds is not None and r.seed not in seeds):
            return result
        curves = {name: curve[:0] for name, curve in result.curves.items()}
        return replace(
            result,
            outcome=Outcome.DIVERGED,
            reason="loss was nan",
            curves=curves,
            weights=None,
            kept_epoch=None,
        )

    return change


def test_a_diverged_replicate_scores_what_a_constant_does(binary, tmp_path):
    seed = confirm(binary, tmp_path / "first").seeds[1]
    watched = Watched(way(binary), diverging("mse/sigmoid", {seed}))
    confirmed = confirm(binary, tmp_path, train=watched)
    c = confirmed["mse/sigmoid"]
    assert c.outcomes == (Outcome.COMPLETED, Outcome.DIVERGED, Outcome.COMPLETED)
    assert (c.n_diverged, c.reason) == (1, "loss was nan")
    for part, prefix in (("test", "test_"), ("validation", "val_")):
        for name, of_seeds in confirmed.constants[part].items():
            if prefix + name in c.values:
                assert c.values[prefix + name][1] == of_seeds[1]
    rows = of_replicate(read_predictions(tmp_path), "mse/sigmoid", seed)
    assert rows["score"].isna().all()
    assert rows["label"].isna().all()
    assert rows["target"].notna().all()
    evidence = read_evidence(tmp_path, "binary", "accuracy")
    assert evidence.diverged["mse/sigmoid"].tolist() == [False, True, False]
    assert not evidence.diverged["bce/sigmoid"].any()


def test_a_pair_of_which_every_replicate_diverges_is_judged_a_constant(tmp_path):
    study = prepared(REAL, ["mse", "mae"], ["identity"])
    watched = Watched(way(study), diverging("mae/identity"))
    confirmed = confirm(study, tmp_path, train=watched)
    record = confirmed["mae/identity"].record()
    assert record.outcome is Outcome.DIVERGED
    assert record.value == pytest.approx(np.mean(confirmed.constants["test"]["rmse"]))
    verdict = judge_study(tmp_path, study.plan.question, confirmed, searched(study.plan))
    worst = next(r for r in verdict.ranking if r.pair == "mae/identity")
    assert worst.diverged == SEEDS
    assert worst.score == pytest.approx(record.value)


def test_a_study_of_which_everything_diverges_still_has_its_records(tmp_path):
    study = prepared(CLASSES, ["cross_entropy"], ["softmax"])
    confirmed = confirm(study, tmp_path, train=Watched(way(study), diverging("cross_entropy/softmax")))
    evidence = read_evidence(tmp_path, "multiclass", "accuracy")
    sheet = evidence.predictions["cross_entropy/softmax"][0]
    assert sheet.probability.shape == (len(evidence.target), 3)
    assert confirmed.confirmations[0].n_diverged == SEEDS
    verdict = judge_study(tmp_path, study.plan.question, confirmed, searched(study.plan))
    assert "diverged" in verdict.sentences[0]


def test_output_that_overflows_on_test_rows_alone_is_a_divergence(tmp_path):
    far = X[:20] * 1e38
    study = prepared(
        REAL, ["mse"], ["identity"], task={"hidden": [4], "scale": False}, test=(far * 3, REAL[:20])
    )
    confirmed = confirm(study, tmp_path)
    c = confirmed["mse/identity"]
    assert set(c.outcomes) == {Outcome.DIVERGED}
    assert c.reason == "output was not finite on test rows"
    assert c.values["test_rmse"] == confirmed.constants["test"]["rmse"]


def test_one_pair_alone_is_confirmed_too(tmp_path):
    study = prepared(losses=["bce"])
    confirmed = confirm(study, tmp_path)
    verdict = judge_study(tmp_path, study.plan.question, confirmed, searched(study.plan))
    assert verdict.leader == verdict.recommended == "bce/sigmoid"
    assert verdict.comparisons == ()


def test_a_replicate_that_failed_is_trained_once_more(binary, tmp_path):
    failed = []

    def change(result):
        if result.replicate.point.pair == "mse/sigmoid" and not failed:
            failed.append(result.replicate)
            return replace(result, outcome=Outcome.FAILED, reason="OSError: gone", curves={}, weights=None)
        return result

    watched = Watched(way(binary), change)
    confirmed = confirm(binary, tmp_path, train=watched)
    assert [len(call) for call in watched.calls] == [6, 1]
    assert watched.calls[1] == failed
    same(confirmed, confirm(binary, tmp_path / "sound"), within=1e-6)


def test_a_pair_that_fails_twice_is_left_out_and_says_so(binary, tmp_path):
    def change(result):
        if result.replicate.point.pair == "mse/sigmoid":
            return replace(result, outcome=Outcome.FAILED, reason="ValueError: no", curves={}, weights=None)
        return result

    confirmed = confirm(binary, tmp_path, train=Watched(way(binary), change))
    assert confirmed.pairs == ("bce/sigmoid",)
    assert confirmed.left_out == {"mse/sigmoid": "its confirmation failed: ValueError: no"}
    assert set(read_predictions(tmp_path)["pair"]) == {"bce/sigmoid"}
    assert set(read_curves(tmp_path, "confirm")["pair"]) == {"bce/sigmoid"}


def test_a_confirmation_in_which_every_pair_fails_is_an_error(binary, tmp_path):
    def change(result):
        return replace(result, outcome=Outcome.FAILED, reason="ValueError: no", curves={}, weights=None)

    with pytest.raises(RunFailedError) as caught:
        confirm(binary, tmp_path, train=Watched(way(binary), change))
    assert str(caught.value) == (
        "Every pair failed in its confirmation: ValueError: no. The search is kept; the same command confirms again."
    )
    assert read_confirmed(tmp_path) is None


# --- resume


def refuse(*_, **__):
    raise AssertionError("this was confirmed already")


def test_a_finished_confirmation_is_not_repeated(binary, tmp_path):
    first = confirm(binary, tmp_path)
    again = confirm(binary, tmp_path, train=refuse)
    assert again == first
    fewer = confirm(binary, tmp_path, train=refuse, n=2)
    assert fewer == first, "seeds that are there stay"
    assert confirm(binary, tmp_path, train=refuse, n=0) == first


@pytest.mark.parametrize("after", [0, 1, 4])
def test_killed_in_training_it_is_done_again(binary, tmp_path, after):
    def stopping(*args, **how):
        for i, result in enumerate(way(binary)(*args, **how)):
            if i == after:
                raise KeyboardInterrupt
            yield result

    with pytest.raises(KeyboardInterrupt):
        confirm(binary, tmp_path, train=stopping)
    assert read_confirmed(tmp_path) is None
    same(confirm(binary, tmp_path), confirm(binary, tmp_path / "whole"))


@pytest.mark.parametrize("at", ["write_predictions", "rewrite", "write_confirmed"])
def test_killed_between_its_files_it_is_done_again(binary, tmp_path, monkeypatch, at):
    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, at, die)
        with pytest.raises(KeyboardInterrupt):
            confirm(binary, tmp_path)
    assert read_confirmed(tmp_path) is None
    whole = confirm(binary, tmp_path / "whole")
    same(confirm(binary, tmp_path), whole)
    for read in (read_predictions, lambda folder: read_curves(folder, "confirm")):
        assert read(tmp_path).equals(read(tmp_path / "whole"))


@pytest.mark.parametrize("at", ["write_predictions", "rewrite"])
def test_killed_while_seeds_are_added_what_was_there_can_be_read(binary, tmp_path, monkeypatch, at):
    first = confirm(binary, tmp_path, n=2)

    def die(*args, **how):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, at, die)
        with pytest.raises(KeyboardInterrupt):
            confirm(binary, tmp_path, n=4)
    assert read_confirmed(tmp_path) == first
    assert read_evidence(tmp_path, "binary", "accuracy").seeds == first.seeds
    same(confirm(binary, tmp_path, n=4), confirm(binary, tmp_path / "whole", n=4), within=1e-6)


def test_more_seeds_are_added_to_those_there(binary, tmp_path):
    first = confirm(binary, tmp_path, n=2)
    watched = Watched(way(binary))
    more = confirm(binary, tmp_path, n=4, train=watched)
    assert more.seeds[:2] == first.seeds
    assert {r.seed for r in watched.replicates} == set(more.seeds[2:])
    whole = confirm(binary, tmp_path / "whole", n=4)
    same(more, whole, within=1e-6)
    keys = ["pair", "seed", "part", "row"]
    frames = [
        read_predictions(folder).sort_values(keys, ignore_index=True)
        for folder in (tmp_path, tmp_path / "whole")
    ]
    assert frames[0][keys].equals(frames[1][keys])
    np.testing.assert_allclose(frames[0]["score"], frames[1]["score"], atol=1e-5)


def test_a_new_finalist_is_confirmed_and_the_others_stay(binary, tmp_path):
    plan = binary.plan
    confirm(binary, tmp_path)
    judge_study(tmp_path, plan.question, read_confirmed(tmp_path), searched(plan))
    better = [*searched(plan), trial(plan, "mse/sigmoid", 5, 0.95, number=10, lr=0.3, epoch=4)]
    better += [trial(plan, "bce/sigmoid", 5, 0.1, number=11)]
    watched = Watched(way(binary))
    study = replace(binary, plan=replace(plan, budget=replace(plan.budget, per_pair=6)))
    now = confirm(study, tmp_path, trials=better, train=watched)
    assert {(r.point.pair, r.until) for r in watched.replicates} == {("mse/sigmoid", 4)}
    assert [c.trial for c in now.confirmations] == [4, 10]
    assert read_verdict(tmp_path) is None, "the verdict of before speaks of another point"
    assert set(read_curves(tmp_path, "confirm")["trial"]) == {4, 10}
    evidence = read_evidence(tmp_path, "binary", "accuracy")
    assert evidence.pairs == ("bce/sigmoid", "mse/sigmoid")


def test_lost_predictions_are_made_again(binary, tmp_path):
    first = confirm(binary, tmp_path)
    (tmp_path / PREDICTIONS).unlink()
    same(confirm(binary, tmp_path), first)
    assert (tmp_path / PREDICTIONS).exists()


def test_no_seeds_or_no_finalists_is_no_confirmation(binary, tmp_path):
    assert confirm(binary, tmp_path, n=0, train=refuse) is None
    confirm(binary, tmp_path)
    assert Confirmer(binary.plan, refuse, tmp_path, Notes())(Selection((), {}), 3) is None
    assert not (tmp_path / FILE).exists()
    assert not (tmp_path / PREDICTIONS).exists()


def test_a_record_survives_being_written(binary, tmp_path):
    confirmed = confirm(binary, tmp_path, train=Watched(way(binary), diverging("mse/sigmoid")))
    for c in confirmed.confirmations:
        again = Confirmation.from_json(json.loads(dumps(c.as_json())))
        assert again.record() == c.record()
        assert replace(again, values={}) == replace(c, values={})
    record = confirmed["bce/sigmoid"].record()
    assert (record.stage, record.number, record.epoch, record.seeds) == ("confirm", 4, 1, confirmed.seeds)
    assert record.value == confirmed["bce/sigmoid"].scores["test_accuracy"]
    assert torch.is_tensor(read_evidence(tmp_path, "binary", "accuracy").target)

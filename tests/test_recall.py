"""A study of more pairs takes over what another has trained of the same points, and nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from sklearn.datasets import make_circles

import lossearch
from lossearch.api.closing import pair_models
from lossearch.errors import InputError, StudyMismatchError
from lossearch.records import Store
from lossearch.records.curves import read_curves
from lossearch.records.weights import path_of
from lossearch.study import recall, rerun
from lossearch.study.progress import Listener

X, Y = make_circles(200, noise=0.2, factor=0.5, random_state=0)
TWO, THREE = ["bce", "hinge"], ["bce", "hinge", "focal"]


class Notes(Listener):
    def __init__(self):
        self.all = []

    def note(self, text):
        self.all.append(text)

    @property
    def taken_over(self):
        return [n for n in self.all if "taken over" in n]


def searched(store, name, losses, **changes):
    notes = Notes()
    per_pair = {"trials": 7 * (len(losses) + 1), "seeds": 2, "confirm_seeds": 2, "epochs": 3, "mlflow": False}
    result = lossearch.search(
        X, Y, store=store, name=name, losses=losses, listener=notes, **{**per_pair, **changes}
    )
    return result, notes


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """Stores with a study of two losses, by which weights it kept."""
    stores = {weights: tmp_path_factory.mktemp(weights) for weights in ("best", "none")}
    for weights, store in stores.items():
        searched(store, "two", TWO, weights=weights)
    return stores


@pytest.fixture
def first(begun, tmp_path_factory):
    """A store of its own: what a test adds to it others would take over."""
    return shutil.copytree(begun["best"], tmp_path_factory.mktemp("first"), dirs_exist_ok=True)


@pytest.fixture
def without_weights(begun, tmp_path_factory):
    """The same, but that study kept no weights."""
    return shutil.copytree(begun["none"], tmp_path_factory.mktemp("bare"), dirs_exist_ok=True)


def by_point(store, name, pairs):
    trials = {t.number: t for t in lossearch.load(name, store).trials if t.point.pair in pairs}
    frame = read_curves(Store.open(store).study_dir(name), "search")
    curves = {n: f.drop(columns="trial").reset_index(drop=True) for n, f in frame.groupby("trial")}
    return {t.point: (t.value, t.epoch, t.scores, t.seeds, curves[n]) for n, t in trials.items()}


def test_a_loss_added_trains_itself_alone_and_the_rest_is_as_trained(first, tmp_path):
    over, notes = searched(first, "three", THREE)
    anew, _ = searched(tmp_path, "three", THREE)
    (note,) = notes.taken_over
    assert note.startswith(
        "Study 'two' has 21 trials of bce/sigmoid, hinge/identity and hinge/tanh on the same data"
    )
    pairs = ["bce/sigmoid", "hinge/identity", "hinge/tanh"]
    before, now = by_point(first, "two", pairs), by_point(first, "three", pairs)
    assert before.keys() == now.keys()
    for point, (value, epoch, scores, seeds, curves) in before.items():
        assert now[point][:4] == (value, epoch, scores, seeds)
        assert curves.equals(now[point][4][curves.columns])
    for name in ("score", "lr", "trials"):
        assert over.leaderboard[name].tolist() == pytest.approx(anew.leaderboard[name].tolist(), rel=1e-6)
    assert over.leaderboard["pair"].tolist() == anew.leaderboard["pair"].tolist()
    assert [r.point for r in over.trials] == [r.point for r in anew.trials]


def test_the_weights_that_were_kept_are_taken_over(first):
    result, _ = searched(first, "weights", [*TWO, "mse"], trials=35)
    folder = Store.open(first).study_dir("weights")
    for pair in ("bce/sigmoid", "hinge/identity"):
        ours = [r for r in result.trials if r.point.pair == pair]
        best = max(ours, key=lambda r: (r.value, -r.number))
        assert path_of(folder, best.number).exists()
        found = result.weights(best.number)
        again = result.rerun(best.number, keep_weights=False)
        assert again.reproduced
        assert found.keys() == {*best.seeds}


def best_trials(result):
    pairs = {r.point.pair for r in result.trials}
    return [
        max((r for r in result.trials if r.point.pair == p), key=lambda r: (r.value, -r.number))
        for p in pairs
    ]


@pytest.mark.parametrize("confirm_seeds", [0, 2])
def test_the_best_of_each_pair_has_its_weights_whatever_was_taken_over(without_weights, confirm_seeds):
    result, notes = searched(without_weights, f"best-{confirm_seeds}", THREE, confirm_seeds=confirm_seeds)
    assert notes.taken_over
    assert not [n for n in notes.all if "not kept" in n]
    best = best_trials(result)
    assert {r.point.pair for r in best} == {*result.declared.space.pairs}
    for record in best:
        assert result.weights(record.number).keys() == {*record.seeds}
        assert result.rerun(record.number).reproduced
    models = pair_models(result)
    assert {m.record.number for m in models} == {r.number for r in best}
    assert all((without_weights / m.tags["lossearch.weights"]).is_file() for m in models)
    assert len([*path_of(result.folder, 0).parent.iterdir()]) == len(best)


def test_no_weights_are_made_where_none_are_to_be_kept(without_weights):
    result, _ = searched(without_weights, "none", THREE, weights="none")
    assert not path_of(result.folder, 0).parent.exists()


def test_where_all_weights_are_to_be_kept_a_trial_without_is_trained(first, without_weights):
    result, notes = searched(without_weights, "all", THREE, weights="all")
    assert notes.taken_over == []
    assert all(path_of(result.folder, r.number).exists() for r in result.trials)
    result, notes = searched(first, "all", [*TWO, "mse"], weights="all", trials=35)
    (note,) = notes.taken_over
    kept = [*path_of(Store.open(first).study_dir("two"), 0).parent.iterdir()]
    assert f"has {len(kept)} trials" in note
    assert all(path_of(result.folder, r.number).exists() for r in result.trials)


def test_weights_that_cannot_be_made_again_are_told_of_with_what_to_do(without_weights, monkeypatch):
    monkeypatch.setattr(rerun, "NEAR", -1.0)
    result, notes = searched(without_weights, "unlike", [*TWO, "mae"])
    said = [n for n in notes.all if "not kept" in n]
    over = [r for r in best_trials(result) if not r.point.pair.startswith("mae")]
    assert len(over) == len(said) > 0
    for record in over:
        (note,) = (
            n
            for n in said
            if n.startswith(f"The weights of trial {record.number}, the best of {record.point.pair}, ")
        )
        assert f"lossearch.load('unlike').rerun({record.number}, keep_weights=True)" in note
        assert "NOT reproduced" in note
        with pytest.raises(InputError, match="keep_weights=True"):
            result.weights(record.number)
    monkeypatch.undo()
    for record in over:
        assert result.rerun(record.number, keep_weights=True).reproduced
        assert result.weights(record.number)


def test_damaged_weights_are_no_reason_to_train_what_is_recorded(tmp_path):
    searched(tmp_path, "two", TWO)
    for path in (Store.open(tmp_path).study_dir("two") / "weights").iterdir():
        path.write_bytes(b"damaged")
    result, notes = searched(tmp_path, "three", THREE)
    assert [n for n in notes.taken_over if "21 trials" in n]
    assert all(result.weights(r.number) for r in best_trials(result))


def test_of_alike_studies_the_curves_of_the_largest_are_read_alone(tmp_path, monkeypatch):
    searched(tmp_path, "a", ["bce"], trials=7)
    searched(tmp_path, "b", TWO)
    searched(tmp_path, "c", ["focal", "bce"], trials=14)
    read = []

    def counted(folder, stage):
        read.append(folder.name)
        return read_curves(folder, stage)

    monkeypatch.setattr(recall, "read_curves", counted)
    _, notes = searched(tmp_path, "three", THREE)
    assert read == ["b"]
    assert [n for n in notes.taken_over if n.startswith("Study 'b' has 21 trials")]
    (Store.open(tmp_path).study_dir("three") / "search.parquet").write_bytes(b"damaged")
    _, notes = searched(tmp_path, "four", [*THREE, "mse"], trials=35)
    assert read[1:] == ["three", "b"]
    assert [n for n in notes.taken_over if n.startswith("Study 'b' has 21 trials")]


@pytest.mark.parametrize("changes", [
    {"epochs": 4}, {"seed": 1}, {"seeds": 3}, {"batch_size": 16}, {"metric": "auroc"}, {"prune": True, "mode": "adaptive"},
    {"lr": (1e-3, 1.0)}, {"hidden": [8]},
])  # fmt: skip
def test_what_was_trained_otherwise_is_not_taken_over(first, changes):
    name = "-".join(map(str, changes)) + "-other"
    _, notes = searched(first, name, THREE, **changes)
    assert notes.taken_over == []


def test_a_study_of_the_same_pairs_trains_for_itself(tmp_path):
    searched(tmp_path, "two", TWO)
    _, notes = searched(tmp_path, "again", TWO)
    assert notes.taken_over == []


def test_losses_of_one_s_own_are_trained(tmp_path):
    def own(output, target):
        return (output - target) ** 2

    searched(tmp_path, "own", [own, "bce"], trials=14)
    _, notes = searched(tmp_path, "more", [own, "bce", "mse"], trials=28)
    (note,) = notes.taken_over
    assert "own" not in note.replace("'own'", "")


def test_a_study_that_cannot_be_read_is_passed_over(tmp_path):
    searched(tmp_path, "two", TWO)
    (Store.open(tmp_path).study_dir("two") / "search.parquet").write_bytes(b"damaged")
    result, notes = searched(tmp_path, "three", THREE)
    assert notes.taken_over == []
    assert np.isfinite(result.leaderboard["score"]).all()


def test_the_refusal_says_how_they_are_taken_over(first):
    with pytest.raises(
        StudyMismatchError, match="Under another name its trials of the other pairs are taken over"
    ):
        searched(first, "two", THREE)
    with pytest.raises(StudyMismatchError) as told:
        searched(first, "two", THREE, epochs=9)
    assert "taken over" not in str(told.value)


def test_a_storage_that_nobody_named_is_not_opened(tmp_path):
    """Of studies kept elsewhere those are read alone that are where this one is to be."""
    here, there = f"sqlite:///{tmp_path}/here.db", f"sqlite:///{tmp_path}/there.db"
    searched(tmp_path / "store", "two", TWO, storage=there)
    _, notes = searched(tmp_path / "store", "journal", THREE)
    assert notes.taken_over == []
    _, notes = searched(tmp_path / "store", "here", [*TWO, "mse"], storage=here)
    assert not [n for n in notes.taken_over if "'two'" in n]
    _, notes = searched(tmp_path / "store", "there", THREE, storage=there)
    assert [n for n in notes.taken_over if "'two'" in n]


def test_a_study_that_has_trained_nothing_is_not_spoken_of(tmp_path):
    class Ends(Listener):
        def started(self, total, resumed):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lossearch.search(X, Y, store=tmp_path, name="two", losses=TWO, trials=21, seeds=2, confirm_seeds=2,
                         epochs=3, mlflow=False, listener=Ends())  # fmt: skip
    _, notes = searched(tmp_path, "three", THREE)
    assert notes.taken_over == []

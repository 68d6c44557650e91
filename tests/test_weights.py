"""Weights of trials: whose are kept, that they are the right ones, and that disk stays bounded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import plain_mlp

import lossearch
from lossearch.api.result import Result
from lossearch.errors import InputError, StoreError, UnknownNameError
from lossearch.records.tensors import read_tensors, write_tensors
from lossearch.records.trial import TrialRecord
from lossearch.records.weights import (
    WeightRetention,
    _Stored,
    files_to_remove,
    path_of,
    read_weights,
    write_weights,
)
from lossearch.space import Point
from lossearch.study.progress import Listener
from lossearch.training.contract import Outcome, Replicate, ReplicateResult

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=120) > 0).astype(int)


def record(number: int, value: float | None, pair: str = "bce/sigmoid", lr: float = 0.1) -> TrialRecord:
    outcome = Outcome.FAILED if value is None else Outcome.COMPLETED
    return TrialRecord(number, "cover", Point(pair, lr), "zero_one", (1, 2), outcome, value, 3)


def results(of: TrialRecord, *, diverged: int | None = None, size: int = 4) -> list[ReplicateResult]:
    found = []
    for seed in of.seeds:
        gone = seed == diverged
        state = {"w": torch.full((size,), of.number + seed / 10), "n": torch.tensor(seed)}
        outcome = Outcome.DIVERGED if gone else Outcome.COMPLETED
        kept = None if gone else seed + 1
        found.append(
            ReplicateResult(
                Replicate(of.point, seed), outcome, {}, 0.0, weights=None if gone else state, kept_epoch=kept
            )
        )
    return found


def numbers(folder: Path) -> list[int]:
    return sorted(int(p.stem[6:]) for p in folder.glob("weights/trial-*.safetensors"))


def keeper(
    folder: Path, policy: str = "best", limit: int = 2**30, sign: int = 1, records: Any = ()
) -> WeightRetention:
    return WeightRetention(folder, policy, limit, sign, records)


def test_a_trials_weights_come_back_by_seed_with_their_types(tmp_path: Path) -> None:
    first = record(3, 0.5)
    write_weights(tmp_path, first, results(first))
    found = read_weights(tmp_path, first)
    assert found is not None
    assert found.kept_epoch == {1: 2, 2: 3}
    for r in results(first):
        state = found.states[r.replicate.seed]
        assert r.weights is not None
        assert state.keys() == r.weights.keys()
        assert all(torch.equal(state[k], v) and state[k].dtype == v.dtype for k, v in r.weights.items())


def test_diverged_replicates_have_no_weights(tmp_path: Path) -> None:
    first = record(0, 0.5)
    write_weights(tmp_path, first, results(first, diverged=1))
    found = read_weights(tmp_path, first)
    assert found is not None
    assert list(found.states) == [2]
    assert write_weights(tmp_path, record(1, 0.5), [replace(r, weights=None) for r in results(first)]) is None
    assert numbers(tmp_path) == [0]


def test_best_keeps_one_trial_a_pair_by_the_metrics_direction(tmp_path: Path) -> None:
    for sign, left in ((1, [2, 4]), (-1, [1, 3])):
        folder = tmp_path / str(sign)
        kept = keeper(folder, sign=sign)
        for r in (
            record(0, 0.5),
            record(1, 0.4),
            record(2, 0.6),
            record(3, 0.1, "hinge/tanh"),
            record(4, 0.2, "hinge/tanh"),
            record(5, 0.2, "hinge/tanh"),
            record(6, None),
        ):
            kept.add(r, results(r))
        assert numbers(folder) == left


@pytest.mark.parametrize("policy", ["best", "all"])
def test_a_best_trial_without_weights_is_lacked_until_they_are_kept(tmp_path: Path, policy: str) -> None:
    kept = keeper(tmp_path, policy)
    best, equal, worse = record(0, 0.9), record(1, 0.9), record(2, 0.8)
    kept.add(best, [replace(r, weights=None) for r in results(best)])
    assert kept.lacks(best)
    for other in (equal, worse):
        kept.add(other, results(other))
    assert kept.lacks(best)
    assert not kept.lacks(equal)
    assert not kept.lacks(worse)
    assert not kept.lacks(record(3, None))
    diverged = record(4, 0.95)
    assert not kept.lacks(replace(diverged, n_diverged=len(diverged.seeds)))
    kept.add(best, results(best))
    assert not kept.lacks(best)
    assert numbers(tmp_path) == ([0] if policy == "best" else [0, 1, 2])
    path_of(tmp_path, 0).write_bytes(b"damaged, which is for whoever asks for its repair")
    assert not keeper(tmp_path, policy, records=[best]).lacks(best)


def test_all_keeps_what_fits_and_the_best_of_each_pair_even_where_it_does_not(tmp_path: Path) -> None:
    a = record(0, 0.9)
    size = write_weights(tmp_path / "probe", a, results(a, size=10_000)).stat().st_size  # type: ignore[union-attr]
    kept = keeper(tmp_path, "all", limit=3 * size + size // 2)
    trials = [record(i, v) for i, v in enumerate((0.9, 0.8, 0.7, 0.85))] + [record(4, 0.1, "hinge/tanh")]
    for r in trials:
        kept.add(r, results(r, size=10_000))
    assert numbers(tmp_path) == [0, 3, 4]
    tight = keeper(tmp_path, "all", limit=1, records=trials)
    more = record(5, 0.3)
    tight.add(more, results(more, size=10_000))
    assert numbers(tmp_path) == [0, 4]


HELD = st.lists(
    st.builds(_Stored, st.integers(0, 10**6), st.sampled_from("abc"), st.floats(-1, 1), st.integers(1, 1000)),
    unique_by=lambda h: h.number,
    max_size=30,
)


@given(HELD, st.integers(0, 20_000))
def test_what_leaves_makes_room_and_never_takes_the_best_of_a_pair(held: list[_Stored], limit: int) -> None:
    gone = files_to_remove(held, "all", limit)
    rest = [h for h in held if h not in gone]
    for pair in {h.pair for h in held}:
        best = max(h.gain for h in held if h.pair == pair)
        assert any(h.pair == pair and h.gain == best for h in rest)
    assert sum(h.size for h in rest) <= limit or len(rest) == len({h.pair for h in held})
    if gone:
        assert sum(h.size for h in [*rest, gone[-1]]) > limit
    for h in gone:
        assert all(h.gain <= other.gain for other in rest if other.pair == h.pair)


def test_files_of_no_trial_go_when_a_study_is_opened(tmp_path: Path) -> None:
    mine, other, lost = record(0, 0.5), record(1, 0.5, lr=0.2), record(2, 0.5)
    for r in (mine, replace(other, point=Point("mse/tanh", 1.0)), lost):
        write_weights(tmp_path, r, results(r))
    path_of(tmp_path, 3).write_bytes(b"half a file")
    keeper(tmp_path, records=[mine, other, record(3, 0.5)])
    # what is damaged is for whoever asks for its repair
    left = {p.name for p in (tmp_path / "weights").iterdir()}
    assert left == {"trial-000000.safetensors", "trial-000003.safetensors"}


def test_weights_of_another_trial_or_half_a_file_are_told_of(tmp_path: Path) -> None:
    first = record(0, 0.5)
    path = write_weights(tmp_path, first, results(first))
    assert path is not None
    with pytest.raises(StoreError, match=r"trial-000000\.safetensors holds the weights of another trial"):
        read_weights(tmp_path, record(0, 0.5, lr=0.2))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(StoreError, match=r"trial-000000\.safetensors is damaged: "):
        read_weights(tmp_path, first)
    with pytest.raises(StoreError, match=r"absent\.safetensors is missing\."):
        read_tensors(tmp_path / "absent.safetensors")


def test_tensors_that_share_memory_are_written_as_they_are(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    path = write_tensors(tmp_path / "t.safetensors", {"a": base, "b": base.T, "c": base[1]}, {"why": "ä"})
    tensors, about = read_tensors(path)
    assert about == {"why": "ä"}
    assert torch.equal(tensors["a"], base)
    assert torch.equal(tensors["b"], base.T)
    assert torch.equal(tensors["c"], base[1])


def quick(store: Path, **changed: Any) -> Result:
    options: dict[str, Any] = {
        "losses": ["bce", "hinge"],
        "activations": ["sigmoid", "identity"],
        "trials": 10,
        "seeds": 2,
        "confirm_seeds": 2,
        "epochs": 5,
        "optimizer": "sgd",
        "lr": (1e-3, 1.0),
        "name": "quick",
        "mlflow": False,
        "workers": 1,
        **changed,
    }
    return lossearch.search(X, Y, store=store, listener=Listener(), **options)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return quick(tmp_path_factory.mktemp("study"))


def test_a_studys_weights_score_what_its_curves_say(study: Result) -> None:
    result, folder = study, study.folder
    best = {p: max(r.value for r in result.trials if r.point.pair == p) for p in result.declared.space.pairs}
    assert len(numbers(folder)) == 2
    for number in numbers(folder):
        trial = next(r for r in result.trials if r.number == number)
        assert trial.value == best[trial.point.pair]
        kept = read_weights(folder, trial)
        assert kept is not None
        loaded = lossearch.load("quick", study.store.root).weights(number)
        for seed, state in loaded.items():
            fold = result.prepared.plan.task.fold(seed)  # type: ignore[union-attr]
            with torch.no_grad():
                score = (
                    ((plain_mlp(state)(fold.validation.x) > 0) == (fold.validation.y > 0.5)).double().mean()
                )
            curves = result.curves
            at = curves[
                (curves.trial == number) & (curves.seed == seed) & (curves.epoch == kept.kept_epoch[seed])
            ]
            assert float(score) == at["val_accuracy"].item()


def test_weights_that_are_not_kept_are_made_again(study: Result) -> None:
    result = study
    number = next(r.number for r in result.trials if not path_of(study.folder, r.number).exists())
    with pytest.raises(InputError) as told:
        result.weights(number)
    assert str(told.value) == (
        f"The weights of trial {number} of study 'quick' are not kept ([records] weights = 'best'): there is no "
        f"{path_of(study.folder, number)}. Training it again gives them: lossearch.load('quick').rerun({number}, keep_weights=True)"
    )
    assert result.rerun(number, keep_weights=True).exactly
    assert set(result.weights(number)) == set(result.trials[0].seeds)
    path_of(study.folder, number).unlink()
    with pytest.raises(UnknownNameError, match=r"^Study 'quick' has no trial '99'; it has trials 0 to 9\."):
        result.weights(99)


def test_none_keeps_none(tmp_path: Path) -> None:
    quick(tmp_path, weights="none", lr=0.1, confirm_seeds=0, epochs=2)
    assert not (tmp_path / "studies" / "quick" / "weights").exists()

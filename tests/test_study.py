"""Whole studies on small data: records, resume, interruption, wrong input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from mlflow.tracking import MlflowClient
from torch import Tensor, nn

import lossearch
from lossearch._json import dumps
from lossearch.api.result import Result
from lossearch.errors import IllegalPairError, InputError, RunFailedError, StoreError, StudyMismatchError
from lossearch.records.curves import read_curves
from lossearch.training.contract import Outcome

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=120) > 0).astype(int)

QUICK: dict[str, Any] = {
    "losses": ["bce", "mse"],
    "activations": ["sigmoid"],
    "trials": 10,
    "seeds": 2,
    "confirm_seeds": 0,
    "epochs": 3,
    "batch_size": 32,
    "optimizer": "sgd",
    "lr": (1e-3, 1.0),
    "workers": 1,
}


class Heard:
    """Keeps what it is told."""

    def __init__(self, after: Callable[[int], None] = lambda _: None) -> None:
        self.notes: list[str] = []
        self.begun: tuple[int, int] | None = None
        self.done: list[int] = []
        self.reason = ""
        self._after = after

    def note(self, text: str) -> None:
        self.notes.append(text)

    def started(self, total: int, resumed: int) -> None:
        self.begun = (total, resumed)

    def trial_done(self, record: Any, done: int, total: int, best: Any, failed: int) -> None:
        self.done.append(done)
        self._after(done)

    def finished(self, reason: str) -> None:
        self.reason = reason


def quick(store: Path, heard: Heard | None = None, x: Any = X, y: Any = Y, **changed: Any) -> Result:
    options = {**QUICK, "name": "quick", "mlflow": False, **changed}
    return lossearch.search(x, y, store=store, listener=heard or Heard(), **options)


def points(result: Result) -> list[tuple[str, float, float | None]]:
    return [(r.point.pair, r.point.lr, r.value) for r in result.trials]


def test_optuna_mlflow_and_parquet_hold_the_same_trials(tmp_path: Path) -> None:
    result = quick(tmp_path, mlflow=True, losses=["bce", "focal"])
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([str(result.experiment_id)], f"tags.`mlflow.parentRunId` = '{result.run_id}'")
    trials = result.study.get_trials()
    assert len(runs) == len(trials) == 10
    by_number = {int(r.data.tags["lossearch.trial"]): r for r in runs}
    assert set(by_number) == {t.number for t in trials}
    for trial in trials:
        run = by_number[trial.number]
        assert trial.state is optuna.trial.TrialState.COMPLETE
        assert run.data.params["pair"] == trial.params["pair"]
        assert float(run.data.params["lr"]) == trial.params["lr"] == run.data.metrics["lr"]
        for name, value in trial.params.items():
            if name.startswith("focal."):
                assert float(run.data.params[name]) == value
        assert run.data.metrics["val_accuracy"] == trial.value
        assert run.info.status == "FINISHED"
    parent = client.get_run(str(result.run_id))
    assert parent.info.status == "FINISHED"
    names = {f.path for f in client.list_artifacts(str(result.run_id))}
    assert {
        "leaderboard.json",
        "leaderboard.md",
        "learning_curves.png",
        "lr_sensitivity.png",
        "study.toml",
    } <= names
    curves = read_curves(tmp_path / "studies" / "quick", "search")
    assert set(curves["trial"]) == set(by_number)
    assert len(curves) == 10 * 2 * 3


def test_a_trial_is_worth_the_mean_at_one_common_epoch(tmp_path: Path) -> None:
    result = quick(tmp_path)
    curves = result.curves
    for record in result.trials:
        table = curves[curves["trial"] == record.number].pivot(
            index="seed", columns="epoch", values="val_accuracy"
        )
        mean = table.mean(axis=0)
        assert record.epoch == int(mean.idxmax())
        assert record.value == pytest.approx(float(mean.max()), abs=1e-12)
        assert record.spread["val_accuracy"] == pytest.approx(
            float(table[record.epoch].std(ddof=1)), abs=1e-12
        )


def test_the_same_call_again_trains_nothing(tmp_path: Path) -> None:
    first = quick(tmp_path)
    heard = Heard()
    second = quick(tmp_path, heard)
    assert heard.begun == (10, 10)
    assert heard.done == []
    assert points(second) == points(first)


def test_more_trials_go_on_and_agree_with_one_long_run(tmp_path: Path) -> None:
    quick(tmp_path / "a", trials=20)
    quick(tmp_path / "b", trials=20, timeout=None)
    short = quick(tmp_path / "c", trials=14)
    longer = quick(tmp_path / "c", trials=20)
    assert len(short.trials) == 14
    whole = lossearch.load("quick", tmp_path / "a")
    assert points(whole) == points(lossearch.load("quick", tmp_path / "b"))
    assert sorted(points(longer)) == sorted(points(whole))


def test_an_interrupted_study_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(tmp_path / "a", Heard(interrupt), mlflow=True)
    stopped = lossearch.load("quick", tmp_path / "a")
    client = MlflowClient(f"sqlite:///{tmp_path}/a/mlflow.db")
    assert client.get_run(str(stopped.run_id)).info.status == "KILLED"
    assert len(stopped.trials) == 4
    resumed = quick(tmp_path / "a", mlflow=True)
    assert client.get_run(str(resumed.run_id)).info.status == "FINISHED"
    assert stopped.run_id == resumed.run_id
    assert points(resumed) == points(quick(tmp_path / "b"))


def test_a_killed_process_loses_the_running_trial_only(tmp_path: Path) -> None:
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        import lossearch, numpy as np
        from lossearch.study.progress import Listener

        class Kills(Listener):
            def trial_done(self, record, done, total, best, failed):
                if done == int(sys.argv[1]):
                    os.kill(os.getpid(), signal.SIGKILL)

            def started(self, total, resumed):
                print(resumed)

        rng = np.random.default_rng(0)
        x = rng.normal(size=(400, 3)); y = (x[:, 0] > 0).astype(int)
        lossearch.search(x, y, store={str(tmp_path)!r}, name="k", losses=["bce"], activations=["sigmoid"], trials=7,
                         seeds=2, epochs=10, batch_size=16, optimizer="sgd", lr=(1e-3, 1.0), workers=1, listener=Kills())
        """
    )
    command = [sys.executable, "-c", script]
    killed = subprocess.run(
        [*command, "3"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    before = lossearch.load("k", tmp_path)
    assert len(before.trials) == 3
    assert all(t.state.is_finished() for t in before.study.get_trials())
    done = subprocess.run([*command, "0"], capture_output=True, text=True, check=True)
    after = lossearch.load("k", tmp_path)
    assert len(after.trials) == 7
    assert [r.value for r in after.trials[: len(before.trials)]] == [r.value for r in before.trials]
    assert done.stdout.split() == ["3"]


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"lr": (1e-4, 1.0)}, "space.lr: [0.001, 1.0] -> [0.0001, 1.0]"),
        ({"losses": ["bce", "focal"]}, "- space.pairs.mse/sigmoid"),
        ({"epochs": 4}, "train.epochs: 3 -> 4"),
        ({"metric": "f1"}, 'task.metric: "accuracy" -> "f1"'),
        ({"seeds": 3}, "search.seeds: 2 -> 3"),
        ({"seed": 1}, "search.seed: 0 -> 1"),
    ],
    ids=["lr", "losses", "epochs", "metric", "seeds", "seed"],
)
def test_a_changed_declaration_is_refused_with_the_difference(
    tmp_path: Path, changed: dict[str, Any], line: str
) -> None:
    quick(tmp_path)
    with pytest.raises(StudyMismatchError) as error:
        quick(tmp_path, **changed)
    assert line in str(error.value)
    assert "Use another name (name=), or remove it (lossearch rm" in str(error.value)
    assert len(lossearch.load("quick", tmp_path).trials) == 10


def test_changed_data_are_another_study(tmp_path: Path) -> None:
    quick(tmp_path)
    with pytest.raises(StudyMismatchError, match=r"task\.data"):
        quick(tmp_path, x=X + 1e-3)


def test_diverged_trials_have_a_constant_predictors_score(tmp_path: Path) -> None:
    x = RNG.normal(size=(160, 3))
    y = x @ np.array([1.0, -2.0, 0.5])
    result = quick(
        tmp_path, x=x, y=y, losses=["mse"], activations=["identity"], lr=(1e-2, 1e8), trials=7, epochs=40
    )
    diverged = [r for r in result.trials if r.outcome is Outcome.DIVERGED]
    assert diverged
    spread = float(np.std(y))
    assert all(r.value == pytest.approx(spread, rel=0.3) for r in diverged)
    assert all("replicates diverged" in r.reason and "lr" in r.reason for r in diverged)
    assert result.leaderboard["diverged"].sum() == len(diverged)
    best = result.best
    assert best.lr < 1e3


def test_time_ends_a_study_between_trials_and_it_goes_on(tmp_path: Path) -> None:
    heard = Heard()
    quick(tmp_path, heard, timeout="1s", trials=400)
    assert heard.reason == "time is up (1 s)"
    assert 0 < len(lossearch.load("quick", tmp_path).trials) < 400


class _Fails(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.layer = nn.Linear(n_in, n_out)
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        if self.training and self.steps > 5:
            raise RuntimeError("the network is broken")
        return self.layer(x)


def test_trials_that_all_fail_stop_the_study_and_are_recorded(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match="3 trials in a row failed in the same way"):
        quick(tmp_path, model=_Fails, mlflow=True)
    result = lossearch.load("quick", tmp_path)
    assert [r.outcome for r in result.attempts] == [Outcome.FAILED] * 6
    assert len(result.trials) == 3
    assert all("the network is broken" in r.reason for r in result.attempts)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert client.get_run(str(result.run_id)).info.status == "FAILED"
    assert {t.state for t in result.study.get_trials()} == {optuna.trial.TrialState.FAIL}
    with pytest.raises(RunFailedError, match="no ranked pair"):
        _ = result.best


def test_a_second_process_may_not_run_the_same_study(tmp_path: Path) -> None:
    def again(done: int) -> None:
        if done == 1:
            with pytest.raises(StoreError, match="is being run by process"):
                quick(tmp_path)

    heard = Heard(again)
    quick(tmp_path, heard)
    assert heard.done == list(range(1, 11))


def test_the_search_never_reads_the_test_part(tmp_path: Path) -> None:
    held_out = RNG.normal(size=(40, 3))
    one = quick(tmp_path / "a", test=(held_out, Y[:40]))
    other = quick(tmp_path / "b", test=(100 * held_out, 1 - Y[:40]))
    assert one.declared.task.data != other.declared.task.data
    assert points(one) == points(other)


def test_two_runs_in_two_stores_are_equal(tmp_path: Path) -> None:
    assert points(quick(tmp_path / "a")) == points(quick(tmp_path / "b"))


def test_sync_writes_what_mlflow_lacks(tmp_path: Path) -> None:
    from lossearch import api

    without = quick(tmp_path)
    assert without.run_id is None
    assert api.sync("quick", tmp_path) == 10
    assert api.sync("quick", tmp_path) == 0
    result = lossearch.load("quick", tmp_path)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert len(client.search_runs([str(result.experiment_id)])) == 11


def test_remove_leaves_the_other_study(tmp_path: Path) -> None:
    from lossearch import api

    quick(tmp_path, mlflow=True)
    quick(tmp_path, name="other", mlflow=True)
    api.remove("quick", tmp_path)
    assert [row["name"] for row in api.studies(tmp_path)] == ["other"]


def test_sqlite_storage_by_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    result = quick(tmp_path / "store", storage=url)
    assert len(optuna.load_study(study_name="quick", storage=url).get_trials()) == 10
    assert points(result) == points(quick(tmp_path / "other"))


def test_an_own_loss_is_searched_beside_the_named_ones(tmp_path: Path) -> None:
    @lossearch.loss(task="binary", encoding="plus_minus_one", source="here", example=(0.5, 1.0, 0.25))
    def squared_margin(output: Tensor, target: Tensor) -> Tensor:
        """(1 - u)^2."""
        return (1 - output * target).square()

    result = quick(
        tmp_path, losses=["bce", squared_margin], activations=["identity", "sigmoid"], lr=(1e-3, 0.1)
    )
    assert set(result.leaderboard["pair"]) == {"bce/sigmoid", "squared_margin/identity"}
    assert [r.reason for r in result.trials] == [""] * 10


def test_a_published_form_has_one_trial_a_pair(tmp_path: Path) -> None:
    result = quick(
        tmp_path, lr=0.01, trials=None, losses=None, activations=None, pairs=["bce/sigmoid", "hinge/tanh"]
    )
    assert [(r.point.pair, r.point.lr) for r in result.trials] == [
        ("bce/sigmoid", 0.01),
        ("hinge/tanh", 0.01),
    ]
    assert result.leaderboard["rank"].notna().all()


def test_an_equivalent_pair_is_trained_only_by_name_and_said_so(tmp_path: Path) -> None:
    y = RNG.integers(0, 3, size=120)
    heard = Heard()
    quick(tmp_path, heard, y=y, losses=["cross_entropy", "kl_div"], activations=None)
    assert any("kl_div/softmax has the same gradient as cross_entropy/softmax" in n for n in heard.notes)
    alone = lossearch.search(
        X,
        y,
        store=tmp_path,
        name="all",
        trials=None,
        lr=0.1,
        epochs=1,
        seeds=1,
        mlflow=False,
        listener=Heard(),
    )
    assert "kl_div/softmax" not in set(alone.leaderboard["pair"])


def test_the_conventional_pair_is_always_in(tmp_path: Path) -> None:
    heard = Heard()
    result = quick(tmp_path, heard, losses=["mse"])
    assert "bce/sigmoid" in set(result.leaderboard["pair"])
    assert "bce/sigmoid, the conventional pair, is added: every gain is measured against it." in heard.notes


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"losses": ["hing"]}, IllegalPairError, "No binary loss named 'hing'. Did you mean 'hinge'?"),
        ({"losses": None, "activations": None, "pairs": ["bce/tanh"]}, IllegalPairError, "Use bce/sigmoid"),
        (
            {"losses": None, "activations": None, "pairs": ["hinge/sigmoid"]},
            IllegalPairError,
            "hinge/sigmoid",
        ),
        ({"optimizer": "sgdd"}, InputError, "No optimiser named 'sgdd'. Did you mean 'sgd'?"),
        ({"options": {"momentun": 0.9}}, InputError, "Did you mean 'momentum'?"),
        ({"metric": "val_loss"}, InputError, "loss"),
        ({"trials": 4}, InputError, "Give at least 10 (trials=10)"),
        ({"lr": -1.0}, InputError, "lr"),
        ({"seeds": 0}, InputError, "seeds"),
        ({"params": {"focal.gamma": 1.0}}, InputError, "No loss parameter in this space named 'focal.gamma'"),
        ({"settings": {"batchsize": {"choices": [1, 2]}}}, InputError, "Did you mean 'batch_size'?"),
        ({"sampler": "brute"}, InputError, "Sampler 'brute' needs a finite space"),
        ({"mode": "adaptive", "sampler": "grid"}, InputError, "Mode 'adaptive' needs a sampler that learns"),
    ],
    ids=lambda v: str(v)[:30],
)
def test_wrong_input_is_told_before_anything_is_written(
    tmp_path: Path, changed: dict[str, Any], error: type[Exception], message: str
) -> None:
    store = tmp_path / "store"
    with pytest.raises(error) as told:
        quick(store, **changed)
    assert message in str(told.value)
    assert not store.exists()


def test_caller_state_is_left_alone(tmp_path: Path, random_states: Callable[[], object]) -> None:
    before = (random_states(), dict(os.environ), optuna.logging.get_verbosity())
    quick(tmp_path, mlflow=True)
    assert (random_states(), dict(os.environ), optuna.logging.get_verbosity()) == before


def test_the_answer_as_json_is_json(tmp_path: Path) -> None:
    found = json.loads(dumps(quick(tmp_path).as_json()))
    assert found["best"]["pair"] in {"bce/sigmoid", "mse/sigmoid"}
    assert [row["rank"] for row in found["leaderboard"]] == [1, 2] or found["leaderboard"][0]["rank"] == 1
    assert found["optimistic"] is True


def test_workers_do_not_change_the_answer(tmp_path: Path) -> None:
    assert points(quick(tmp_path / "a", workers=2)) == points(quick(tmp_path / "b", workers=1))

"""What records promise, as tests: whatever storage and tracking server they go to, they come back.

Subclass :class:`RecordContract` and give the fixtures ``storage_url`` and ``uri``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from lossearch.records import Store, StudyRecord, TrialRecord
from lossearch.records.curves import mean_curves
from lossearch.records.mlflow.experiment import children
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.optuna import open_storage
from lossearch.records.study import SearchRecord, SpaceRecord, TaskRecord, TrainRecord
from lossearch.records.trial import from_frozen, to_attrs
from lossearch.space import Point
from lossearch.training.contract import Outcome, Replicate, ReplicateResult

PAIRS = ("bce/sigmoid", "hinge/tanh", "squared_hinge/identity", "focal/sigmoid")
SEEDS = (11, 12, 13)


def example_study_record(name: str = "example", digest: str = "0123456789abcdef") -> StudyRecord:
    """Return the record of a small study of a binary task."""
    return StudyRecord(
        task=TaskRecord(
            name="circles",
            kind="binary",
            data="fedcba9876543210",
            metric="accuracy",
            direction="maximize",
            rows={"train": 600, "validation": 200, "test": 200},
        ),
        space=SpaceRecord(kind="binary", lr=(1e-3, 1.0), pairs={pair: {} for pair in PAIRS}),
        search=SearchRecord(mode="equal", sampler="tpe", seed=0, seeds=len(SEEDS), extend=True),
        train=TrainRecord(
            epochs=60,
            batch_size=32,
            optimizer="sgd",
            options={"momentum": 0.9},
            schedule="constant",
            clip=None,
            precision="32-true",
            epoch="best",
        ),
        name=name,
        digest=digest,
        classes=("0", "1"),
        metrics=("accuracy", "f1"),
        target="y",
        describe={"noise": "0.1"},
        conventional="bce/sigmoid",
        min_trials=1,
        selected=True,
        rejections=(),
        notes=(),
        accelerator="auto",
        config='[task]\ndata = "circles"\n',
        storage=None,
        tracking_uri=None,
        created=1.75e9,
        versions={"python": "3.11.0", "torch": "2.13.0"},
        git_revision="0" * 40,
        mlflow=None,
    )


def example_results(number: int, epochs: int = 60) -> list[ReplicateResult]:
    """Return three replicates of trial ``number`` with curves that look like training."""
    rng = np.random.default_rng(number)
    own = (("gamma", 2.0),) if number % len(PAIRS) == 3 else ()
    point = Point(PAIRS[number % len(PAIRS)], float(10 ** rng.uniform(-3, 0)), own)
    best = rng.uniform(0.75, 0.9)
    return [_replicate(Replicate(point, seed), best, epochs, rng) for seed in SEEDS]


def example_record(number: int, results: Sequence[ReplicateResult] | None = None) -> TrialRecord:
    """Return the record of those replicates, at the best epoch of the mean curve."""
    results = results or example_results(number)
    curves = mean_curves(results)
    epoch = int(np.nanargmax(curves["val_accuracy"].mean)) + 1
    scores = {name: float(curve.mean[epoch - 1]) for name, curve in curves.items()}
    return TrialRecord(
        number=number,
        stage="search",
        point=results[0].replicate.point,
        encoding="zero_one",
        seeds=tuple(r.replicate.seed for r in results),
        outcome=Outcome.COMPLETED,
        value=scores["val_accuracy"],
        epoch=epoch,
        scores=scores,
        spread={name: float(curve.sd[epoch - 1]) for name, curve in curves.items()},
        median=scores["val_accuracy"],
        seconds=1.5 + number,
        started=1_780_000_000.25 + 10 * number,
    )


def ended(record: TrialRecord, outcome: Outcome, reason: str) -> TrialRecord:
    """Return a record that ended otherwise."""
    failed = outcome is Outcome.FAILED
    value = None if failed else 0.5 if outcome is Outcome.DIVERGED else record.value
    diverged = len(record.seeds) if outcome is Outcome.DIVERGED else 0
    bare = replace(record, scores={}, spread={}, epoch=None, median=None) if failed or diverged else record
    return replace(bare, outcome=outcome, reason=reason, value=value, n_diverged=diverged)


def example_study() -> list[TrialRecord]:
    """Return one record of every way a trial can end."""
    records = [example_record(n) for n in range(5)]
    ends = [
        (Outcome.COMPLETED, ""),
        (Outcome.PRUNED, "worse than the median at epoch 20"),
        (Outcome.DIVERGED, "loss was nan at step 3 (epoch 1, lr 0.9)"),
        (Outcome.FAILED, "RuntimeError: no such layer"),
        (Outcome.FAILED, "MemoryError: 3 GiB are too many"),
    ]
    return [ended(r, outcome, why) for r, (outcome, why) in zip(records, ends, strict=True)]


def _replicate(replicate: Replicate, best: float, epochs: int, rng: np.random.Generator) -> ReplicateResult:
    t = np.arange(1, epochs + 1)
    rise = 1 - np.exp(-t / (0.2 * epochs))

    def noisy(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values + rng.normal(0, 0.01, epochs)

    curves = {
        "train_loss": noisy(0.7 - 0.4 * rise),
        "val_loss": noisy(0.7 - 0.35 * rise),
        "train_accuracy": noisy(0.5 + (best + 0.02 - 0.5) * rise),
        "val_accuracy": noisy(0.5 + (best - 0.5) * rise),
        "val_f1": noisy(0.5 + (best - 0.52) * rise),
    }
    return ReplicateResult(replicate, Outcome.COMPLETED, curves, seconds=0.5)


class RecordContract:
    """Tests that any storage and tracking URI must pass."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """Give a store of its own to each test."""
        return Store.open(tmp_path / "store")

    @pytest.fixture
    def storage_url(self) -> str | None:
        """Give the Optuna URL; None for the journal."""
        return None

    @pytest.fixture
    def uri(self) -> str | None:
        """Give the tracking URI; None for the store's own database."""
        return None

    @pytest.fixture
    def name(self) -> str:
        """Give a study name that is free on the server."""
        return "example"

    @pytest.fixture
    def view(self, store: Store, uri: str | None, name: str) -> Iterator[MlflowView]:
        """Give an open view whose warnings are errors."""

        def fail(text: str) -> None:
            raise AssertionError(text)

        view = MlflowView(store, name, uri, warn=fail)
        view.open(example_study_record(name))
        yield view
        view.close()

    def runs(self, view: MlflowView) -> list[Run]:
        """Return the children, by trial number."""
        found = children(MlflowClient(tracking_uri=view.uri), str(view.experiment_id))
        return sorted(found, key=lambda run: int(run.data.tags["lossearch.trial"]))

    def test_a_record_comes_back_from_optuna(self, store: Store, storage_url: str | None, name: str) -> None:
        """Every field of every outcome, through a second opening of the storage."""
        records = example_study()
        study = optuna.create_study(
            study_name=name, storage=open_storage(store, name, storage_url), direction="maximize"
        )
        for record in records:
            trial = study.ask()
            for key, value in to_attrs(replace(record, number=trial.number)).items():
                study._storage.set_trial_system_attr(trial._trial_id, key, value)
            tell(study, trial, record)
        again = optuna.load_study(study_name=name, storage=open_storage(store, name, storage_url))
        assert [from_frozen(t) for t in again.trials] == records

    def test_a_trial_is_one_child_with_the_same_values(self, view: MlflowView) -> None:
        """Number, parameters, value, times, state and parent of each."""
        records = example_study()
        for record in records:
            view.write_trial(record, mean_curves(example_results(record.number)))
        runs = self.runs(view)
        assert [int(run.data.tags["lossearch.trial"]) for run in runs] == [r.number for r in records]
        for run, record in zip(runs, records, strict=True):
            assert run.data.tags["mlflow.parentRunId"] == view.run_id
            assert run.data.tags["lossearch.state"] == record.outcome
            assert run.data.tags.get("lossearch.reason", "") == record.reason
            assert run.data.params["pair"] == record.point.pair
            assert float(run.data.params["lr"]) == record.point.lr == run.data.metrics["lr"]
            assert run.data.metrics.get("score") == record.value
            assert {k: run.data.metrics[k] for k in record.scores} == record.scores
            assert run.info.start_time == round(1000 * record.started)
            assert run.info.end_time == round(1000 * (record.started + record.seconds))

    def test_status_says_how_it_ended(self, view: MlflowView) -> None:
        """FINISHED unless it failed."""
        for record in example_study():
            view.write_trial(record)
        statuses = [run.info.status for run in self.runs(view)]
        assert statuses == ["FINISHED", "FINISHED", "FINISHED", "FAILED", "FAILED"]

    def test_curves_are_thin_with_their_spread(self, view: MlflowView) -> None:
        """At most 20 epochs, values equal to the mean over seeds, the spread beside them."""
        results = example_results(0, epochs=200)
        record = example_record(0, results)
        curves = mean_curves(results)
        run_id = str(view.write_trial(record, curves))
        client = MlflowClient(tracking_uri=view.uri)
        history = client.get_metric_history(run_id, "curve/val_accuracy")
        assert {1, 200} <= {m.step for m in history}
        assert 10 <= len(history) <= 20
        assert all(m.value == curves["val_accuracy"].mean[m.step - 1] for m in history)
        spread = client.get_metric_history(run_id, "spread/val_accuracy")
        assert spread
        assert all(m.value == curves["val_accuracy"].sd[m.step - 1] for m in spread)

    def test_writing_again_changes_nothing(self, store: Store, view: MlflowView) -> None:
        """By the same view, by a resumed one, and by a sync."""
        records = example_study()
        first = [view.write_trial(r) for r in records]
        parent = view.run_id
        assert [view.write_trial(r) for r in records] == first
        view.close()
        again = MlflowView(store, view.name, view.uri)
        assert again.open(example_study_record(view.name)) == parent
        assert [again.write_trial(r) for r in records] == first
        assert again.sync([*records, example_record(5)], lambda r: None) == 1
        assert again.sync([*records, example_record(5)], lambda r: None) == 0
        assert len(self.runs(again)) == 6
        again.close()

    def test_the_parent_is_closed_once_with_its_status(self, view: MlflowView) -> None:
        """RUNNING while open; the first status stays."""
        client = MlflowClient(tracking_uri=view.uri)
        assert client.get_run(str(view.run_id)).info.status == "RUNNING"
        view.close("killed", metrics={"best": 0.9, "worst": math.nan}, tags={"lossearch.best": "hinge/tanh"})
        view.close("finished")
        run = client.get_run(str(view.run_id))
        assert run.info.status == "KILLED"
        assert run.data.metrics == {"best": 0.9}
        assert run.data.tags["lossearch.best"] == "hinge/tanh"

    def test_the_parent_says_what_was_asked(self, view: MlflowView) -> None:
        """Settings, data, versions, revision, and the study file whole."""
        study = example_study_record(view.name)
        run = MlflowClient(tracking_uri=view.uri).get_run(str(view.run_id))
        assert run.data.params["metric"] == "accuracy"
        assert run.data.params["optimizer"] == "sgd"
        assert run.data.tags["version.torch"] == "2.13.0"
        assert run.data.tags["mlflow.source.git.commit"] == study.git_revision
        assert run.inputs is not None
        dataset = run.inputs.dataset_inputs[0].dataset
        assert dataset.digest == study.task.data
        assert json.loads(str(dataset.profile))["train"] == 600


def tell(study: optuna.Study, trial: optuna.Trial, record: TrialRecord) -> None:
    """Tell Optuna how a trial ended, as a study does."""
    states = {Outcome.PRUNED: optuna.trial.TrialState.PRUNED, Outcome.FAILED: optuna.trial.TrialState.FAIL}
    state = states.get(record.outcome)
    study.tell(trial, None if state else record.value, state)

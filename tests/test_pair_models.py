"""The best model of each pair is one of MLflow's models: ranked by its metrics, tied to the data, written once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest
from contracts.records import example_record, example_results, example_study_record
from mlflow.entities import LoggedModel
from mlflow.exceptions import MlflowException, get_error_code
from mlflow.tracking import MlflowClient
from test_mlflow_of_studies import search

from lossearch import api
from lossearch.errors import RunFailedError
from lossearch.records import Store
from lossearch.records.mlflow import best
from lossearch.records.mlflow.best import PairModel
from lossearch.records.mlflow.client import connect
from lossearch.records.mlflow.view import MlflowView
from lossearch.records.removal import remove_experiment
from lossearch.study.progress import Listener

GAINS = {"bce/sigmoid": 0.8, "hinge/tanh": 0.9, "squared_hinge/identity": 0.7, "focal/sigmoid": None}


def models_of(gains: dict[str, float | None], stage: str = "search") -> list[PairModel]:
    records = [replace(example_record(n, example_results(n)), stage=stage) for n in range(4)]
    return [
        PairModel(
            r, {"gain": gains[r.point.pair], "score": r.value, "val_f1": r.scores["val_f1"]}, {"note": "x"}
        )
        for r in records
    ]


class Models:
    """Tests of a tracking store, whose URI the fixture ``uri`` gives."""

    @pytest.fixture
    def uri(self) -> str | None:
        return None

    @pytest.fixture
    def name(self, request: pytest.FixtureRequest) -> str:
        return request.node.name.replace("[", "-").rstrip("]")[:80]

    @pytest.fixture
    def store(self, tmp_path: Path, made_store: Path) -> Store:
        return Store.open(shutil.copytree(made_store, tmp_path / "store"))

    def written(
        self, store: Store, name: str, uri: str | None, models: Sequence[PairModel], status: Any = "finished"
    ) -> MlflowView:
        view = MlflowView(store, name, uri, warn=pytest.fail)
        view.open(example_study_record(name))
        view.sync([m.record for m in models], lambda _: None)
        view.close(status, models=models)
        return view

    def found(self, view: MlflowView, **more: Any) -> list[LoggedModel]:
        return [*MlflowClient(view.uri).search_logged_models([str(view.experiment_id)], **more)]

    def test_the_metrics_rank_the_pairs_and_are_of_the_data(
        self, store: Store, name: str, uri: str | None
    ) -> None:
        models = models_of(GAINS)
        view = self.written(store, name, uri, models)
        data = {"dataset_name": "circles", "dataset_digest": "fedcba9876543210"}
        by_gain = {"field_name": "metrics.gain", "ascending": False, **data}
        found = self.found(view, order_by=[by_gain])
        pairs = [m.tags["lossearch.pair"] for m in found]
        assert pairs == ["hinge/tanh", "bce/sigmoid", "squared_hinge/identity", "focal/sigmoid"]
        asked = {m.record.point.pair: m for m in models}
        client = MlflowClient(view.uri)
        for model in found:
            wanted = asked[model.tags["lossearch.pair"]]
            run = client.get_run(str(model.source_run_id))
            assert run.info.run_id == view.runs["search", wanted.record.number]
            assert model.name == wanted.record.point.pair.replace("/", " ")
            assert model.params == run.data.params
            assert {m.key: m.value for m in model.metrics or ()} == {
                k: v for k, v in wanted.metrics.items() if v is not None
            }
            assert {(m.dataset_name, m.dataset_digest) for m in model.metrics or ()} == {(*data.values(),)}
            assert model.tags["note"] == "x"
            assert model.status == "READY"
            assert run.outputs is not None
            assert [o.model_id for o in run.outputs.model_outputs] == [model.model_id]
            assert run.inputs is not None
            assert [i.dataset.digest for i in run.inputs.dataset_inputs] == [data["dataset_digest"]]
            # what the run has already it has once
            for key, value in {
                "val_f1": wanted.record.scores["val_f1"],
                "score": wanted.record.value,
            }.items():
                (once,) = client.get_metric_history(run.info.run_id, key)
                assert once.value == value
        named = self.found(view, datasets=[data], filter_string="metrics.gain > 0.75")
        assert {m.tags["lossearch.pair"] for m in named} == {"hinge/tanh", "bce/sigmoid"}

    def test_they_are_written_once_and_again_only_where_they_changed(
        self, store: Store, name: str, uri: str | None
    ) -> None:
        first = {m.model_id for m in self.found(self.written(store, name, uri, models_of(GAINS)))}
        assert len(first) == 4
        again = self.found(self.written(store, name, uri, models_of(GAINS)))
        assert {m.model_id for m in again} == first
        other = self.found(self.written(store, name, uri, models_of({**GAINS, "hinge/tanh": 0.95})))
        assert len(other) == 4
        assert len({m.model_id for m in other} - first) == 1

    def test_confirmed_they_stand_in_place_of_those_of_the_search(
        self, store: Store, name: str, uri: str | None
    ) -> None:
        self.written(store, name, uri, models_of(GAINS))
        view = self.written(store, name, uri, models_of(GAINS, "confirm"))
        assert {m.source_run_id for m in self.found(view)} == {
            run for (stage, _), run in view.runs.items() if stage.startswith("confirm")
        }

    @pytest.mark.parametrize("at", ["log_inputs", "log_batch", "finalize_logged_model"])
    def test_what_was_left_half_written_is_written_again(
        self, at: str, store: Store, name: str, uri: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        models = models_of(GAINS)
        view = MlflowView(store, name, uri, warn=lambda _: None)
        view.open(example_study_record(name))
        view.sync([m.record for m in models], lambda _: None)
        client = MlflowClient(view.uri)
        found = {view.runs["search", m.record.number]: m for m in models}

        def lost(*_: Any, **__: Any) -> None:
            raise ConnectionError("gone")

        monkeypatch.setattr(client, at, lost)
        with pytest.raises(ConnectionError):
            best.write_models(client, view.study, str(view.experiment_id), found)
        view.close(models=models)
        whole = self.found(view)
        assert len(whole) == 4
        assert {m.status for m in whole} == {"READY"}

    @pytest.mark.parametrize("status", ["killed", "failed"])
    def test_a_study_that_did_not_end_has_none(
        self, status: Any, store: Store, name: str, uri: str | None
    ) -> None:
        assert not self.found(self.written(store, name, uri, models_of(GAINS), status))

    def test_they_go_with_the_study_and_no_others(self, store: Store, name: str, uri: str | None) -> None:
        view = self.written(store, name, uri, models_of(GAINS))
        client = MlflowClient(view.uri)
        own = client.create_logged_model(str(view.experiment_id), name="somebody_s")
        remove_experiment(store, name, uri)
        assert [m.model_id for m in self.found(view)] == [own.model_id]

    def test_a_server_without_models_keeps_the_rest(
        self, store: Store, name: str, uri: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unknown(*_: Any, **__: Any) -> None:
            raise MlflowException("no such endpoint", error_code=get_error_code(404))

        monkeypatch.setattr(MlflowClient, "search_logged_models", unknown)
        view = self.written(store, name, uri, models_of(GAINS))
        assert MlflowClient(view.uri).get_run(str(view.run_id)).info.status == "FINISHED"
        remove_experiment(store, name, uri)


@pytest.fixture(scope="module")
def made_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = Store.open(tmp_path_factory.mktemp("made") / "store")
    connect(store)
    return store.root


class TestSqlite(Models):
    pass


@pytest.mark.slow
class TestHttp(Models):
    @pytest.fixture
    def uri(self, server_url: str) -> str:
        return server_url


class Stops(Listener):
    """Ends a study after some trials."""

    def trial_done(self, record: Any, *_: Any) -> None:
        if record.number == 4:
            raise RunFailedError("no more")


def test_a_study_s_models_are_its_leaderboard(
    tmp_path: Path, made_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the fluent call that people use, which gives a table."""
    store = Store.open(shutil.copytree(made_store, tmp_path / "store"))
    with pytest.raises(RunFailedError):
        search(store.root, Stops(), weights="best")  # type: ignore[arg-type]
    result = search(store.root, weights="best")
    client = MlflowClient(store.tracking_uri)
    found = client.search_logged_models(
        [str(result.experiment_id)], order_by=[{"field_name": "metrics.score", "ascending": False}]
    )
    board = result.leaderboard.set_index("pair")
    assert [m.tags["lossearch.pair"] for m in found] == [*result.leaderboard["pair"]]
    assert result.confirmed is not None
    for model in found:
        row = board.loc[model.tags["lossearch.pair"]]
        metrics = {m.key: m.value for m in model.metrics or ()}
        for name in ("score", "ci_low", "ci_high", "sd", "validation_score", "search_score", "rank"):
            assert metrics[name] == pytest.approx(row[name], nan_ok=True)
        assert model.tags["lossearch.stage"] == "confirm"
        assert model.tags["lossearch.tied"] == str(bool(row["tied"])).lower()
        assert (store.root / model.tags["lossearch.weights"]).is_file()
    before = [m.model_id for m in found]
    assert api.sync("quick", store.root) == 0
    assert [
        m.model_id
        for m in client.search_logged_models(
            [str(result.experiment_id)], order_by=[{"field_name": "metrics.score", "ascending": False}]
        )
    ] == before
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.tracking_uri)
    frame = mlflow.search_logged_models(
        [str(result.experiment_id)], order_by=[{"field_name": "metrics.score", "ascending": False}]
    )
    assert [*frame["name"]] == [pair.replace("/", " ") for pair in result.leaderboard["pair"]]

"""A user's own `with mlflow.start_run():` around a training that `LossSearchCallback` watches."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import mlflow
import optuna
import pytest
import pytorch_lightning as pl
import torch
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils as mlflow_utils
from optuna.trial import TrialState, create_trial
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
]
optuna.logging.set_verbosity(optuna.logging.WARNING)
X = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))
ROWS = DataLoader(TensorDataset(X, (X[:, 0] > 0).long()), batch_size=8)


class Module(pl.LightningModule):
    """Logs the scores it is given; its loss is not finite where ``diverges``."""

    def __init__(self, criterion, scores, diverges=False):
        super().__init__()
        self.net, self.criterion, self.scores, self.diverges = nn.Linear(2, 1), criterion, scores, diverges

    def training_step(self, batch, index):
        loss = self.criterion(self.net(batch[0]), batch[1])
        return loss * math.nan if self.diverges else loss

    def validation_step(self, batch, index):
        self.log("val_score", torch.tensor(self.scores[self.current_epoch]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.fixture
def client(tmp_path, monkeypatch):
    """The client of a store that is the user's tracking URI."""
    monkeypatch.setattr(mlflow_utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    made = MlflowClient()
    number = made.create_experiment("users", artifact_location=(tmp_path / "a").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", number)
    yield made
    monkeypatch.undo()


@pytest.fixture
def study():
    """A study whose pruner gives up what scores below 0.5 at once, and learns nothing else."""
    made = optuna.create_study(
        study_name="mine", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=0.5),
    )  # fmt: skip
    made.add_trial(create_trial(value=0.6, intermediate_values={0: 0.6, 1: 0.6}))
    return made


def train(trial, scores=(0.6, 0.7), diverges=False, **options):
    """Train one trial as a user would, and return its callback."""
    point = lossearch.suggest(trial, losses=["bce", "hinge"])
    watch = lossearch.LossSearchCallback(trial, monitor="val_score", **options)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = pl.Trainer(
        max_epochs=2, callbacks=[watch], logger=False, accelerator="cpu", num_sanity_val_steps=0, **quiet
    )
    trainer.fit(Module(point.criterion(), scores, diverges), ROWS, ROWS)
    return watch


ENDS = {
    "completed": ({}, TrialState.COMPLETE, ""),
    "pruned": (
        {"scores": (0.1, 0.7)},
        TrialState.PRUNED,
        "val_score was 0.1 after validation 1, and the study's pruner stopped it.",
    ),
    "diverged": ({"diverges": True}, TrialState.PRUNED, "loss was nan at step 1 (epoch 1, lr 0.1)."),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_active_run_is_tagged_and_finished(end, client, study):
    options, state, reason = ENDS[end]
    runs = []

    def objective(trial):
        with mlflow.start_run() as run:
            runs.append(run.info.run_id)
            watch = train(trial, **options)
            assert mlflow.active_run().info.run_id == run.info.run_id
        return watch.value()

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.filterwarnings("ignore", module="(pytorch_lightning|torch|optuna)")
        study.optimize(objective, n_trials=1)
    trial, run = study.trials[-1], client.get_run(runs[0])
    assert (trial.state, run.info.status) == (state, "FINISHED")
    tags = {k: v for k, v in run.data.tags.items() if k.startswith("lossearch.")}
    told = {"lossearch.reason": reason} if reason else {}
    assert tags == {
        "lossearch.state": end, "lossearch.trial": "1", "lossearch.study": "mine",
        "lossearch.pair": trial.params["pair"], **told,
    }  # fmt: skip
    loss, activation = trial.params["pair"].split("/")
    wanted = {**trial.params, "loss": loss, "activation": activation}
    assert run.data.params == {k: str(v) for k, v in wanted.items()}


def test_parameters_that_the_user_logged_stay(client, study):
    def objective(trial):
        with mlflow.start_run():
            mlflow.log_params({"lr": "mine", "width": 16})
            watch = train(trial)
            mlflow.log_metric("after", 1.0)
        return watch.value()

    study.optimize(objective, n_trials=1)
    (run,) = client.search_runs([mlflow_experiment(client)])
    assert (run.data.params["lr"], run.data.params["width"]) == ("mine", "16")
    assert run.data.params["pair"] == study.trials[-1].params["pair"]
    assert run.data.metrics["after"] == 1.0


def mlflow_experiment(client):
    return client.get_experiment_by_name("users").experiment_id


def test_value_within_the_run_says_what_that_does(client, study):
    def objective(trial):
        with mlflow.start_run():
            return train(trial, scores=(0.1, 0.7) if trial.number == 1 else (0.6, 0.7)).value()

    with pytest.warns(
        UserWarning, match=r"marks as FAILED\. Call it after the `with mlflow\.start_run"
    ) as caught:
        study.optimize(objective, n_trials=2)
    assert len([w for w in caught if "FAILED" in str(w.message)]) == 1
    completed, pruned = client.search_runs([mlflow_experiment(client)])
    assert (pruned.info.status, pruned.data.tags["lossearch.state"]) == ("FAILED", "pruned")
    assert (completed.info.status, completed.data.tags["lossearch.state"]) == ("FINISHED", "completed")


def test_a_run_around_the_study_is_not_taken_for_a_trials(client, study):
    def nested(trial):
        with mlflow.start_run(nested=True):
            watch = train(trial)
        return watch.value()

    with mlflow.start_run() as around:
        study.optimize(nested, n_trials=2)
        assert not [k for k in client.get_run(around.info.run_id).data.tags if k.startswith("lossearch.")]
        study.optimize(lambda trial: train(trial).value(), n_trials=3)
    run = client.get_run(around.info.run_id)
    tags = {k: v for k, v in run.data.tags.items() if k.startswith("lossearch.")}
    assert tags == {"lossearch.trial": "several", "lossearch.study": "mine"}
    assert run.data.params == {}
    children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'")
    assert sorted(r.data.tags["lossearch.trial"] for r in children) == ["1", "2"]


def test_a_trial_asked_for_within_a_run_tags_it(client, study):
    for _ in range(2):
        with mlflow.start_run() as run:
            trial = study.ask()
            study.tell(trial, train(trial).value())
        tags = client.get_run(run.info.run_id).data.tags
        assert (tags["lossearch.trial"], tags["lossearch.state"]) == (str(trial.number), "completed")


def test_a_run_of_its_own_is_preferred_and_the_active_one_left_alone(client, study, tmp_path):
    other = f"sqlite:///{tmp_path}/other.db"
    with mlflow.start_run() as run:
        train(study.ask(), tracking_uri=other)
    assert not [k for k in client.get_run(run.info.run_id).data.tags if k.startswith("lossearch.")]
    assert len(MlflowClient(other).search_runs(["1"])) == 1


def test_a_deleted_run_does_not_cost_the_trial(client, study):
    with mlflow.start_run() as run:
        client.delete_run(run.info.run_id)
        with pytest.warns(RuntimeWarning, match="MLflow was not written"):
            watch = train(study.ask())
        client.restore_run(run.info.run_id)
    assert watch.value() == pytest.approx(0.7)


AUTOLOG = """
    import sys
    sys.path.insert(0, {tests!r})
    import mlflow, optuna
    import test_active_run as t
    mlflow.set_tracking_uri(sys.argv[1])
    mlflow.pytorch.autolog(log_models=False)
    study = optuna.create_study(study_name="mine", direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.5))
    def objective(trial):
        scores = (0.1, 0.7) if trial.number % 2 else (0.6, 0.7)
        if trial.number > 1:
            return t.train(trial, scores).value()
        with mlflow.start_run():
            watch = t.train(trial, scores)
        return watch.value()
    study.optimize(objective, n_trials=4)
    assert mlflow.active_run() is None
"""


@pytest.mark.slow
def test_autolog_with_and_without_a_run_of_the_users(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    code = textwrap.dedent(AUTOLOG.format(tests=str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, "-c", code, uri],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    runs = {r.data.tags["lossearch.trial"]: r for r in MlflowClient(uri).search_runs(["0"])}
    assert sorted(runs) == ["0", "1", "2", "3"]
    for number, run in runs.items():
        assert run.info.status == "FINISHED", number
        assert run.data.tags["lossearch.state"] == ("pruned" if int(number) % 2 else "completed")
        assert run.data.params["pair"] == run.data.tags["lossearch.pair"]
        # what autolog says first stays: the optimiser's rate
        assert (run.data.params["lr"], run.data.params["optimizer_name"]) == ("0.1", "SGD")
        assert "val_score" in run.data.metrics

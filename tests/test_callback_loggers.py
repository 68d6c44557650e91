"""`LossSearchCallback` beside the loggers that people have: each writes what it writes, and MLflow's run is the trial's."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from importlib.util import find_spec

import optuna
import pandas as pd
import pytest
from event_files import scalars
from mlflow import MlflowClient
from optuna.trial import TrialState
from test_callback_matrix import PACKAGES, SCORES, Situation, fitted

needs_tensorboard = pytest.mark.skipif(find_spec("tensorboardX") is None, reason="no tensorboardX here")
needs_wandb = pytest.mark.skipif(find_spec("wandb") is None, reason="no wandb here")


def csv(pl, path):
    return pl.loggers.CSVLogger(path, "csv")


def tensorboard(pl, path):
    return pl.loggers.TensorBoardLogger(path, "board")


def wandb(pl, path):
    return pl.loggers.WandbLogger(save_dir=path, offline=True)


def mlflow(pl, path):
    uri = f"sqlite:///{path}/mlflow.db"
    return pl.loggers.MLFlowLogger("users", tracking_uri=uri, artifact_location=(path / "a").as_uri())


@pytest.fixture(params=PACKAGES)
def pl(request):
    package = importlib.import_module(request.param)
    importlib.import_module(f"{request.param}.loggers")
    return package


@pytest.fixture(autouse=True)
def _mlflow_as_before(monkeypatch):
    """The user's MLFlowLogger sets MLflow's global tracking URI; put it back."""
    from mlflow.tracking._tracking_service import utils

    monkeypatch.setattr(utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "unset below")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


@pytest.mark.parametrize(
    "makers",
    [
        pytest.param((csv,), id="csv alone"),
        pytest.param((csv, mlflow), id="csv first"),
        pytest.param((mlflow, csv), id="mlflow first"),
        pytest.param((mlflow,), id="mlflow alone"),
        pytest.param((tensorboard,), id="tensorboard alone", marks=needs_tensorboard),
        pytest.param((tensorboard, mlflow, csv), id="all three", marks=needs_tensorboard),
    ],
)
@pytest.mark.parametrize("pruned", [False, True], ids=["completed", "pruned"])
def test_every_logger_has_the_whole_trial(makers, pruned, pl, tmp_path):
    situation = Situation(4, loggers=lambda package, path: [make(package, path) for make in makers])
    pruner = optuna.pruners.ThresholdPruner(upper=min(SCORES) / 2) if pruned else optuna.pruners.NopPruner()
    study = optuna.create_study(direction="maximize", pruner=pruner, study_name="loggers")
    study.optimize(lambda trial: fitted(pl, situation, trial, tmp_path)[0].value(), n_trials=1)
    (trial,) = study.trials
    seen = SCORES[:1] if pruned else SCORES[:4]
    assert trial.state is (TrialState.PRUNED if pruned else TrialState.COMPLETE)
    assert list(trial.intermediate_values.values()) == pytest.approx(seen)
    if csv in makers:
        (file,) = tmp_path.glob("csv/*/metrics.csv")
        assert pd.read_csv(file)["val_score"].dropna().tolist() == pytest.approx(seen)
    if tensorboard in makers:
        (file,) = tmp_path.glob("board/*/events*")
        assert scalars(file, "val_score") == pytest.approx(seen)
    if mlflow in makers:
        client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        experiment = client.get_experiment_by_name("users")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == "FINISHED"
        assert run.data.tags["lossearch.state"] == ("pruned" if pruned else "completed")
        assert run.data.tags["lossearch.pair"] == trial.params["pair"]
        history = client.get_metric_history(run.info.run_id, "val_score")
        assert [m.value for m in history] == pytest.approx(seen)


@needs_wandb
def test_a_run_of_wandb_is_the_user_s_and_whole(tmp_path, monkeypatch):
    """In a process of its own: wandb keeps a service, threads and variables of the environment until a process ends."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    code = f"""
import json, optuna, pytorch_lightning as pl, pytorch_lightning.loggers
from pathlib import Path
from test_callback_loggers import wandb
from test_callback_matrix import Situation, fitted
path = Path({str(tmp_path)!r})
made = []
def loggers(package, folder):
    made.append(wandb(package, folder))
    return made
study = optuna.create_study(direction="maximize", study_name="loggers")
study.optimize(lambda trial: fitted(pl, Situation(4, loggers=loggers), trial, path)[0].value(), n_trials=1)
run = made[0].experiment
print(json.dumps([run.summary["val_score"], dict(run.config), study.trials[0].intermediate_values]))
run.finish()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    score, config, seen = json.loads(done.stdout.splitlines()[-1])
    assert [*seen.values()] == pytest.approx(SCORES[:4])
    assert score == pytest.approx(SCORES[3])
    assert not [key for key in config if "lossearch" in key]
    assert [*tmp_path.glob("wandb/offline-run-*/*.wandb")]

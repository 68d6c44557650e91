"""A study does not depend on what its caller has switched on or off, and leaves it as it was."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

import lossearch
from lossearch.errors import InputError
from lossearch.study.undisturbed import undisturbed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)
QUICK: dict[str, Any] = {
    "trials": 10,
    "seeds": 1,
    "confirm_seeds": 2,
    "epochs": 2,
    "mlflow": False,
    "workers": 1,
}
PAIRS = {"pairs": ["bce/sigmoid", "mse/sigmoid"]}


def values(result):
    return [record.value for record in result.trials]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    result = lossearch.search(X, Y, store=tmp_path_factory.mktemp("plain"), **QUICK, **PAIRS)
    return values(result), result.model.predict(X).tolist()


@contextmanager
def double_by_default():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(before)


@contextmanager
def half_by_autocast():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


@contextmanager
def nowhere_by_default():
    with torch.device("meta"):
        yield
        assert torch.get_default_device().type == "meta"


@pytest.mark.parametrize("setting", [double_by_default, half_by_autocast, nowhere_by_default])
def test_torchs_defaults_are_not_the_callers(setting, expected, store):
    with setting():
        result = lossearch.search(X, Y, store=store, **QUICK, **PAIRS)
        fitted = result.model
    assert (values(result), fitted.predict(X).tolist()) == expected


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_it_trains_where_gradients_are_switched_off(without, expected, store):
    with without():
        x, y = torch.as_tensor(X), torch.as_tensor(Y)
        result = lossearch.search(x, y, store=store, **QUICK, **PAIRS)
        predicted = result.model.predict(x).tolist()
        assert not torch.is_grad_enabled()
        assert torch.is_inference_mode_enabled() == (without is torch.inference_mode)
        assert result.fit("train+validation").predict(x).shape == (80,)
        assert result.rerun(1).reproduced
    assert (values(result), predicted) == expected


@lossearch.loss(task="binary", encoding="zero_one", domain="unit", source="a test")
def averaged(output, target):
    return (output - target).square().mean()


@lossearch.loss(task="multiclass", encoding="index", domain="real", source="a test")
def averaged_classes(output, target):
    return torch.nn.functional.cross_entropy(output, target)


@pytest.mark.parametrize(
    ("own", "y", "said"),
    [
        (averaged, Y, "'averaged' cannot be searched: .*it gives one number for all rows: leave out the mean or the sum"),
        (averaged_classes, Y + (X[:, 1] > 0.5), "'averaged_classes' cannot be searched: .*it gives one number for all rows: leave out the mean"),
    ],
)  # fmt: skip
def test_a_loss_that_returns_its_mean_is_told_as_by_check(own, y, said, store):
    with pytest.raises(InputError, match=said):
        lossearch.search(X, y, task=own.kinds[0], losses=[own], store=store, **(QUICK | {"trials": 15}))
    assert not store.exists()


AUTOLOGGED = """
import tempfile, mlflow
folder = tempfile.mkdtemp()
mlflow.set_tracking_uri("sqlite:///" + folder + "/user.db")
import mlflow.pytorch, mlflow.sklearn
{first}
import numpy as np
import pytorch_lightning
from sklearn.linear_model import LogisticRegression
import lossearch
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

x = np.random.default_rng(0).normal(size=(80, 3))
y = (x[:, 0] > 0).astype(int)
ours = {ours}

def search(name):
    result = lossearch.search(x, y, pairs=["bce/sigmoid", "mse/sigmoid"], trials=10, seeds=1, confirm_seeds=2,
                              epochs=1, mlflow=ours, store=folder + "/store", name=name, workers=1)
    result.model.predict(x)
    result.fit("train+validation")
    result.rerun(0)
    lossearch.api.load(name, folder + "/store").report()

def searched(where, fits):
    mlflow.set_experiment(where)
    before = {{k: dict(v) for k, v in AUTOLOGGING_INTEGRATIONS.items()}}
    with mlflow.start_run() as opened:
        search(where + "-in-a-run")
    search(where + "-in-none")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(where)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == opened.info.run_id
    assert not run.data.params and not run.data.metrics, (run.data.params, run.data.metrics)
    assert "Mode" not in run.data.tags, run.data.tags
    assert {{e.name for e in client.search_experiments()}} <= {{"all", "sklearn", "pytorch", "Default"}}
    assert mlflow.active_run() is None
    after = {{k: dict(v) for k, v in AUTOLOGGING_INTEGRATIONS.items() if k in before}}
    assert after == before, (before, after)
    LogisticRegression().fit(x, y)
    assert len(client.search_runs([experiment.experiment_id])) == 1 + fits
"""
ALL = 'searched("all", 1)'
ONE_BY_ONE = """
searched("pytorch", 0)
mlflow.pytorch.autolog(disable=True, silent=True)
mlflow.sklearn.autolog(silent=True)
searched("sklearn", 1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "searches", "ours"),
    [("mlflow.autolog(silent=True)", ALL, True), ("mlflow.pytorch.autolog()", ONE_BY_ONE, False)],
    ids=["all", "one by one"],
)
def test_nothing_of_a_study_is_autologged(first, searches, ours):
    code = AUTOLOGGED.format(first=first, ours=ours) + searches
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def suspended():
    import mlflow.sklearn
    from mlflow.utils import autologging_utils as of_mlflow

    mlflow.sklearn.autolog(silent=True)
    state = lambda: of_mlflow._AUTOLOGGING_GLOBALLY_DISABLED  # noqa: E731
    with undisturbed():
        assert state()
        with undisturbed():
            assert state()
        assert state()
    assert not state()
    with of_mlflow.disable_autologging():
        with undisturbed():
            assert state()
        assert state()


def test_autologging_that_is_suspended_already_stays_so():
    """In a process of its own, as what autologging patches stays patched."""
    process = multiprocessing.get_context("fork").Process(target=suspended)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_gradients_are_as_before_after_an_error():
    with torch.no_grad():
        with pytest.raises(RuntimeError, match="does not require grad"), undisturbed():
            torch.ones(1).backward()
        assert not torch.is_grad_enabled()

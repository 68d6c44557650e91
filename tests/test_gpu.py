"""What a GPU computes is what the processor computes, and a study on one is a study like any other."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import optuna
import pytest
import pytorch_lightning as pl
import torch
from contracts.devices import SETTINGS, by_head, said, trained
from contracts.own_module import as_module
from contracts.problems import (
    NETWORKS,
    dropout_mlp,
    every_pair,
    network_problem,
    problem,
    replicate,
    space_of,
)
from contracts.training_base import conventional, of_each_sort
from own_modules import Circles, Classifier
from sklearn.datasets import load_digits, make_circles
from torch import nn

import lossearch
from lossearch.kinds import KINDS
from lossearch.pairs import Criterion
from lossearch.study.progress import Listener
from lossearch.training.contract import Outcome
from lossearch.training.plain.train import train_plain
from lossearch.training.population import population as engine
from lossearch.training.population.chunks import ChunkSizer
from lossearch.training.population.method import Populations, train_population
from lossearch.training.trainer import device_of
from lossearch.training.workers.group import WorkerGroup
from lossearch.training.workers.pool import PlainPool

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
DOUBLES = replace(SETTINGS, precision="64-true")
ON_GPU = replace(DOUBLES, device="gpu", epochs=3, epoch="last")
X, Y = make_circles(400, noise=0.2, factor=0.5, random_state=0)
ONE_ROW = 0.01
QUICK = {"trials": 15, "seeds": 2, "confirm_seeds": 3, "epochs": 10, "mlflow": False, "device": "gpu"}
TWO = {"losses": ["bce", "hinge"]}


@pytest.fixture(scope="module", autouse=True)
def _as_once_used():
    # the first use of the compiler and of a Trainer on a GPU set variables and a path of the process, their own doing
    with pytest.MonkeyPatch.context() as process:
        process.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        torch.compile(lambda x: x + 1)(torch.zeros(1, device=CUDA))
        yield


class Notes(Listener):
    """Keeps what a study says."""

    def __init__(self):
        self.all = []

    def note(self, text):
        self.all.append(text)


def same(a, b, tolerance):
    assert a.keys() == b.keys()
    far = {}
    for name, values in b.items():
        x, y = (np.asarray(v, dtype=np.float64) for v in (a[name], values))
        assert x.shape == y.shape, name
        if not np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True):
            far[name] = float(np.nanmax(np.abs(x - y)))
    return far


def curves_differ(ours, theirs, tolerance):
    """By replicate and curve, how far two trainings are apart where that is more than a tolerance."""
    far = {}
    for a, b in zip(ours, theirs, strict=True):
        assert a.replicate == b.replicate
        assert a.outcome is b.outcome, (a.replicate, a.reason, a.error, b.reason, b.error)
        apart = same(a.curves, b.curves, tolerance)
        far |= {f"{a.replicate.point.pair} {name}": by for name, by in apart.items()}
    return far


# --- one criterion, one population ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_criterion_says_what_it_says_on_the_processor(kind):
    task = problem(kind)
    fold, far = task.fold(0), {}
    for pair in every_pair(task):
        raw = torch.randn(40, pair.width(task.n_out), generator=torch.Generator().manual_seed(0))
        weight = torch.linspace(0.1, 2, 40)
        ours, theirs = (Criterion(pair, statistics=fold.statistics) for _ in range(2))
        found = said(theirs.to(CUDA), raw.to(CUDA), fold.train.y.to(CUDA), weight.to(CUDA))
        expected = said(ours, raw, fold.train.y, weight)
        far |= {f"{pair} {name}": by for name, by in same(found, expected, 1e-4).items()}
    assert not far


@pytest.mark.parametrize("kind", KINDS)
def test_a_population_trains_as_on_the_processor(kind):
    task, far = problem(kind), {}
    for pairs in by_head(task):
        far |= same(trained(task, pairs, CUDA, DOUBLES), trained(task, pairs, CPU, DOUBLES), 1e-6)
    # a metric that counts rows moves by one where rounding decides
    scored = tuple(m.name for m in task.metrics)
    assert not {name: by for name, by in far.items() if by > ONE_ROW or not name.startswith(scored)}


@pytest.mark.parametrize("kind", KINDS)
def test_replicates_of_every_kind_score_as_on_the_processor(kind):
    task = problem(kind)
    given = [replicate(p, 0.01, seed) for p in of_each_sort(every_pair(task)) for seed in (0, 1)]
    space = space_of(task)
    ours = train_population(task, space, given, ON_GPU, keep_weights=True)
    theirs = train_population(task, space, given, replace(ON_GPU, device="cpu"))
    found = list(ours)
    assert not curves_differ(found, list(theirs), 1e-5)
    assert all(t.device == CPU for r in found for t in (r.weights or {}).values())


# --- studies -------------------------------------------------------------------------------------------


def test_a_search_is_saved_loaded_and_predicts_on_the_processor(tmp_path):
    notes = Notes()
    result = lossearch.search(
        X, Y, store=tmp_path / "runs", name="rings", listener=notes, **{**QUICK, "trials": 35}
    )
    assert result.leaderboard["score"].max() > 0.6
    assert device_of(replace(SETTINGS, device="auto")).type == "cuda"
    saved = result.model.save(tmp_path / "model")
    code = (
        "import sys, numpy, lossearch; x = numpy.load(sys.argv[2]); "
        "numpy.save(sys.argv[3], lossearch.load_model(sys.argv[1]).predict(x)); import torch; "
        "assert not torch.cuda.is_available()"
    )
    np.save(tmp_path / "x.npy", X)
    elsewhere = {"CUDA_VISIBLE_DEVICES": ""}
    _python(["-c", code, str(saved), str(tmp_path / "x.npy"), str(tmp_path / "y.npy")], elsewhere)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), result.model.predict(X))
    code = "import sys, lossearch; print(lossearch.load('rings', store=sys.argv[1]).leaderboard.to_string())"
    shown = _python(["-c", code, str(tmp_path / "runs")], elsewhere)
    assert result.best.pair in shown
    again = lossearch.load("rings", store=tmp_path / "runs")
    np.testing.assert_array_equal(again.model.predict(X), result.model.predict(X))


def _python(arguments, environment):
    import os

    done = subprocess.run(
        [sys.executable, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _values(result):
    return [(t.params, t.value) for t in result.study.trials]


@pytest.mark.parametrize("task", ["rings", "digits"])
def test_the_same_study_twice_has_the_same_values(task, tmp_path):
    if task == "rings":
        given = {"X": X, "y": Y, **TWO}
    else:
        x, y = load_digits(return_X_y=True)
        given = {"X": x[:600].reshape(-1, 1, 8, 8) / 16, "y": y[:600], "losses": ["cross_entropy", "mse"]}
        given["model"] = small_cnn
    x, y = given.pop("X"), given.pop("y")
    notes = Notes()
    options = {**QUICK, "epochs": 5, "listener": notes, **given}
    first, second = (
        lossearch.search(x, y, store=tmp_path / str(i), name="twice", **options) for i in range(2)
    )
    assert _values(first) == _values(second)
    assert list(first.leaderboard["score"]) == list(second.leaderboard["score"])
    assert not [n for n in notes.all if "one by one" in n]


def small_cnn(n_out, input_shape):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 2), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, n_out),
    )  # fmt: skip


def test_the_command_line_runs_a_study(tmp_path):
    where = ["--store", str(tmp_path), "--name", "rings"]
    budget = ["--trials", "15", "--seeds", "2", "--confirm-seeds", "2", "--epochs", "5"]
    pairs = ["--losses", "bce,hinge", "--device", "gpu"]
    out = _python(["-m", "lossearch", "run", "--data", "circles", *where, *budget, *pairs], {})
    assert "bce/sigmoid" in out


def test_an_estimator_fits_and_predicts():
    found = lossearch.LossSearchClassifier(
        trials=15, seeds=2, confirm_seeds=2, epochs=20, device="gpu", losses=["bce", "hinge"]
    ).fit(X, Y)
    assert found.score(X, Y) > 0.6


# --- modules of the user's -----------------------------------------------------------------------------


def test_a_module_is_searched_batched(tmp_path):
    notes = Notes()
    result = lossearch.search(
        module=Classifier, datamodule=Circles, metric="val_accuracy", task="binary",
        pairs=["bce/sigmoid", "hinge/identity"], lr=0.05, store=tmp_path, listener=notes,
        **{**QUICK, "trials": None, "seeds": 1, "confirm_seeds": 2},
    )  # fmt: skip
    assert not [n for n in notes.all if "one by one" in n]
    assert result.leaderboard["score"].between(0.3, 1).all()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_module_trains_alone_and_batched_as_on_the_processor(kind):
    task = problem(kind)
    given = [replicate(p) for p in dict.fromkeys([conventional(task), *of_each_sort(every_pair(task))[:2]])]
    alone = list(as_module(train_plain)(task, space_of(task), given, replace(ON_GPU, device="cpu")))
    for method in (train_plain, train_population):
        ours = list(as_module(method)(task, space_of(task), given, ON_GPU))
        assert not curves_differ(ours, alone, 1e-5), method


def test_the_callback_watches_a_trainer(tmp_path):
    data = Circles()

    def objective(trial):
        watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
        point = lossearch.suggest(trial, task="binary", losses=["bce", "hinge", "focal"])
        trainer = pl.Trainer(
            accelerator="gpu", devices=1, max_epochs=2, callbacks=[watch], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, default_root_dir=tmp_path,
        )  # fmt: skip
        module = Classifier(point.criterion(), point.lr)
        trainer.fit(module, datamodule=data)
        assert trainer.strategy.root_device.type == "cuda"
        assert len(watch.behaviour) == 2
        assert all(np.isfinite(b.gradient_norm) for b in watch.behaviour)
        return watch.value()

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=3)
    assert all(0 <= t.value <= 1 for t in study.trials)


def test_two_processes_share_one_gpu():
    make = partial(problem, "regression", network=dropout_mlp)
    task = make()
    given = [replicate(conventional(task), lr, seed) for lr in (1e-3, 1e-2) for seed in (0, 1)]
    expected = list(train_plain(task, space_of(task), given, ON_GPU))
    with WorkerGroup(make, workers=2, start_up=0) as group:
        found = list(PlainPool(group)(task, space_of(task), given, ON_GPU))
        assert len(group.workers) == 2
    assert not curves_differ(found, expected, 0.0)


# --- limits --------------------------------------------------------------------------------------------


def wide(n_out):
    return nn.Sequential(
        nn.Linear(3, 1024), nn.Tanh(), nn.Linear(1024, 1024), nn.Tanh(), nn.Linear(1024, n_out)
    )


def test_out_of_memory_is_answered_by_smaller_chunks():
    task, noted = problem("regression", network=wide), []
    # weights, gradients and velocity of each are more than 12 MiB
    given = [replicate(conventional(task), 1e-4 * (1 + i), 0) for i in range(128)]
    torch.cuda.empty_cache()
    own = torch.cuda.memory_reserved() + 2**30
    torch.cuda.set_per_process_memory_fraction(own / torch.cuda.mem_get_info()[1])
    sizer = ChunkSizer(memory=2**40, note=noted.append)
    settings = replace(SETTINGS, device="gpu")
    try:
        found = list(Populations(1, sizer=sizer)(task, space_of(task), given, settings))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()
    assert {r.outcome for r in found} == {Outcome.COMPLETED}
    assert sizer.cap is not None
    assert sizer.cap < len(given)
    expected = list(train_population(task, space_of(task), given[:2], settings))
    assert not curves_differ(found[:2], expected, 1e-3)


@pytest.mark.parametrize("network", [n for n in NETWORKS if n != "embedding"])
def test_together_is_as_alone(network):
    task = network_problem("binary", network)
    given = [replicate(p, 0.01, seed) for p in of_each_sort(every_pair(task))[:2] for seed in (0, 1)]
    ours = list(train_population(task, space_of(task), given, ON_GPU))
    assert not curves_differ(ours, list(train_plain(task, space_of(task), given, ON_GPU)), 1e-6)


@pytest.mark.parametrize(("kind", "network"), [("binary", "mlp"), ("multiclass", "nested")])
def test_compiled_is_as_not_compiled(kind, network, monkeypatch):
    monkeypatch.setattr(engine, "COMPILED_STEPS", 0)
    task = network_problem(kind, network)
    given = [replicate(p, 0.01, seed) for p in of_each_sort(every_pair(task))[:3] for seed in (0, 1)]
    settings = replace(ON_GPU, precision="32-true")
    method = Populations(1)
    ours = list(method(task, space_of(task), given, replace(settings, compile=True)))
    assert not method.compile_failed, method.sizer.noted
    theirs = list(train_population(task, space_of(task), given, settings))
    assert not curves_differ(ours, theirs, 1e-3)


@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true"])
def test_lower_precisions_train(precision):
    task = problem("multiclass")
    given = [replicate(conventional(task), 0.1, seed) for seed in (0, 1)]
    settings = replace(ON_GPU, precision=precision)
    ours, theirs = (list(m(task, space_of(task), given, settings)) for m in (train_population, train_plain))
    assert not curves_differ(ours, theirs, 0.05)


def test_a_replicate_that_diverges_is_told_from_the_others():
    task = problem("regression")
    given = [replicate(conventional(task), lr) for lr in (1e-2, 1e30)]
    good, bad = train_population(task, space_of(task), given, replace(ON_GPU, precision="32-true", clip=None))
    assert (good.outcome, bad.outcome) == (Outcome.COMPLETED, Outcome.DIVERGED)


def test_random_states_of_a_gpu_are_left_as_they_were():
    task = problem("regression", network=dropout_mlp)
    given = [replicate(conventional(task))]
    before = torch.cuda.get_rng_state().tolist()
    for method in (train_population, train_plain):
        list(method(task, space_of(task), given, ON_GPU))
    assert torch.cuda.get_rng_state().tolist() == before
    # one that is first used inside draws later what it would have drawn
    code = (
        "import torch, lossearch; from lossearch._random import isolated; torch.manual_seed(3)\n"
        "{}\nprint(torch.rand(3, device='cuda').tolist(), torch.rand(1).item())"
    )
    expected = _python(["-c", code.format("")], {})
    for inside in ("pass", "torch.rand(1, device='cuda')"):
        assert _python(["-c", code.format(f"with isolated(5): {inside}")], {}) == expected

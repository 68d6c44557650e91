"""Optuna samplers of the user's own in `lossearch.search`."""

from __future__ import annotations

import warnings

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import (
    BruteForceSampler,
    GPSampler,
    GridSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

import lossearch
from lossearch.errors import InputError
from lossearch.space import Dimension
from lossearch.study.own_sampler import own_sampler, refuse_unusable
from lossearch.study.samplers import propose

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
optuna.logging.set_verbosity(optuna.logging.WARNING)
X = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
QUICK = {
    "pairs": ["bce/sigmoid", "hinge/tanh"], "seeds": 1, "confirm_seeds": 0, "epochs": 2, "mlflow": False, "workers": 1,
    "name": "mine", "optimizer": "sgd",
}  # fmt: skip
LR = Dimension("lr", 1e-4, 1.0, log=True)


def seeded(seed):
    return RandomSampler(seed=seed + 1)


OWN = {
    "an object": lambda: TPESampler(seed=3, n_startup_trials=2),
    "a class": lambda: RandomSampler,
    "a function": lambda: seeded,
    "random, an object": lambda: RandomSampler(seed=0),
    "genetic": lambda: NSGAIISampler(seed=0),
    "gp": lambda: GPSampler(seed=0),
}


def points(result):
    return [(r.point.pair, r.point.lr, r.stage) for r in result.trials]


@pytest.mark.parametrize("name", ["an object", "a class", "a function"])
def test_it_chooses_the_points_after_the_initial_design(name, store):
    given = OWN[name]()
    found = lossearch.search(X, Y, store=store, trials=24, sampler=given, **QUICK)
    usual = lossearch.search(X, Y, store=store / "usual", trials=24, **QUICK)
    first = [p for p in points(found) if p[2] != "search"]
    assert first == [p for p in points(usual) if p[2] != "search"]
    later = [p for p in points(found) if p[2] == "search"]
    assert len(later) >= 10
    assert later != [p for p in points(usual) if p[2] == "search"]
    assert len({p[:2] for p in points(found)}) == 24
    assert "optuna." in (store / "studies/mine/study.json").read_text()


def test_a_study_goes_on_with_it_as_if_it_had_never_stopped(store):
    whole = lossearch.search(X, Y, store=store / "whole", trials=34, sampler=RandomSampler(seed=0), **QUICK)
    lossearch.search(X, Y, store=store / "parts", trials=24, sampler=RandomSampler(seed=0), **QUICK)
    again = lossearch.search(X, Y, store=store / "parts", trials=34, sampler=RandomSampler(seed=0), **QUICK)
    assert {p[:2] for p in points(again)} >= {p[:2] for p in points(whole) if p[2] != "search"}
    assert len({p[:2] for p in points(again)}) == 34
    with pytest.raises(InputError, match=r"optuna\.RandomSampler is an object of yours.*go on in Python"):
        lossearch.search(X, Y, store=store / "parts", trials=44, sampler="optuna.RandomSampler", **QUICK)
    with pytest.raises(InputError, match=r"search\.sampler"):
        lossearch.search(X, Y, store=store / "parts", trials=44, sampler="tpe", **QUICK)
    assert lossearch.load("mine", store / "parts").best == again.best
    assert again.model.predict(X[:3].numpy()).shape == (3,)


@pytest.mark.parametrize("name", OWN)
def test_every_call_gives_the_same_and_no_round_repeats_another(name):
    own = own_sampler(OWN[name]())
    refuse_unusable(own, ["maximize"])

    def asked(taken, seen):
        return propose(
            [LR], seen, 5, sampler=own.name, own=own, directions=["maximize"], seed=1, taken=taken
        )  # fmt: skip

    seen = [({"lr": 10.0 ** -(i / 2)}, [float(i)]) for i in range(7)]
    first = asked(7, seen)
    assert first == asked(7, seen)
    later = asked(12, seen + [(p, [1.0]) for p in first])
    assert not {p["lr"] for p in first} & {p["lr"] for p in later}
    assert all(1e-4 <= p["lr"] <= 1.0 for p in (*first, *later))


def test_two_objectives_and_adaptive_mode(store):
    both = lossearch.search(
        X, Y, store=store / "two", trials=20, metric=["accuracy", "log_loss"], sampler=seeded,
        **{**QUICK, "pairs": ["bce/sigmoid", "focal/sigmoid"]},
    )  # fmt: skip
    assert len(both.trials) == 20
    free = lossearch.search(
        X, Y, store=store / "free", trials=20, mode="adaptive", sampler=TPESampler(seed=0), **QUICK
    )
    assert len(free.trials) == 20
    assert np.isfinite([r.value for r in free.trials if r.value is not None]).all()


class Broken(RandomSampler):
    """Cannot be asked."""

    def sample_independent(self, *_):
        raise RuntimeError("no points today")


def no_seed():
    return RandomSampler(seed=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (GridSampler({"lr": [0.1]}), "say sampler='grid', 'brute' or 'qmc'"),
        (BruteForceSampler, "say sampler='grid', 'brute' or 'qmc'"),
        (QMCSampler, "say sampler='grid', 'brute' or 'qmc'"),
        (RandomSampler(), "gives other points each time.*give it a seed"),
        (TPESampler(), "gives other points each time"),
        (Broken(seed=0), "Broken cannot be asked for points of a pair: RuntimeError: no points today"),
        (lambda seed: "tpe", "returned a str, not an Optuna sampler"),
        (int, "sampler is a type: give a name"),
        (no_seed, "cannot be asked for points of a pair: TypeError"),
        (3, "sampler is a int: give a name"),
        (optuna.pruners.MedianPruner(), "sampler is a MedianPruner: give a name"),
        ("tpee", "Did you mean 'tpe'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(given, message, store):
    with pytest.raises(InputError, match=message):
        lossearch.search(X, Y, store=store, trials=24, sampler=given, **QUICK)
    assert not store.exists()


def test_a_pruner_is_refused_with_the_reason_and_the_ways_out(store):
    with pytest.raises(InputError, match=r"pruner is not taken.*MedianPruner then prunes none.*prune=True"):
        lossearch.search(X, Y, store=store, pruner=optuna.pruners.MedianPruner(), **QUICK)


def test_the_given_sampler_is_left_as_it_was(store):
    given = RandomSampler(seed=5)
    lossearch.search(X, Y, store=store, trials=24, sampler=given, **QUICK)
    draws = [
        optuna.create_study(sampler=s).ask({"x": optuna.distributions.FloatDistribution(0, 1)}).params["x"]
        for s in (given, RandomSampler(seed=5))
    ]
    assert draws[0] == draws[1]


def test_nothing_is_warned(store):
    with warnings.catch_warnings():
        warnings.simplefilter("error", optuna.exceptions.ExperimentalWarning)
        refuse_unusable(own_sampler(lambda seed: GPSampler(seed=seed)), ["maximize"])

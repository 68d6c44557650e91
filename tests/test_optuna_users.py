"""`suggest` with what Optuna offers its users: samplers, enqueued and fixed trials, and studies that are carried on."""

from __future__ import annotations

import optuna
import pytest
from optuna.samplers import (
    BruteForceSampler,
    GPSampler,
    GridSampler,
    NSGAIISampler,
    PartialFixedSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FixedTrial, TrialState

import lossearch
from lossearch.errors import InputError, StudyMismatchError
from lossearch.integrations import suggest

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
optuna.logging.set_verbosity(optuna.logging.WARNING)
PAIRS = ["bce/sigmoid", "hinge/tanh", "focal/sigmoid"]


def objective(trial):
    """A user's objective: a point, and parameters of its own around it."""
    trial.suggest_int("layers", 1, 3)
    point = suggest(trial, pairs=PAIRS)
    trial.suggest_float("dropout", 0.0, 0.5)
    return -abs(point.lr - 0.01) - 0.1 * (point.loss == "hinge")


def score(trial):
    return -suggest(trial, pairs=PAIRS).lr


def new(sampler=None, **options):
    return optuna.create_study(direction="maximize", sampler=sampler or RandomSampler(seed=0), **options)


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: RandomSampler(seed=0),
        lambda: TPESampler(seed=0, n_startup_trials=4, multivariate=True, group=True),
        lambda: GPSampler(seed=0, n_startup_trials=4),
        lambda: QMCSampler(seed=0),
        lambda: NSGAIISampler(seed=0, population_size=4),
    ],
    ids=["random", "tpe", "gp", "qmc", "nsga"],
)
def test_samplers_that_learn_search_the_whole_space(sampler):
    study = new(sampler())
    study.optimize(objective, n_trials=24)
    assert {t.state for t in study.trials} == {TrialState.COMPLETE}
    for trial in study.trials:
        assert {"pair", "lr", "layers", "dropout"} <= set(trial.params)
        assert ("focal.gamma" in trial.params) == trial.params["pair"].startswith("focal")
        assert suggest(FixedTrial(trial.params), pairs=PAIRS).lr == trial.params["lr"]
    assert {t.params["pair"] for t in study.trials} == set(PAIRS)


def test_a_grid_is_walked_whole():
    grid = {"pair": PAIRS, "lr": [1e-3, 1e-2], "focal.gamma": [1.0, 2.0], "focal.alpha": [0.5]}
    study = new(GridSampler(grid, seed=0))
    study.optimize(score, n_trials=50)
    assert len(study.trials) == 3 * 2 * 2
    seen = {(t.params["pair"], t.params["lr"]) for t in study.trials}
    assert seen == {(p, lr) for p in PAIRS for lr in (1e-3, 1e-2)}
    assert {t.params["focal.gamma"] for t in study.trials if "focal.gamma" in t.params} == {1.0, 2.0}


def test_brute_force_tries_each_pair_once_and_stops():
    study = new(BruteForceSampler(seed=0))

    def fixed_rate(trial):
        return len(suggest(trial, losses=["bce", "hinge", "squared_hinge"], lr=0.1).pair)

    study.optimize(fixed_rate, n_trials=50)
    assert sorted(t.params["pair"] for t in study.trials) == sorted(
        study.trials[0].distributions["pair"].choices
    )


def test_brute_force_over_other_settings_too():
    study = new(BruteForceSampler(seed=0))

    def both(trial):
        point = suggest(trial, pairs=PAIRS[:2], lr=0.1)
        return trial.suggest_int("layers", 1, 3) + len(point.pair)

    study.optimize(both, n_trials=50)
    assert sorted((t.params["pair"], t.params["layers"]) for t in study.trials) == [
        (p, n) for p in PAIRS[:2] for n in (1, 2, 3)
    ]


@pytest.mark.parametrize(
    "given", [{}, {"pair": "hinge/tanh"}, {"lr": 0.03}, {"pair": "focal/sigmoid", "focal.gamma": 1.5}]
)
def test_what_is_enqueued_is_taken_and_the_rest_sampled(given):
    study = new()
    study.enqueue_trial(given)
    study.optimize(objective, n_trials=3)
    assert {k: study.trials[0].params[k] for k in given} == given
    assert len(study.trials) == 3


def test_enqueued_points_are_tried_in_order_and_no_more():
    study = new()
    for pair in PAIRS:
        study.enqueue_trial({"pair": pair}, skip_if_exists=True)
    study.optimize(objective, n_trials=3)
    assert [t.params["pair"] for t in study.trials] == PAIRS


def test_a_pair_can_be_held_and_the_rest_searched():
    study = new(PartialFixedSampler({"pair": "focal/sigmoid"}, RandomSampler(seed=0)))
    study.optimize(objective, n_trials=6)
    assert {t.params["pair"] for t in study.trials} == {"focal/sigmoid"}
    assert len({t.params["focal.gamma"] for t in study.trials}) == 6


def test_a_held_value_outside_the_space_is_refused():
    study = new(PartialFixedSampler({"lr": 7.0}, RandomSampler(seed=0)))
    with pytest.raises(InputError, match="lr of trial 0"):
        study.optimize(objective, n_trials=1)


def test_trials_move_to_another_study_and_stay_what_they_were(tmp_path):
    first = new(study_name="first", storage=f"sqlite:///{tmp_path}/a.db")
    first.optimize(objective, n_trials=8)
    other = new(
        TPESampler(seed=0, n_startup_trials=2), study_name="other", storage=f"sqlite:///{tmp_path}/b.db"
    )
    other.add_trials(first.trials)
    other.optimize(objective, n_trials=4)
    assert [t.params for t in other.trials[:8]] == [t.params for t in first.trials]
    assert other.best_value >= first.best_value
    other.enqueue_trial(first.best_params)
    other.optimize(objective, n_trials=1)
    assert other.trials[-1].params == first.best_params


def test_trials_of_another_space_are_refused():
    first, other = new(), new()
    first.optimize(lambda trial: -suggest(trial, pairs=PAIRS[:2]).lr, n_trials=2)
    other.add_trials(first.trials)
    with pytest.raises(
        StudyMismatchError, match="has searched other pairs as 'pair' before: bce/sigmoid, hinge/tanh"
    ):
        other.optimize(objective, n_trials=1)


def test_the_same_pairs_in_another_order_are_the_same():
    study = new()
    study.optimize(lambda trial: suggest(trial, pairs=PAIRS).lr, n_trials=3)
    study.optimize(lambda trial: suggest(trial, pairs=PAIRS[::-1]).lr, n_trials=6)
    assert all(t.distributions["pair"] == study.trials[0].distributions["pair"] for t in study.trials)


QUICK = {"trials": 10, "seeds": 1, "confirm_seeds": 0, "epochs": 2, "mlflow": False, "workers": 1}


def test_a_recorded_study_is_the_start_of_a_users_own(store):
    import torch

    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    result = lossearch.search(
        x, (x[:, 0] > 0).long(), store=store, name="mine", losses=["hinge", "bce"], activations=["sigmoid", "tanh"],
        lr=(1e-3, 1e-1), **QUICK,
    )  # fmt: skip
    pairs = list(result.study.trials[0].distributions["pair"].choices)
    assert pairs[0] != "bce/sigmoid"  # which suggest puts first where nothing is known
    own = new(TPESampler(seed=0, n_startup_trials=2))
    own.add_trials(result.study.get_trials(states=(TrialState.COMPLETE,)))
    own.enqueue_trial(result.study.best_params)
    before = len(own.trials) - 1
    own.optimize(lambda trial: suggest(trial, pairs=pairs, lr=(1e-3, 1e-1)).lr, n_trials=3)
    assert [t.state for t in own.trials] == [TrialState.COMPLETE] * (before + 3)
    assert own.trials[before].params == result.study.best_params
    assert before == len(result.trials)
    # with a narrower range: its values lie elsewhere, and the pairs are still the same choice
    own.optimize(lambda trial: suggest(trial, pairs=pairs, lr=(1e-2, 1.0)).lr, n_trials=2)
    assert len(result.study.trials) == before

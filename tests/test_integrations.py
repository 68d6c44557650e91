"""`suggest` and `LossSearchCallback` in real Optuna studies, real Trainers and real MLflow stores."""

from __future__ import annotations

import copy
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import warnings

import optuna
import pytest
import pytorch_lightning as pl
import torch
from mlflow import MlflowClient
from mlflow.tracking._tracking_service import utils as mlflow_utils
from optuna.trial import FixedTrial, TrialState
from pytorch_lightning.loggers import MLFlowLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import lossearch
from lossearch.errors import (
    IllegalPairError,
    InputError,
    RunFailedError,
    StoreError,
    StudyMismatchError,
    UnknownNameError,
)
from lossearch.integrations import LossSearchCallback, suggest
from lossearch.integrations.tracking import TrialSnapshot, open_run
from lossearch.kinds import KINDS, TargetFacts
from lossearch.losses import losses_for
from lossearch.training.contract import Outcome

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),  # Lightning 2.6 on torch 2.13
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*The number of training batches.*"),
]

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Module(pl.LightningModule):
    """A user's module: it takes a criterion and a learning rate, and logs what it is told to log."""

    def __init__(self, criterion, lr, scores=(), loss_at=None, raises=None):
        super().__init__()
        self.net, self.criterion, self.lr = nn.Linear(2, 1), criterion, lr
        self.scores, self.loss_at, self.raises = list(scores), loss_at, raises
        self.trained = 0

    def training_step(self, batch, index):
        if self.raises is not None:
            raise self.raises
        self.trained += 1
        loss = self.criterion(self.net(batch[0]), batch[1])
        return loss * math.nan if self.trained == self.loss_at else loss

    def validation_step(self, batch, index):
        right = (self.criterion.predict(self.net(batch[0])) == batch[1]).float().mean()
        self.log("val_accuracy", right)
        self.log("val_loss", self.criterion(self.net(batch[0]), batch[1]))

    def on_validation_epoch_end(self):
        if self.scores:
            score = 99.0 if self.trainer.sanity_checking else self.scores[self.current_epoch]
            self.log("val_score", torch.tensor(score))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def loader(rows=32):
    x = torch.randn(rows, 2, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)


def trainer(*callbacks, epochs=4, logger=False, **options):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return pl.Trainer(
        max_epochs=epochs,
        callbacks=list(callbacks),
        logger=logger,
        accelerator="cpu",
        devices=1,
        **{**quiet, **options},
    )


def fit(
    trial,
    scores=(0.1, 0.4, 0.3, 0.2),
    monitor="val_score",
    logger=False,
    trainer_options=None,
    module=None,
    **options,
):
    """Train one trial and return its callback."""
    point = suggest(trial)
    watch = LossSearchCallback(trial, monitor, **options)
    made = Module(point.criterion(), 0.01, scores, **(module or {}))
    trainer(watch, logger=logger, **(trainer_options or {})).fit(made, loader(), loader())
    return watch


def ended(trial):
    """Return what a trial's attributes say of its end."""
    return {k: v for k, v in trial.user_attrs.items() if k != "lossearch.behaviour"}


def new_study(storage=None):
    return optuna.create_study(
        direction="maximize", study_name="mine", storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.MedianPruner(1, 0),
    )  # fmt: skip


@pytest.fixture
def study():
    return new_study()


@pytest.fixture
def stored(tmp_path):
    """A study in a database."""
    return new_study(f"sqlite:///{tmp_path}/optuna.db")


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """An MLflow database with its tables: making them takes most of a second."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def uri(tmp_path, empty_store):
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def tracking_uri_restored(monkeypatch):
    """The user's MLFlowLogger sets MLflow's global tracking URI; put it back."""
    monkeypatch.setattr(mlflow_utils, "_tracking_uri", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "unset below")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


def in_a_process(code, *arguments, **options):
    script = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        script, check=False, capture_output=True, text=True, env=env, timeout=120, **options
    )


class TestSuggest:
    @pytest.mark.parametrize("kind", KINDS)
    def test_every_pair_of_every_kind_comes_with_its_criterion(self, kind):
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        choices = None
        for _ in range(30):
            trial = study.ask()
            point = suggest(trial, kind)
            choices = trial.distributions["pair"].choices
            assert choices[0] == KINDS[kind].conventional
            assert 1e-4 <= point.lr <= 1e-1
            own = losses_for(kind)[point.loss].params
            assert set(trial.params) == {"pair", "lr", *(f"{point.loss}.{p.name}" for p in own if p.search)}
            n_out = 1 if losses_for(kind)[point.loss].elementwise else 3
            target = KINDS[kind].sample(torch.randn(4, n_out))
            raw = torch.randn(4, point.definition.width(n_out))
            assert torch.isfinite(point.criterion()(raw, target))
        assert all(isinstance(c, str) for c in choices)

    def test_what_is_named_is_offered_in_full(self):
        trial = optuna.create_study().ask()
        suggest(
            trial,
            "binary",
            losses=["hinge", "binary_crossentropy"],
            activations=["tanh", "sigmoid", "identity"],
        )
        assert set(trial.distributions["pair"].choices) == {"bce/sigmoid", "hinge/identity", "hinge/tanh"}
        other = optuna.create_study().ask()
        point = suggest(other, pairs=["hinge/tanh"], lr=0.05)
        assert (point.pair, point.lr, other.params) == ("hinge/tanh", 0.05, {"pair": "hinge/tanh"})

    def test_a_loss_of_ones_own(self):
        @lossearch.loss(task="binary", encoding="plus_minus_one", source="here", example=(0.5, 1.0, 0.5))
        def margin_gap(output, target):
            return 1 - output * target

        point = suggest(optuna.create_study().ask(), losses=[margin_gap], activations=["identity"])
        assert point.pair == "margin_gap/identity"
        assert point.criterion()(torch.tensor([0.5]), torch.tensor([1])).item() == pytest.approx(0.5)

    def test_facts_leave_out_what_is_not_defined(self):
        below = TargetFacts("regression", 1, -2.0, 2.0)
        trial = optuna.create_study().ask()
        suggest(trial, "regression", facts=below)
        assert not [c for c in trial.distributions["pair"].choices if c.startswith("msle")]

    def test_fixed_and_enqueued_trials(self, study):
        fixed = suggest(FixedTrial({"pair": "focal/sigmoid", "lr": 0.01, "focal.gamma": 1.5}))
        assert (fixed.pair, fixed.lr, fixed.params["gamma"]) == ("focal/sigmoid", 0.01, 1.5)
        study.enqueue_trial({"pair": "focal/sigmoid", "lr": 0.01, "focal.gamma": 1.5})
        assert suggest(study.ask()) == fixed

    def test_it_survives_a_database(self, stored, tmp_path):
        trial = stored.ask()
        point = suggest(trial)
        stored.tell(trial, 0.5)
        again = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path}/optuna.db")
        assert suggest(FixedTrial(again.best_params)) == point

    def test_two_points_of_one_trial(self):
        trial = optuna.create_study().ask()
        suggest(trial, "binary", prefix="a.")
        suggest(trial, "multiclass", prefix="b.")
        assert {"a.pair", "a.lr", "b.pair", "b.lr"} <= set(trial.params)

    def test_no_warning_in_a_mixed_space(self, study):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tpe = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=3))
            tpe.optimize(lambda t: suggest(t).lr, n_trials=12)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"task": "binry"}, UnknownNameError, f"No kind of task named 'binry'. Did you mean 'binary'? Known: {', '.join(KINDS)}."),
            ({"lr": 0.0}, InputError, "lr is a positive number or (low, high) with 0 < low <= high; got 0.0."),
            ({"lr": (0.1, 0.01)}, InputError, "lr is a positive number or (low, high) with 0 < low <= high; got (0.1, 0.01)."),
            ({"pairs": ["bce/sigmoid"], "losses": ["bce"]}, InputError, "Give pairs, or losses and activations, but not both."),
            ({"pairs": []}, InputError, "pairs is empty: name at least one, as in pairs=['bce/sigmoid']."),
        ],
    )  # fmt: skip
    def test_wrong_input(self, options, error, message):
        with pytest.raises(error) as caught:
            suggest(optuna.create_study().ask(), **options)
        assert str(caught.value) == message

    def test_all_unknown_names_are_listed_at_once(self):
        with pytest.raises(InputError) as caught:
            suggest(optuna.create_study().ask(), losses=["hing", "bcee"])
        assert "2 problems:" in str(caught.value)
        assert "Did you mean 'hinge'?" in str(caught.value)
        assert "Did you mean 'bce'?" in str(caught.value)

    def test_an_illegal_pair_says_why(self):
        with pytest.raises(IllegalPairError, match="hinge/sigmoid"):
            suggest(optuna.create_study().ask(), losses=["hinge"], activations=["sigmoid"])

    def test_a_changed_space_is_refused_with_the_ways_out(self, study):
        suggest(study.ask(), pairs=["bce/sigmoid", "hinge/tanh"])
        with pytest.raises(StudyMismatchError) as caught:
            suggest(study.ask(), pairs=["bce/sigmoid", "mse/sigmoid"])
        assert str(caught.value) == (
            "This study has searched other pairs as 'pair' before: bce/sigmoid, hinge/tanh; now bce/sigmoid, "
            "mse/sigmoid. Optuna keeps the choices of one name for a study's life: use a new study name, or "
            "prefix= to give this space names of its own."
        )

    @pytest.mark.filterwarnings("ignore:Fixed parameter:UserWarning")
    def test_an_enqueued_value_outside_the_space_is_refused(self, study):
        study.enqueue_trial({"pair": "bce/sigmoid", "lr": 5.0})
        with pytest.raises(InputError) as caught:
            suggest(study.ask())
        assert str(caught.value) == (
            "lr of trial 0 is 5, outside 0.0001 to 0.1: correct the enqueued or fixed value, or widen the range."
        )
        study.enqueue_trial({"pair": "hing/tanh"})
        with pytest.raises(InputError, match=r"^pair of trial 1: 'hing/tanh' not in \('bce/sigmoid'"):
            suggest(study.ask())
        with pytest.raises(InputError, match="'lr' is not found"):
            suggest(FixedTrial({"pair": "bce/sigmoid"}))


class TestCallback:
    def test_it_reports_each_validation_but_not_the_sanity_check(self, study):
        trial = study.ask()
        watch = fit(trial)
        study.tell(trial, watch.value())
        (done,) = study.trials
        assert done.intermediate_values == pytest.approx({0: 0.1, 1: 0.4, 2: 0.3, 3: 0.2})
        assert done.value == pytest.approx(0.4)
        assert watch.outcome is Outcome.COMPLETED
        assert ended(done) == {"lossearch.state": "completed", "lossearch.epoch": 2}

    def test_the_last_validation_and_the_smallest_value(self):
        low = optuna.create_study(direction="minimize")
        assert fit(low.ask()).value() == pytest.approx(0.1)
        assert fit(low.ask(), epoch="last").value() == pytest.approx(0.2)

    def test_steps_count_validations(self, study):
        trial = study.ask()
        fit(trial, trainer_options={"check_val_every_n_epoch": 2})
        assert study.trials[0].intermediate_values == pytest.approx({0: 0.4, 1: 0.2})
        other = study.ask()
        fit(other, trainer_options={"val_check_interval": 0.5})
        assert sorted(study.trials[1].intermediate_values) == list(range(8))

    @pytest.mark.usefixtures("tracking_uri_restored")
    def test_pruning_ends_the_fit_in_good_order(self, stored, tmp_path, uri):
        logger = MLFlowLogger(
            experiment_name="users", tracking_uri=uri, artifact_location=(tmp_path / "a").as_uri()
        )
        modules = []

        def objective(trial):
            scores = (0.5, 0.6, 0.7, 0.8) if trial.number < 2 else (0.4, 0.9, 0.9, 0.9)
            point = suggest(trial)
            watch = LossSearchCallback(trial, "val_score")
            modules.append(Module(point.criterion(), 0.01, scores))
            trainer(watch, logger=logger if trial.number == 2 else False).fit(modules[-1], loader(), loader())
            return watch.value()

        stored.optimize(objective, n_trials=3)
        assert [t.state for t in stored.trials] == [
            TrialState.COMPLETE,
            TrialState.COMPLETE,
            TrialState.PRUNED,
        ]
        assert [m.trained for m in modules] == [16, 16, 4]
        pruned = stored.trials[2]
        assert ended(pruned) == {
            "lossearch.state": "pruned",
            "lossearch.reason": "val_score was 0.4 after validation 1, and the study's pruner stopped it.",
        }
        client = MlflowClient(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("users").experiment_id])
        assert run.info.status == "FINISHED"
        assert run.data.tags["lossearch.state"] == "pruned"
        assert run.data.tags["lossearch.trial"] == "2"
        assert run.data.tags["lossearch.pair"] == pruned.params["pair"]
        assert run.data.params == {}

    def test_validations_after_the_decision_change_nothing(self, study):
        study.tell(study.ask(), 0.9)
        study.add_trial(
            optuna.trial.create_trial(
                value=0.9, intermediate_values={0: 0.9, 1: 0.9}, params={}, distributions={}
            )
        )
        trial = study.ask()
        watch = fit(trial, trainer_options={"min_epochs": 3})
        assert watch.outcome is Outcome.PRUNED
        assert len(watch.values) == 1
        assert list(study.trials[-1].intermediate_values) == [0]

    @pytest.mark.parametrize(
        ("module", "scores", "reason", "steps"),
        [
            ({"loss_at": 6}, (0.1, 0.4, 0.3, 0.2), "loss was nan at step 6 (epoch 2, lr 0.01).", 6),
            ({}, (0.1, math.inf, 0.3, 0.2), "val_score was inf at step 8 (epoch 2, lr 0.01).", 8),
        ],
    )
    def test_a_non_finite_value_ends_it_as_diverged(self, stored, module, scores, reason, steps):
        trial = stored.ask()
        point = suggest(trial)
        watch = LossSearchCallback(trial, "val_score")
        made = Module(point.criterion(), 0.01, scores, **module)
        trainer(watch).fit(made, loader(), loader())
        assert (watch.outcome, watch.reason, made.trained) == (Outcome.DIVERGED, reason, steps)
        with pytest.raises(optuna.TrialPruned, match="at step"):
            watch.value()
        frozen = stored.trials[0]
        assert ended(frozen) == {"lossearch.state": "diverged", "lossearch.reason": reason}
        assert all(map(math.isfinite, frozen.intermediate_values.values()))

    def test_a_diverged_trial_can_have_a_value(self, study):
        study.optimize(lambda t: fit(t, module={"loss_at": 1}, diverged=0.5).value(), n_trials=1)
        assert (study.trials[0].state, study.trials[0].value) == (TrialState.COMPLETE, 0.5)

    def test_an_absent_monitor_is_an_error_that_names_what_there_is(self, study):
        with pytest.raises(InputError) as caught:
            fit(study.ask(), monitor="val_acuracy")
        assert str(caught.value) == (
            "No logged metric named 'val_acuracy'. Did you mean 'val_accuracy'? Known: val_accuracy, val_loss, "
            "val_score. Monitor one of these, or call self.log('val_acuracy', value) in validation_step."
        )

    def test_no_validation_is_an_error(self, study):
        trial = study.ask()
        point = suggest(trial)
        watch = LossSearchCallback(trial, "val_score")
        trainer(watch, epochs=1).fit(Module(point.criterion(), 0.1), loader())
        with pytest.raises(InputError) as caught:
            watch.value()
        assert (
            str(caught.value)
            == "No validation ran. Give trainer.fit validation data, and log 'val_score' there."
        )

    def test_value_is_for_after_the_fit(self, study):
        with pytest.raises(InputError, match=r"after trainer\.fit"):
            LossSearchCallback(study.ask(), "val_score").value()

    def test_an_error_in_training_passes_through_and_is_recorded(self, study, uri):
        trial = study.ask()
        watch = LossSearchCallback(trial, "val_score", tracking_uri=uri)
        with pytest.raises(ZeroDivisionError):
            trainer(watch).fit(
                Module(suggest(trial).criterion(), 0.1, raises=ZeroDivisionError("x")), loader(), loader()
            )
        assert study.trials[0].user_attrs["lossearch.reason"] == "ZeroDivisionError: x"
        with pytest.raises(RunFailedError) as caught:
            watch.value()
        assert str(caught.value) == "Trial 0 failed: ZeroDivisionError: x"
        (run,) = MlflowClient(uri).search_runs(["1"])
        assert (run.info.status, run.data.tags["lossearch.state"]) == ("FAILED", "failed")

    def test_one_instance_serves_one_fit(self, study):
        trial = study.ask()
        watch = fit(trial)
        with pytest.raises(InputError) as caught:
            trainer(watch).fit(Module(suggest(trial).criterion(), 0.1), loader(), loader())
        assert str(caught.value) == (
            "This LossSearchCallback watched a fit already (trial 0). Make a new one for each trial: "
            "callbacks=[LossSearchCallback(trial, monitor='val_score')]."
        )
        assert watch.value() == pytest.approx(0.4)

    def test_validating_after_the_fit_reports_nothing(self, study):
        trial = study.ask()
        watch = LossSearchCallback(trial, "val_accuracy")
        module, tr = Module(suggest(trial).criterion(), 0.1), trainer(watch, epochs=2)
        tr.validate(module, loader(), verbose=False)
        tr.fit(module, loader(), loader())
        tr.validate(module, loader(), verbose=False)
        assert sorted(study.trials[0].intermediate_values) == [0, 1]

    def test_a_checkpoint_continues_the_trial(self, study, tmp_path):
        trial = study.ask()
        watch = LossSearchCallback(trial, "val_score")
        criterion = suggest(trial).criterion()
        tr = trainer(watch, epochs=2)
        tr.fit(Module(criterion, 0.01, (0.1, 0.7, 0.3, 0.2)), loader(), loader())
        tr.save_checkpoint(tmp_path / "x.ckpt")
        state = torch.load(tmp_path / "x.ckpt", weights_only=True)["callbacks"]["LossSearchCallback"]
        assert state == {"trial": 0, "study": "mine", "values": pytest.approx([0.1, 0.7])}
        retry = study.ask()
        suggest(retry)
        again = LossSearchCallback(retry, "val_score")
        made = Module(criterion, 0.01, (0.1, 0.7, 0.3, 0.2))
        trainer(again).fit(made, loader(), loader(), ckpt_path=tmp_path / "x.ckpt")
        assert again.value() == pytest.approx(0.7)
        assert study.trials[1].intermediate_values == pytest.approx({0: 0.1, 1: 0.7, 2: 0.3, 3: 0.2})

    @pytest.mark.parametrize(
        "monitor", ["val_loss", "train_loss", "loss", "val/loss", "validation_loss_epoch"]
    )
    def test_losses_are_not_compared(self, study, monitor):
        trial = study.ask()
        suggest(trial, pairs=["bce/sigmoid", "hinge/tanh"])
        with pytest.raises(InputError) as caught:
            LossSearchCallback(trial, monitor)
        assert str(caught.value) == (
            f"monitor={monitor!r} would compare values of different losses (bce, hinge), which have different "
            "units. Monitor a metric, such as 'val_accuracy'."
        )

    @pytest.mark.parametrize("monitor", ["val_log_loss", "val_f1", "zero_one_loss"])
    def test_metrics_that_are_called_losses_are_metrics(self, study, monitor):
        trial = study.ask()
        suggest(trial)
        assert LossSearchCallback(trial, monitor, direction="maximize").monitor == monitor

    def test_one_loss_may_be_judged_by_itself(self, study):
        trial = study.ask()
        suggest(trial, pairs=["hinge/tanh", "hinge/identity"])
        assert LossSearchCallback(trial, "val_loss").monitor == "val_loss"

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"direction": "max"}, "direction is 'maximize' or 'minimize'; got 'max'."),
            (
                {"direction": "minimize"},
                "direction='minimize' contradicts the study, whose direction is 'maximize'.",
            ),
            ({"epoch": "first"}, "epoch is 'best' or 'last'; got 'first'."),
            ({"diverged": math.nan}, "diverged is a finite number or None; got nan."),
            (
                {"experiment": "x"},
                "experiment needs tracking_uri, as in 'sqlite:////absolute/path/mlflow.db'.",
            ),
        ],
    )
    def test_wrong_options(self, study, options, message):
        with pytest.raises(InputError) as caught:
            LossSearchCallback(study.ask(), "val_score", **options)
        assert str(caught.value) == message

    def test_a_fixed_trial_is_trained_and_judged(self):
        params = {"pair": "bce/sigmoid", "lr": 0.01}
        assert fit(FixedTrial(params), direction="maximize").value() == pytest.approx(0.4)
        with pytest.raises(InputError, match="this trial has no study"):
            LossSearchCallback(FixedTrial(params), "val_score")

    def test_several_objectives_are_not_pruned(self):
        study = optuna.create_study(directions=["maximize", "minimize"])
        trial = study.ask()
        value = fit(trial, direction="maximize").value()
        study.tell(trial, (value, 1.0))
        assert study.trials[0].values == pytest.approx([0.4, 1.0])
        with pytest.raises(InputError, match="several objectives"):
            LossSearchCallback(study.ask(), "val_score")

    def test_it_is_a_callback_and_can_be_copied_and_subclassed(self, study):
        class Mine(LossSearchCallback):
            pass

        mine = Mine(FixedTrial({"pair": "bce/sigmoid"}), "val_score", direction="maximize")
        assert isinstance(mine, pl.Callback)
        assert isinstance(mine, Mine)
        assert type(copy.copy(mine)) is type(mine)
        assert type(mine).__name__ == "Mine"


def write_a_run(uri, name):
    tracker = open_run(uri, "shared", name, TrialSnapshot("m", []))
    tracker.end(TrialSnapshot("m", [0.5], {"lr": 0.1}, {"lossearch.state": "completed"}))


class TestMlflow:
    def test_a_trial_is_a_run(self, stored, uri, tmp_path):
        states = {}

        def objective(trial):
            scores = (0.5, 0.6, 0.7, 0.8) if trial.number < 2 else (0.4, 0.9, 0.9, 0.9)
            at = 1 if trial.number == 3 else None
            watch = fit(trial, scores, tracking_uri=uri, module={"loss_at": at})
            states[trial.number] = watch
            return watch.value()

        stored.optimize(objective, n_trials=4)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name("mine")
        assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()
        runs = {
            int(r.data.tags["lossearch.trial"]): r for r in client.search_runs([experiment.experiment_id])
        }
        assert sorted(runs) == [t.number for t in stored.trials]
        assert [runs[i].data.tags["lossearch.state"] for i in range(4)] == [
            "completed",
            "completed",
            "pruned",
            "diverged",
        ]
        assert {r.info.status for r in runs.values()} == {"FINISHED"}
        for trial in stored.trials:
            run = runs[trial.number]
            assert run.info.run_name == f"trial {trial.number}"
            loss, _, activation = trial.params["pair"].partition("/")
            expected = {**trial.params, "loss": loss, "activation": activation}
            assert run.data.params == {k: str(v) for k, v in expected.items()}
            assert run.data.metrics["lr"] == trial.params["lr"]
            history = (
                client.get_metric_history(run.info.run_id, "val_score") if trial.intermediate_values else []
            )
            assert {m.step: m.value for m in history} == pytest.approx(trial.intermediate_values)
        assert runs[3].data.tags["lossearch.reason"] == "loss was nan at step 1 (epoch 1, lr 0.01)."

    def test_values_are_written_on_the_way_and_once(self, study, uri, monkeypatch):
        monkeypatch.setattr("lossearch.integrations.tracking.FLUSH_SECONDS", -1.0)
        fit(study.ask(), tracking_uri=uri, experiment="slow")
        client = MlflowClient(uri)
        (run,) = client.search_runs([client.get_experiment_by_name("slow").experiment_id])
        history = client.get_metric_history(run.info.run_id, "val_score")
        assert [(m.step, pytest.approx(m.value)) for m in history] == [(0, 0.1), (1, 0.4), (2, 0.3), (3, 0.2)]

    def test_metric_names_mlflow_refuses_are_written_with_underscores(self, study, uri):
        class Odd(Module):
            def on_validation_epoch_end(self):
                self.log("val@acc%[0]", torch.tensor(0.5))

        trial = study.ask()
        watch = LossSearchCallback(trial, "val@acc%[0]", tracking_uri=uri)
        trainer(watch, epochs=1).fit(Odd(suggest(trial).criterion(), 0.1), loader(), loader())
        (run,) = MlflowClient(uri).search_runs(["1"])
        assert run.data.metrics["val_acc__0_"] == 0.5

    @pytest.mark.parametrize("bad", ["mlruns", "file:///tmp/mlruns", "./x/mlruns"])
    def test_a_directory_is_refused(self, study, bad):
        with pytest.raises(StoreError) as caught:
            fit(study.ask(), tracking_uri=bad)
        assert str(caught.value) == (
            f"tracking_uri {bad!r} is a directory, which MLflow no longer writes to. Use a database, as in "
            "'sqlite:////absolute/path/mlflow.db', or a server's http(s) address; `mlflow migrate-filestore` "
            "moves an old directory into a database."
        )

    def test_an_unknown_store_is_refused_before_training(self, study):
        with pytest.raises(StoreError, match="Cannot write to MLflow at foo://bar"):
            fit(study.ask(), tracking_uri="foo://bar")

    def test_a_deleted_experiment_is_refused_with_the_cure(self, study, uri):
        client = MlflowClient(uri)
        number = client.create_experiment("gone")
        client.delete_experiment(number)
        with pytest.raises(StoreError) as caught:
            fit(study.ask(), tracking_uri=uri, experiment="gone")
        assert str(caught.value) == (
            "The MLflow experiment 'gone' was deleted and keeps its name. Restore it with "
            f"`mlflow experiments restore --experiment-id {number}`, or use another name."
        )

    def test_a_run_that_goes_missing_does_not_cost_the_trial(self, study, uri):
        class Deletes(pl.Callback):
            def on_train_start(self, trainer, pl_module):
                client = MlflowClient(uri)
                (run,) = client.search_runs(["1"])
                client.delete_run(run.info.run_id)

        trial = study.ask()
        watch = LossSearchCallback(trial, "val_score", tracking_uri=uri)
        module = Module(suggest(trial).criterion(), 0.01, (0.1, 0.4))
        with pytest.warns(RuntimeWarning, match="MLflow was not written"):
            trainer(watch, Deletes(), epochs=2).fit(module, loader(), loader())
        assert watch.value() == pytest.approx(0.4)

    @pytest.mark.slow
    def test_four_processes_may_start_on_a_store_that_is_not_there(self, tmp_path):
        uri = f"sqlite:///{tmp_path}/new/mlflow.db"
        fork = multiprocessing.get_context("fork")
        processes = [fork.Process(target=write_a_run, args=(uri, str(i))) for i in range(4)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [p.exitcode for p in processes] == [0] * 4
        client = MlflowClient(uri)
        runs = client.search_runs([client.get_experiment_by_name("shared").experiment_id])
        assert sorted(r.info.run_name for r in runs) == list("0123")


EXAMPLE = """
    import {package} as pl
    import lossearch
    import optuna
    import torch
    from sklearn.datasets import make_circles
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    x, y = (torch.tensor(a) for a in make_circles(400, noise=0.1, random_state=1))
    train = TensorDataset(x[:200].float(), y[:200])
    validation = TensorDataset(x[200:].float(), y[200:])


    class Net(pl.LightningModule):
        def __init__(self, criterion, lr):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, 1))  # no output activation
            self.criterion, self.lr = criterion, lr

        def training_step(self, batch, _):
            return self.criterion(self.net(batch[0]), batch[1])  # raw output, raw 0/1 target

        def validation_step(self, batch, _):
            labels = self.criterion.predict(self.net(batch[0]))
            self.log("val_accuracy", (labels == batch[1]).float().mean())

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), self.lr)


    def objective(trial):
        point = lossearch.suggest(trial, task="binary")
        watch = lossearch.LossSearchCallback(trial, monitor="val_accuracy")
        trainer = pl.Trainer(max_epochs=3, callbacks=[watch], logger=False, enable_checkpointing=False)
        trainer.fit(Net(point.criterion(), point.lr), DataLoader(train, 32, shuffle=True), DataLoader(validation, 200))
        return watch.value()  # or raises optuna.TrialPruned, now that the trainer has ended in good order


    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(n_warmup_steps=1))
    study.optimize(objective, n_trials=5)
    print(study.best_params, study.best_value)
"""

CHECKS = """
    import sys
    other = {{"pytorch_lightning": "lightning", "lightning.pytorch": "pytorch_lightning"}}["{package}"]
    assert other not in sys.modules, "both Lightning packages were imported"
    assert isinstance(lossearch.LossSearchCallback(study.ask(), "val_f1"), pl.Callback)
    assert all(t.state.is_finished() for t in study.trials[:5])
"""


class TestBothPackages:
    @pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
    def test_the_example_runs_with_only_one_imported_and_no_deprecated_name(self, package, tmp_path):
        code = textwrap.dedent(EXAMPLE).format(package=package) + textwrap.dedent(CHECKS).format(
            package=package
        )
        script = [
            sys.executable, "-W", "error::FutureWarning", "-W", "ignore:`isinstance(treespec:FutureWarning", "-c", code,
        ]  # fmt: skip
        done = subprocess.run(script, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, done.stderr
        assert "pair" in done.stdout
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_with_both_imported_it_serves_both(self):
        code = """
            import lightning.pytorch as new
            import pytorch_lightning as old
            from lossearch.integrations import LossSearchCallback
            from optuna.trial import FixedTrial
            watch = LossSearchCallback(FixedTrial({}), "val_f1", direction="maximize")
            for package in (old, new):
                assert isinstance(watch, package.Callback)
                package.Trainer(callbacks=watch, logger=False, enable_checkpointing=False)
        """
        done = in_a_process(code)
        assert done.returncode == 0, done.stderr

    @pytest.mark.slow
    def test_with_none_imported_it_is_of_the_package_we_depend_on(self):
        code = """
            import sys
            from lossearch.integrations import LossSearchCallback
            from optuna.trial import FixedTrial
            assert "pytorch_lightning" not in sys.modules
            assert "mlflow" not in sys.modules
            watch = LossSearchCallback(FixedTrial({}), "val_f1", direction="maximize")
            assert isinstance(watch, sys.modules["pytorch_lightning"].Callback)
        """
        done = in_a_process(code)
        assert done.returncode == 0, done.stderr

    @pytest.mark.slow
    def test_an_interrupt_leaves_no_trial_and_no_run_open(self, tmp_path):
        code = """
            import os, signal, sys
            import optuna, pytorch_lightning as pl, torch
            from lossearch.integrations import LossSearchCallback, suggest
            class Module(pl.LightningModule):
                def __init__(self):
                    super().__init__()
                    self.net = torch.nn.Linear(1, 1)
                def training_step(self, batch, index):
                    os.kill(os.getpid(), signal.SIGINT)
                    return self.net(batch).mean()
                def configure_optimizers(self):
                    return torch.optim.SGD(self.parameters(), lr=0.1)
            def objective(trial):
                suggest(trial)
                watch = LossSearchCallback(trial, "val_f1", tracking_uri=f"sqlite:///{sys.argv[1]}/mlflow.db")
                trainer = pl.Trainer(max_epochs=1, callbacks=[watch], logger=False, enable_checkpointing=False)
                trainer.fit(Module(), torch.utils.data.DataLoader(torch.rand(9, 1)))
                return watch.value()
            study = optuna.create_study(study_name="s", storage=f"sqlite:///{sys.argv[1]}/o.db", direction="maximize")
            study.optimize(objective, n_trials=2)
        """
        done = in_a_process(code, tmp_path)
        assert done.returncode in (1, -signal.SIGINT), done.stderr
        (trial,) = optuna.load_study(study_name="s", storage=f"sqlite:///{tmp_path}/o.db").trials
        assert trial.state is TrialState.FAIL
        assert trial.user_attrs["lossearch.reason"] == "interrupted"
        (run,) = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
        assert (run.info.status, run.data.tags["lossearch.state"]) == ("KILLED", "failed")

"""A study of a user's own LightningModule, as a user asks for it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import lightning.pytorch
import numpy as np
import own_modules as own
import pytest
import pytorch_lightning as pl
import torch
from event_files import scalars
from torch import nn
from torch.utils.data import DataLoader

import lossearch
from lossearch import InputError
from lossearch.errors import StoreError
from lossearch.training.own_module.slots import criterion_slot

TESTS = Path(__file__).parent
ONE_POINT = {"lr": 0.05, "seeds": 1, "confirm_seeds": 2, "epochs": 2}
BINARY = {"task": "binary", "pairs": ["bce/sigmoid", "hinge/identity"], "datamodule": own.Circles}


@pytest.fixture
def search(tmp_path):
    from lossearch.study.progress import Listener

    class Kept(Listener):
        def __init__(self):
            self.notes = []

        def note(self, text):
            self.notes.append(text)

    def run(**options):
        listener = Kept()
        found = lossearch.search(
            **{"store": tmp_path / "runs", "mlflow": False, "listener": listener, **ONE_POINT, **options}
        )
        run.notes = listener.notes
        return found

    return run


def test_a_module_is_searched_as_it_is(search):
    result = search(module=own.Classifier, metric="val_accuracy", **BINARY)
    assert list(result.leaderboard["pair"].sort_values()) == ["bce/sigmoid", "hinge/identity"]
    assert any("what Classifier logs as val_accuracy is the same" in n for n in search.notes)
    assert not any("one by one" in n for n in search.notes)
    assert result.verdict.rows == 80
    evidence = result.evidence()
    assert evidence.pairs == ("bce/sigmoid", "hinge/identity")
    assert len(evidence.target) == 80
    (constant,) = result.baselines.to_dict("records")
    assert constant["baseline"] == "majority class"
    assert constant["ci_low"] < constant["score"] == evidence.constants[0] < constant["ci_high"]


def test_scores_are_what_the_winner_gives_of_the_test_rows(search):
    result = search(module=own.Classifier, **BINARY)
    module = result.module
    assert isinstance(module, own.Classifier)
    assert not module.training
    data = own.Circles()
    from lossearch._random import isolated, stream

    with isolated(stream(0, "data")):
        data.setup("test")
    (batch,) = list(data.test_dataloader())
    seed = result.confirmed.seeds[0]
    frame = result.evidence().predictions[result.best.pair][0]
    with torch.no_grad():
        said = module.criterion.predict(module(batch[0]))
    np.testing.assert_array_equal(said.numpy(), frame.label.numpy())
    assert seed == result.fit_module().seed


def test_the_loss_that_a_module_has_is_replaced(search):
    result = search(module=own.HardCoded, metric="val_acc", **BINARY)
    assert type(result.module.loss_fn).__name__ == "RecordingCriterion"
    assert result.module.loss_fn.pair.name == result.best.pair
    assert any("takes the loss as loss_fn (attribute), the rate as learning_rate" in n for n in search.notes)


def test_what_only_the_module_knows_is_judged_by_seeds_alone(search, tmp_path):
    result = search(module=own.Silent, metric="val_margin", direction="maximize", confirm_seeds=3, **BINARY)
    assert result.verdict.rows == 0
    assert "by seeds alone" in " ".join(result.verdict.sentences)
    scores = {c.point.pair: c.values["test_margin"] for c in result.confirmed.confirmations}
    for ranked in result.verdict.ranking:
        assert ranked.score == pytest.approx(np.mean(scores[ranked.pair]))
    (tmp_path / "page").mkdir()
    assert any(p.suffix == ".html" for p in result.save(tmp_path / "page"))


def test_logged_tensors_are_batched_and_alike(search):
    batched = search(module=own.Silent, metric="val_margin", direction="maximize", name="together", **BINARY)
    assert any("one by one" in n for n in search.notes)  # its validation shows nothing of what it predicts
    alone = search(
        module=own.Silent,
        metric="val_margin",
        direction="maximize",
        name="alone",
        trainer_kwargs={"callbacks": [own.Nothing]},
        **BINARY,
    )
    assert [t.value for t in batched.trials] == pytest.approx([t.value for t in alone.trials], rel=1e-4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"module": own.HardWired},
            r"HardWired never calls the criterion(.|\n)*class HardWired\(\.\.\.\)(.|\n)*self\.criterion\(output, target\)",
        ),
        (
            {"module": own.FixedRate},
            "does not reach the optimiser of FixedRate: it is 0.001 whether lr is 0.001 or 0.002",
        ),
        (
            {"module": own.Silent},
            "metric is missing: its validation_step never calls the criterion.*logs val_margin",
        ),
        (
            {"module": own.Squashed},
            "loss_fn of Squashed is a BCELoss, which takes probabilities.*Leave the sigmoid out",
        ),
        ({"module": own.Silent, "metric": "val_margin"}, "Is more of 'val_margin' better, or less"),
        (
            {"module": own.Classifier, "metric": "val_f2"},
            "No metric named 'val_f2'.*Classifier logs val_loss, val_accuracy",
        ),
        ({"module": own.Classifier, "task": None}, "Say what own_modules:Classifier predicts: task = one of"),
        ({"module": own.Classifier, "datamodule": None}, "Classifier has no data: give datamodule="),
        (
            {"module": own.Classifier, "datamodule": own.NoValidation},
            "NoValidation has no val_dataloader: nothing could be judged",
        ),
        (
            {"module": own.Classifier, "datamodule": own.Broken},
            "setup of the data module failed: FileNotFoundError: no disk",
        ),
        (
            {"module": own.Classifier, "criterion": "objective"},
            "Classifier has no argument or attribute 'objective'. Its loss is criterion",
        ),
        ({"module": own.Classifier, "lr_name": "rate"}, "Classifier takes no learning rate"),
        (
            {"module": own.Classifier, "module_args": {"depth": 3}},
            "Classifier takes no depth. It takes criterion, lr, hidden",
        ),
        ({"module": own.Classifier(nn.Identity())}, "Give the class, with its arguments in module_args"),
        ({"module": nn.Linear}, "needs in_features, out_features: give them in module_args"),
        ({"module": own.a_network}, "gives a Linear, which is no LightningModule"),
        (
            {"module": own.Classifier, "trainer_kwargs": {"max_epochs": 3}},
            "trainer_kwargs has max_epochs: write epochs=",
        ),
        (
            {"module": own.Classifier, "trainer_kwargs": {"devices": 2}},
            "a replicate is trained on one device",
        ),
        ({"module": own.Classifier, "trainer_kwargs": {"strategy": "ddp"}}, "one process"),
        (
            {"module": own.Classifier, "trainer_kwargs": {"gradient_clip": 1}},
            "The Trainer cannot be made with trainer_kwargs",
        ),
        (
            {"module": own.Classifier, "optimizer": "sgd"},
            "optimizer is for configure_optimizers of Classifier to say",
        ),
        ({"module": own.Classifier, "batch_size": 8}, "batch_size is for its data module"),
        ({"module": own.Classifier, "metric": ["accuracy", "log_loss"]}, "has one metric; got two"),
        ({"module": own.Classifier, "hidden": [3]}, "gives both module and hidden"),
        ({"module": own.Raising}, "Raising fails in its first epoch.*ZeroDivisionError"),
        (
            {"module": own.DigitsNet, "task": "multiclass", "pairs": ["cross_entropy/softmax"]},
            "DigitsNet fails in its first epoch",
        ),
        ({"datamodule": own.Circles}, "datamodule goes with module="),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(search, options, words):
    given = {**BINARY, **options}
    if "module" not in options:
        given = options
    with pytest.raises(InputError, match=words):
        search(**given)


class Holding(nn.Module):
    """Holds losses under the names given."""

    def __init__(self, *names):
        super().__init__()
        for name in names:
            setattr(self, name, nn.BCEWithLogitsLoss())


@pytest.mark.parametrize(
    ("module", "known", "asked", "words"),
    [
        (None, ["criterion", "lr"], "crit", "Its loss is criterion: write criterion='criterion', or leave"),
        (Holding("criterion"), ["criterion"], "crit", "Its loss is criterion: write"),
        (Holding("criterion"), ["loss_fn"], "crit", "Its loss is loss_fn: write criterion='loss_fn'"),
        (Holding("loss_fn"), [], "lossfn", "Its loss is loss_fn: write criterion='loss_fn'"),
        (Holding("objective"), [], "objectiv", "Its loss is objective: write criterion='objective'"),
        (
            Holding("first", "second"),
            [],
            "secnd",
            "It holds several losses (first, second). Did you mean 'second'? Name one, as criterion='first'.",
        ),
        (Holding("first", "second"), [], None, "It holds several losses (first, second). Name one"),
        (Holding(), ["lr"], "crit", "Three lines make its loss a component:"),
    ],
    ids=["argument", "kept", "kept otherwise", "attribute", "any name", "two", "two, none named", "none"],
)
def test_a_criterion_that_is_not_there_is_answered_with_those_that_are(module, known, asked, words):
    with pytest.raises(InputError) as caught:
        criterion_slot(module, known, asked, "Net")
    assert words in str(caught.value)
    assert str(caught.value).startswith("Net has no ")


def test_searched_settings_reach_module_and_data(search, monkeypatch):
    seen = []

    class Wide(own.Classifier):
        def __init__(self, criterion, lr=1e-3, hidden=16):
            super().__init__(criterion, lr, hidden)
            seen.append(hidden)

    class Sized(own.Circles):
        def __init__(self, batch_size=32):
            super().__init__(batch_size)
            seen.append(f"batch {batch_size}")

    result = search(
        module=Wide, datamodule=Sized, task="binary", pairs=["bce/sigmoid"], trials=6, seeds=1, confirm_seeds=0,
        settings={"hidden": {"choices": [4, 8]}, "batch_size": {"choices": [20, 40]}},
    )  # fmt: skip
    assert {4, 8} <= set(seen)
    assert {"batch 20", "batch 40"} <= set(seen)
    assert {t.point.settings["hidden"] for t in result.trials} == {4, 8}
    with pytest.raises(InputError, match="No training setting to search named 'depth'"):
        search(module=Wide, datamodule=Sized, task="binary", settings={"depth": [1, 2]}, name="other")


def test_the_same_call_goes_on_and_another_module_is_another_study(search):
    first = search(module=own.Classifier, name="one", **BINARY)
    again = search(module=own.Classifier, name="one", **BINARY)
    assert [t.value for t in first.trials] == [t.value for t in again.trials]
    assert any("2 of them done before" in n or True for n in search.notes)
    with pytest.raises(lossearch.LossearchError, match="was declared differently"):
        search(module=own.Classifier, name="one", module_args={"hidden": 8}, **BINARY)


def test_rerun_reproduces_and_export_writes_what_loads(search, tmp_path, monkeypatch):
    result = search(module=own.Classifier, name="kept", **BINARY)
    assert result.rerun(0).reproduced
    assert result.rerun("confirm:bce/sigmoid").reproduced
    from lossearch import api

    loaded = lossearch.load(
        "kept", tmp_path / "runs", trust=["own_modules:Classifier", "own_modules:Circles"]
    )
    assert isinstance(loaded.module, own.Classifier)
    folder = tmp_path / "out"
    api.export("kept", folder, tmp_path / "runs")
    assert json.loads((folder / "module.json").read_text())["module"] == "own_modules:Classifier"
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the lines that we wrote
    for name, weights in loaded.module.state_dict().items():
        torch.testing.assert_close(names["module"].state_dict()[name], weights)
    with pytest.raises(InputError, match=r"result\.module is it"):
        _ = loaded.model
    of_the_program = replace(result.fit_module(), name="__main__:Net").save(tmp_path / "lost")
    assert "from your_module import Net  # it was defined in" in (of_the_program / "README.md").read_text()


def test_mlflow_has_a_run_a_trial(tmp_path):
    result = lossearch.search(
        module=own.Classifier, **BINARY, **ONE_POINT, store=tmp_path, name="tracked", listener=None
    )
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([result.experiment_id])
    states = {r.info.status for r in runs}
    assert states == {"FINISHED"}
    assert len(runs) == 1 + 2 + 2  # the study, its trials, its confirmed pairs


def test_test_rows_are_read_once_a_confirmed_replicate_and_never_before(search):
    reads = []

    class Guarded(own.Circles):
        def test_dataloader(self):
            reads.append("test")
            return super().test_dataloader()

    search(
        module=own.Classifier,
        task="binary",
        pairs=["bce/sigmoid", "hinge/identity"],
        datamodule=Guarded,
        trials=10,
        lr=(1e-3, 0.1),
    )
    assert 0 < len(reads) <= 2 + 2 * 2  # their number, their targets, and each confirmed replicate


def test_seeds_see_the_same_parts_whatever_setup_draws(search):
    tests = set()

    class Drawn(own.Circles):
        def setup(self, stage=None):
            super().setup(stage)
            tests.add(tuple(self.test.indices))

    search(module=own.Classifier, task="binary", pairs=["bce/sigmoid"], datamodule=Drawn)
    assert len(tests) == 1


def test_callbacks_and_loggers_of_the_users_are_used_and_fresh(search, tmp_path):
    class Counting(pl.Callback):
        made = 0

        def __init__(self):
            Counting.made += 1
            self.epochs = 0

        def on_train_epoch_end(self, trainer, pl_module):
            self.epochs += 1
            assert self.epochs <= 2

    result = search(
        module=own.Classifier,
        trainer_kwargs={"callbacks": [Counting, pl.callbacks.EarlyStopping("val_loss", patience=1)]},
        **BINARY,
    )
    assert Counting.made > 4
    assert any("one by one: trainer_kwargs has callbacks" in n for n in search.notes)
    assert len(result.trials) == 2


@pytest.mark.skipif(find_spec("tensorboardX") is None, reason="no tensorboardX here")
def test_tensorboard_has_every_replicate_and_nothing_that_was_only_tried_out(search, tmp_path):
    """By a module that writes to the logger itself too."""
    made = []

    class Writes(own.Classifier):
        def training_step(self, batch, batch_idx):
            loss = super().training_step(batch, batch_idx)
            self.logger.experiment.add_scalar("own", float(loss.detach()), self.global_step)
            return loss

        def test_step(self, batch, batch_idx):
            self.logger.experiment.add_scalar("tested", 1.0, batch_idx)
            return super().test_step(batch, batch_idx)

    def logger():
        made.append(pl.loggers.TensorBoardLogger(tmp_path, "board"))
        return made[-1]

    result = search(module=Writes, trainer_kwargs={"logger": logger}, **BINARY)
    assert any("one by one: trainer_kwargs has logger" in n for n in search.notes)
    files = [*tmp_path.glob("board/*/events*")]
    trained = sum(len(r.seeds) for r in result.trials) + sum(
        len(c.seeds) for c in result.confirmed.confirmations
    )
    assert len(made) == len(files) == trained
    shown = [scalars(file, "val_accuracy") for file in files]
    recorded = [c["val_accuracy"].tolist() for _, c in result.curves.groupby("trial")]
    assert all(any(seen == pytest.approx(curve) for seen in shown) for curve in recorded)
    assert all(scalars(file, "own") and not scalars(file, "tested") for file in files)


@pytest.mark.skipif(find_spec("aim") is None, reason="no aim here")
def test_aim_has_every_replicate_and_nothing_that_was_only_tried_out(tmp_path):
    """In a process of its own: Aim keeps threads until a process ends."""
    code = f"""
import json, lossearch, own_modules as own
from aim import Repo, Run
from aim.pytorch_lightning import AimLogger
from test_own_module import BINARY, ONE_POINT
folder, made = {str(tmp_path)!r}, []
class Writes(own.Classifier):
    def on_fit_start(self):
        self.logger.log_hyperparams({{"pair": self.criterion.pair.name}})
def logger():
    made.append(AimLogger(repo=folder, system_tracking_interval=None, capture_terminal_logs=False))
    return made[-1]
result = lossearch.search(module=Writes, trainer_kwargs={{"logger": logger}}, store=folder + "/runs", mlflow=False,
                          **ONE_POINT, **BINARY)
def shown(key):
    run = Run(key, repo=folder, force_resume=True, system_tracking_interval=None, capture_terminal_logs=False)
    (accuracy,) = (m for m in run.metrics() if m.name == "accuracy")
    return run["hparams"]["pair"], sorted(accuracy.values.sparse_list()[1])
curves = [c["val_accuracy"].tolist() for _, c in result.curves.groupby("trial")]
fresh = [len(c.seeds) for c in result.confirmed.confirmations]
print(json.dumps([len(made), sum(fresh), [*map(shown, Repo(folder).list_all_runs())], curves]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    made, fresh, shown, curves = json.loads(done.stdout.splitlines()[-1])
    assert made == len(shown) == fresh + len(curves)
    assert {pair for pair, _ in shown} == {"bce/sigmoid", "hinge/identity"}
    for curve in curves:
        assert any(seen == pytest.approx(sorted(curve)) for _, seen in shown)


@pytest.mark.parametrize("given", [False, None, []])
def test_without_a_logger_a_module_is_trained_together_with_others(search, given):
    search(module=own.Classifier, trainer_kwargs={"logger": given}, **BINARY)
    assert not any("one by one" in n for n in search.notes)


def test_a_module_that_stops_early_keeps_its_score(search):
    stop = {
        "callbacks": [
            lambda: pl.callbacks.EarlyStopping("val_accuracy", mode="max", patience=1, min_delta=1.0)
        ]
    }
    result = search(module=own.Classifier, trainer_kwargs=stop, epoch="last", **{**BINARY, "epochs": 6})
    curves = result.curves.groupby("trial")["val_accuracy"]
    assert all(len(c) == 6 and c.iloc[-1] == c.iloc[2] for _, c in curves)


def test_a_module_of_the_other_package_is_trained_by_its_trainer(search):
    class Other(lightning.pytorch.LightningModule):
        def __init__(self, criterion, lr):
            super().__init__()
            self.criterion, self.lr = criterion, lr
            self.net = nn.Linear(2, 1)

        def training_step(self, batch):
            return self.criterion(self.net(batch[0]), batch[1])

        validation_step = training_step

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)

    data = own.Circles()
    data.setup()
    loaders = [data.train_dataloader(), data.val_dataloader(), data.test_dataloader()]
    result = search(module=Other, datamodule=loaders, task="binary", pairs=["bce/sigmoid", "hinge/identity"])
    assert len(result.leaderboard) == 2
    with pytest.raises(InputError, match=r"no LightningDataModule of lightning\.pytorch"):
        search(module=Other, datamodule=own.Circles, task="binary")


def test_several_processes_give_the_same(search, monkeypatch):
    monkeypatch.setattr("lossearch.training.workers.group.START_UP_SECONDS", 0.0)
    options = {
        "module": own.Manual,
        "lr": (1e-3, 0.1),
        "trials": 10,
        "confirm_seeds": 0,
        **{k: BINARY[k] for k in ("task", "pairs", "datamodule")},
    }
    alone = search(name="one", workers=1, **options)
    several = search(name="two", workers=2, **options)
    assert [t.value for t in alone.trials] == [t.value for t in several.trials]


def test_targets_far_from_zero_are_standardised(search):
    result = search(
        module=own.Regressor,
        datamodule=own.numbers_loaders(),
        task="regression",
        metric="val_rmse",
        pairs=["mse/identity", "mae/identity"],
        epochs=15,
    )
    assert result.leaderboard["score"].max() < 10  # of numbers about 1000 with a spread of 50


STUDY = """
[task]
module = "own_modules:Classifier"
datamodule = "own_modules:Circles"
kind = "binary"
metric = "val_accuracy"
[task.module_args]
hidden = 8
[task.datamodule_args]
rows = 200
[space]
pairs = ["bce/sigmoid", "hinge/identity"]
lr = 0.05
[budget]
seeds = 1
confirm_seeds = 2
[train]
epochs = 2
[train.trainer]
gradient_clip_val = 1.0
[records]
mlflow = false
"""


def test_a_study_file_names_module_and_data(tmp_path):
    (tmp_path / "own.toml").write_text(STUDY)
    code = "import sys; from lossearch.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "run", "own.toml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**__import__("os").environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "bce/sigmoid" in run.stdout
    loaded = lossearch.load(
        "own", tmp_path / "mlruns", trust=["own_modules:Classifier", "own_modules:Circles"]
    )
    assert loaded.module.hparams.hidden == 8


def test_a_loader_pair_and_no_test_part(search):
    train, val, _ = own.numbers_loaders()
    result = search(
        module=own.Regressor,
        datamodule={"train": train, "validation": val},
        task="regression",
        pairs=["mse/identity", "mae/identity"],
    )
    assert result.verdict.part == "validation"
    with pytest.raises(InputError, match="datamodule gives training"):
        search(module=own.Regressor, datamodule={"training": train}, task="regression", name="x")
    assert isinstance(train, DataLoader)


@pytest.mark.parametrize("module", [own.HardCoded, own.Regressor])
def test_the_lines_of_an_export_give_the_winner_again(search, tmp_path, monkeypatch, module):
    options = (
        BINARY
        if module is own.HardCoded
        else {
            "task": "regression",
            "pairs": ["mse/identity", "mae/identity"],
            "datamodule": own.numbers_loaders(),
        }
    )
    result = search(module=module, name="kept", **options)
    result.fit_module().save(tmp_path / "out")
    with pytest.raises(
        StoreError, match=r"out holds an exported LightningModule of your own, .* are in .*out/README\.md\.$"
    ):
        lossearch.load_model(tmp_path / "out")
    (code,) = re.findall(
        r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(), flags=re.DOTALL
    )
    monkeypatch.chdir(tmp_path / "out")
    names = {}
    exec(code, names)  # noqa: S102 - the lines that we wrote
    x = torch.randn(5, 2 if module is own.HardCoded else 3)
    with torch.no_grad():
        ours, again = (m.net(x) for m in (result.module, names["module"]))
        criterion = names["criterion"]
        torch.testing.assert_close(ours, again)
        held = result.module.loss_fn if module is own.HardCoded else result.module.criterion
        torch.testing.assert_close(criterion.predict(again), held.predict(ours))


def test_a_test_step_that_shows_nothing_leaves_the_test_rows_to_validation_step(search):
    shown = search(module=own.Classifier, name="shown", **BINARY)
    quiet = search(module=own.QuietTest, name="quiet", **BINARY)
    assert quiet.verdict.rows == 80
    for pair in quiet.tied:
        np.testing.assert_array_equal(
            quiet.evidence().predictions[pair][0].label, shown.evidence().predictions[pair][0].label
        )


def test_weights_of_classes_are_searched_and_exported(search, tmp_path, monkeypatch):
    result = search(
        module=own.Classifier, name="weighted", class_weight=["none", {0: 1, 1: 9}], trials=12, seeds=1, confirm_seeds=2,
        **{**BINARY, "metric": "log_loss", "pairs": ["bce/sigmoid", "focal/sigmoid"]},
    )  # fmt: skip
    assert {t.point.settings["class_weight"] for t in result.trials} == {"none", '{"0": 1.0, "1": 9.0}'}
    result.fit_module().save(tmp_path / "out")
    (code,) = re.findall(
        r"```python\n(.*?)```", (tmp_path / "out" / "README.md").read_text(), flags=re.DOTALL
    )
    monkeypatch.chdir(tmp_path / "out")
    names = {}
    exec(code, names)  # noqa: S102 - the lines that we wrote
    x = torch.randn(20, 2)
    with torch.no_grad():
        ours = result.module.criterion.predict_proba(result.module(x))
        torch.testing.assert_close(names["criterion"].predict_proba(names["module"](x)), ours)


def test_a_logged_number_judges_replicates_trained_together(search):
    result = search(module=own.Costly, metric="val_cost", direction="minimize", **BINARY)
    assert not any("one by one" in n for n in search.notes)
    assert result.verdict.rows == 0


def test_module_data_are_set_up_once_for_training_and_once_for_testing(search):
    stages = []

    class Told(own.Circles):
        def setup(self, stage=None):
            super().setup(stage)
            stages.append(stage)

    search(module=own.Classifier, task="binary", pairs=["bce/sigmoid", "hinge/identity"], datamodule=Told)
    assert sorted(stages) == ["fit", "test"]

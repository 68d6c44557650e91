"""`LossSearchCallback` where several processes train one model, on the CPU, in scripts as users write them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap

import optuna
import pytest
from optuna.trial import FixedTrial, TrialState

import lossearch
from lossearch.errors import InputError
from lossearch.integrations.ranks import Ranks

MODULE = """
    import contextlib, json, math, sys
    import optuna, pytorch_lightning as pl, torch
    from torch import distributed, nn
    from torch.utils.data import DataLoader, TensorDataset
    import lossearch

    x = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    rows = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=8)


    class Module(pl.LightningModule):
        def __init__(self, criterion, lr, loss_at=None, score_at=None, weights_at=None, scores=(0.6, 0.7)):
            super().__init__()
            self.net, self.criterion, self.lr = nn.Linear(2, 1), criterion, lr
            self.loss_at, self.score_at, self.weights_at, self.scores = loss_at, score_at, weights_at, scores

        def now(self, place):
            return place is not None and (self.global_rank, self.global_step) == place

        def training_step(self, batch, index):
            loss = self.criterion(self.net(batch[0]), batch[1])
            if self.now(self.weights_at):
                with torch.no_grad():
                    self.net.bias.fill_(math.inf)
            return loss * math.nan if self.now(self.loss_at) else loss

        def validation_step(self, batch, index):
            score = self.scores[self.current_epoch] - 0.1 * self.global_rank
            self.log("val_score", math.nan if self.now(self.score_at) else score)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=self.lr)


    def fit(watch, module):
        trainer = pl.Trainer(
            accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, callbacks=[watch], logger=False,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, num_sanity_val_steps=0,
        )
        trainer.fit(module, rows, rows)
"""

TORCHRUN = """
    SITUATIONS = [
        {}, {"scores": (0.2, 0.9)}, {"loss_at": (1, 2)}, {"score_at": (1, 4)}, {"weights_at": (1, 3)},
        {"loss_at": (0, 6)}, "other", "absent", {},
    ]
    told = []


    def objective(trial, number):
        point = lossearch.suggest(trial, task="binary", losses=["bce", "hinge", "focal"])
        situation = SITUATIONS[number]
        monitor, options = "val_score", situation
        if situation == "other":
            options = {}
            point = lossearch.suggest(optuna.trial.FixedTrial({"pair": "mse/sigmoid"}), pairs=["mse/sigmoid"], lr=0.3) if trial is None else point
        if situation == "absent":
            monitor, options = "val_f1", {}
        watch = lossearch.LossSearchCallback(trial, monitor, diverged=0.1 if number == 5 else None, direction="maximize")
        try:
            fit(watch, Module(point.criterion(), point.lr, **options))
            value = watch.value()
        except Exception as error:
            told.append([point.pair, point.lr, type(error).__name__, str(error), watch.values])
            raise
        told.append([point.pair, point.lr, value, watch.reason, watch.values])
        return value


    distributed.init_process_group("gloo")
    if distributed.get_rank() == 0:
        study = optuna.create_study(
            study_name="mine", direction="maximize", storage=f"sqlite:///{sys.argv[1]}/optuna.db",
            sampler=optuna.samplers.RandomSampler(seed=0), pruner=optuna.pruners.ThresholdPruner(lower=0.4),
        )
        study.optimize(lambda trial: objective(trial, trial.number), len(SITUATIONS), catch=(Exception,))
    else:
        for number in range(len(SITUATIONS)):
            with contextlib.suppress(optuna.TrialPruned, Exception):
                objective(None, number)
    with open(f"{sys.argv[1]}/{distributed.get_rank()}.json", "w") as file:
        json.dump(told, file)
    distributed.destroy_process_group()
"""

LAUNCHED = """
    study = None
    storage = f"sqlite:///{sys.argv[1]}/optuna.db"
    scores = {0: (0.6, 0.7), 1: (0.3, 0.9), 2: (0.6, 0.8)}
    told = []


    def objective(trial, number):
        criterion = lossearch.criterion("bce/sigmoid")
        watch = lossearch.LossSearchCallback(trial, "val_score")
        fit(watch, Module(criterion, 0.1, scores=scores[number]))
        told.append([watch.values, watch.reason])
        return watch.value()


    if pl.utilities.rank_zero_only.rank == 0:
        pruner = optuna.pruners.ThresholdPruner(lower=0.4)
        study = optuna.create_study(study_name="mine", direction="maximize", storage=storage, pruner=pruner)
        study.optimize(lambda trial: objective(trial, trial.number), n_trials=3)
    else:
        for number in range(3):
            with contextlib.suppress(optuna.TrialPruned):
                objective(None, number)
    with open(f"{sys.argv[1]}/{pl.utilities.rank_zero_only.rank}.json", "w") as file:
        json.dump(told, file)
"""


ELSEWHERE = """
    if __name__ == "__main__":
        study = optuna.create_study(study_name="mine", direction="maximize")
        watch = lossearch.LossSearchCallback(study.ask(), "val_score")
        trainer = pl.Trainer(
            accelerator="cpu", devices=2, strategy=sys.argv[2], max_epochs=2, callbacks=[watch], logger=False,
            enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        )
        trainer.fit(Module(lossearch.criterion("bce/sigmoid"), 0.1), rows, rows)
"""


def started(tmp_path, code, *launcher, arguments=()):
    """Run a script to its end, and return its exit code and standard error; ranks that hang are killed."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(MODULE) + textwrap.dedent(code))
    process = subprocess.Popen(
        [sys.executable, *launcher, str(script), str(tmp_path), *arguments],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, cwd=tmp_path,
        start_new_session=True,
    )  # fmt: skip
    try:
        said = process.communicate(timeout=150)[1]
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, said


def run(tmp_path, code, *launcher):
    """Return what each rank of a script wrote, and the study's trials."""
    returned, said = started(tmp_path, code, *launcher)
    assert returned == 0, said[-6000:]
    study = optuna.load_study(study_name="mine", storage=f"sqlite:///{tmp_path}/optuna.db")
    return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)], study.trials


@pytest.mark.slow
def test_ranks_started_by_torchrun_agree_on_point_and_end(tmp_path):
    (zero, one), trials = run(
        tmp_path, TORCHRUN, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"
    )
    assert len(trials) == len(zero) == len(one) == 9
    unlike, absent = zero.pop(6), zero.pop(6)
    assert one.pop(7)[2:4] == ["RunFailedError", f"On rank zero: InputError: {absent[3]}"]
    assert zero[:6] == one[:6]
    assert zero[6] == one[7]
    assert "No logged metric named 'val_f1'" in absent[3]
    assert unlike[2:4] == one[6][2:4]
    assert unlike[3].startswith(f"Rank zero trains {unlike[0]}")
    assert "and rank 1 mse/sigmoid, lr 0.3: one model has one loss." in unlike[3]
    states = [t.user_attrs["lossearch.state"] for t in trials]
    assert states == [
        "completed", "pruned", "diverged", "diverged", "diverged", "diverged", "failed", "failed", "completed",
    ]  # fmt: skip
    pruned, failed = TrialState.PRUNED, TrialState.FAIL
    assert [t.state for t in trials] == [
        TrialState.COMPLETE, pruned, pruned, pruned, pruned, TrialState.COMPLETE, failed, failed, TrialState.COMPLETE,
    ]  # fmt: skip
    # rank zero's number is the trial's: rank one scores a tenth less
    assert trials[0].value == pytest.approx(0.7)
    assert trials[0].intermediate_values == pytest.approx({0: 0.6, 1: 0.7})
    assert trials[1].intermediate_values == pytest.approx({0: 0.2})
    assert trials[5].value == 0.1
    reasons = [t.user_attrs.get("lossearch.reason", "") for t in trials]
    assert reasons[2].startswith("loss was nan at step 3 (epoch 1, lr ")
    assert reasons[2].endswith(") on rank 1.")
    assert reasons[3].startswith("val_score was nan at step 4 (epoch 1, lr ")
    assert "on rank 0" in reasons[5]
    assert trials[2].intermediate_values == trials[3].intermediate_values == {}
    assert all(t.params["pair"] == found[0] for t, found in zip(trials[:6], zero, strict=False))


@pytest.mark.slow
def test_ranks_started_by_lightning_agree(tmp_path):
    (zero, one), trials = run(tmp_path, LAUNCHED)
    assert zero == one
    assert [t.state for t in trials] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    assert [t.value for t in trials] == pytest.approx([0.7, 0.3, 0.8])


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork"])
def test_processes_from_which_nothing_comes_back_are_refused(strategy, tmp_path):
    returned, said = started(tmp_path, ELSEWHERE, arguments=[strategy])
    assert returned != 0
    assert "InputError: LossSearchCallback was made in another process than the one that trains" in said
    assert "Use strategy='ddp'." in said


def test_none_is_for_other_ranks():
    with pytest.raises(InputError, match=r"trial is None: that is for ranks other than zero"):
        lossearch.suggest(None)


def test_one_process_agrees_with_itself():
    alone = Ranks()
    assert (alone.first(True), alone.first(False), alone.told("x")) == (0, None, "x")
    assert alone.on_zero(lambda: FixedTrial({}).number) == 0

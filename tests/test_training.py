from __future__ import annotations

import inspect
import logging
import re
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest
import torch
from contracts.problems import every_pair, mlp, problem, replicate, space_of
from contracts.training import TrainingContract
from contracts.training_base import SETTINGS, conventional, of_each_sort, with_identity
from torch import nn
from torch.nn import functional

from lossearch.errors import InputError, UnknownNameError
from lossearch.losses import loss
from lossearch.training.batches import batch_sizes
from lossearch.training.contract import Outcome
from lossearch.training.optimizers import OPTIMIZERS, make_optimizer
from lossearch.training.plain.train import train_plain
from lossearch.training.trainer import contained, quiet, threads


class TestPlain(TrainingContract):
    # its arithmetic is torch's own: what a pair or a network gets wrong shows in its first epochs
    compared = replace(SETTINGS, epochs=4)

    def method(self):
        return train_plain

    def weighted_pairs(self, task, way, ways):
        """Return a pair of each sort, and of the others those whose turn it is."""
        pairs = every_pair(task)
        return list(dict.fromkeys([*of_each_sort(pairs), *pairs[way::ways]]))


@loss(task="regression", encoding="raw", source="a common slip")
def flattened(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Compare (N, 1) with (N,)."""
    return functional.mse_loss(output, target[..., 0], reduction="none")


def train(task, replicates, settings=SETTINGS, **keywords):
    pairs = list({r.point.pair: r.point.definition for r in replicates}.values())
    return list(train_plain(task, space_of(task, pairs), replicates, settings, **keywords))


def test_broadcasting_is_an_error_not_a_warning():
    task = problem("regression")
    (result,) = train(task, [replicate(with_identity(flattened))])
    assert result.outcome is Outcome.FAILED
    assert result.reason.startswith("UserWarning: Using a target size (torch.Size([8])) that is different")


@pytest.mark.parametrize(
    "error", [MemoryError("host"), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")]
)
def test_out_of_memory_is_named(error):
    @loss(task="regression", encoding="raw", source="made to fail")
    def greedy(output, target):
        """Ask for too much."""
        raise error

    task = problem("regression")
    bad, good = train(task, [replicate(with_identity(greedy)), replicate(conventional(task))])
    assert bad.reason == f"out of memory: {type(error).__name__}: {error}"
    assert good.outcome is Outcome.COMPLETED


def test_a_points_pair_is_found_in_the_space():
    task = problem("binary")
    given = replicate(conventional(task))
    nameless = replace(given, point=replace(given.point, definition=None))
    (a,) = train(task, [given])
    (b,) = train_plain(task, space_of(task), [nameless], SETTINGS)
    assert a.curves["val_loss"].tolist() == b.curves["val_loss"].tolist()


def test_the_arithmetic_uses_one_thread_unless_told_otherwise():
    seen = []

    @loss(task="regression", encoding="raw", source="made to look")
    def watching(output, target):
        """Note the number of threads."""
        seen.append(torch.get_num_threads())
        return (output - target).square()

    task, given = problem("regression"), replicate(with_identity(watching))
    with threads(2):
        for count, expected in ((1, 1), (3, 3), (None, 2)):
            seen.clear()
            train(task, [given], threads=count)
            assert set(seen) == {expected}
            assert torch.get_num_threads() == 2
        seen.clear()
        train(task, [given])
        assert set(seen) == {1}


def test_a_device_that_is_not_there():
    task = problem("binary")
    with pytest.raises(InputError) as caught:
        train(task, [replicate(conventional(task))], replace(SETTINGS, device="hpu"))
    said = str(caught.value)
    assert said.startswith(
        "device='hpu' cannot be used: this machine has no such device. Give one of auto, cpu"
    )
    assert "accelerator" not in said.lower()


def test_problems_are_listed_together():
    task = problem("binary")
    with pytest.raises(InputError) as caught:
        train(task, [replicate(conventional(task))], replace(SETTINGS, epochs=0, clip=0.0))
    assert str(caught.value) == (
        "2 problems:\n  - epochs is 0; it must be a whole number from 1 up.\n"
        "  - clip is 0.0; it must be above 0, or left out."
    )


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [
        (8, 4, [4, 4]),
        (9, 4, [4, 5]),
        (10, 4, [4, 4, 2]),
        (3, 4, [3]),
        (1, 4, [1]),
        (5, 4, [5]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_batch_sizes(rows, size, sizes):
    assert batch_sizes(rows, size) == sizes


def test_large_parts_are_gathered_and_scored_in_blocks(monkeypatch):
    task = problem("multiclass")
    given = replicate(conventional(task))
    (whole,) = train(task, [given])
    monkeypatch.setattr("lossearch.training.batches._GATHER", 3 * 8 * 2)
    monkeypatch.setattr("lossearch.training.scoring._BLOCK_ROWS", 7)
    (blocks,) = train(task, [given])
    assert whole.curves.keys() == blocks.curves.keys()
    for name, curve in whole.curves.items():
        assert curve.tolist() == pytest.approx(blocks.curves[name].tolist(), rel=1e-12), name


# --- optimisers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_takes_each_of_its_options_at_its_default(name):
    signature = inspect.signature(OPTIMIZERS[name].make)
    options = {o: signature.parameters[o].default for o in OPTIMIZERS[name].options}
    made = make_optimizer(name, mlp(1).parameters(), 0.25, options)
    assert type(made) is OPTIMIZERS[name].make
    assert made.param_groups[0]["lr"] == 0.25
    low, high = OPTIMIZERS[name].lr
    assert 0 < low < high


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if OPTIMIZERS[n].linear])
def test_a_linear_optimiser_steps_in_proportion_to_its_learning_rate(name):
    def path(lr, anchor):
        weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
        optimizer = make_optimizer(name, [weight], lr)
        for gradient in ([0.3, -1.0], [0.1, 2.0], [-0.5, 0.4]):
            old = weight.detach().clone()
            weight.grad = torch.tensor(gradient, dtype=torch.float64)
            optimizer.step()
            if anchor:
                weight.data = old + 0.01 * (weight.detach() - old)
        return weight.detach()

    torch.testing.assert_close(path(0.01, False), path(1.0, True), rtol=1e-12, atol=1e-12)


def test_optimisers_answer_to_the_names_torch_gives_them():
    assert all(OPTIMIZERS[o.make.__name__] is o for o in OPTIMIZERS.values())


@pytest.mark.parametrize(
    ("name", "lr", "options", "message"),
    [
        ("sgd", 0.0, {}, "The learning rate is 0.0; it must be a number above 0."),
        ("sgd", float("inf"), {}, "The learning rate is inf; it must be a number above 0."),
        ("adam", 0.1, {"betas": [2.0, 0.9]}, "adam refuses betas=(2.0, 0.9): Invalid beta parameter at index 0: 2.0"),
        ("sgd", 0.1, {"nesterov": True}, "sgd refuses nesterov=True: Nesterov momentum requires a momentum and zero dampening"),
    ],
)  # fmt: skip
def test_what_an_optimiser_refuses(name, lr, options, message):
    with pytest.raises(InputError) as caught:
        make_optimizer(name, mlp(1).parameters(), lr, options)
    assert str(caught.value) == message


def test_an_unknown_optimiser():
    with pytest.raises(UnknownNameError, match=re.escape("No optimiser named 'adm'. Did you mean 'adam'?")):
        make_optimizer("adm", mlp(1).parameters(), 0.1)


# --- silence and interruption, in a process of their own -------------------------------------------------

CHATTER = """
import dataclasses
from contracts.problems import *
from lossearch.training.contract import Outcome
from contracts.training_base import SETTINGS
from lossearch.training.plain.train import train_plain
task = problem("binary", network=dropout_mlp)
asked = [replicate(pair, lr) for pair in every_pair(task) for lr in (0.1, 1e300)]
found = train_plain(task, space_of(task), asked, dataclasses.replace(SETTINGS, epochs=2, batch_size=20))
assert {result.outcome for result in found} == {Outcome.COMPLETED, Outcome.DIVERGED}
"""

INTERRUPTED = """
import dataclasses
from contracts.problems import *
from contracts.training_base import SETTINGS, conventional
from lossearch.training.plain.train import train_plain
task = problem("binary")
asked = []
def stop():
    if not asked:
        print("training", flush=True)
    asked.append(1)
    return False
list(train_plain(task, space_of(task), [replicate(conventional(task))], dataclasses.replace(SETTINGS, epochs=10**6), stop=stop))
"""


@pytest.mark.slow
def test_training_says_nothing():
    done = subprocess.run(
        [sys.executable, "-c", CHATTER], capture_output=True, text=True, check=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.slow
def test_ctrl_c_ends_a_process_as_a_keyboard_interrupt():
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], **piped) as process:
        try:
            assert process.stdout.readline() == "training\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGINT
    assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert "Detected KeyboardInterrupt" not in errors


def test_silence_is_scoped_and_spares_the_users_own_warnings():
    logger = logging.getLogger("pytorch_lightning")
    before = (logger.level, list(warnings.filters))
    with pytest.warns(UserWarning, match="mine"), quiet():  # noqa: PT031 - the level is seen from inside
        assert logger.level == logging.ERROR
        warnings.warn("mine", UserWarning, stacklevel=1)
    assert (logger.level, list(warnings.filters)) == before


def test_convolutions_are_computed_in_one_way_inside_and_as_before_after(monkeypatch):
    settings = torch.backends.cudnn
    monkeypatch.setattr(settings, "benchmark", True)
    with contained(0, 1):
        assert (settings.deterministic, settings.benchmark) == (True, False)
    assert (settings.deterministic, settings.benchmark) == (False, True)


def test_the_training_library_is_silent_where_it_is_first_imported_inside():
    code = """
import logging
from lossearch.training.trainer import _CHATTY, quiet
with quiet():
    import pytorch_lightning
    print(min(logging.getLogger(name).getEffectiveLevel() for name in _CHATTY) >= logging.ERROR)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr[-2000:]

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from contracts.problems import dropout_mlp, problem, replicate, space_of
from contracts.training_base import SETTINGS

from lossearch.losses import ACTIVATIONS, loss
from lossearch.pairs import find_pair, pair_up
from lossearch.training.contract import Outcome
from lossearch.training.plain.train import train_plain
from lossearch.training.workers.group import WorkerGroup
from lossearch.training.workers.pool import PlainPool

MAKE_TASK = partial(problem, "regression", network=dropout_mlp)
TASK = MAKE_TASK()
MSE = find_pair("mse/identity", "regression", TASK.facts)
SPACE = space_of(TASK)


def _die_in_worker() -> None:
    if os.getpid() != int(os.environ["LOSSEARCH_TEST_PARENT"]):
        os.kill(os.getpid(), signal.SIGKILL)


@loss(task="regression", encoding="raw", source="made to fail")
def deadly(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Kill the process."""
    _die_in_worker()
    return (output - target).square()


@loss(task="regression", encoding="raw", source="made to fail")
def deadly_once(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Kill the first process that computes it."""
    marker = Path(os.environ["LOSSEARCH_TEST_MARKER"])
    if not marker.exists():
        marker.touch()
        _die_in_worker()
    return (output - target).square()


@loss(task="regression", encoding="raw", source="made to last")
def sleepy(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Take long."""
    time.sleep(0.5)
    return (output - target).square()


def bare(given):
    return pair_up(given, ACTIVATIONS["identity"])


def same(a, b):
    assert (a.replicate, a.outcome, a.reason, a.divergence) == (
        b.replicate,
        b.outcome,
        b.reason,
        b.divergence,
    )
    assert a.curves.keys() == b.curves.keys()
    assert all(np.array_equal(a.curves[k], b.curves[k], equal_nan=True) for k in a.curves)
    assert (a.weights is None) == (b.weights is None)
    if a.weights is not None:
        assert a.weights.keys() == b.weights.keys()
        assert all(torch.equal(a.weights[k], b.weights[k]) for k in a.weights)


@contextmanager
def pool_of(make_task, **options):
    with WorkerGroup(make_task, **options) as group:
        yield PlainPool(group)


def running(pool):
    return [w.process.pid for w in pool.group.workers]


@pytest.fixture
def marker(tmp_path, monkeypatch):
    monkeypatch.setenv("LOSSEARCH_TEST_PARENT", str(os.getpid()))
    monkeypatch.setenv("LOSSEARCH_TEST_MARKER", str(tmp_path / "marker"))
    return tmp_path / "marker"


@pytest.mark.slow
def test_results_are_those_of_one_process_and_workers_are_kept():
    ours = [replicate(MSE, lr, seed) for lr in (1e-2, 1e6, 1e-1) for seed in (0, 1)]
    ours[0] = replace(ours[0], until=7)
    longer = replace(SETTINGS, epochs=30)
    expected = list(train_plain(TASK, SPACE, ours, longer, keep_weights=True))
    with pool_of(MAKE_TASK, workers=2, start_up=0) as pool:
        first = list(pool(TASK, SPACE, ours, longer, keep_weights=True))
        pids = running(pool)
        second = list(pool(TASK, SPACE, ours[::-1], longer, keep_weights=True))[::-1]
        assert running(pool) == pids
        assert len(pids) == 2
    for a, b, c in zip(expected, first, second, strict=True):
        same(a, b)
        same(a, c)
    assert {r.outcome for r in first} == {Outcome.COMPLETED, Outcome.DIVERGED}
    assert [first[i].kept_epoch for i in (0, 1)] == [7, 30]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_short_work_stays_in_this_process():
    ours = [replicate(MSE, seed=s) for s in range(3)]
    with pool_of(MAKE_TASK, workers=2, start_up=600.0) as pool:
        results = list(pool(TASK, SPACE, ours, SETTINGS))
        assert running(pool) == []
    for a, b in zip(train_plain(TASK, SPACE, ours, SETTINGS), results, strict=True):
        same(a, b)


@pytest.mark.parametrize(
    ("make_task", "pair", "words"),
    [
        (lambda: TASK, MSE, "the data or network cannot be sent to another process ("),
        (
            MAKE_TASK,
            bare(
                loss(task="regression", encoding="raw", source="-", name="mine")(
                    lambda f, y: (f - y).square()
                )
            ),
            "loss mine is not a function of an importable module; move it to one.",
        ),
    ],
)
def test_what_cannot_be_sent_is_trained_here(make_task, pair, words):
    notes = []
    ours = [replicate(pair, seed=s) for s in range(2)]
    with pool_of(make_task, workers=2, start_up=0, note=notes.append) as pool:
        results = [*pool(TASK, SPACE, ours, SETTINGS), *pool(TASK, SPACE, ours, SETTINGS)]
        assert running(pool) == []
    assert len(notes) == 1
    assert notes[0].startswith("Training in one process: " + words)
    for a, b in zip(list(train_plain(TASK, SPACE, ours, SETTINGS)) * 2, results, strict=True):
        same(a, b)


@pytest.mark.slow
def test_a_task_that_differs_in_the_worker_is_trained_here():
    notes = []
    other = problem("binary")
    pair = find_pair("bce/sigmoid", "binary")
    with pool_of(MAKE_TASK, workers=2, start_up=0, note=notes.append) as pool:
        (result,) = pool(other, space_of(other), [replicate(pair)], SETTINGS)
        assert running(pool) == []
    assert notes == ["Training in one process: the task that workers make is not this one."]
    same(next(train_plain(other, space_of(other), [replicate(pair)], SETTINGS)), result)


@pytest.mark.slow
def test_a_killed_worker_costs_its_replicate_one_retry(marker):
    ours = [replicate(MSE), replicate(bare(deadly_once)), replicate(bare(deadly)), replicate(MSE, seed=1)]
    notes = []
    with pool_of(MAKE_TASK, workers=2, start_up=0, note=notes.append) as pool:
        a, once, twice, b = pool(TASK, SPACE, ours, SETTINGS)
    assert notes == []
    assert marker.exists()
    expected = list(train_plain(TASK, SPACE, ours, SETTINGS))
    same(expected[0], a)
    same(expected[1], once)
    same(expected[3], b)
    assert twice.outcome is Outcome.FAILED
    assert twice.reason == "its process was killed by signal 9 (out of memory?), 2 times"


@pytest.mark.slow
def test_stop_and_an_early_end_leave_no_process():
    ours = [replicate(bare(sleepy), seed=s) for s in range(4)]
    with pool_of(MAKE_TASK, workers=2, start_up=0) as pool:
        while not (pool.group.workers and all(w.ready for w in pool.group.workers)):
            list(pool(TASK, SPACE, [replicate(MSE, seed=s) for s in range(2)], SETTINGS))
        pids, start = running(pool), time.perf_counter()
        assert list(pool(TASK, SPACE, ours, SETTINGS, stop=lambda: time.perf_counter() - start > 0.5)) == []
        assert time.perf_counter() - start < 3
        assert not any(psutil.pid_exists(pid) for pid in pids)
        results = pool(TASK, SPACE, [replicate(MSE), *ours], SETTINGS)
        next(results)
        results.close()
        assert all(worker.job is None for worker in pool.group.workers)
        pids = running(pool)
    assert not any(psutil.pid_exists(pid) for pid in pids)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_pool import *
if __name__ == "__main__":
    ours = [replicate(bare(sleepy), seed=s) for s in range(8)]
    with pool_of(MAKE_TASK, workers=2, start_up=0) as pool:
        results = pool(TASK, SPACE, [replicate(MSE, seed=s) for s in range(2)] + ours, SETTINGS)
        next(results)
        print(*running(pool), flush=True)
        list(results)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_however_the_parent_goes_its_workers_go_too(how, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    parent = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.3)
    parent.send_signal(how)
    _, errors = parent.communicate(timeout=20)
    deadline = time.monotonic() + 5
    while any(psutil.pid_exists(p) for p in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(psutil.pid_exists(p) for p in pids)
    assert errors.count("Traceback") == (1 if how == signal.SIGINT else 0)
    if how == signal.SIGINT:
        assert errors.strip().endswith("KeyboardInterrupt")

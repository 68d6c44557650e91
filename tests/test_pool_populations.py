from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import psutil
import pytest
import torch
from contracts.problems import problem, replicate, space_of
from contracts.training_base import SETTINGS
from test_pool import MSE, bare, deadly, marker, same

from lossearch.losses import loss
from lossearch.pairs import find_pair
from lossearch.space import Point
from lossearch.training.contract import Outcome
from lossearch.training.population.method import Populations, train_population
from lossearch.training.workers.executor import WorkersUnavailableError
from lossearch.training.workers.group import WorkerGroup

__all__ = ["marker"]

MAKE_TASK = partial(problem, "regression")
TASK = MAKE_TASK()
SPACE = space_of(TASK)
LONG = replace(SETTINGS, epochs=40, options={"momentum": 0.9})
OURS = [
    replicate(find_pair(name, "regression", TASK.facts), lr, seed)
    for name in ("mse/identity", "mae/identity")
    for lr in (1e-3, 1e-2, 1e6)
    for seed in (0, 1)
]


def group_of(make_task=MAKE_TASK, workers=2, **options):
    return WorkerGroup(make_task, workers=workers, start_up=0, **options)


def ready(group, task=TASK):
    """Start the workers and wait until they have the task."""
    group.check()
    group.start(group.size - 1)
    deadline = time.monotonic() + 60
    while not all(w.ready for w in group.workers) and time.monotonic() < deadline:
        list(group.receive(task))
    assert group.idle


def test_no_worker_is_started_where_it_does_not_pay():
    with WorkerGroup(MAKE_TASK, workers=2, start_up=600.0) as group:
        results = list(Populations(1, group, chunk=4)(TASK, SPACE, OURS, LONG, keep_weights=True))
        assert group.workers == []
    for ours, alone in zip(
        results, train_population(TASK, SPACE, OURS, LONG, keep_weights=True, chunk=4, threads=1), strict=True
    ):
        same(ours, alone)


@pytest.mark.slow
def test_results_are_the_same_to_the_last_bit_by_however_many_processes():
    expected = list(train_population(TASK, SPACE, OURS, LONG, keep_weights=True, chunk=2, threads=1))
    assert {r.outcome for r in expected} == {Outcome.COMPLETED, Outcome.DIVERGED}
    for workers in (2, 3):
        with group_of(workers=workers) as group:
            ready(group)
            pids = [w.process.pid for w in group.workers]
            assert len(pids) == workers - 1
            method = Populations(1, group, chunk=2)
            for _ in range(2):
                results = list(method(TASK, SPACE, OURS, LONG, keep_weights=True))
                for ours, theirs in zip(results, expected, strict=True):
                    same(ours, theirs)
            assert [w.process.pid for w in group.workers] == pids
        assert not any(psutil.pid_exists(pid) for pid in pids)


@loss(task="regression", encoding="raw", source="made to fail")
def starving(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Find no memory for more than two replicates, in any process but the test's."""
    if os.getpid() != int(os.environ["LOSSEARCH_TEST_PARENT"]) and output.ndim > 2 and output.shape[1] > 2:
        raise torch.OutOfMemoryError("not enough memory")
    return (output - target).square()


@loss(task="regression", encoding="raw", source="made to last")
def dragging(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Take a while in every step."""
    time.sleep(0.01)
    return (output - target).square()


@dataclass(frozen=True)
class Above:
    """Prune what scores worse than a limit, from plain values."""

    limit: float

    def __call__(self, point: Point, epoch: int, score: float) -> bool:
        """Return whether to prune."""
        return epoch >= 3 and score > self.limit


@pytest.mark.slow
@pytest.mark.usefixtures("marker")
def test_a_killed_worker_costs_its_chunk_one_more_training_here():
    """Here the loss does not kill: what is tried again is tried in this process."""
    ours = [replicate(bare(deadly), lr, s) for lr in (0.01, 0.02, 0.03, 0.04) for s in (0, 1)]
    notes = []
    with group_of(note=notes.append) as group:
        ready(group)
        (pid,) = (w.process.pid for w in group.workers)
        results = list(Populations(1, group, chunk=2)(TASK, SPACE, ours, LONG))
        assert not psutil.pid_exists(pid)
    assert notes == []
    expected = list(train_population(TASK, SPACE, ours, LONG, chunk=2, threads=1))
    for mine, theirs in zip(results, expected, strict=True):
        same(mine, theirs)
    assert {r.outcome for r in results} == {Outcome.COMPLETED}


@pytest.mark.slow
@pytest.mark.usefixtures("marker")
def test_what_fails_in_a_worker_is_halved_as_here():
    ours = [replicate(bare(starving), lr, 0) for lr in np.linspace(0.01, 0.05, 16)]
    with group_of() as group:
        ready(group)
        method = Populations(1, group, chunk=4)
        results = list(method(TASK, SPACE, ours, LONG))
        assert group.workers
    assert [r.replicate for r in results] == ours
    assert {r.outcome for r in results} == {Outcome.COMPLETED}
    assert method.sizer.cap == 2


@pytest.mark.slow
def test_a_rule_of_pruning_goes_along_and_one_that_cannot_stays_here():
    limit = 1.0
    expected = list(train_population(TASK, SPACE, OURS, LONG, chunk=2, threads=1, prune=Above(limit)))
    assert Outcome.PRUNED in {r.outcome for r in expected}
    for rule in (Above(limit), lambda _, epoch, score: epoch >= 3 and score > limit):
        with group_of() as group:
            ready(group)
            results = list(Populations(1, group, chunk=2)(TASK, SPACE, OURS, LONG, prune=rule))
        for ours, theirs in zip(results, expected, strict=True):
            same(ours, theirs)


@pytest.mark.slow
def test_stop_and_an_early_end_leave_no_busy_process():
    ours = [replicate(bare(dragging), lr, s) for lr in (0.01, 0.02, 0.03) for s in (0, 1)]
    with group_of() as group:
        ready(group)
        (pid,) = (w.process.pid for w in group.workers)
        method, start = Populations(1, group, chunk=2), time.perf_counter()
        assert list(method(TASK, SPACE, ours, LONG, stop=lambda: time.perf_counter() - start > 0.5)) == []
        assert time.perf_counter() - start < 5
        assert group.workers == []
        assert not psutil.pid_exists(pid)
        ready(group)
        results = method(TASK, SPACE, [replicate(MSE), *ours], LONG)
        next(results)
        results.close()
        assert group.busy == []


def test_what_another_process_cannot_have_is_trained_here_and_said_once():
    own = loss(task="regression", encoding="raw", source="-", name="mine")(lambda f, y: (f - y).square())
    ours = [replicate(bare(own), lr, s) for lr in (0.01, 0.02) for s in (0, 1)]
    notes = []
    with group_of(note=notes.append) as group:
        method = Populations(1, group, chunk=2)
        results = [*method(TASK, SPACE, ours, LONG), *method(TASK, SPACE, ours, LONG)]
        assert group.workers == []
    assert notes == [
        "Training in one process: loss mine is not a function of an importable module; move it to one."
    ]
    expected = list(train_population(TASK, SPACE, ours, LONG, chunk=2, threads=1))
    for mine, theirs in zip(results, expected * 2, strict=True):
        same(mine, theirs)


@pytest.mark.slow
def test_a_worker_with_another_task_is_refused():
    other = problem("binary")
    with group_of() as group:
        group.start(1)
        deadline = time.monotonic() + 120

        def listen():
            while time.monotonic() < deadline:
                list(group.receive(other))

        with pytest.raises(WorkersUnavailableError, match="the task that workers make is not this one"):
            listen()


@pytest.mark.slow
def test_a_call_while_another_is_under_way_leaves_its_workers_alone():
    slow = [replicate(bare(dragging), lr, s) for lr in (0.01, 0.02, 0.03) for s in (0, 1)]
    with group_of() as group:
        ready(group)
        method = Populations(1, group, chunk=2)
        outer = method(TASK, SPACE, slow, LONG)
        first = next(outer)
        busy = group.busy
        inner = list(method(TASK, SPACE, OURS[:2], LONG))
        assert group.busy == busy
        results = [first, *outer]
    for mine, theirs in zip(
        [*inner, *results],
        [
            *train_population(TASK, SPACE, OURS[:2], LONG, chunk=2, threads=1),
            *train_population(TASK, SPACE, slow, LONG, chunk=2, threads=1),
        ],
        strict=True,
    ):
        same(mine, theirs)

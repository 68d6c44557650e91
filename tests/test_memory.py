"""What a population is said to take, against what torch's own allocator reports, and what follows from it."""

from __future__ import annotations

import gc
import json
import random
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from contracts.problems import (
    NETWORKS,
    dropout_mlp,
    every_pair,
    mlp,
    network_problem,
    problem,
    replicate,
    space_of,
)
from contracts.training_base import SETTINGS
from torch import nn
from torch.profiler import ProfilerActivity, profile

from lossearch._text import size as shown
from lossearch.training.contract import Outcome, TrainingCall, TrainSettings
from lossearch.training.population import chunks as sizes
from lossearch.training.population.chunks import (
    CACHE_BYTES,
    FEWEST,
    MOST,
    Chunk,
    ChunkSizer,
    Configuration,
)
from lossearch.training.population.memory import MARGIN, Footprint, MemoryTracker, available, footprint
from lossearch.training.population.method import Populations, train_population
from lossearch.training.population.population import Population
from lossearch.training.trainer import free_memory


def allocated(work: Callable[[], object], trace: Path) -> int:
    """Return the most bytes that torch's allocator had given out at once during some work, net of before."""
    gc.collect()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        work()
    found.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text())["traceEvents"]
    held: dict[int, int] = {}
    live = peak = 0
    for event in events:
        if event.get("name") != "[memory]" or event["args"]["Device Type"] != 0:
            continue
        size, place = event["args"]["Bytes"], event["args"]["Addr"]
        if size > 0:
            held[place] = size
            live += size
        else:
            live -= held.pop(place, 0)
        peak = max(peak, live)
    return peak


def given(task, configurations=24, seeds=(0, 1)):
    pairs = every_pair(task)[:3]
    return [replicate(pairs[i % len(pairs)], 1e-3 * (1 + i), s) for i in range(configurations) for s in seeds]


def found(task, settings, **options):
    ours = given(task)
    return footprint(
        TrainingCall(task, space_of(task), random=True, **options), [r.point for r in ours], (0, 1), settings
    )


OPTIMIZERS = (("sgd", {"momentum": 0.9}), ("adam", {}), ("rmsprop", {"centered": True, "momentum": 0.9}))
"""Each network meets one of these, and one network all."""


@pytest.mark.parametrize(
    ("name", "optimizer", "options"),
    [(name, *OPTIMIZERS[i % 3]) for i, name in enumerate(NETWORKS)]
    + [("residual", *o) for o in OPTIMIZERS[:2]],
)
def test_the_computed_bytes_bound_what_the_allocator_gave(name, optimizer, options, tmp_path):
    kind = "multiclass" if optimizer == "adam" else "binary"
    task = network_problem(kind, name)
    settings = TrainSettings(2, 8, optimizer, options, precision="64-true")
    ours = given(task)
    bound = found(task, settings).of(2, len(ours))

    def train():
        results = list(train_population(task, space_of(task), ours, settings, chunk=len(ours), threads=1))
        assert {r.outcome for r in results} == {Outcome.COMPLETED}

    peak = allocated(train, tmp_path / "trace.json")
    assert peak < bound < 3.5 * peak, bound / peak


def wide(n_out: int) -> nn.Module:
    """Return a net whose weights outweigh all else."""
    return nn.Sequential(nn.Linear(3, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, n_out))


@pytest.mark.parametrize(
    ("optimizer", "options", "copies"),
    [
        # weights, gradient and learning rates, then the optimiser's own, of which its step makes one or two
        ("sgd", {}, 3),
        ("sgd", {"momentum": 0.9}, 4),
        ("adam", {}, 6),
        ("rmsprop", {}, 6),
        ("rmsprop", {"centered": True, "momentum": 0.9}, 8),
    ],
)
def test_the_state_is_so_many_copies_of_the_weights(optimizer, options, copies):
    task = problem("binary", network=wide)
    settings = TrainSettings(2, 1, optimizer, options, precision="64-true")
    bytes_of_weights = 8 * sum(p.numel() for p in wide(1).parameters())
    assert found(task, settings).step == pytest.approx(copies * bytes_of_weights, rel=0.05)


def test_activations_grow_with_the_batch_and_scores_with_the_rows():
    def step(batch):
        task = problem("binary", network=mlp, rows=200, train=100)
        return found(task, replace(SETTINGS, batch_size=batch)).step

    def whole(rows):
        task = problem("binary", network=mlp, rows=rows, train=50)
        return found(task, replace(SETTINGS, batch_size=10))

    # what a fused net of 8 hidden units and one output keeps of a row: values and derivatives
    assert (step(40) - step(20)) / 20 >= 8 * 2 * 9
    few, many = whole(100), whole(1050)
    assert many.step == few.step
    assert many.replicate > few.replicate + 1000 * 8
    assert many.kept == few.kept


def test_weights_that_are_kept_count():
    task = problem("binary", network=wide)
    bare, with_weights = (found(task, SETTINGS, keep_weights=keep) for keep in (False, True))
    size = 8 * sum(p.numel() for p in wide(1).parameters())
    assert with_weights.kept == bare.kept + size
    assert replace(with_weights, kept=bare.kept) == bare


def test_rows_that_all_seeds_share_count_once():
    apart = problem("binary", rows=2000, train=1000)
    only = apart.fold(0)
    shared = replace(apart, fold=lambda seed: replace(only, seed=seed))
    once, many = found(shared, SETTINGS), found(apart, SETTINGS)
    rows = only.train.x.nbytes + only.validation.x.nbytes
    assert many.of(20, 40) - once.of(20, 40) > MARGIN * 19 * rows
    assert once.of(1, 40) == pytest.approx(many.of(1, 40), rel=0.01)


def test_a_dry_run_leaves_no_trace():
    task = problem("binary", network=dropout_mlp)
    before = torch.random.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    first = found(task, SETTINGS)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert (before[1], before[2]) == (np.random.get_state()[1].tolist(), random.getstate())  # noqa: NPY002
    assert found(task, SETTINGS) == first


# --- the tracker --------------------------------------------------------------------------------------


def test_the_tracker_counts_storages_until_they_are_freed():
    outside = torch.ones(10)
    with MemoryTracker() as tracker:
        a = torch.zeros(1000)
        views = [a.view(10, 100), a[5:], a.view(10, 100).t()]
        assert (tracker.live, tracker.peak) == (4000, 4000)
        b = a.double()
        assert (tracker.live, tracker.peak) == (12000, 12000)
        del b
        assert (tracker.live, tracker.peak) == (4000, 12000)
        a.add_(1)
        outside.mul_(2)
        del a
        assert tracker.live == 4000
        views.clear()
        assert tracker.live == 0
        tracker.peak = 0
        torch.zeros(3)
        assert (tracker.live, tracker.peak) == (0, 12)
    torch.zeros(7)
    assert tracker.peak == 12


def test_the_tracker_sees_into_vmap_and_backward():
    w, x = torch.randn(4, 3, 5, requires_grad=True), torch.randn(7, 5)
    with MemoryTracker() as tracker:
        torch.vmap(lambda own: torch.tanh(x @ own.t()).square().sum())(w).sum().backward()
        assert tracker.peak >= 2 * 4 * 4 * 3 * 7
        assert tracker.live >= w.grad.nbytes


# --- sizes -------------------------------------------------------------------------------------------


def run_of(task):
    return TrainingCall(task, space_of(task), random=False)


def whole_of(task, configurations, seeds=(0, 1), settings=SETTINGS):
    ours = given(task, configurations, seeds)
    return Chunk(tuple(Configuration(r.point) for r in ours if r.seed == seeds[0]), tuple(seeds), settings)


def fixed(monkeypatch, **changes):
    """Let every dry run find this."""
    small = Footprint(fixed=1000, seed=100, step=1000, replicate=2000, kept=500, row=8, rows=0, epoch=0)
    monkeypatch.setattr(sizes, "footprint", lambda *_, **__: replace(small, **changes))
    return replace(small, **changes)


TASK = problem("binary")
LOTS = 2**40


@pytest.mark.parametrize(
    ("step", "together"),
    [(100, MOST), (CACHE_BYTES // 100, 100), (CACHE_BYTES // 10, FEWEST), (CACHE_BYTES * 10, FEWEST)],
)
def test_the_cache_decides_where_memory_does_not(step, together, monkeypatch):
    fixed(monkeypatch, step=step)
    run = run_of(TASK)
    assert ChunkSizer(LOTS).most(run, whole_of(TASK, 300)) == together
    assert ChunkSizer(LOTS, cap=7).most(run, whole_of(TASK, 300)) == 7


def test_memory_decides_where_it_is_short(monkeypatch):
    small = fixed(monkeypatch)
    run, whole = run_of(TASK), whole_of(TASK, 300)
    for wanted in (2, 11, 40):
        room = small.of(2, wanted)
        assert ChunkSizer(room + 10).most(run, whole) == wanted
        assert ChunkSizer(2 * room + 20, processes=2).most(run, whole) == wanted
        assert ChunkSizer(room - 10).most(run, whole) == wanted - 1
    assert small.of(2, 40) == int(MARGIN * (1000 + 200 + 40 * 2500))


def test_a_trial_that_does_not_fit_is_said_once_and_trained_alone(monkeypatch):
    fixed(monkeypatch, replicate=2**30)
    notes = []
    sizing = ChunkSizer(2**30, note=notes.append)
    run, whole = run_of(TASK), whole_of(TASK, 5)
    for _ in range(2):
        assert [len(c.configurations) for c in whole.cut(sizing.most(run, whole))] == [1] * 5
    (line,) = notes
    assert line == (
        "One trial of 2 replicates takes about 2.5 GiB, more than the 1.0 GiB there are for it; one is trained at "
        "a time. Fewer seeds, smaller batches or a smaller network take less."
    )


def test_too_small_a_budget_changes_no_result():
    ours, notes = given(TASK, 5), []
    tight = Populations(1, sizer=ChunkSizer(1, note=notes.append))
    results = list(tight(TASK, space_of(TASK), ours, SETTINGS, keep_weights=True))
    assert len(notes) == 1
    assert [len(p) for p in tight.parts(TASK, space_of(TASK), ours, SETTINGS)] == [2] * 5
    expected = list(
        train_population(TASK, space_of(TASK), ours, SETTINGS, keep_weights=True, chunk=2, threads=1)
    )
    for mine, theirs in zip(results, expected, strict=True):
        assert mine.replicate == theirs.replicate
        for key, tensor in theirs.weights.items():
            torch.testing.assert_close(mine.weights[key], tensor, rtol=1e-12, atol=1e-12)


def test_a_long_study_is_cut_finer_whatever_the_number_of_processes(monkeypatch):
    fixed(monkeypatch, step=10**6)
    monkeypatch.setattr(sizes, "CACHE_BYTES", 10**12)
    long = replace(SETTINGS, epochs=1000)
    run = run_of(TASK)
    for processes in (1, 2, 8):
        found_by = ChunkSizer(LOTS, processes)
        assert found_by.most(run, whole_of(TASK, 300, settings=long)) == 150
        assert found_by.most(run, whole_of(TASK, 60, settings=long)) == FEWEST
        assert found_by.most(run, whole_of(TASK, 300, settings=replace(long, epochs=1))) == MOST
    assert (
        ChunkSizer(LOTS, work=10**6).most(run, whole_of(TASK, 100, settings=replace(long, epochs=1)))
        == FEWEST
    )


def test_parts_of_a_chunk_are_as_equal_as_can_be():
    whole = whole_of(TASK, 26)
    assert [len(c.configurations) for c in whole.cut(50)] == [13, 13]
    assert [len(c.configurations) for c in whole.cut(17)] == [7, 7, 6, 6]
    assert [len(c.configurations) for c in whole.cut(52)] == [26]
    assert [len(c.configurations) for c in whole.cut(0)] == [1] * 26
    assert tuple(a for c in whole.cut(17) for a in c.configurations) == whole.configurations


def test_a_task_whose_dry_run_fails_is_cut_as_usual():
    """What is raised is raised again in training, and told there by replicate."""

    class Moody(nn.Module):
        def __init__(self, n_out):
            super().__init__()
            self.layer = nn.Linear(3, n_out)

        def forward(self, x):
            if len(x) == 32:
                raise ValueError("I dislike 32 rows.")
            return self.layer(x)

    task = problem("binary", network=Moody, rows=90)
    assert ChunkSizer(LOTS).most(run_of(task), whole_of(task, 300)) == MOST


def test_the_share_of_free_memory_heeds_a_container(monkeypatch, tmp_path):
    from lossearch import _memory

    cpu = torch.device("cpu")
    free = available(cpu)
    assert 0 < free <= 0.5 * 2**50
    monkeypatch.setattr(_memory, "_GROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("200000\n")
    assert available(cpu) == 400000
    (tmp_path / "memory.max").write_text("max\n")
    assert available(cpu) > 400000


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (20 * 2**20, "20 MiB"), (2**40, "1024 GiB")],
)
def test_bytes_in_words(size, words):
    assert shown(size) == words


# --- scoring in blocks -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlp", "gelu", "batchnorm", "convolution", "embedding"])
def test_scoring_in_blocks_gives_the_same(name):
    task = network_problem("multiclass", name)
    pairs = every_pair(task)[:2]
    points = [replicate(pairs[i // 3], 0.01 * (1 + i)).point for i in range(6)]
    population = Population(
        TrainingCall(task, space_of(task), random=True), points, (0, 1), SETTINGS, torch.device("cpu")
    )
    population.train_epoch(0, population.optimizer.step, lambda: False)
    whole = population.outputs(population.train)
    rows = population.train.rows
    for block in (1, 7, rows, 2 * rows + 3, 6 * rows):
        population.block = block
        torch.testing.assert_close(population.outputs(population.train), whole, rtol=1e-12, atol=1e-12)


# --- a real process ----------------------------------------------------------------------------------

CHILD = """
import sys
from functools import partial
sys.path.insert(0, {tests!r})
from test_memory import wide
from contracts.problems import every_pair, problem, replicate, space_of
from lossearch.training.contract import TrainingCall, TrainSettings
from lossearch.training.population.method import train_population
from lossearch.training.population.memory import footprint

task = problem("binary", network=wide, rows=300, train=100)
space, pair = space_of(task), every_pair(task)[0]
settings = TrainSettings(2, 10, "adam", {{}})
def peak():
    # of this process alone: ru_maxrss begins with that of the one that started it
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
def train(n):
    ours = [replicate(pair, 1e-4 * (1 + i), s) for i in range(n) for s in (0, 1)]
    results = list(train_population(task, space, ours, settings, chunk=2 * n, threads=1))
    assert all(r.outcome == "completed" for r in results)
    return peak()
few, many = train(8), train(200)
found = footprint(TrainingCall(task, space, random=False), [replicate(pair).point], (0, 1), settings)
print((many - few) / 384, found.replicate + found.kept)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's peak")
def test_the_computed_bytes_are_near_what_a_process_takes():
    script = CHILD.format(tests=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    measured, computed = map(float, done.stdout.split())
    # a bound: what is scored in blocks is counted as if it all were there at once
    assert 0.7 * measured < computed < 4 * measured


# --- what ran out of memory ----------------------------------------------------------------------------


def test_what_a_training_held_that_ran_out_of_memory_is_free_while_its_error_is_handled():
    held = []

    def training():
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        raise torch.OutOfMemoryError("out of memory")

    def other():
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        raise ValueError("no such luck")

    for fails, freed in ((training, True), (other, False)):
        try:
            fails()
        except (torch.OutOfMemoryError, ValueError) as error:
            free_memory(error)
            assert (held[-1]() is None) is freed

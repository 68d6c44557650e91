"""Ray and SLURM (by submitit's processes) train what one process trains, whatever happens to theirs."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from click.testing import CliRunner
from contracts.problems import problem, replicate
from pandas.testing import assert_frame_equal
from ray.cluster_utils import Cluster
from test_pool import MAKE_TASK as DROPOUT
from test_pool import bare, deadly, deadly_once, marker, same
from test_pool_populations import LONG, MAKE_TASK, OURS, SPACE, TASK, dragging, starving

import lossearch
from lossearch._process import handlers_kept
from lossearch.api import who_trains
from lossearch.cli.workers import workers
from lossearch.errors import InputError, LossearchError, RunFailedError
from lossearch.losses import loss
from lossearch.records.curves import read_curves
from lossearch.training.contract import Outcome
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import Populations, train_population
from lossearch.training.workers import slurm
from lossearch.training.workers.engines import Asked, executor
from lossearch.training.workers.pool import PlainPool

__all__ = ["marker"]
pytestmark = pytest.mark.slow
ENGINES = ("ray", "slurm")


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine, of two processors each."""
    with handlers_kept():
        found = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        found.add_node(num_cpus=2)
    found.wait_for_nodes()
    yield found
    found.shutdown()


@pytest.fixture
def engine(request, tmp_path, monkeypatch):
    """Give what makes an executor by its name."""

    @contextmanager
    def made(name, make_task=MAKE_TASK, workers=2, variables=()):
        passed = {v: os.environ[v] for v in variables}
        if name == "ray":
            monkeypatch.setenv("RAY_ADDRESS", request.getfixturevalue("cluster").address)
            options = {"runtime_env": {"env_vars": passed}} if passed else {}
        else:
            options = {"cluster": "local", "timeout_min": 10}
        asked = Asked(name, workers, options, tmp_path)
        with executor(make_task, asked) as found:
            yield found

    return made


@pytest.mark.parametrize("name", ENGINES)
def test_results_are_those_of_one_process(name, engine):
    expected = list(train_population(TASK, SPACE, OURS, LONG, keep_weights=True, chunk=4, threads=1))
    with engine(name) as group:
        results = list(Populations(1, group, chunk=4)(TASK, SPACE, OURS, LONG, keep_weights=True))
        assert group.busy == []
    for ours, theirs in zip(results, expected, strict=True):
        same(ours, theirs)
    assert not ray.is_initialized()


@pytest.mark.parametrize("name", ENGINES)
def test_one_by_one_too(name, engine):
    task = DROPOUT()
    expected = list(train_plain(task, SPACE, OURS[:4], LONG))
    with engine(name, DROPOUT) as group:
        results = list(PlainPool(group)(task, SPACE, OURS[:4], LONG))
    for ours, theirs in zip(results, expected, strict=True):
        same(ours, theirs)


@pytest.mark.parametrize("name", ENGINES)
def test_a_chunk_that_is_lost_is_given_out_again(name, engine, marker):
    ours = [replicate(bare(deadly_once), lr, s) for lr in (0.01, 0.02, 0.03) for s in (0, 1)]
    with engine(name, variables=("LOSSEARCH_TEST_PARENT", "LOSSEARCH_TEST_MARKER")) as group:
        results = list(Populations(1, group, chunk=2)(TASK, SPACE, ours, LONG))
    assert marker.exists()
    expected = list(train_population(TASK, SPACE, ours, LONG, chunk=2, threads=1))
    for mine, theirs in zip(results, expected, strict=True):
        same(mine, theirs)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.usefixtures("marker")
def test_what_ends_its_processes_fails_alone(name, engine):
    ours = [replicate(bare(deadly), 0.01, s) for s in (0, 1)]
    with engine(name, variables=("LOSSEARCH_TEST_PARENT", "LOSSEARCH_TEST_MARKER")) as group:
        results = list(Populations(1, group, chunk=2)(TASK, SPACE, [*OURS[:4], *ours], LONG))
    assert [r.outcome for r in results[4:]] == [Outcome.FAILED] * 2
    assert all(r.reason.startswith("its process ") and r.reason.endswith("3 times") for r in results[4:])
    for mine, theirs in zip(
        results, train_population(TASK, SPACE, OURS[:4], LONG, chunk=2, threads=1), strict=False
    ):
        same(mine, theirs)


@dataclass
class Ended:
    """A job of submitit's that has ended, perhaps before what it gives can be seen."""

    job_id: str
    paths: SimpleNamespace
    gives: object = None

    @classmethod
    def at(cls, folder, name):
        files = ("submitted_pickle", "result_pickle", "stdout", "stderr")
        return cls(name, SimpleNamespace(**{f: folder / f"{name}.{f}" for f in files}))

    def give(self, result):
        self.gives = result
        self.paths.result_pickle.touch()

    def done(self):
        return True

    def cancel(self):
        return None

    def result(self):
        assert self.paths.result_pickle.exists(), "submitit waits for it"
        return self.gives


def test_a_job_without_a_result_is_waited_for_beside_the_others(engine, tmp_path, monkeypatch):
    """What machines share is seen late on a cluster; on this machine at once."""
    clock = [100.0]
    passing = SimpleNamespace(
        monotonic=lambda: clock[0], sleep=lambda seconds: clock.__setitem__(0, clock[0] + seconds)
    )
    monkeypatch.setattr(slurm, "time", passing)
    with engine("slurm") as group:
        lost, late, given = (Ended.at(tmp_path, name) for name in ("lost", "late", "given"))
        given.give("given")
        group.late_seconds = 15.0
        group.jobs = {0: lost, 1: late, 2: given}
        assert [(end.job, end.response) for end in group.ended(5.0)] == [(2, "given")]
        assert list(group.ended(5.0)) == []
        late.give("late")
        assert [(end.job, end.response) for end in group.ended(5.0)] == [(1, "late")]
        (end,) = group.ended(30.0)
        assert (end.job, end.response) == (0, None)
        assert "(job lost) ended without a result" in end.death
        assert 115.0 <= clock[0] < 116.0
    with engine("slurm") as group:
        group.jobs = {0: Ended.at(tmp_path, "here")}
        before = clock[0]
        assert [end.response for end in group.ended(5.0)] == [None]
        assert clock[0] == before


@pytest.mark.usefixtures("marker")
def test_what_fails_elsewhere_is_halved_as_here(engine):
    ours = [replicate(bare(starving), lr, 0) for lr in (0.01, 0.02, 0.03, 0.04)]
    with engine("ray", variables=("LOSSEARCH_TEST_PARENT",)) as group:
        method = Populations(1, group, chunk=4)
        results = list(method(TASK, SPACE, ours, LONG))
    assert {r.outcome for r in results} == {Outcome.COMPLETED}
    assert method.sizer.cap == 2


def test_a_node_that_dies_takes_no_result_with_it(engine, cluster):
    ours = [replicate(bare(dragging), lr, s) for lr in (0.01, 0.02, 0.03, 0.04) for s in (0, 1)]
    expected = list(train_population(TASK, SPACE, ours, LONG, chunk=2, threads=1))
    with handlers_kept():
        node = cluster.add_node(num_cpus=4)
    with engine("ray", workers=4) as group:
        results = Populations(1, group, chunk=2)(TASK, SPACE, ours, LONG)
        found = [next(results)]
        cluster.remove_node(node, allow_graceful=False)
        found += results
    for mine, theirs in zip(found, expected, strict=True):
        same(mine, theirs)


def laden(ballast):
    """Make the task of data that are long to send."""
    assert ballast
    return MAKE_TASK()


def test_data_that_were_given_travel_to_all_jobs_as_one_file(engine, tmp_path, monkeypatch):
    sizes = []
    with engine("slurm", partial(laden, bytes(10**7))) as group:
        submit = group.submit

        def weighed(number, shipment, job):
            where = submit(number, shipment, job)
            sizes.append(group.jobs[number].paths.submitted_pickle.stat().st_size)
            return where

        monkeypatch.setattr(group, "submit", weighed)
        found = list(PlainPool(group)(TASK, SPACE, OURS[:5], LONG))
        assert (tmp_path / "jobs" / "task.pickle").stat().st_size > 10**7
    assert len(found) == len(sizes) == 5
    assert max(sizes) < 10**6
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize("name", ENGINES)
def test_told_to_stop_it_takes_all_jobs_back(name, engine):
    ours = [replicate(bare(dragging), lr, s) for lr in (0.01, 0.02, 0.03) for s in (0, 1)]
    with engine(name) as group:
        start = time.monotonic()
        stop = lambda: time.monotonic() - start > 1  # noqa: E731
        assert list(Populations(1, group, chunk=2)(TASK, SPACE, ours, LONG, stop=stop)) == []
        assert group.busy == []
        results = list(Populations(1, group, chunk=2)(TASK, SPACE, OURS[:2], LONG))
        assert len(results) == 2


@pytest.mark.parametrize("name", ENGINES)
def test_another_task_is_refused(name, engine):
    # as where what the data are read from is another thing there
    other = partial(problem, "binary")
    with (
        engine(name, other) as group,
        pytest.raises(RunFailedError, match="is not this one: its data or code differ"),
    ):
        list(Populations(1, group, chunk=2)(TASK, SPACE, OURS[:2], LONG))


def test_a_loss_that_cannot_travel_is_told(engine):
    own = loss(task="regression", encoding="raw", source="-", name="mine")(lambda f, y: (f - y).square())
    with (
        engine("slurm") as group,
        pytest.raises(RunFailedError, match="loss mine is not a function of an importable"),
    ):
        list(Populations(1, group, chunk=2)(TASK, SPACE, [replicate(bare(own), 0.01, 0)], LONG))


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(InputError, match=r"No Ray cluster answers at ray://127.0.0.1:1"):
        executor(MAKE_TASK, Asked("ray://127.0.0.1:1"))
    assert not ray.is_initialized()
    with pytest.raises(InputError, match="No jobs can be submitted"):
        executor(MAKE_TASK, Asked("slurm", folder=tmp_path))
    with pytest.raises(InputError, match="submitit takes no such options"):
        executor(MAKE_TASK, Asked("slurm", options={"cluster": "local", "tea": 1}, folder=tmp_path))
    with pytest.raises(InputError, match="take no options"):
        executor(MAKE_TASK, Asked("local", options={"tea": 1}))


WAYS = {
    "this process": {"workers": 1},
    "three processes": {"workers": 3},
    "ray": {"on": "ray", "workers": 3},
    "slurm": {"on": "slurm", "on_options": {"cluster": "local", "timeout_min": 10}, "workers": 3},
}


def test_a_study_is_the_same_wherever_it_is_trained(cluster, tmp_path, monkeypatch):
    """To the last bit: trials, curves, predictions, leaderboard and verdict."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    y = (x[:, 0] + 0.5 * rng.normal(size=200) > 0).astype(int)
    budget = {"trials": 24, "seeds": 2, "confirm_seeds": 4, "epochs": 4, "name": "study", "mlflow": False}
    found = {
        way: lossearch.search(
            x,
            y,
            losses=["bce", "hinge", "mse"],
            activations=["sigmoid", "identity"],
            store=tmp_path / way,
            **budget,
            **how,
        )
        for way, how in WAYS.items()
    }
    here = found.pop("this process")
    assert len(here.trials) == 24
    for there in found.values():
        assert [(r.point, r.value, r.scores, r.spread) for r in there.trials] == [
            (r.point, r.value, r.scores, r.spread) for r in here.trials
        ]
        assert there.verdict == here.verdict
        assert_frame_equal(there.leaderboard, here.leaderboard, check_exact=True)
        for stage in ("search", "confirm"):
            curves = [
                read_curves(r.folder, stage).sort_values(["trial", "pair", "seed", "epoch"])
                for r in (here, there)
            ]
            assert_frame_equal(*(c.reset_index(drop=True) for c in curves), check_exact=True)
        predicted = [pq.read_table(r.folder / "predictions.parquet") for r in (here, there)]
        assert predicted[0].equals(predicted[1])


def test_others_see_who_trains_what(tmp_path):
    """While a study runs, and after its process was killed."""
    command = [
        "run",
        "--data",
        "circles",
        "--losses",
        "bce",
        "--trials",
        "5",
        "--seeds",
        "2",
        "--epochs",
        "3000",
        "--confirm-seeds",
        "0",
    ]
    command += [
        "--no-mlflow",
        "--on",
        "slurm",
        "--set",
        "train.on_options.cluster=local",
        "--workers",
        "2",
        "--name",
        "c",
        "--store",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "lossearch", *command], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline, found = time.monotonic() + 120, None
    while time.monotonic() < deadline and process.poll() is None and not (found and found.assigned):
        time.sleep(0.5)
        with contextlib.suppress(LossearchError):
            found = who_trains("c", tmp_path)
    assert found is not None
    assert found.holder.pid == process.pid
    assert {job.pairs for job in found.assigned} == {("bce/sigmoid",)}
    assert all(job.worker.startswith("job ") for job in found.assigned)
    said = CliRunner().invoke(workers, ["c", "--store", str(tmp_path)]).output
    assert f"Study 'c' is run by process {process.pid} on" in said
    assert "bce/sigmoid" in said
    process.kill()
    process.wait()
    said = CliRunner().invoke(workers, ["c", "--store", str(tmp_path)]).output
    assert said.startswith(f"Process {process.pid} on")
    assert "ended without closing study 'c'" in said

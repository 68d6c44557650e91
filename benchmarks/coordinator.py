"""Where the one process that keeps a study becomes the limit: how many trials a second it can tell.

All chunks of a study are answered at once, by an engine that trains nothing and gives back the curves of replicates
trained before, so that what is left is the coordinator's own work: planning, sending, reading what comes back,
judging, Optuna, Parquet and the MLflow view. From that, from bytes a job, and from how long a chunk trains follows
how many machines one coordinator keeps busy.

    python benchmarks/coordinator.py
    python benchmarks/coordinator.py --trials 10000 --seeds 1
    python benchmarks/coordinator.py --ray            # overhead of a chunk: Ray beside processes of this machine
"""

from __future__ import annotations

import argparse
import os
import pickle
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from rich.console import Console
from rich.table import Table

from lossearch.api.run_study import open_view
from lossearch.config import make_config
from lossearch.records.mlflow.writer import ViewWriter
from lossearch.records.optuna import quiet_optuna
from lossearch.records.store import Store
from lossearch.study.loop import Search
from lossearch.study.optuna_study import open_study
from lossearch.study.prepare import prepare
from lossearch.study.prepared import Prepared
from lossearch.study.progress import Listener
from lossearch.study.recorder import StudyRecorder
from lossearch.training.contract import Replicate, ReplicateResult
from lossearch.training.workers.elsewhere import Elsewhere
from lossearch.training.workers.engines import Asked, executor
from lossearch.training.workers.executor import JobEnd
from lossearch.training.workers.shipment import Shipment
from lossearch.training.workers.worker import ChunkJob, Job, MakeTask, Response

MACHINES = 100
CHUNK = 96
"""Replicates of a chunk, as many as train together at full speed."""


@dataclass
class Traffic:
    """What went to machines and came back."""

    jobs: int = 0
    sent: int = 0
    received: int = 0
    replicates: int = 0
    seconds: float = 0.0
    """Of writing and reading it."""


@dataclass
class Clock(Listener):
    """When each trial had been told."""

    times: list[float] = field(default_factory=list)

    def trial_done(self, *_: Any) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def rate(self, first: float, last: float) -> float:
        """Return trials a second between two shares of all trials."""
        start, end = (round(share * (len(self.times) - 1)) for share in (first, last))
        return (end - start) / (self.times[end] - self.times[start])


class AnswersAtOnce(Elsewhere):
    """An engine of many machines that have done every job when they are asked."""

    name = "machines that answer at once"

    def __init__(self, make_task: MakeTask, trained: Sequence[ReplicateResult], size: int) -> None:
        super().__init__(make_task, size)
        self.trained = {r.replicate.point.pair: r for r in trained}
        self.jobs: dict[int, Job] = {}
        self.traffic = Traffic()

    def submit(self, number: int, shipment: Shipment, job: Job) -> str:
        """Take a job as an engine does: as bytes."""
        del shipment
        begun = time.perf_counter()
        sent = pickle.dumps(job)
        self.jobs[number] = pickle.loads(sent)
        self.traffic.jobs += 1
        self.traffic.sent += len(sent)
        self.traffic.seconds += time.perf_counter() - begun
        return str(number)

    def ended(self, seconds: float) -> Iterator[JobEnd]:
        """Answer every job."""
        del seconds
        for number in list(self.jobs):
            answer = self._answer(self.jobs.pop(number))
            begun = time.perf_counter()
            received = pickle.dumps(answer)
            answer = pickle.loads(received)
            self.traffic.received += len(received)
            self.traffic.replicates += len(answer.results)
            self.traffic.seconds += time.perf_counter() - begun
            yield JobEnd(number, answer)

    def _answer(self, job: Job) -> Response:
        assert isinstance(job, ChunkJob)
        return Response.of(
            _as_if_trained(self.trained[values["pair"]], Replicate(job.how.point(values, self.task), seed))
            for values, _ in job.configurations
            for seed in job.seeds
        )

    def cancel(self) -> None:
        """Forget all jobs."""
        self.jobs.clear()

    def close(self) -> None:
        """Leave nothing."""

    @property
    def task(self) -> Any:
        """The task that jobs are of."""
        if not hasattr(self, "_task"):
            self._task = self.make_task()
        return self._task


def _as_if_trained(result: ReplicateResult, replicate: Replicate) -> ReplicateResult:
    # curves of its own: what is shared travels once
    curves = {name: curve.copy() for name, curve in result.curves.items()}
    return replace(result, replicate=replicate, curves=curves)


def study(where: Path, trials: int, seeds: int, epochs: int) -> Prepared:
    """Return a study of circles whose every pair has one round, of all its points."""
    config = make_config(
        {
            "task": {"data": "circles", "data_options": {"n_samples": 1000, "noise": 0.1, "random_state": 1}},
            "space": {"extend": False},
            "budget": {"trials": trials, "seeds": seeds, "sampler": "qmc"},
            "train": {"epochs": epochs, "workers": 1},
            "records": {"store": str(where / "mlruns"), "name": "circles"},
        }
    )
    return prepare(config)


def one_of_each(prepared: Prepared) -> tuple[list[ReplicateResult], float]:
    """Train one replicate of every pair, then a whole chunk; return the first, and seconds a replicate of the chunk."""
    plan = prepared.plan
    points = [p.point for p in plan.schedule.next_round({})]
    method = prepared.method(lambda _: None)
    firsts = list({p.pair: p for p in points}.values())
    of_pairs = [Replicate(p, plan.budget.seeds[0]) for p in firsts]
    trained = list(method(plan.task, plan.space, of_pairs, plan.settings))
    whole = [Replicate(p, s) for p in points for s in plan.budget.seeds][:CHUNK]
    begun = time.perf_counter()
    list(method(plan.task, plan.space, whole, plan.settings))
    return trained, (time.perf_counter() - begun) / len(whole)


def tell(prepared: Prepared, engine: AnswersAtOnce, *, view: bool) -> tuple[Clock, float]:
    """Run a whole search on an engine; return when each trial was told, and how long the view went on after."""
    plan, clock = prepared.plan, Clock()
    store = Store.open(prepared.config.records.store)
    declared = prepared.record(created=time.time(), mlflow=None)
    with ExitStack() as stack:
        stack.enter_context(quiet_optuna())
        store.study_dir(plan.name).mkdir(parents=True)
        store.write_study(declared)
        recorder = StudyRecorder(plan, open_study(store, plan, None), store.study_dir(plan.name), None)
        if view:
            recorder.view = ViewWriter(open_view(store, declared, None), print)
        Search(plan, prepared.method(print, engine), recorder, clock)()
        begun = time.perf_counter()
        if recorder.view is not None:
            recorder.view.close("finished")
    return clock, time.perf_counter() - begun


def limit(console: Console, options: argparse.Namespace) -> None:
    """Measure the coordinator, and say how many machines it keeps busy."""
    table = Table(title="A study whose chunks are answered at once", title_justify="left")
    for name in ("", "trials a second", "first tenth", "last tenth", "view after the end, s"):
        table.add_column(name, justify="left" if not name else "right")
    for view in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            prepared = study(Path(folder), options.trials, options.seeds, options.epochs)
            trained, seconds = one_of_each(prepared)
            with AnswersAtOnce(prepared.make_task, trained, MACHINES) as engine:
                clock, after = tell(prepared, engine, view=view)
        told = clock.rate(0.0, 1.0)
        rates = [f"{r:.0f}" for r in (told, clock.rate(0.0, 0.1), clock.rate(0.9, 1.0))]
        table.add_row("with its MLflow view" if view else "without", *rates, f"{after:.1f}")
    console.print(table)
    traffic, trials = engine.traffic, len(clock.times)
    replicates = traffic.replicates
    console.print(
        f"{trials} trials of {options.seeds} seeds and {options.epochs} epochs, {replicates} replicates in {traffic.jobs} "
        f"chunks: {traffic.sent / traffic.jobs:.0f} bytes a chunk go out ({traffic.sent / replicates:.0f} a replicate), "
        f"{traffic.received / traffic.jobs:.0f} come back ({traffic.received / replicates:.0f} a replicate); "
        f"writing and reading them takes {1000 * traffic.seconds / traffic.jobs:.1f} ms a chunk."
    )
    machine = 1 / seconds / options.seeds
    console.print(
        f"One process trains {machine:.1f} such trials a second ({1000 * seconds:.1f} ms a replicate in chunks of {CHUNK}), "
        f"so that one coordinator keeps {told / machine:.0f} of them busy; {MACHINES} are kept busy from "
        f"{1000 * seconds * MACHINES * machine / told:.0f} ms a replicate on."
    )


def overhead(console: Console, options: argparse.Namespace) -> None:
    """Time chunks on Ray and on processes of this machine: what a chunk costs beside its training."""
    table = Table(title=f"{options.chunks} chunks of {CHUNK} replicates", title_justify="left")
    for name in ("", "seconds", "training", "overhead a chunk, ms"):
        table.add_column(name, justify="left" if not name else "right")
    with tempfile.TemporaryDirectory() as folder:
        prepared = study(Path(folder), options.chunks * CHUNK // options.seeds, options.seeds, options.epochs)
        plan = prepared.plan
        todo = [Replicate(p.point, s) for p in plan.schedule.next_round({}) for s in plan.budget.seeds]
        for on in ("local", "ray"):
            asked = Asked(on=on, workers=options.workers)
            with executor(prepared.make_task, asked) as engine:
                engine.start_up = 0.0
                method = replace(prepared.method(print, engine), chunk=CHUNK)
                list(method(plan.task, plan.space, todo[: 4 * CHUNK], plan.settings))
                begun = time.perf_counter()
                results = list(method(plan.task, plan.space, todo, plan.settings))
                seconds = time.perf_counter() - begun
            chunks = len(results) / CHUNK
            trained = sum(r.seconds for r in results)
            table.add_row(
                on,
                f"{seconds:.2f}",
                f"{trained:.2f}",
                f"{1000 * (seconds - trained / options.workers) / chunks:.1f}",
            )
    console.print(table)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument(
        "--ray", action="store_true", help="time chunks on Ray and on local processes instead"
    )
    parser.add_argument("--chunks", type=int, default=40, help="that are timed")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    console = Console(width=120)
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    (overhead if options.ray else limit)(console, options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

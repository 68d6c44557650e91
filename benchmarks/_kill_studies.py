"""The studies that are killed, where they keep their records, and what they give undisturbed."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from _kill_records import Records, count_trials, differences, first_difference, read_records, settled
from _kill_runs import Run, draw_first, forked
from _kill_servers import Mlflow, Postgres, RayCluster

STUDY = "run --data circles --losses bce,mse --activations sigmoid --trials 18 --seeds 2 --confirm-seeds 3 --format json --precision 64-true"
HOW = {
    "local": "--epochs 5 --workers 1",
    "workers": "--epochs 3 --workers 2 --model _kill_network:Recurrent",
    "ray": "--epochs 5 --on ray",
}


@dataclass(frozen=True)
class Kind:
    """Where a study keeps its records, and who trains it."""

    storage: str
    tracking: str
    on: str


@dataclass
class Undisturbed:
    """What a study of a kind gives where nothing disturbs it: its answer, its records, how long it took.

    ``workers`` is when its first worker was seen and its last.
    """

    answer: Any
    records: Records
    seconds: float
    workers: tuple[float, float]


@dataclass
class Study:
    """One study in a store of its own, run by one process after another."""

    kind: Kind
    folder: Path
    name: str
    storage: str | None
    tracking: str | None
    variables: dict[str, str]
    runs: list[Run] = field(default_factory=list)

    def begin(self) -> Run:
        """Call the command once more."""
        words = [
            *STUDY.split(),
            *HOW[self.kind.on].split(),
            "--name",
            self.name,
            "--store",
            str(self.folder / "store"),
        ]
        words += ["--storage", self.storage] if self.storage else []
        words += ["--tracking-uri", self.tracking] if self.tracking else []
        self.runs.append(Run(words, self.folder / f"run{len(self.runs)}", self.name, self.variables))
        return self.runs[-1]

    def records(self) -> Records:
        """Read what it has recorded."""
        found: Records = forked(read_records, self.folder / "store", self.name, self.storage, self.tracking)
        return found

    def answer(self) -> Any:
        """Return the last answer, as far as it does not depend on the run."""
        return settled(json.loads(self.runs[-1].output().replace(self.name, "NAME")))

    def recorded(self) -> int:
        """Return how many trials Optuna has, 0 where its study is not there yet."""
        found: int = forked(count_trials, self.folder / "store", self.name, self.storage)
        return found

    def begun(self) -> bool:
        """Whether anything of it is in the store."""
        return (self.folder / "store" / "studies" / self.name / "study.json").exists()

    def told_to_sync(self) -> bool:
        """Whether the last process said that MLflow misses something."""
        return "lossearch sync" in self.runs[-1].said()


class Bench:
    """The servers that studies write to, started once, and the undisturbed studies."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.undisturbed: dict[Kind, Undisturbed] = {}

    @cached_property
    def postgresql(self) -> Postgres:
        """The PostgreSQL server."""
        # its account must be able to enter the directory
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        return self._started(Postgres(folder))

    @cached_property
    def mlflow(self) -> Mlflow:
        """The MLflow server."""
        folder = self.folder / "mlflow"
        folder.mkdir()
        return self._started(Mlflow(folder))

    @cached_property
    def ray(self) -> RayCluster:
        """The Ray cluster, of a head and the node that is killed."""
        return self._started(RayCluster())

    @cached_property
    def shared_database(self) -> str:
        """The database where MLflow's tables are: making them takes longer than a study."""
        return self.postgresql.new_database("mlflow")

    def _started(self, server: Any) -> Any:
        self.stack.callback(server.end)
        server.start()
        return server

    def study(self, kind: Kind, name: str) -> Study:
        """Return a study of a kind that has not begun."""
        storage, tracking = None, None
        if kind.storage == "postgresql":
            storage = self.postgresql.new_database(name.replace("-", "_"))
        elif kind.storage == "sqlite":
            storage = f"sqlite:///{self.folder / name / 'optuna.db'}"
        if kind.tracking != "own":
            tracking = self.mlflow.url if kind.tracking == "mlflow" else self.shared_database
        variables = self.ray.variables if kind.on == "ray" else {}
        return Study(kind, self.folder / name, name, storage, tracking, variables)

    def reference(self, kind: Kind) -> Undisturbed:
        """Return what a kind gives undisturbed, run once; wherever it is recorded, that must be the same."""
        if kind not in self.undisturbed:
            plain = Kind("journal", "own", kind.on)
            expected = None if kind == plain else self.reference(plain)
            found = self._run_whole(kind)
            if expected is not None:
                wrong = differences(found.records, expected.records)
                wrong += filter(None, [first_difference(found.answer, expected.answer)])
                assert not wrong, f"undisturbed, {kind} differs from {plain}: {wrong}"
            self.undisturbed[kind] = found
        return self.undisturbed[kind]

    def _run_whole(self, kind: Kind) -> Undisturbed:
        study = self.study(kind, f"whole-{kind.storage}-{kind.tracking}-{kind.on}")
        run, seen = study.begin(), []
        while kind.on == "workers" and not run.ended:
            if run.workers():
                seen.append(time.monotonic() - run.begun)
            time.sleep(0.2)
        assert run.wait() == 0, f"undisturbed, {kind} fails:\n{run.said()}"
        seconds = time.monotonic() - run.begun
        if not self.undisturbed:
            draw_first(study.folder / "store", study.name)
        workers = (seen[0], seen[-1]) if seen else (0.0, seconds)
        return Undisturbed(study.answer(), study.records(), seconds, workers)

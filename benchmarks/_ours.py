"""Our sides: a whole search, training alone, memory."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from _problems import BATCH, HIGH, LOW, MOMENTUM, Problem, configurations, problem, shape
from _sides import started, timed


def _config(of: Problem, store: str) -> Any:
    from lossearch.config import make_config

    first = 1000 if of.name == "circles" else 1797
    return make_config(
        {
            "task": {
                "data": of.name,
                "data_options": dict(of.data_options),
                "rows": {"train": f"0:{of.train}", "validation": f"{first - of.validation}:{first}"},
                "test": False,
                "hidden": [of.hidden],
                "metric": "accuracy",
            },
            "space": {"pairs": of.pairs[:4], "lr": [LOW, HIGH], "extend": False},
            "budget": {"trials": of.trials, "seeds": of.seeds, "confirm_seeds": 0},
            "train": {
                "epochs": of.epochs,
                "batch_size": BATCH,
                "optimizer": "sgd",
                "options": {"momentum": MOMENTUM},
                "device": "cpu",
            },
            "records": {"store": store, "name": of.name},
        }
    )


def ours_search(name: str, changes: Mapping[str, int]) -> dict[str, Any]:
    """Run a whole study with all its records; seconds of each part."""
    from lossearch import api
    from lossearch.study.progress import Listener
    from lossearch.study.recorder import StudyRecorder

    imported = time.time()
    of = problem(name, **changes)

    class Clock(Listener):
        opened = ended = 0.0
        notes: list[str] = []  # noqa: RUF012 - one instance

        def started(self, total: int, resumed: int) -> None:  # noqa: ARG002 - the listener's
            Clock.opened = time.time()

        def finished(self, reason: str) -> None:  # noqa: ARG002 - the listener's
            Clock.ended = time.time()

        def note(self, text: str) -> None:
            self.notes.append(text)

    recording, add = [0.0], StudyRecorder.add

    def timed_add(*args: Any) -> None:
        begun = time.time()
        add(*args)
        recording[0] += time.time() - begun

    StudyRecorder.add = timed_add
    with tempfile.TemporaryDirectory() as folder:
        result = api.run(_config(of, f"{folder}/mlruns"), listener=Clock())
        done = time.time()
    if len(result.trials) != of.trials or any(r.outcome.value == "failed" for r in result.trials):
        raise RuntimeError("the study has not the trials it was asked for, or some failed")
    if any("one by one" in text for text in Clock.notes):
        raise RuntimeError(f"the study was not trained as populations: {Clock.notes}")
    return {
        "imports": imported - started(),
        "store": Clock.opened - imported,
        "training": Clock.ended - Clock.opened - recording[0],
        "records": recording[0],
        "report": done - Clock.ended,
        "each": (Clock.ended - Clock.opened) / (of.trials * of.seeds),
        "replicates": of.trials * of.seeds,
        "trials": of.trials,
        "score": float(result.leaderboard["score"].iloc[0]),
    }


def _task(of: Problem) -> Any:
    import torch
    from torch import nn

    from lossearch.kinds import TargetFacts, TargetStatistics
    from lossearch.metrics.registry import metrics_for
    from lossearch.tasks.task import Fold, Part, Task

    rows = of.rows()

    def part(x: Any, y: Any) -> Part:
        target = torch.from_numpy(y)
        return Part(torch.from_numpy(x), target.float()[:, None] if of.n_out == 1 else target)

    def network(n_out: int) -> nn.Module:
        return nn.Sequential(nn.Linear(of.n_in, of.hidden), nn.ReLU(), nn.Linear(of.hidden, n_out))

    fold = Fold(0, part(rows.x, rows.y), part(rows.x_val, rows.y_val), TargetStatistics())
    every = metrics_for(of.kind)
    facts = TargetFacts(of.kind, of.n_out, 0.0, float(max(1, of.n_out - 1)))
    sizes = {"train": of.train, "validation": of.validation}
    return Task(of.name, of.kind, facts, every[0], every, lambda _: fold, lambda _: None, network, "-", sizes)


def _space(of: Problem, count: int) -> tuple[Any, list[Any]]:
    """Return the space of a problem's pairs, and so many points of it."""
    from lossearch.pairs import find_pair
    from lossearch.space import Point, Space

    space = Space(of.kind, tuple(find_pair(p, of.kind) for p in of.pairs), (LOW, HIGH))
    return space, [Point(a.pair, a.lr) for a in configurations(of, count)]


def _settings(epochs: int, *, compiled: bool = False) -> Any:
    from lossearch.training.contract import TrainSettings

    return TrainSettings(epochs, BATCH, "sgd", {"momentum": MOMENTUM}, compile=compiled)


def _trainer(of: Problem, replicates: int, chunk: int, *, compiled: bool = False) -> Any:
    """Return a function that trains so many replicates, ``chunk`` together, for the epochs it is given."""
    from lossearch.training.contract import Replicate
    from lossearch.training.population.chunks import ChunkSizer
    from lossearch.training.population.method import Populations

    class Fixed(ChunkSizer):
        def most(self, call: Any, whole: Any, replicates: int | None = None) -> int:  # noqa: ARG002 - ChunkSizer's
            return chunk

    seeds, each = shape(replicates)
    space, points = _space(of, each)
    todo = [Replicate(p, s) for p in points for s in range(seeds)]
    task = _task(of)
    train = Populations(threads=1, sizer=Fixed())
    return lambda epochs: list(train(task, space, todo, _settings(epochs, compiled=compiled)))


def _accuracy(results: list[Any]) -> float:
    """Return the mean final accuracy of those that did not diverge; refuse any that failed."""
    errors = [r.error for r in results if r.outcome.value == "failed"]
    if errors:
        raise RuntimeError(f"{len(errors)} of {len(results)} replicates failed:\n{errors[0]}")
    return float(np.mean([r.curves["val_accuracy"][-1] for r in results if r.outcome.value == "completed"]))


def ours_train(
    name: str, replicates: int, changes: Mapping[str, int], chunk: int | None = None
) -> dict[str, Any]:
    """Train a population, validation and every metric included, without records."""
    of = problem(name, **changes)
    train = _trainer(of, replicates, replicates if chunk is None else chunk)
    train(1)  # what is imported or made on first use
    results, seconds, cpu = timed(lambda: train(of.epochs))
    return {"each": seconds / replicates, "cpu_each": cpu / replicates, "accuracy": _accuracy(results)}


def ours_compiled(name: str, replicates: int, changes: Mapping[str, int]) -> dict[str, Any]:
    """Train a population with compiled criteria; what compiling takes, with and without the compiler's cache."""
    from lossearch.training.population import population

    # however short: what compiling takes is told apart
    population.COMPILED_STEPS = 0
    of = problem(name, **changes)
    train = _trainer(of, replicates, replicates, compiled=True)
    first = timed(lambda: train(1))[1]
    (_, one, one_cpu), (results, seconds, cpu) = timed(lambda: train(1)), timed(lambda: train(of.epochs))
    share = of.epochs / (of.epochs - 1) / replicates
    return {
        "each": (seconds - one) * share,
        "cpu_each": (cpu - one_cpu) * share,
        "compile": first,
        "cached": one,
        "accuracy": _accuracy(results),
    }


def ours_memory(name: str, replicates: int, changes: Mapping[str, int]) -> dict[str, Any]:
    """Return the process's peak resident bytes, and those that were computed beforehand, all and by part."""
    from lossearch.training.contract import TrainingCall
    from lossearch.training.population.memory import footprint

    of = problem(name, **changes)
    _trainer(of, 16, 16)(1)
    _accuracy(_trainer(of, replicates, replicates)(of.epochs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seeds, each = shape(replicates)
    space, points = _space(of, each)
    found = footprint(
        TrainingCall(_task(of), space, random=False), points, range(seeds), _settings(of.epochs)
    )
    return {
        "peak": peak,
        "computed": found.of(seeds, replicates),
        "step": found.step,
        "replicate": found.replicate,
        "kept": found.kept,
    }


def default_chunk() -> int:
    """Return how many replicates are trained together unless said otherwise."""
    from lossearch.training.population.chunks import MOST

    return MOST

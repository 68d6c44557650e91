"""What a trained replicate of a user's own LightningModule costs: together, alone in a pool, and by the usual script.

An MLP on two circles, a CNN with BatchNorm and an LSTM on digits, written as people write them (``_modules.py``). All
ways run in this one process and its workers, in turn, ``--repeats`` times; the median counts.

    python benchmarks/own_module.py
    python benchmarks/own_module.py --epochs 20 --together 256
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import _modules
import mlflow
import optuna
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import MLFlowLogger
from rich.console import Console
from rich.table import Table
from torch import nn

from lossearch.pairs import find_pair
from lossearch.space import Space
from lossearch.training.contract import Outcome, Replicate, TrainSettings
from lossearch.training.own_module.task import ModuleSpec, make_module_task, probed
from lossearch.training.plain.train import train_plain
from lossearch.training.population.method import train_population
from lossearch.training.preflight.preflight import preflight
from lossearch.training.workers.group import WorkerGroup
from lossearch.training.workers.pool import PlainPool

SEEDS = (1, 2)
GOALS = {"MLP": 20.0, "CNN with BatchNorm": 4.0}
POOL_GOAL = 1.8


@dataclass(frozen=True)
class Problem:
    name: str
    module: type[_modules.Module]
    data: str
    batch: int
    kind: str
    pair: str


PROBLEMS = (
    Problem("MLP", _modules.Mlp, "circles", 32, "binary", "bce/sigmoid"),
    Problem("CNN with BatchNorm", _modules.Cnn, "images", 64, "multiclass", "cross_entropy/softmax"),
    Problem("LSTM", _modules.Lstm, "rows", 64, "multiclass", "cross_entropy/softmax"),
)


def ours(problem: Problem, epochs: int) -> tuple[Callable[[], Any], Space, TrainSettings]:
    """Return what makes the task of a problem, its space, and how it is trained."""
    settings = TrainSettings(epochs=epochs, batch_size=problem.batch)
    spec = ModuleSpec(
        module=problem.module, name=f"_modules:{problem.module.__name__}", datamodule=_modules.Data,
        module_args={}, datamodule_args={"name": problem.data, "batch_size": problem.batch}, criterion=None,
        lr_name=None, trainer={}, kind=problem.kind, metric=None, direction=None, metrics=(),
        standardize_target=True, test=False, seed=0,
    )  # fmt: skip
    space = Space(problem.kind, (find_pair(problem.pair, problem.kind),), (1e-4, 1e-1))
    return partial(make_module_task, spec, probed(spec, settings)[1]), space, settings


def replicates(space: Space, count: int) -> list[Replicate]:
    rates = torch.logspace(-4, -1, count // len(SEEDS)).tolist()
    return [Replicate(space.point(space.names[0], {"lr": lr}), seed) for lr in rates for seed in SEEDS]


def seconds(train: Callable[[], Any], count: int) -> float:
    begun = time.perf_counter()
    found = train()
    spent = time.perf_counter() - begun
    failed = [r for r in found or () if r.outcome is Outcome.FAILED]
    assert not failed, failed[0].error
    return spent / count


def usual(problem: Problem, epochs: int, count: int, where: Path) -> None:
    """Search a learning rate as public examples do: a Trainer and an MLFlowLogger a trial."""
    uri = f"sqlite:///{where}/mlflow.db"
    data = _modules.Data(problem.data, problem.batch)

    def objective(trial: optuna.Trial) -> float:
        torch.manual_seed(trial.number)
        loss = nn.BCEWithLogitsLoss() if problem.kind == "binary" else nn.CrossEntropyLoss()
        criterion = (lambda output, y: loss(output, y.float())) if problem.kind == "binary" else loss
        module = problem.module(criterion, trial.suggest_float("lr", 1e-4, 1e-1, log=True))
        trainer = pl.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=MLFlowLogger("usual", tracking_uri=uri),
            default_root_dir=where,
        )
        trainer.fit(module, datamodule=data)
        return float(trainer.callback_metrics["val_accuracy"])

    optuna.create_study(direction="maximize").optimize(objective, n_trials=count)


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def measured(problem: Problem, options: argparse.Namespace, where: Path) -> dict[str, float]:
    """Return the seconds a replicate of each way."""
    make, space, settings = ours(problem, options.epochs)
    task = make()
    few = replicates(space, options.alone)
    found = preflight(task, space, few, settings)
    ways: dict[str, tuple[Callable[[], Any], int]] = {
        "usual": (lambda: usual(problem, options.epochs, options.usual, where), options.usual),
        "alone": (lambda: list(train_plain(task, space, few, settings, preflight=found)), len(few)),
    }
    obstacle = preflight(task, space, few, settings).obstacle()
    for size in options.together if obstacle is None else ():
        many = replicates(space, size)
        ways[f"together {size}"] = (
            partial(
                lambda many, size: list(train_population(task, space, many, settings, chunk=size, threads=1)),
                many,
                size,
            ),
            size,
        )
    with WorkerGroup(make, workers=2, start_up=0.0) as group:
        pool = PlainPool(group, preflight=found)
        ways["pool"] = (lambda: list(pool(task, space, few, settings)), len(few))
        list(pool(task, space, few[:2], settings))  # workers are there
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.repeats):
            for name, (train, count) in ways.items():
                with hushed():
                    times[name].append(seconds(train, count))
    if obstacle is not None:
        print(f"{problem.name}: not together, {obstacle}")
    return {name: statistics.median(t) for name, t in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--together", type=int, nargs="*", default=[32, 128, 256])
    parser.add_argument("--alone", type=int, default=8, help="replicates trained one by one")
    parser.add_argument("--usual", type=int, default=3, help="trials of the usual script")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[p.name for p in PROBLEMS])
    options = parser.parse_args()
    for name in ("pytorch_lightning", "lightning_fabric", "mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(1)
    table = Table("module", "way", "s a replicate", "times the usual", title=f"{options.epochs} epochs")
    for problem in (p for p in PROBLEMS if p.name in options.only):
        with tempfile.TemporaryDirectory() as folder:
            mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
            found = measured(problem, options, Path(folder))
        for way, each in found.items():
            table.add_row(problem.name, way, f"{each:.3f}", f"{found['usual'] / each:.1f}")
        together = [each for way, each in found.items() if way.startswith("together")]
        if problem.name in GOALS and together:
            times = found["usual"] / min(together)
            print(
                f"{problem.name}: together {times:.1f} times the usual script; goal {GOALS[problem.name]:.0f}: {times >= GOALS[problem.name]}"
            )
        print(
            f"{problem.name}: the pool of two {found['alone'] / found['pool']:.2f} times one process; goal {POOL_GOAL}"
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()

"""What a trained replicate costs by our plain path, beside a plain torch loop and the usual script.

Two circles, 500 rows to train and 500 to validate, MLP 2-50-1, binary cross-entropy, SGD with momentum,
batch 32, one thread. All ways run in this one process, in turn, ``--repeats`` times; the median counts.

    python benchmarks/overhead.py
    python benchmarks/overhead.py --epochs 200 --repeats 5
    python benchmarks/overhead.py --view 2000 --epochs 4    # what the MLflow view adds to so many trials
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import platform
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
import optuna
import torch
import usual_script
from _view import MOST, view_cost
from rich.console import Console
from rich.table import Table
from sklearn.datasets import make_circles
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lossearch.kinds import TargetFacts, TargetStatistics
from lossearch.metrics.registry import metrics_for
from lossearch.pairs import find_pair
from lossearch.space import Point, Space
from lossearch.tasks.task import Fold, Part, Task
from lossearch.training.contract import Outcome, Replicate, TrainSettings
from lossearch.training.plain.train import train_plain

BATCH, LR, STEPS = 32, 0.01, 16
GOAL = 2.5
SEARCH = "lossearch search, all records"


@dataclass(frozen=True)
class Way:
    """A way of training: ``run(n, where)`` trains n replicates; what ``prepare(where)`` does is not counted."""

    name: str
    run: Callable[[int, Path], None]
    prepare: Callable[[Path], None] = lambda _: None


def circles() -> usual_script.Data:
    """Return the rows that all ways train on."""
    x, y = make_circles(1000, noise=0.1, random_state=1)
    inputs, targets = torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
    return usual_script.Data(inputs[:500], targets[:500], inputs[500:], targets[500:])


def network(n_out: int = 1) -> nn.Module:
    """Return a fresh network."""
    return nn.Sequential(nn.Linear(2, 50), nn.ReLU(), nn.Linear(50, n_out))


def plain_loop(data: usual_script.Data, epochs: int, seed: int) -> None:
    """Train once: a loop with a DataLoader, loss and accuracy of both parts each epoch."""
    torch.manual_seed(seed)
    net, loss_fn = network(), nn.BCEWithLogitsLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=0.9)
    train = DataLoader(TensorDataset(data.x, data.y), batch_size=BATCH, shuffle=True)
    validation = DataLoader(TensorDataset(data.x_val, data.y_val), batch_size=500)
    for _ in range(epochs):
        net.train()
        total = right = 0.0
        for x, y in train:
            optimizer.zero_grad()
            logits = net(x)
            loss = loss_fn(logits, y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            right += ((logits > 0) == (y > 0.5)).sum().item()
        net.eval()
        with torch.no_grad():
            for x, y in validation:
                logits = net(x)
                loss_fn(logits, y).item()
                ((logits > 0) == (y > 0.5)).float().mean().item()


def circles_task(data: usual_script.Data) -> Task:
    """Return the same rows and network as a task, with every metric of its kind."""
    fold = Fold(0, Part(data.x, data.y), Part(data.x_val, data.y_val), TargetStatistics())
    every = metrics_for("binary")
    facts = TargetFacts("binary", 1, 0.0, 1.0)
    sizes = {"train": 500, "validation": 500}
    return Task(
        "circles", "binary", facts, every[0], every, lambda _: fold, lambda _: None, network, "-", sizes
    )


def our_path(data: usual_script.Data, epochs: int, replicates: int) -> None:
    """Train replicates by ``train_plain``."""
    task, pair = circles_task(data), find_pair("bce/sigmoid", "binary")
    settings = TrainSettings(epochs, BATCH, "sgd", {"momentum": 0.9})
    todo = [Replicate(Point(pair.name, LR, definition=pair), seed) for seed in range(replicates)]
    for result in train_plain(task, Space("binary", (pair,), (LR, LR)), todo, settings):
        if result.outcome is not Outcome.COMPLETED:
            raise RuntimeError(result.reason)


def our_search(
    epochs: int, replicates: int, where: Path, workers: int, name: str = "circles", *, view: bool = True
) -> None:
    """Run a whole study, with all its records or all but the MLflow view: at least 5 trials of one seed."""
    from lossearch import api
    from lossearch.config import make_config

    config = make_config(
        {
            "task": {
                "data": "circles",
                "data_options": {"n_samples": 1000, "noise": 0.1, "random_state": 1},
                "rows": {"train": "0:500", "validation": "500:1000"},
                "test": False,
                "hidden": [50],
                "metric": "accuracy",
            },
            "space": {"pairs": ["bce/sigmoid"], "lr": [1e-3, 1.0], "extend": False},
            "budget": {"trials": replicates, "seeds": 1},
            "train": {
                "epochs": epochs,
                "batch_size": BATCH,
                "optimizer": "sgd",
                "options": {"momentum": 0.9},
                "workers": workers,
            },
            "records": {"store": str(where / "mlruns"), "name": name, "mlflow": view},
        }
    )
    if len(api.run(config).trials) != replicates:
        raise RuntimeError("the study has not the trials it was asked for")


def usual(data: usual_script.Data, epochs: int, replicates: int, where: Path, *, quiet: bool) -> None:
    """Run the usual script; its store exists already."""
    uri = f"sqlite:///{where / 'mlflow.db'}"
    usual_script.search(data, uri, str(where), trials=replicates, epochs=epochs, quiet=quiet)


@contextlib.contextmanager
def muted() -> Iterator[None]:
    """Send what a way prints nowhere: a terminal's own cost is not measured."""
    nowhere = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        yield


def usual_store(where: Path) -> None:
    """Create the usual script's store: a new sqlite file takes seconds, once."""
    client = mlflow.MlflowClient(f"sqlite:///{where / 'mlflow.db'}")
    client.create_experiment("circles", artifact_location=str(where / "artifacts"))


def our_store(where: Path) -> None:
    """Create our store, by a study as short as can be."""
    our_search(1, 5, where, 1, "first")


def ways(data: usual_script.Data, epochs: int) -> list[Way]:
    """Return all ways, the plain loop first."""

    def loop(n: int, _: Path) -> None:
        for seed in range(n):
            plain_loop(data, epochs, seed)

    def search(workers: int) -> Callable[[int, Path], None]:
        return lambda n, where: our_search(epochs, n, where, workers)

    def script(*, quiet: bool) -> Callable[[int, Path], None]:
        return lambda n, where: usual(data, epochs, n, where, quiet=quiet)

    cores = os.cpu_count() or 1
    return [
        Way("plain torch loop, DataLoader", loop),
        Way("lossearch train_plain, all metrics", lambda n, _: our_path(data, epochs, n)),
        Way(SEARCH, search(1), our_store),
        *([Way(f"the same, up to {cores} processes", search(cores), our_store)] if cores > 1 else []),
        Way("usual script: Optuna, Lightning, MLFlowLogger", script(quiet=False), usual_store),
        Way("usual script, quiet", script(quiet=True), usual_store),
    ]


def measure(way: Way, replicates: int) -> float:
    """Return seconds a replicate."""
    with tempfile.TemporaryDirectory() as folder, muted():
        way.prepare(Path(folder))
        start = time.perf_counter()
        way.run(replicates, Path(folder))
        return (time.perf_counter() - start) / replicates


def machine() -> str:
    """Return what the figures were measured on."""
    names = ("torch", "pytorch-lightning", "optuna", "mlflow", "lossearch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def main() -> int:
    """Measure and print; exit code 1 where the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--replicates", type=int, default=8, help="trained by each way in a turn, at least 5")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--view", type=int, metavar="TRIALS", help="measure the MLflow view alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.view:
        with muted():
            ratio, said = view_cost(
                lambda where, view: our_search(options.epochs, options.view, where, 1, view=view),
                our_store,
                options.repeats,
            )
        Console(width=120).print(f"{options.view} trials of {options.epochs} epochs: {said}")
        return int(ratio > MOST)
    seconds: dict[str, list[float]] = {}
    every = ways(circles(), options.epochs)
    for way in ways(circles(), 1):  # what is imported or made on first use is not counted
        measure(way, 5)
    for _ in range(options.repeats):
        for way in every:
            seconds.setdefault(way.name, []).append(measure(way, options.replicates))
    return report(seconds, options.epochs, options.replicates)


def report(seconds: dict[str, list[float]], epochs: int, replicates: int) -> int:
    """Print the table."""
    base = statistics.median(next(iter(seconds.values())))
    table = Table(
        title=f"One replicate of {epochs} epochs x {STEPS} steps; median of {replicates}-replicate runs"
    )
    for name in ("way", "s / replicate", "ms / step", "ratio", "range"):
        table.add_column(name, justify="left" if name == "way" else "right")
    for name, values in seconds.items():
        value = statistics.median(values)
        low, high = min(values) / base, max(values) / base
        table.add_row(
            name,
            f"{value:.3f}",
            f"{1000 * value / epochs / STEPS:.2f}",
            f"{value / base:.2f}",
            f"{low:.2f} - {high:.2f}",
        )
    console = Console(width=120)
    console.print(table)
    console.print(machine())
    ours = statistics.median(seconds[SEARCH]) / base
    console.print(f"goal: a search with all its records within {GOAL} x the plain loop; measured {ours:.2f}")
    return int(ours > GOAL)


if __name__ == "__main__":
    raise SystemExit(main())

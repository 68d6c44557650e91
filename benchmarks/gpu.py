"""What a replicate costs on a GPU and on one core of the processor, batched, compiled, and in a plain loop.

Networks are an MLP 2-50-1 on two circles, an MLP 64-128-10 and a small CNN on digits; 512 training rows in batches of 32,
SGD with momentum, validation of 256 rows every epoch but in the plain loop. Times are milliseconds a replicate for 100
epochs, from the seconds of an epoch once all is warm; what compiling takes stands beside them. What is predicted to take
too long, or has no time left, is left out.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --seconds 60 --sizes 64,512 --json FILE.json
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _ours import _space, _task
from _problems import BATCH, CIRCLES, DIGITS, MOMENTUM, Problem, shape
from rich.console import Console
from rich.table import Table
from torch import nn

from lossearch.tasks.task import Part, Task
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.population import population
from lossearch.training.population.chunks import MOST, MOST_GPU, ChunkSizer
from lossearch.training.population.method import Populations

ROWS = {"train": 512, "validation": 256}
PATIENCE = 12.0
"""Predicted seconds of an epoch from which on a size is left out."""
LONG = 2.5
"""Seconds that a measurement goes on for, where an epoch is shorter."""
COMPILING = 60.0
"""Seconds that have to be left for a size that is compiled."""
SHOWN = 100
"""Epochs that times are given for."""


@dataclass(frozen=True)
class Measured:
    """One line: seconds of an epoch of so many replicates, and of what came before the first was warm."""

    network: str
    device: str
    way: str
    replicates: int
    epoch: float
    start: float

    @property
    def each(self) -> float:
        """Milliseconds a replicate."""
        return 1e3 * SHOWN * self.epoch / self.replicates

    @property
    def step(self) -> float:
        """Microseconds of a step of all replicates, its share of scoring included."""
        return 1e6 * self.epoch / (ROWS["train"] // BATCH)


def cnn(n_out: int) -> nn.Module:
    """Return a network of two convolutions for images of 8 x 8."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 2), nn.ReLU(), nn.Flatten(),
        nn.Linear(64, n_out),
    )  # fmt: skip


def tasks() -> dict[str, tuple[Problem, Task]]:
    """Return each network's problem and task."""
    circles, digits = (replace(p, **ROWS) for p in (CIRCLES, DIGITS))
    flat = _task(digits)
    fold = flat.fold(0)
    images = replace(fold, train=_as_images(fold.train), validation=_as_images(fold.validation))
    convolved = replace(flat, network=cnn, fold=lambda _: images, digest="cnn")
    return {
        "mlp 2-50-1": (circles, _task(circles)),
        "mlp 64-128-10": (digits, flat),
        "cnn 8x8": (digits, convolved),
    }


def _as_images(part: Part) -> Part:
    return replace(part, x=part.x.view(-1, 1, 8, 8))


class Fixed(ChunkSizer):
    """Trains as many together as there are, up to the most of a device."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.fixed = most

    def most(self, call: Any, whole: Any, replicates: int | None = None) -> int:  # noqa: ARG002 - ChunkSizer's
        return self.fixed


def batched(of: Problem, task: Task, device: str, replicates: int, *, compiled: bool) -> tuple[float, float]:
    """Return the seconds of an epoch of a population, and of its first use."""
    population.COMPILED_STEPS = 0
    seeds, each = shape(replicates)
    space, points = _space(of, each)
    todo = [Replicate(p, s) for p in points for s in range(seeds)]
    method = Populations(threads=1, sizer=Fixed(MOST if device == "cpu" else MOST_GPU))
    settings = TrainSettings(
        1, BATCH, "sgd", {"momentum": MOMENTUM}, device=device, compile=compiled, epoch="last"
    )

    def train(epochs: int) -> None:
        results = list(method(task, space, todo, replace(settings, epochs=epochs)))
        failed = [r.error for r in results if r.outcome.value == "failed"]
        if failed or (compiled and method.compile_failed):
            raise RuntimeError(f"{len(failed)} failed: {failed[:1]} {method.sizer.noted}")

    return _epoch(train)


def loop(of: Problem, task: Task, device: str) -> tuple[float, float]:
    """Return the seconds of an epoch of one training by a plain loop, and of its first use."""
    where = torch.device("cuda" if device == "gpu" else "cpu")
    part = task.fold(0).train
    x, y = part.x.to(where), part.y.to(where)
    network = task.network(of.n_out).to(where)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=MOMENTUM)
    loss = nn.BCEWithLogitsLoss() if of.n_out == 1 else nn.CrossEntropyLoss()

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(len(x), device=where).split(BATCH):
                optimizer.zero_grad()
                loss(network(x[rows]), y[rows]).backward()
                optimizer.step()
        if where.type == "cuda":
            torch.cuda.synchronize()

    return _epoch(train)


def _epoch(train: Callable[[int], None]) -> tuple[float, float]:
    def seconds(epochs: int) -> float:
        begun = time.perf_counter()
        train(epochs)
        return time.perf_counter() - begun

    first, one = seconds(1), seconds(1)
    more = max(1, min(30, int(LONG / one)))
    return max(1e-9, (seconds(1 + more) - one) / more), max(0.0, first - one)


def plan(devices: Sequence[str], sizes: Sequence[int]) -> list[tuple[str, str, str, int]]:
    """Return network, device, way and replicates of each line, what matters most first."""
    names = list(tasks())
    lines = []
    for d in devices:
        lines += [(n, d, "plain loop", 1) for n in names]
        lines += [(n, d, "batched", r) for r in sizes for n in names]
        lines += [(names[0], d, "compiled", r) for r in sizes if r >= max(sizes) // 8]
    return lines


def measure(devices: Sequence[str], sizes: Sequence[int], seconds: float, console: Console) -> list[Measured]:
    """Measure one line after another, for so many seconds."""
    known, found, end = tasks(), [], time.perf_counter() + seconds
    last: dict[tuple[str, str, str], Measured] = {}
    for name, device, way, replicates in plan(devices, sizes):
        smaller = last.get((name, device, way))
        predicted = 0.0 if smaller is None else smaller.epoch * replicates / smaller.replicates
        if device == "gpu":
            predicted = 0.0 if smaller is None else smaller.epoch  # until it is full
        left = end - time.perf_counter()
        if left < max(3 * predicted, COMPILING if way == "compiled" else 0.0) or predicted > PATIENCE:
            console.print(f"left out: {name}, {device}, {way}, {replicates} ({left:.0f} s left)")
            continue
        of, task = known[name]
        try:
            if way == "plain loop":
                epoch, start = loop(of, task, device)
            else:
                epoch, start = batched(of, task, device, replicates, compiled=way == "compiled")
        except Exception as error:  # noqa: BLE001 - one line that fails is no reason to lose the others
            console.print(f"failed: {name}, {device}, {way}, {replicates}: {str(error)[:600]}", markup=False)
            continue
        line = Measured(name, device, way, replicates, epoch, start)
        last[name, device, way] = line
        found.append(line)
        console.print(
            f"{name:14s} {device} {way:10s} {replicates:5d}: {line.each:9.2f} ms a replicate, {line.step:9.0f} us a step, "
            f"{line.start:5.1f} s to start"
        )
    return found


def table(found: Sequence[Measured]) -> Table:
    """Return all lines, each with how many times it is quicker than plain loops and than the processor."""
    table = Table(title=f"Milliseconds a replicate, {SHOWN} epochs")
    for heading in ("network", "way", "replicates", "cpu, 1 core", "gpu", "cpu / gpu", "gpu loop / gpu"):
        table.add_column(heading, justify="left" if heading in ("network", "way") else "right")
    by_line = {(m.network, m.way, m.replicates, m.device): m.each for m in found}
    for network, way, replicates in dict.fromkeys((m.network, m.way, m.replicates) for m in found):
        cpu, gpu = (by_line.get((network, way, replicates, d)) for d in ("cpu", "gpu"))
        alone = by_line.get((network, "plain loop", 1, "gpu"))
        table.add_row(
            network, way, str(replicates), _shown(cpu), _shown(gpu),
            _shown(cpu / gpu if cpu and gpu else None), _shown(alone / gpu if alone and gpu else None),
        )  # fmt: skip
    return table


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", default="64,512,4096", help="replicates, from few to many")
    parser.add_argument("--devices", default="gpu,cpu" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=150.0, help="no line begins after so many")
    parser.add_argument("--json", type=Path, help="where all lines go besides")
    asked = parser.parse_args()
    console = Console(width=140)
    torch.set_num_threads(1)
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    console.print(f"torch {torch.__version__}, {gpu}")
    found = measure(
        asked.devices.split(","), [int(s) for s in asked.sizes.split(",")], asked.seconds, console
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(m) | {"each": m.each} for m in found], indent=1))
    console.print(table(found))


if __name__ == "__main__":
    main()

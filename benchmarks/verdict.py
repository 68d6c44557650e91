"""Does a verdict keep its word? Whole data sets are drawn again and again, and judged by the real code.

Equal pairs: the chance that any pair is told from another, which must not exceed the stated 5 %. Every pair
has a weight vector of its own, but all of one law, so that none is better on new rows though each is better
on some rows. Gaps: pairs that are worse by 2 standard deviations over seeds must be excluded in 80 % of
cases, and the best must stay in the tied set in 95 %. Trained: networks of one loss, trained on circles
drawn anew, the same loss under other seeds taken for other pairs. Few rows: 5 to 50, on which pairs that differ by
1.5 or 3 regions of practical equivalence must not be called equal in more than 5 % of cases, and a score's interval
must hold it in 93 %.

    python benchmarks/verdict.py            # some twenty minutes on two cores
    python benchmarks/verdict.py --quick    # half a minute, to see that it runs
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from _few_rows import FewSeen, evidence, few_worlds, see_few
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Column, Table
from sklearn.datasets import make_circles
from torch import nn

from lossearch.kinds import Predictions, TargetFacts, TargetStatistics
from lossearch.metrics.registry import METRICS
from lossearch.pairs import find_pair
from lossearch.records.evidence import Evidence
from lossearch.space import Point, Space
from lossearch.tasks.task import Fold, Part, Task
from lossearch.training.contract import Replicate, TrainSettings
from lossearch.training.population.method import train_population
from lossearch.training.prediction import Predictor
from lossearch.verdict.decision import judge

Floats = NDArray[np.float64]

LEVEL, POWER, KEPT, HOLD = 0.05, 0.8, 0.95, 0.93
FEATURES, SCALE, NOISE = 6, 3.0, 0.5
TRUTH_ROWS = 100_000
CIRCLES, HELD, TRAINED, HIDDEN, LR = 300, 120, 135, 8, 0.03
SETTINGS = TrainSettings(epochs=12, batch_size=27, epoch="last")


@dataclass(frozen=True)
class Seen:
    """What one verdict said: any pair told from another, any best pair excluded, share of worse ones excluded."""

    told: bool
    lost: bool
    excluded: float
    tied: int
    covered: bool


# ---- linear models, whose expected scores are known


@dataclass(frozen=True)
class World:
    """Linear models of a linear truth, one a pair and seed.

    A pair's own error, of length ``bias``, is what it gets wrong under every seed and ``spread`` what a seed
    adds, half of it common to all pairs. ``gaps`` says by how many standard deviations over seeds each pair
    is worse. As inputs are spherical, only the length of the pair's error matters to its expected score.
    Each seed scores so many ``drawn`` of the rows, where given, as with validation rows; else all.
    """

    metric: str
    gaps: tuple[float, ...]
    rows: int = 200
    seeds: int = 20
    bias: float = 0.15
    spread: float = 0.2
    draws: int = 999
    drawn: int = 0

    @property
    def sign(self) -> int:
        return METRICS[self.metric].sign

    def evidence(self, rng: np.random.Generator, biases: Iterable[float]) -> Evidence:
        lengths = np.array(list(biases))
        x = rng.normal(size=(self.rows, FEATURES))
        own = rng.normal(size=(len(lengths), FEATURES))
        own[:, 0] = 0  # at right angles to the truth, which is the first axis
        own *= (lengths / np.linalg.norm(own, axis=1))[:, None]
        common = rng.normal(size=(1, self.seeds, FEATURES))
        apart = rng.normal(size=(len(lengths), self.seeds, FEATURES))
        weights = np.eye(FEATURES)[0] + own[:, None] + self.spread * (common + apart) / math.sqrt(2)
        said = torch.from_numpy(np.einsum("nd,ksd->ksn", x, weights))
        target, kind, predicted = self._problem(rng, x)
        rows = [np.arange(self.rows)] * self.seeds
        if self.drawn:
            rows = [rng.permutation(self.rows)[: self.drawn] for _ in rows]
        predictions = {
            f"pair {i}": [predicted(row[at]) for row, at in zip(of_pair, rows, strict=True)]
            for i, of_pair in enumerate(said)
        }
        return replace(evidence(kind, METRICS[self.metric], target, predictions), rows=rows)

    def _problem(
        self, rng: np.random.Generator, x: Floats
    ) -> tuple[torch.Tensor, str, Callable[[torch.Tensor], Predictions]]:
        if "regression" in METRICS[self.metric].kinds:
            noise = NOISE * rng.normal(size=len(x))
            target = torch.from_numpy(x[:, 0] + noise)[:, None]
            return target, "regression", lambda row: Predictions(value=row[:, None])
        target = torch.from_numpy((rng.random(len(x)) < 1 / (1 + np.exp(-SCALE * x[:, 0]))).astype(np.int64))
        return target, "binary", lambda row: Predictions((row > 0).long(), torch.sigmoid(SCALE * row), row)

    def truth(self, bias: float) -> float:
        """Return the expected score of a pair, more is better, over very many seeds and rows."""
        rng = np.random.default_rng(0)
        x, weights = rng.normal(size=(2, TRUTH_ROWS, FEATURES))
        weights = self.spread * weights + np.eye(FEATURES)[0] + bias * np.eye(FEATURES)[1]
        said, p = (x * weights).sum(axis=1), 1 / (1 + np.exp(-SCALE * x[:, 0]))
        if self.metric == "accuracy":
            return float(np.where(said > 0, p, 1 - p).mean())
        if self.metric == "log_loss":
            one, zero = np.logaddexp(0, -SCALE * said), np.logaddexp(0, SCALE * said)
            return -float((p * one + (1 - p) * zero).mean())
        return -float(((said - x[:, 0]) ** 2).mean() + NOISE**2)

    def sd(self) -> float:
        """Return the standard deviation over seeds of a pair's score on the same rows."""
        found = []
        for i in range(40):
            e = self.evidence(np.random.default_rng([1, i]), [self.bias])
            scores = torch.cat([e.metric.fn(_one(s), e.target) for s in e.predictions["pair 0"]])
            found.append(float(scores.var()))
        return math.sqrt(np.mean(found))

    def biases(self) -> tuple[float, ...]:
        """Return the length of each pair's error that makes its gap."""
        if not any(self.gaps):
            return (self.bias,) * len(self.gaps)
        lengths = np.linspace(self.bias, self.bias + 2.5, 20)
        lost = self.truth(self.bias) - np.array([self.truth(b) for b in lengths])
        return tuple(np.interp(np.array(self.gaps) * self.sd(), lost, lengths))


def _one(predicted: Predictions) -> Predictions:
    return Predictions(
        *(
            None if t is None else t[None]
            for t in (predicted.label, predicted.probability, predicted.score, predicted.value)
        )
    )


def seen(given: Evidence, truths: Floats, draws: int, seed: int) -> Seen:
    """Judge, and hold the verdict against the pairs' expected scores."""
    pairs = {pair: truths[i] for i, pair in enumerate(given.pairs)}
    verdict = judge(
        given,
        direction=given.metric.direction,
        conventional="pair 0",
        rope=0.0,
        level=LEVEL,
        draws=draws,
        seed=seed,
    )
    best = {p for p, t in pairs.items() if t == max(pairs.values())}
    out = pairs.keys() - set(verdict.tied)
    return Seen(
        told=any(c.p <= LEVEL for c in verdict.comparisons if pairs[c.a] == pairs[c.b]),
        lost=bool(best & out),
        excluded=len(out - best) / max(1, len(pairs) - len(best)),
        tied=len(verdict.tied),
        covered=all(c.low <= pairs[c.a] - pairs[c.b] <= c.high for c in verdict.comparisons),
    )


def see_world(world: World, biases: tuple[float, ...], truths: Floats, index: int) -> list[Seen]:
    rng = np.random.default_rng([2, index])
    return [seen(world.evidence(rng, biases), truths, world.draws, index)]


# ---- networks that are trained


def circles_task(index: int) -> Task:
    """Return two circles drawn anew: test rows once, training rows by seed; unscaled, as they need no scaling."""
    x, y = make_circles(CIRCLES, noise=0.2, factor=0.6, random_state=index)
    x, y = torch.from_numpy(x).float(), torch.from_numpy(y).float()[:, None]

    def fold(seed: int) -> Fold:
        order = HELD + torch.randperm(CIRCLES - HELD, generator=torch.Generator().manual_seed(seed))
        train, held = order[:TRAINED], order[TRAINED:]
        return Fold(seed, Part(x[train], y[train]), Part(x[held], y[held]), TargetStatistics())

    return Task(
        name="circles",
        kind="binary",
        facts=TargetFacts("binary", 1, 0.0, 1.0),
        metric=METRICS["accuracy"],
        metrics=(METRICS["accuracy"],),
        fold=cache(fold),
        test=lambda _: Part(x[:HELD], y[:HELD]),
        network=lambda n_out: nn.Sequential(nn.Linear(2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_out)),
        digest=f"circles {index}",
        sizes={"train": TRAINED, "validation": CIRCLES - HELD - TRAINED, "test": HELD},
    )


def see_circles(cells: tuple[tuple[int, str], ...], seeds: int, index: int) -> list[Seen]:
    """Train the most pairs any cell has, and judge the first so many of them by each cell's metric."""
    task, k = circles_task(index), max(pairs for pairs, _ in cells)
    pair = find_pair("bce/sigmoid", task.kind)
    space = Space("binary", (pair,), (LR, LR))
    replicates = [
        Replicate(Point(pair.name, LR, (), (), pair), 1000 * p + s) for p in range(k) for s in range(seeds)
    ]
    predictor = Predictor(task, space, SETTINGS)
    said = []
    for done in train_population(task, space, replicates, SETTINGS, keep_weights=True, threads=1):
        part = task.test(done.replicate.seed)
        said.append(predictor(done.replicate, done.weights, part))
    predictions = {f"pair {p}": said[p * seeds : (p + 1) * seeds] for p in range(k)}
    return [
        seen(
            evidence(
                "binary", METRICS[metric], part.y, {p: predictions[p] for p in list(predictions)[:pairs]}
            ),
            np.zeros(pairs),
            299 if metric == "auroc" else 999,
            index,
        )
        for pairs, metric in cells
    ]


# ---- tables


@dataclass(frozen=True)
class Plan:
    """How often each part is repeated."""

    equal: int
    gap: int
    few: int
    trained: int
    cells: tuple[tuple[int, str], ...]
    seeds: int


FULL = Plan(
    400,
    150,
    200,
    100,
    ((4, "accuracy"), (8, "accuracy"), (14, "accuracy"), (8, "log_loss"), (4, "auroc")),
    20,
)
QUICK = Plan(1, 1, 1, 1, ((4, "accuracy"), (4, "auroc")), 10)


def equal_worlds() -> Iterator[tuple[str, World]]:
    for metric in ("accuracy", "log_loss", "mse"):
        for k in (4, 8, 14):
            yield f"{metric}, {k} pairs", World(metric, (0.0,) * k)
    yield "auroc, 4 pairs", World("auroc", (0.0,) * 4, rows=100, draws=299)
    yield "accuracy, 8 pairs, rows decide", World("accuracy", (0.0,) * 8, bias=0.3, spread=0.1)
    yield "mse, 8 pairs, seeds decide", World("mse", (0.0,) * 8, bias=0.05, spread=0.3)
    yield "accuracy, 8 pairs, validation", World("accuracy", (0.0,) * 8, rows=400, drawn=100)
    yield "mse, 8 pairs, 5 seeds", World("mse", (0.0,) * 8, seeds=5)


def gap_worlds() -> Iterator[tuple[str, World]]:
    two = (0.0,) * 4 + (2.0,) * 4
    for metric in ("accuracy", "log_loss", "mse"):
        yield f"{metric}, 4 of 8 worse by 2 sd", World(metric, two, rows=1000)
    yield "accuracy, 4 of 8 worse by 2 sd, 200 rows", World("accuracy", two)
    yield "mse, 8 pairs 0.3 sd apart", World("mse", tuple(0.3 * i for i in range(8)))


Run = Callable[[Callable[[int], list[Any]], int], list[list[Any]]]


def share(found: list[bool]) -> str:
    p = float(np.mean(found))
    return f"{100 * p:.1f} ± {100 * math.sqrt(max(p * (1 - p), 1 / len(found) ** 2) / len(found)):.1f} %"


def margin(p: float, n: int) -> float:
    """Return two Monte-Carlo errors of a share p in n cases."""
    return 2 * math.sqrt(p * (1 - p) / n)


def equal_row(table: Table, name: str, found: list[Seen]) -> bool:
    told = [s.told for s in found]
    fine = np.mean(told) <= LEVEL + margin(LEVEL, len(told))
    size = f"{np.mean([s.tied for s in found]):.2f}"
    _add(
        table, name, share(told), share([s.covered for s in found]), size, str(len(found)), _mark(bool(fine))
    )
    return bool(fine)


def gap_row(table: Table, name: str, found: list[Seen], *, bound: bool) -> bool:
    excluded, kept = np.mean([s.excluded for s in found]), [not s.lost for s in found]
    fine = np.mean(kept) >= KEPT - margin(KEPT, len(kept)) and (
        not bound or excluded >= POWER - margin(POWER, len(kept))
    )
    size = f"{np.mean([s.tied for s in found]):.2f}"
    covered = share([s.covered for s in found])
    _add(table, name, f"{excluded:.0%}", share(kept), covered, size, str(len(found)), _mark(bool(fine)))
    return bool(fine)


def _add(table: Table, *cells: str) -> None:
    """Add a row, and say it at once: the table is printed when it is whole."""
    table.add_row(*cells)
    print(" | ".join(cells), file=sys.stderr, flush=True)


def _mark(fine: bool) -> str:
    return "yes" if fine else "NO"


def equal_table(plan: Plan, run: Run, console: Console) -> bool:
    table = Table(
        "equal pairs",
        "any told apart",
        "intervals hold",
        "tied",
        "data sets",
        "as stated",
        title="Linear models",
    )
    fine = True
    for name, world in equal_worlds():
        see = partial(see_world, world, world.biases(), np.zeros(len(world.gaps)))
        fine &= equal_row(table, name, [s for (s,) in run(see, plan.equal)])
    console.print(table)
    return fine


def gap_table(plan: Plan, run: Run, console: Console) -> bool:
    heads = ("gaps", "worse excluded", "best kept", "intervals hold", "tied", "data sets", "as stated")
    table, fine = Table(*heads, title="Linear models, some worse"), True
    for name, world in gap_worlds():
        biases = world.biases()
        truths = np.array([world.truth(b) for b in biases])
        found = [s for (s,) in run(partial(see_world, world, biases, truths), plan.gap)]
        fine &= gap_row(table, name, found, bound=world.rows >= 1000)
    console.print(table)
    return fine


def few_row(table: Table, name: str, found: list[FewSeen]) -> bool:
    equal, told, hold = ([getattr(s, what) for s in found] for what in ("false_equal", "told", "scores_hold"))
    n = len(found)
    fine = max(np.mean(equal), np.mean(told)) <= LEVEL + margin(LEVEL, n) and np.mean(hold) >= HOLD - margin(
        HOLD, n
    )
    covered = share([s.differences_hold for s in found])
    _add(table, name, share(equal), share(told), f"{np.mean(hold):.1%}", covered, str(n), _mark(bool(fine)))
    return bool(fine)


def few_table(plan: Plan, run: Run, console: Console) -> bool:
    heads = (
        Column("rows", no_wrap=True),
        "falsely equal",
        "equal told apart",
        "scores hold",
        "differences hold",
        "data sets",
        "as stated",
    )
    table, fine = Table(*heads, title="Few rows"), True
    for name, world in few_worlds():
        biases, truths = world.pairs()
        fine &= few_row(table, name, [s for (s,) in run(partial(see_few, world, biases, truths), plan.few)])
    console.print(table)
    return fine


def trained_table(plan: Plan, run: Run, console: Console) -> bool:
    table = Table(
        "equal pairs",
        "any told apart",
        "intervals hold",
        "tied",
        "data sets",
        "kept",
        title="Trained on circles",
    )
    found = run(partial(see_circles, plan.cells, plan.seeds), plan.trained)
    rows = zip(plan.cells, zip(*found, strict=True), strict=True)
    fine = [equal_row(table, f"{metric}, {pairs} pairs", list(of_cell)) for (pairs, metric), of_cell in rows]
    console.print(table)
    return all(fine)


def _here(see: Callable[[int], list[Any]], times: int) -> list[list[Any]]:
    return [see(i) for i in range(times)]


def _in_processes(stack: ExitStack, jobs: int) -> Run:
    spawned = multiprocessing.get_context("spawn")
    pool = stack.enter_context(ProcessPoolExecutor(jobs, spawned, torch.set_num_threads, (1,)))
    return lambda see, times: list(pool.map(see, range(times), chunksize=max(1, times // (8 * jobs))))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few data sets, to see that it runs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--only", choices=TABLES, help="one table")
    args = parser.parse_args()
    console, begun = Console(width=150), time.perf_counter()
    plan = QUICK if args.quick else FULL
    with ExitStack() as stack:
        run = _here if args.jobs == 1 else _in_processes(stack, args.jobs)
        made = [table(plan, run, console) for name, table in TABLES.items() if args.only in {None, name}]
    console.print(
        f"Stated level {LEVEL:.0%}; ± is one Monte-Carlo error. {time.perf_counter() - begun:.0f} s."
    )
    return 0 if all(made) or args.quick else 1


TABLES: dict[str, Any] = {"equal": equal_table, "gap": gap_table, "few": few_table, "trained": trained_table}

if __name__ == "__main__":
    sys.exit(main())

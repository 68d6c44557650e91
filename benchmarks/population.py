"""What a population costs a trained replicate, beside the usual script, Keras, a plain torch loop and JAX.

Every side runs in a process of its own with one thread (OMP_NUM_THREADS=1) and, but for item 1, bound to one
core, unless the table says otherwise; all are measured ``--repeats`` times in turn and the fastest counts, with
the load of the machine printed before. On "all cores" each side takes them as it does by itself: torch by threads,
we by processes that train a whole study's rounds. Goals are for wall time. Items:

1  a whole search, from the start of the process to its end, records included, against the usual script
   (Optuna objective, LightningModule, Trainer with MLFlowLogger), whose imports and store are shared out
   over as many replicates as ours
2  training alone, against Keras ``fit`` and a plain torch loop, of digits on all cores too
3  training with validation, against JAX jit, vmap and scan that only trains
4  cost against population size and against network width (``--figure FILE.png`` draws it)
5  peak memory a replicate, beside what weights, gradients, optimiser state and activations come to

    python benchmarks/population.py
    python benchmarks/population.py --item 3 --repeats 5
    python benchmarks/population.py --quick
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from _curves import cost_by_size, cost_by_width, memory
from _problems import PROBLEMS
from _sides import MissingError, run_side
from rich.console import Console
from rich.table import Table

Found = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    quick: bool
    repeats: int

    def changes(self, problem: str, epochs: int | None = None) -> dict[str, int]:
        """Return what is changed of a problem: epochs, and all that makes a quick run quick."""
        if not self.quick:
            return {} if epochs is None else {"epochs": epochs}
        return {"epochs": 2, "trials": 20, "seeds": 2} | ({"train": 320} if problem == "digits" else {})

    def take(self, full: int, quick: int) -> int:
        """Return a number, the smaller one in a quick run."""
        return quick if self.quick else full

    def some(self, every: Sequence[T], quick: int = 1) -> Sequence[T]:
        """Return all, only so many of the first in a quick run: each side's process starts for seconds."""
        return every[:quick] if self.quick else every


@dataclass(frozen=True)
class Line:
    """One comparison: wall seconds a replicate of ours and of a rival, and the ratio that is wanted.

    ``cpu`` is the ratio of processor seconds, which a busy machine disturbs less; None where not measured.
    """

    name: str
    ours: float
    rival: float
    cpu: float | None
    goal: float | None
    words: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.rival / self.ours

    @property
    def met(self) -> bool:
        """Whether the goal, if there is one, is reached."""
        return self.goal is None or self.ratio >= self.goal


class Bench:
    """Measures sides, each in its own process, and prints what it finds."""

    def __init__(self, extent: Extent, console: Console) -> None:
        self.extent, self.console = extent, console

    def measure(self, sides: dict[str, tuple[str, Found]], key: str = "each") -> dict[str, Found]:
        """Return each side's best of all repeats, the sides taking turns; those not installed are left out."""
        best: dict[str, Found] = {}
        left = dict(sides)
        for _ in range(self.extent.repeats):
            for label, (side, options) in list(left.items()):
                self.console.print(f"[dim]load {os.getloadavg()[0]:.1f}  {label}[/dim]")
                try:
                    found = run_side(side, **options)
                except MissingError as missing:
                    self.console.print(f"{label}: left out, {missing} (pip install 'lossearch\\[bench]')")
                    del left[label]
                    continue
                if label not in best or found[key] < best[label][key]:
                    best[label] = found
        return best

    def table(self, title: str, lines: Sequence[Line]) -> bool:
        """Print comparisons; return whether every goal is met."""
        table = Table(title=title, title_justify="left")
        for name in ("against", "ours, ms", "theirs, ms", "ratio", "by processor", "goal", ""):
            table.add_column(name, justify="left" if name in ("against", "") else "right")
        for line in lines:
            judged = line.goal is not None and not self.extent.quick
            goal = f"{line.goal:g}" if judged else ""
            mark = ("met" if line.met else "missed") if judged else ""
            words = " ".join(w for w in (mark, line.words) if w)
            figures = (
                f"{1000 * line.ours:.2f}",
                f"{1000 * line.rival:.1f}",
                f"{line.ratio:.2f}",
                "" if line.cpu is None else f"{line.cpu:.2f}",
            )
            table.add_row(line.name, *figures, goal, words)
        self.console.print(table)
        return all(line.met for line in lines)


def whole_process(bench: Bench) -> bool:
    """Item 1."""
    lines, extent = [], bench.extent
    for name, goal in extent.some((("circles", 200), ("digits", 50))):
        of = {"name": name, "changes": extent.changes(name), "bound": False}
        trials = extent.take(8, 1)
        ours = bench.measure({f"lossearch, {name}": ("ours_search", of)}, "process")[f"lossearch, {name}"]
        usual = {**of, "trials": trials}
        theirs = bench.measure(
            {
                f"usual script, {name}": ("usual", {**usual, "quiet": False}),
                f"usual script, all output off, {name}": ("usual", {**usual, "quiet": True}),
            }
        )
        n = ours["replicates"]
        for i, (label, found) in enumerate(theirs.items()):
            start = (found["imports"] + found["store"]) / n
            cpu = (found["cpu_each"] + start) / (ours["process_cpu"] / n)
            whole = found["each"] + start
            lines.append(Line(label, ours["process"] / n, whole, cpu, None if i else goal, f"{n} replicates"))
        split = ", ".join(
            f"{part} {ours[part]:.1f}" for part in ("imports", "store", "training", "records", "report")
        )
        a_trial = 1000 * ours["records"] / ours["trials"]
        usual_found = next(iter(theirs.values()))
        bench.console.print(
            f"{name}: {ours['process']:.1f} s in all: {split}; records {a_trial:.0f} ms a trial. Usual script: "
            f"imports {usual_found['imports']:.1f}, store {usual_found['store']:.1f}, then "
            f"{usual_found['each']:.2f} s a replicate. Best scores: {ours['score']:.3f}, {usual_found['score']:.3f}"
        )
    return bench.table("1 Whole process with all records, ms a replicate", lines)


def _cpu(ours: Found, rival: Found) -> float:
    return float(rival["cpu_each"] / ours["cpu_each"])


def training_alone(bench: Bench) -> bool:
    """Item 2."""
    lines, extent = [], bench.extent
    for name, count in extent.some((("digits", extent.take(192, 16)), ("circles", 512))):
        changes = extent.changes(name)
        few = {"name": name, "changes": changes, "replicates": extent.take(2, 1)}
        found = bench.measure(
            {
                "ours": ("ours_train", {"name": name, "changes": changes, "replicates": count}),
                **{
                    f"Keras fit, {backend}, {name}": ("keras_fit", {**few, "backend": backend})
                    for backend in extent.some(("jax", "torch"))
                },
                f"torch loop, {name}": ("torch_loop", few),
                f"torch loop with DataLoader, {name}": ("torch_loop", {**few, "loader": True}),
            }
        )
        ours = found.pop("ours")
        kerases = [label for label in found if label.startswith("Keras")]
        best = min(kerases, key=lambda label: found[label]["each"], default="")
        for label, rival in found.items():
            goal = 100 if label == best and name == "circles" else None
            words = f"{count} together; accuracy {ours['accuracy']:.3f}, theirs {rival['accuracy']:.3f}"
            lines.append(Line(label, ours["each"], rival["each"], _cpu(ours, rival), goal, words))
    lines.append(_on_all_cores(bench))
    return bench.table("2 Training alone, ms a replicate", lines)


def _on_all_cores(bench: Bench) -> Line:
    of = {"name": "digits", "changes": bench.extent.changes("digits"), "bound": False}
    every = {"cores": os.cpu_count() or 1, "replicates": bench.extent.take(2, 1)}
    label = "torch loop, digits, all cores each"
    found = bench.measure({"ours, all cores": ("ours_search", of), label: ("torch_loop", {**of, **every})})
    ours, rival = found["ours, all cores"], found[label]
    return Line(
        label,
        ours["each"],
        rival["each"],
        None,
        8,
        f"a search of {ours['trials']} trials, its records included",
    )


def against_jax(bench: Bench) -> bool:
    """Item 3."""
    lines, extent = [], bench.extent
    for count in extent.some((extent.take(256, 16), 512)):
        of = {"name": "circles", "changes": extent.changes("circles"), "replicates": count}
        cores_of = extent.some(tuple(dict.fromkeys((1, os.cpu_count() or 1))))
        found = bench.measure(
            {"ours": ("ours_train", of), "compiled": ("ours_compiled", of)}
            | {
                f"JAX, {form}, {cores} core{'s' * (cores > 1)}, {count}": (
                    "jax_population",
                    {**of, "form": form, "cores": cores},
                )
                for form in ("dot", "sum")
                for cores in cores_of
            }
        )
        ours, compiled = found.pop("ours"), found.pop("compiled")
        best = min(found, key=lambda label: found[label]["each"], default="")
        for label, rival in found.items():
            words = f"they compile {rival['compile']:.1f} s; accuracy {ours['accuracy']:.3f}, {rival['accuracy']:.3f}"
            goal = 1.0 if label == best else None
            lines.append(Line(label, ours["each"], rival["each"], _cpu(ours, rival), goal, words))
        if best:
            words = f"ours compiled: {compiled['compile']:.0f} s, {compiled['cached']:.0f} s with its cache"
            rival = found[best]
            lines.append(Line(best, compiled["each"], rival["each"], _cpu(compiled, rival), 1.5, words))
    return bench.table("3 Training: ours validates, JAX only trains; 8 pairs, ms a replicate", lines)


def by_size_and_width(bench: Bench, figure: Path | None) -> bool:
    """Item 4."""
    some = bench.extent.some
    sizes = cost_by_size(bench, some((1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048), 2))
    widths = cost_by_width(bench, some((16, 64, 128, 256, 512, 1024)))
    if figure is not None:
        from _figure import draw

        draw(sizes, widths, figure)
        bench.console.print(f"figure: {figure}")
    return True


def machine() -> str:
    """Return what the figures were measured on."""
    names = ("torch", "pytorch-lightning", "optuna", "mlflow", "jax", "keras", "lossearch")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"no {name}")
    return (
        f"{platform.machine()} {_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "")


def main() -> int:
    """Measure and print; exit code 1 where a goal is missed by a full run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--item", type=int, action="append", choices=range(1, 6), help="all by default")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="where to draw item 4")
    parser.add_argument("--quick", action="store_true", help="whether it runs, not how fast")
    options = parser.parse_args()
    bench = Bench(Extent(options.quick, 1 if options.quick else options.repeats), Console(width=160))
    items: dict[int, Callable[[], bool]] = {
        1: lambda: whole_process(bench),
        2: lambda: training_alone(bench),
        3: lambda: against_jax(bench),
        4: lambda: by_size_and_width(bench, options.figure),
        5: lambda: memory(bench, bench.extent.some(list(PROBLEMS))),
    }
    bench.console.print(machine())
    met = [items[i]() for i in options.item or items]
    bench.console.print(machine())
    return 0 if options.quick else int(not all(met))


if __name__ == "__main__":
    raise SystemExit(main())

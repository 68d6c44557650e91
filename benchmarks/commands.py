"""What commands that train nothing take, from the start of their process to its end, beside ``import torch`` alone.

Each is a process of its own with one thread; all take turns, ``--repeats`` times, and the least time of the processor
counts, which other work on the machine disturbs less than that of a clock. Records are those of two small
studies, made beforehand in a temporary store. Modules are compiled once, as an installed package's are.

    python benchmarks/commands.py
    python benchmarks/commands.py --repeats 9
    python benchmarks/commands.py --store DIR    # the two studies, circles and moons, are made there, and stay
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.table import Table

TORCH = "import torch"
STUDIES = ("circles", "moons")
SETTINGS = ("--trials", "64", "--seeds", "2", "--set", "epochs=5", "--set", "confirm_seeds=5")
LOSSES = "bce,hinge,squared_hinge,mse"


def run(data: str) -> tuple[str, ...]:
    """Return the command of a small study of a built-in data set."""
    return ("run", "--data", data, "--name", data, "--losses", LOSSES, *SETTINGS)


GOALS: Mapping[str, tuple[tuple[str, ...], float | None]] = {
    "ls": (("ls",), 0.5),
    "losses": (("losses",), 0.5),
    "report": (("report", STUDIES[0]), 1.0),
    "compare": (("compare", *STUDIES), 1.0),
    "run, finished and unchanged": (run(STUDIES[0]), 3.0),
    "run --dry-run": ((*run(STUDIES[0]), "--dry-run"), None),
}
"""What is measured: the command, and the most that it may take, in times of ``import torch``; a dry run trains to tell the time."""
WITHOUT_STORE = ("losses",)


def environment() -> dict[str, str]:
    """Return the environment of each process: one thread, no telemetry, and modules that stay compiled."""
    own = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**own, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def processor_time() -> float:
    """Return the seconds of the processor that processes begun here have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(command: Sequence[str]) -> float:
    """Return the seconds of the processor that a process of this Python takes.

    Raises:
        SystemExit: it failed; what it said is the message.
    """
    before = processor_time()
    done = subprocess.run(
        [sys.executable, *command], check=False, capture_output=True, text=True, env=environment()
    )
    took = processor_time() - before
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return took


def lossearch(arguments: Sequence[str], store: Path) -> list[str]:
    """Return the arguments of Python that run a command on a store."""
    where = [] if arguments[0] in WITHOUT_STORE else ["--store", str(store)]
    return ["-m", "lossearch", *arguments, *where]


def measured(store: Path, repeats: int) -> dict[str, float]:
    """Return the least seconds of each command, and of ``import torch``."""
    for data in STUDIES:
        seconds(lossearch(run(data), store))
    commands = {TORCH: ["-c", TORCH], **{name: lossearch(given, store) for name, (given, _) in GOALS.items()}}
    for command in commands.values():
        seconds(command)  # compiles what it imports
    rounds = [{name: seconds(command) for name, command in commands.items()} for _ in range(repeats)]
    return {name: min(took[name] for took in rounds) for name in commands}


def table(least: Mapping[str, float]) -> Table:
    """Return the measurements as a table."""
    found = Table(title="Commands that train nothing, in times of import torch")
    found.add_column("command")
    for title in ("s", "times torch", "goal"):
        found.add_column(title, justify="right")
    found.add_row(TORCH, f"{least[TORCH]:.2f}", "1.00", "")
    for name, (_, goal) in GOALS.items():
        found.add_row(
            name,
            f"{least[name]:.2f}",
            f"{least[name] / least[TORCH]:.2f}",
            "" if goal is None else f"{goal:g}",
        )
    return found


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds; 5 by default")
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="where the studies are; a temporary one by default"
    )
    return parser.parse_args()


def main() -> None:
    """Measure each command, and print the table."""
    asked = arguments()
    with nullcontext(asked.store) if asked.store else tempfile.TemporaryDirectory() as store:
        found = measured(Path(store), asked.repeats)
    console = Console()
    console.print(table(found))
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

"""What a search of the default space costs on each kind of task: time, trials, pairs and replicates.

Data and kind are those of a study in ``studies/``; space, budget, network and training are what lossearch takes where
nothing is said. Each kind runs in a process of its own, one after another, without the MLflow view.

    python benchmarks/kinds.py
    python benchmarks/kinds.py --kinds binary,angles
    python benchmarks/kinds.py --kinds binary --set epochs=2    # to try it
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from rich.console import Console
from rich.table import Table

from lossearch._text import duration
from lossearch.kinds import KINDS

STUDIES = Path(__file__).parent.parent / "studies"
STUDY_OF = {
    "angles": "angles",
    "binary": "breast_cancer",
    "compositional": "proportions",
    "count": "doctor_visits",
    "multiclass": "digits",
    "multilabel": "multilabel_tags",
    "ordinal": "ordinal",
    "positive": "positive",
    "probabilistic": "spread",
    "reconstruction": "autoencoder",
    "regression": "diabetes",
    "segmentation": "discs_and_rings",
}
"""Kind of task -> the study file whose data it is tried on."""
OF_DATA = ("data", "data_options", "target", "kind", "test")
"""Keys of a study file's task that say what is predicted of what."""


def tables(kind: str) -> dict[str, Any]:
    """Return the tables of a study of one kind of task that says nothing but its data."""
    task = tomllib.loads((STUDIES / f"{STUDY_OF[kind]}.toml").read_text(encoding="utf-8"))["task"]
    return {"task": {key: task[key] for key in OF_DATA if key in task}}


def measured(kind: str, settings: Mapping[str, str], store: Path) -> dict[str, Any]:
    """Search in this process, and return what it took."""
    from lossearch.api import run
    from lossearch.config import make_config, with_overrides, with_values

    config = with_overrides(make_config(tables(kind)), settings)
    config = with_values(
        config, {"records.store": str(store), "records.mlflow": False, "records.name": f"kind-{kind}"}
    )
    spent, started = processor_time(), time.perf_counter()
    result = run(config)
    wall, processor = time.perf_counter() - started, processor_time() - spent
    seeds, confirmed = result.declared.search.seeds, result.confirmed
    fresh = () if confirmed is None else confirmed.confirmations
    return {
        "kind": result.declared.task.kind,
        "data": config.task.data,
        "rows": sum(result.declared.task.rows.values()),
        "pairs": len(result.declared.space.pairs),
        "trials": len(result.trials),
        "replicates": len(result.trials) * seeds + sum(len(c.seeds) for c in fresh),
        "epochs": result.declared.train.epochs,
        "wall": wall,
        "processor": processor,
    }


def processor_time() -> float:
    """Return the seconds of processor time that this process and those it has waited for have used."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def in_process(kind: str, settings: Sequence[str]) -> dict[str, Any]:
    """Return what a search took in a process of its own.

    Raises:
        SystemExit: it failed; what it said is the message.
    """
    command = [
        sys.executable,
        __file__,
        "--alone",
        kind,
        *(part for text in settings for part in ("--set", text)),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"The search of kind {kind} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the measurements as a table."""
    found = Table(title="A search of the default space, by kind of task")
    for title in ("kind", "data"):
        found.add_column(title)
    numbers = ("rows", "pairs", "trials", "replicates", "epochs")
    for title in (*numbers, "wall", "processor", "ms a replicate-epoch"):
        found.add_column(title, justify="right")
    for row in rows:
        each = 1000 * row["processor"] / (row["replicates"] * row["epochs"])
        found.add_row(
            row["kind"], row["data"], *(str(row[name]) for name in numbers), duration(row["wall"]),
            duration(row["processor"]), f"{each:.2f}",
        )  # fmt: skip
    return found


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--kinds",
        type=lambda text: text.split(","),
        default=list(KINDS),
        metavar="A,B",
        help="kinds of task; all of them by default",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a key of the study file"
    )
    parser.add_argument("--alone", metavar="KIND", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    unknown = [kind for kind in asked.kinds if kind not in STUDY_OF]
    if unknown:
        parser.error(f"no kind of task named {', '.join(unknown)}; known: {', '.join(STUDY_OF)}")
    return asked


def main() -> None:
    """Measure each kind, and print the table."""
    asked = arguments()
    if asked.alone:
        settings = dict(text.split("=", 1) for text in asked.set)
        with tempfile.TemporaryDirectory() as store:
            print(json.dumps(measured(asked.alone, settings, Path(store))))
        return
    console, rows = Console(), []
    for kind in asked.kinds:
        rows.append(in_process(kind, asked.set))
        Console(stderr=True).print(f"{kind}: {duration(rows[-1]['wall'])}")
    console.print(table(rows))
    console.print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )


if __name__ == "__main__":
    main()

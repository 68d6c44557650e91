"""Each side of a comparison in a process of its own: ``python _sides.py NAME '{"option": value}'``.

The process prints what it measured as one line of JSON. Its threads are pinned before any library is
imported; one that is ``bound`` also stays on one core, which XLA's own threads heed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

MARK = "measured: "
T = TypeVar("T")


class MissingError(Exception):
    """A side's library is not installed."""


def run_side(side: str, *, cores: int = 1, bound: bool = True, **options: Any) -> dict[str, Any]:
    """Return what a side measured, with ``process`` and ``process_cpu``: wall and processor seconds
    from start to exit, its own child processes included.

    Raises:
        MissingError: its library is not installed.
        RuntimeError: it failed.
    """
    asked = json.dumps({"bound": bound and cores == 1, **options})
    environment = os.environ | _pinned(cores) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    if "backend" in options:
        environment["KERAS_BACKEND"] = options["backend"]
    begun, spent = time.perf_counter(), _children_spent()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, side, asked],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    seconds = time.perf_counter() - begun
    if done.returncode == 3:
        raise MissingError(done.stderr.strip().splitlines()[-1])
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        raise RuntimeError(f"{side} {asked} failed:\n{done.stderr[-3000:]}")
    return {
        **json.loads(lines[-1].removeprefix(MARK)),
        "process": seconds,
        "process_cpu": _children_spent() - spent,
    }


def _pinned(cores: int) -> dict[str, str]:
    return {name: str(cores) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """Return what ``work`` gives, the wall seconds and this process's processor seconds it took."""
    begun, spent = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - begun, time.process_time() - spent


def _children_spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def started() -> float:
    """Return when this process was created, on the clock of ``time.time``."""
    import psutil

    return psutil.Process().create_time()


def _bound_to_one_core() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> int:
    name, options = sys.argv[1], json.loads(sys.argv[2])
    if options.pop("bound"):
        _bound_to_one_core()
    try:
        if name.startswith("ours_"):
            import _ours as home
        else:
            import _rivals as home  # type: ignore[no-redef]
        found = getattr(home, name)(**options)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"jax", "jaxlib", "keras"}:
            raise
        print(f"{error.name} is not installed", file=sys.stderr)
        return 3
    print(MARK + json.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    raise SystemExit(main())

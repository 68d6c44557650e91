"""What the MLflow view adds to a search: the same study with and without it, in turn, in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lossearch import api

MOST = 1.05
"""How much longer a search may take with its view."""

Search = Callable[[Path, bool], None]


def view_cost(search: Search, prepare: Callable[[Path], None], repeats: int) -> tuple[float, str]:
    """Run a search with and without the view; return the ratio of the median times, and a sentence.

    The report, which only a study with a view draws at its end, is drawn once more and told apart.
    """
    seconds: dict[bool, list[float]] = {True: [], False: []}
    report = []
    for turn in range(repeats):
        for view in (False, True) if turn % 2 else (True, False):
            with tempfile.TemporaryDirectory() as folder:
                prepare(Path(folder))
                start = time.perf_counter()
                search(Path(folder), view)
                seconds[view].append(time.perf_counter() - start)
                if view:
                    report.append(_report_seconds(Path(folder)))
    without, drawn = statistics.median(seconds[False]), statistics.median(report)
    ratio = (statistics.median(seconds[True]) - drawn) / without
    return ratio, (
        f"a search without a view {without:.1f} s; with it {ratio:.3f} times that, and {drawn:.1f} s for its report "
        f"(goal: {MOST} times)"
    )


def _report_seconds(where: Path) -> float:
    result = api.load("circles", where / "mlruns")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result.save(Path(folder))
        return time.perf_counter() - start

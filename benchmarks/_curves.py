"""Items 4 and 5: cost against population size and network width, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from _ours import default_chunk
from rich.table import Table

if TYPE_CHECKING:
    from population import Bench

WIDE = 32
"""Replicates by which widths are compared."""


def cost_by_size(bench: Bench, sizes: Sequence[int]) -> dict[int, float]:
    """Print and return seconds a replicate by population size, each trained as one chunk."""
    changes = bench.extent.changes("circles")
    sides: dict[str, Any] = {
        str(n): ("ours_train", {"name": "circles", "changes": changes, "replicates": n}) for n in sizes
    }
    chunk = default_chunk()
    if max(sizes) > chunk:
        largest = {"name": "circles", "changes": changes, "replicates": max(sizes), "chunk": chunk}
        sides[f"{max(sizes)} in chunks of {chunk}"] = ("ours_train", largest)
    found = bench.measure(sides)
    best = min(f["each"] for f in found.values())
    table = Table(title="4a Circles: cost against replicates trained together", title_justify="left")
    for name in ("replicates", "ms a replicate", "x the best", "processor ms"):
        table.add_column(name, justify="right")
    for label, f in found.items():
        each, cpu = 1000 * f["each"], 1000 * f["cpu_each"]
        table.add_row(label, f"{each:.2f}", f"{f['each'] / best:.2f}", f"{cpu:.2f}")
    bench.console.print(table)
    return {n: found[str(n)]["each"] for n in sizes}


def cost_by_width(bench: Bench, widths: Sequence[int]) -> dict[int, float]:
    """Print and return the gain over a plain torch loop by hidden width, on digits."""
    table = Table(title=f"4b Digits 64-H-10, {WIDE} together: cost against width", title_justify="left")
    for name in ("hidden", "ours, ms", "torch loop, ms", "gain"):
        table.add_column(name, justify="right")
    gains = {}
    for width in widths:
        changes = {**bench.extent.changes("digits"), "hidden": width, "train": 480}
        of = {"name": "digits", "changes": changes}
        found = bench.measure(
            {
                f"ours, {width} wide": ("ours_train", {**of, "replicates": WIDE}),
                f"torch loop, {width} wide": ("torch_loop", {**of, "replicates": bench.extent.take(3, 1)}),
            }
        )
        ours, loop = (f["each"] for f in found.values())
        gains[width] = loop / ours
        table.add_row(str(width), f"{1000 * ours:.2f}", f"{1000 * loop:.1f}", f"{loop / ours:.2f}")
    bench.console.print(table)
    return gains


def memory(bench: Bench, names: Sequence[str]) -> bool:
    """Print peak memory a replicate, as the difference between two population sizes, beside what was computed."""
    table = Table(title="5 Peak memory a replicate, KiB", title_justify="left")
    for name in ("problem", "together", "measured", "computed", "of a step", "at the peak", "curves"):
        table.add_column(name, justify="left" if name == "problem" else "right")
    few, many = (16, 64) if bench.extent.quick else (512, 1024)
    for name in names:
        changes = bench.extent.changes(name, epochs=20)
        less, more = (
            bench.measure({f"{name}, {n}": ("ours_memory", _of(name, changes, n))}, "peak")[f"{name}, {n}"]
            for n in (few, many)
        )
        measured, computed = ((more[key] - less[key]) / (many - few) for key in ("peak", "computed"))
        kib = (measured, computed, more["step"], more["replicate"], more["kept"])
        table.add_row(name, f"{few}, {many}", *(f"{b / 1024:.1f}" for b in kib))
    bench.console.print(table)
    bench.console.print(
        "computed: by a dry run, with the margin that chunks are cut by. of a step: weights, gradient, momentum, "
        "learning rates and a batch's activations; at the peak: best weights and what is said of all rows besides."
    )
    return True


def _of(name: str, changes: dict[str, int], replicates: int) -> dict[str, Any]:
    return {"name": name, "changes": changes, "replicates": replicates}

"""The figure of item 4."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt


def draw(sizes: Mapping[int, float], widths: Mapping[int, float], path: Path) -> None:
    """Draw cost by population size, and gain over a plain loop by hidden width."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    left.loglog(list(sizes), [1000 * s for s in sizes.values()], marker="o", base=2)
    left.set_yscale("log", base=10)
    left.set(xlabel="replicates trained together", ylabel="ms a replicate", title="Circles, MLP 2-50-1")
    right.semilogx(list(widths), list(widths.values()), marker="o", base=2)
    right.axhline(1, color="grey", linewidth=0.8)
    right.set(xlabel="hidden width", ylabel="times faster than a plain loop", title="Digits, 32 together")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=150)
    plt.close(figure)

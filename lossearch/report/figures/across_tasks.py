"""Pictures of a comparison over tasks: the critical-difference diagram, and every score on every task."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import rankdata

from lossearch._colours import BLUE
from lossearch.errors import InputError
from lossearch.metrics.metric import SIGN
from lossearch.report.figures.canvas import INK, Panel, Picture, legible, save, whole_figure
from lossearch.report.figures.said import say_along, say_within
from lossearch.report.formatting import number
from lossearch.verdict.across_tasks.comparison import EXTRA, TaskComparison
from lossearch.verdict.scale import Scale

_GAP = "\N{NO-BREAK SPACE}"
_LEFT, _RIGHT = f"{{label}}{_GAP * 2}{{rank:.2f}}{_GAP}", f"{_GAP}{{rank:.2f}}{_GAP * 2}{{label}}"
"""What stands at either end of the diagram."""


def can_draw_ranks() -> bool:
    """Return whether scikit-posthocs is installed."""
    return find_spec("scikit_posthocs") is not None


def critical_picture(comparison: TaskComparison) -> Picture:
    """Return average ranks on a line, joined where they do not differ significantly by Nemenyi's test (Demsar 2006).

    Drawn by scikit-posthocs.

    Raises:
        InputError: scikit-posthocs is not installed.
    """
    if not can_draw_ranks():
        raise InputError(f"The critical-difference diagram is drawn by scikit-posthocs: {EXTRA}")
    c = comparison
    listed = ", ".join(f"{p} {r:.2f}" for p, r in c.ranks.items())
    alt = (
        f"Average ranks over {c.tasks} tasks, best first: {listed}. Ranks less than {c.critical:.2f} apart do "
        f"not differ significantly at level {c.level:g}."
    )
    title = f"Average rank over {c.tasks} {c.kind} tasks, critical difference {c.critical:.2f}"
    size = (7.0, 1.2 + 0.32 * len(c.ranks))
    panel = Panel("", alt, partial(_draw_ranks, comparison=c))
    return Picture(f"critical_difference_{c.kind}", title, (panel,), size=size, columns=1)


def _draw_ranks(ax: Axes, *, comparison: TaskComparison) -> None:
    from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman

    c = comparison
    ranks = dict(c.ranks)
    ax.grid(visible=False)
    ax.spines["top"].set_visible(True)
    drawn = critical_difference_diagram(
        ranks,
        posthoc_nemenyi_friedman(c.scores),
        alpha=c.level,
        ax=ax,
        label_fmt_left=_LEFT,
        label_fmt_right=_RIGHT,
        text_h_margin=0.03 * len(ranks),
        color_palette=dict.fromkeys(ranks, INK),
        elbow_props={"linewidth": 1.0},
        marker_props={"s": 22},
        crossbar_props={"color": BLUE, "linewidth": 4, "solid_capstyle": "round", "alpha": 0.8},
    )
    written = {form.format(label=p, rank=r): p for p, r in ranks.items() for form in (_LEFT, _RIGHT)}
    for elbow, label in zip(drawn["elbows"], drawn["labels"], strict=True):
        pair = written[label.get_text()]
        text = f"{pair}: average rank {number(ranks[pair])} over {c.tasks} tasks"
        say_along(ax, elbow.get_xdata(), elbow.get_ydata(), text)
    ax.set_ylim(bottom=ax.get_ylim()[0] - 0.3, top=0.6)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def scores_picture(comparison: TaskComparison) -> Picture:
    """Return every pair's score on every task; the colour is its rank on that task, dark for best."""
    c = comparison
    best = "; ".join(
        f"{task}: {row.index[order[0]]} {number(row.iloc[order[0]])}"
        for (task, row) in c.scores.iterrows()
        for order in [np.argsort(-SIGN[c.direction] * row.to_numpy(), kind="stable")]
    )
    title = f"Scores on {c.tasks} {c.kind} tasks, coloured by rank on the task"
    size = (max(2.6 + 0.85 * len(c.ranks), 6.4), 1.3 + 0.34 * c.tasks)
    panel = Panel("", f"Best on each task. {best}.", partial(_draw_scores, comparison=c))
    return Picture(f"scores_{c.kind}", title, (panel,), size=size, columns=1)


def _draw_scores(ax: Axes, *, comparison: TaskComparison) -> None:
    table = comparison.scores
    values = table.to_numpy(np.float64)
    ranks = rankdata(-SIGN[comparison.direction] * values, axis=1)
    # from pale to dark, not from white to black
    shade = 0.85 - 0.75 * (ranks - 1) / max(ranks.shape[1] - 1, 1)
    ax.imshow(shade, cmap=mpl.colormaps["Blues"], vmin=0, vmax=1, aspect="auto")
    ax.grid(visible=False)
    ax.set_xticks(range(table.shape[1]), [str(p).replace("/", "/\n") for p in table.columns], fontsize=8)
    judged = [f"{s.name} ({s.metric})" for s in comparison.studies]
    ax.set_yticks(range(len(table)), judged, fontsize=9)
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    for spine in ax.spines.values():
        spine.set_visible(False)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            colour = legible(shade[i, j])
            ax.text(
                j, i, _cell(value, comparison.scale), ha="center", va="center", color=colour, fontsize=8.5
            )
            text = f"{table.columns[j]}, {judged[i]}: {number(value)}, rank {ranks[i, j]:g} of {len(row)}"
            say_within(ax, (j - 0.5, j + 0.5), (i - 0.5, i + 0.5), text)


def _cell(value: float, scale: Scale) -> str:
    return f"{value:.3f}" if scale is Scale.DIFFERENCE and abs(value) < 10 else number(value)


def write_pictures(comparison: TaskComparison, folder: Path) -> list[Path]:
    """Write the pictures of one comparison as PNG, and return the files; without scikit-posthocs, scores alone."""
    ranks = [critical_picture(comparison)] if can_draw_ranks() else []
    pictures = [*ranks, scores_picture(comparison)]
    return [save(whole_figure(p), folder / f"{p.name}.png") for p in pictures]

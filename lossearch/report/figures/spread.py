"""How far predicted distributions spread: their 90 % intervals against the targets, and whether they hold what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lossearch._colours import BLUE, VERMILLION
from lossearch.distributions import DISTRIBUTIONS
from lossearch.metrics.uncertainty import Intervals, intervals, probability_integral
from lossearch.records.evidence import Evidence
from lossearch.report.figures.canvas import FAINT, INK, Panel, Picture
from lossearch.report.figures.said import say_across, say_along, spread_over
from lossearch.report.formatting import number

POINTS = 120
"""Rows whose interval is drawn, spread over the range of what is predicted."""
LEVELS = np.linspace(0.0, 1.0, 41)
_OUTPUTS = 4


@dataclass(frozen=True)
class Shown:
    """One output's targets (N,), ends of intervals, medians, and shares of the distributions up to the targets."""

    true: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    middle: NDArray[np.float64]
    shares: NDArray[np.float64]

    @property
    def held(self) -> NDArray[np.bool_]:
        """Which targets lie in their interval."""
        return (self.low <= self.true) & (self.true <= self.high)


def intervals_picture(evidence: Evidence, pairs: Sequence[str]) -> Picture | None:
    """Return intervals and the shares below quantiles, of each pair's first sound replicate; None where none has any."""
    panels = []
    for pair in pairs:
        outputs = _of_pair(evidence, pair)
        for i, shown in enumerate(outputs[:_OUTPUTS]):
            name = pair if len(outputs) == 1 else f"{pair}, output {i + 1}"
            panels.append(Panel(name, _alt(name, shown), partial(_draw, name=name, shown=shown)))
    if not panels:
        return None
    return Picture(
        "intervals",
        f"Predicted 90 % intervals on {evidence.part} rows, one fresh seed",
        tuple(panels),
        rows=2,
        columns=3,
    )


def _of_pair(evidence: Evidence, pair: str) -> list[Shown]:
    sound = zip(evidence.predictions[pair], evidence.rows, evidence.diverged[pair], strict=True)
    first = next(((s, rows) for s, rows, over in sound if not over and s.distribution is not None), None)
    if first is None:
        return []
    said, rows = first
    target = evidence.target[torch.from_numpy(np.asarray(rows))]
    found: Intervals = intervals(said, target)
    assert said.distribution is not None  # noqa: S101 - asked for above
    middle = DISTRIBUTIONS[str(said.family)].median(said.distribution.double())
    columns = (found.target, found.low, found.high, middle, probability_integral(said, target))
    return [Shown(*(c[:, i].numpy() for c in columns)) for i in range(middle.shape[-1])]


def _alt(name: str, shown: Shown) -> str:
    return (
        f"{name}: {shown.held.mean():.0%} of targets lie in their 90 % interval, which is "
        f"{number(float((shown.high - shown.low).mean()))} wide on average; below, the share of targets under each predicted "
        "quantile against its level."
    )


def _draw(above: Axes, below: Axes, *, name: str, shown: Shown) -> None:
    order = np.argsort(shown.middle, kind="stable")
    kept = order[spread_over(len(order), POINTS)]
    middle, true = shown.middle[kept], shown.true[kept]
    above.vlines(middle, shown.low[kept], shown.high[kept], color=BLUE, alpha=0.35, lw=1.6)
    held = shown.held[kept]
    for which, colour, label in (
        (held, INK, "target in its interval"),
        (~held, VERMILLION, "target outside"),
    ):
        above.scatter(middle[which], true[which], s=8, color=colour, linewidths=0, label=label, zorder=3)
    for i in kept:
        ends = [min(shown.low[i], shown.true[i]), max(shown.high[i], shown.true[i])]
        text = (
            f"{name}: target {number(shown.true[i])}, predicted median {number(shown.middle[i])} "
            f"({number(shown.low[i])} to {number(shown.high[i])})"
        )
        say_along(above, [shown.middle[i]] * 2, ends, text)
    above.set_xlabel("predicted median")
    above.set_ylabel("target")
    under = (shown.shares[:, None] <= LEVELS).mean(axis=0)
    below.plot([0, 1], [0, 1], color=FAINT, lw=0.8, ls="--")
    below.plot(LEVELS, under, color=BLUE, lw=1.4)
    places = spread_over(len(LEVELS))
    texts = (f"{name}: level {number(LEVELS[i])}, share of targets below {number(under[i])}" for i in places)
    say_across(below, LEVELS[places], texts)
    below.set_xlabel("level of the quantile")
    below.set_ylabel("share of targets below")

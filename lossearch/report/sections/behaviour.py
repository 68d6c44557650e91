"""Why each loss behaves as it does: what it makes of the network's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossearch._lazy import pd
from lossearch.pairs.behaviour import BEHAVIOUR
from lossearch.report import frames
from lossearch.report.formatting import MISSING, number
from lossearch.report.layout import Column
from lossearch.report.sources import Section, Sources, Table

_WORDS = (
    "Each pair's best trial, on validation rows, in the mean over seeds: after the first epoch and at the trial's own. "
    "The gradient is that of a row's loss in the raw outputs (root mean square over rows). Rows without one teach the "
    "network nothing; outputs within 0.001 of an end of the activation's range are saturated, and where the loss is not "
    "of the activation's own kind little of its gradient comes through."
)


def behaviour(sources: Sources) -> Section | None:
    """Return what each pair's loss makes of the outputs, None where that was not recorded."""
    curves = sources.curves
    if "trial" not in curves or not {*BEHAVIOUR} <= {*curves.columns}:
        return None
    best = frames.best_records(sources.trials, direction=sources.study.task.direction)
    rows = {
        pair: (_at(curves, best[pair].number, 1), _at(curves, best[pair].number, best[pair].epoch))
        for pair in sources.order
        if pair in best
    }
    rows = {pair: ends for pair, ends in rows.items() if ends[1].notna().any()}
    if not rows:
        return None
    return Section("behaviour", "Why each loss behaves so", (_WORDS,), tables=(_table(rows),))


def _at(curves: pd.DataFrame, trial: int, epoch: int | None) -> pd.Series:
    """Return the mean over seeds of each measure of a trial after an epoch, NaN where none was taken."""
    rows = curves.loc[(curves["trial"] == trial) & (curves["epoch"] == epoch), list(BEHAVIOUR)]
    return rows.replace([np.inf, -np.inf], np.nan).mean()


def _table(rows: dict[str, tuple[pd.Series, pd.Series]]) -> Table:
    def both(name: str, *, share: bool = False) -> tuple[str, ...]:
        return tuple(
            " → ".join(_written(end[f"val_{name}"], share) for end in ends) for ends in rows.values()
        )

    columns: Sequence[Column] = (
        Column("pair", tuple(rows), splits=True),
        Column("gradient in the outputs", both("output_gradient"), numeric=True),
        Column("rows without a gradient", both("zero_gradient", share=True), numeric=True),
        Column("mean size of raw outputs", both("logit_scale"), numeric=True),
        Column("their sd", both("logit_sd"), numeric=True),
        Column("saturated outputs", both("saturation", share=True), numeric=True),
    )
    return Table("What each loss makes of the outputs: first epoch → the trial's own", tuple(columns))


def _written(value: float, share: bool) -> str:
    if not np.isfinite(value):
        return MISSING
    return f"{100 * value:.0f} %" if share else number(float(f"{value:.3g}"))

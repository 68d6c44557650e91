"""How the pairs stand under every metric of the task, and whether the metrics agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lossearch._lazy import pd
from lossearch.diagnostics.agreement import (
    agreement,
    agreement_sentence,
    confirmed_scores,
    leaderboards,
    ranked,
)
from lossearch.diagnostics.pareto import Pareto, front_sentence
from lossearch.metrics.registry import METRICS
from lossearch.report.figures.pareto import far_off, pareto_picture
from lossearch.report.formatting import MISSING, number
from lossearch.report.layout import Column
from lossearch.report.sources import Section, Sources, Table

_ARROWS = {"maximize": "↑", "minimize": "↓"}


def metrics(sources: Sources) -> Section:
    """Return every pair under every metric of the task, and how far the metrics agree."""
    board, judge = _board(sources), sources.study.task.metric
    if board.empty:
        return Section("metrics", "Other metrics", ("No scores are recorded.",))
    confirmed = sources.confirmed
    where = "validation rows, search" if confirmed is None else f"{confirmed.part} rows, fresh seeds"
    pareto = sources.pareto
    text = [agreement_sentence(board, judge, sources.preferences), f"Only {judge} decided anything here."]
    if pareto is not None and pareto.objectives.sought:
        text[1] = (
            f"{judge} alone chose epochs and decided which pair is best; the search looked for good points by {judge} "
            f"and {pareto.objectives.metrics[1]}."
        )
    picture = None if pareto is None else pareto_picture(pareto, sources.order)
    if pareto is not None and picture is not None:
        text += _front_words(pareto, sources.order)
    names = list(dict.fromkeys(board["metric"]))
    details = (_agreement_table(board),) if len(names) > 2 and board["pair"].nunique() > 2 else ()
    table = _metrics_table(board, sources, f"Means on {where}; ↑ more is better, ↓ less is better, * best")
    pictures = () if picture is None else (picture,)
    return Section("metrics", "Other metrics", tuple(text), pictures, (table,), details)


def _front_words(pareto: Pareto, pairs: Sequence[str]) -> list[str]:
    """Return who is on the front, and what the figure shows."""
    said = [
        front_sentence(pareto.trials, pareto.confirmed, pareto.objectives),
        (
            "Nothing else is at least as good under both and better under one. The front of trials is of the search's "
            "own, optimistic scores."
        ),
    ]
    if len(pareto.confirmed):
        said.append(
            f"Confirmed are the points that {pareto.objectives.metrics[0]} chose, one a pair, with 95 % intervals over "
            "seeds and rows, each alone, cut where they reach out of the figure; pairs whose intervals overlap may change "
            "places."
        )
    lacking = [p for p in pairs if p not in set(pareto.trials["pair"])]
    if lacking:
        said.append(f"Not drawn, without {pareto.objectives.metrics[1]}: {', '.join(lacking)}.")
    away = far_off(pareto)
    if away:
        said.append(
            f"{away} {'trial' if away == 1 else 'trials'} far off {'is' if away == 1 else 'are'} not drawn."
        )
    return said


def _board(sources: Sources) -> pd.DataFrame:
    """Return one row a metric and pair, as ``verdict.metrics.leaderboards`` has them."""
    study = sources.study
    if sources.confirmed is not None and sources.confirmed.confirmations:
        return leaderboards(confirmed_scores(sources.confirmed, study.task.direction))
    directions = {study.task.metric: study.task.direction} | {m.name: m.direction for m in METRICS.values()}
    best = {r.number: r for r in sources.trials}
    rows = [
        {
            "metric": name,
            "direction": direction,
            "pair": best[n].point.pair,
            "mean": best[n].scores[f"val_{name}"],
            "sd": best[n].spread.get(f"val_{name}", math.nan),
        }
        for name, direction in directions.items()
        for n in map(int, sources.board["trial"].dropna())
        if f"val_{name}" in best[n].scores
    ]
    return ranked(pd.DataFrame(rows, columns=["metric", "direction", "pair", "mean", "sd"]))


def _metrics_table(board: pd.DataFrame, sources: Sources, caption: str) -> Table:
    pairs = [p for p in sources.order if p in set(board["pair"])]
    columns = [Column("pair", tuple(pairs))]
    for (name, direction), group in board.groupby(["metric", "direction"], sort=False):
        rows = {row["pair"]: row for row in group.to_dict("records")}
        cells = tuple(
            number(rows[p]["mean"], rows[p]["sd"]) + (" *" if rows[p]["rank"] == 1 else "")
            if p in rows
            else MISSING
            for p in pairs
        )
        columns.append(Column(f"{name}\N{NO-BREAK SPACE}{_ARROWS[str(direction)]}", cells, numeric=True))
    return Table(caption, tuple(columns))


def _agreement_table(board: pd.DataFrame) -> Table:
    tau = agreement(board)
    columns = [Column("metric", tuple(map(str, tau.index)))]
    columns += [
        Column(str(name), tuple(MISSING if math.isnan(v) else f"{v:.2f}" for v in tau[name]), numeric=True)
        for name in tau.columns
    ]
    return Table("Do metrics rank the pairs alike? Kendall's tau; 1: the same order", tuple(columns))

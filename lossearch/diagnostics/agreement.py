"""The same pairs under every metric: who wins where, and do the metrics agree."""

from __future__ import annotations

import math

import numpy as np

from lossearch._lazy import pd
from lossearch._text import listed
from lossearch.metrics.metric import SIGN
from lossearch.metrics.registry import METRICS
from lossearch.records.confirmations import PREFIX, Confirmed

_FEWEST = 3


def confirmed_scores(confirmed: Confirmed, direction: str) -> pd.DataFrame:
    """Return one row a pair, metric and seed: pair, metric, direction, seed, score; the judge's rows first.

    The scores are those on the part that the confirmation judged. A pair without what a metric reads
    (probabilities, for one) has no rows for it; a diverged replicate has a constant predictor's score.
    """
    directions = {confirmed.metric: direction} | {m.name: m.direction for m in METRICS.values()}
    prefix = PREFIX[confirmed.part]
    rows = [
        {"pair": c.point.pair, "metric": name, "direction": directions[name], "seed": seed, "score": score}
        for name in directions
        for c in confirmed.confirmations
        for seed, score in zip(c.seeds, c.values.get(prefix + name, ()), strict=False)
        if math.isfinite(score)
    ]
    return pd.DataFrame(rows, columns=["pair", "metric", "direction", "seed", "score"])


def leaderboards(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a metric and pair, best first: metric, direction, pair, mean, sd, seeds, rank.

    Equal means share a rank. ``sd`` is over seeds, missing with one. ``scores`` are those of
    :func:`confirmed_scores`.
    """
    grouped = scores.groupby(["metric", "direction", "pair"], sort=False)["score"]
    board = ranked(grouped.agg(mean="mean", sd="std", seeds="count").reset_index())
    order = {name: place for place, name in enumerate(dict.fromkeys(scores["metric"]))}
    return board.sort_values(
        ["metric", "rank"], key=lambda c: c.map(order) if c.name == "metric" else c, ignore_index=True
    )


def ranked(board: pd.DataFrame) -> pd.DataFrame:
    """Return a table of metric, direction and mean with the rank of each row under its metric."""
    worth = board["mean"] * board["direction"].map(SIGN)
    return board.assign(rank=(-worth).groupby(board["metric"]).rank(method="min").astype("Int64"))


def winners(board: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the best pair, or pairs of one mean, under each metric."""
    first = board[board["rank"] == 1]
    return {str(metric): tuple(group["pair"]) for metric, group in first.groupby("metric", sort=False)}


def agreement(board: pd.DataFrame) -> pd.DataFrame:
    """Return Kendall's tau-b between the rankings of every two metrics, 1 where they agree.

    Over the pairs that both metrics judge; not a number where those are fewer than three.
    """
    ranks = board.pivot_table(index="pair", columns="metric", values="rank", sort=False, observed=True)
    ranks = ranks[list(dict.fromkeys(board["metric"]))].astype(float)
    tau = ranks.corr(method="kendall", min_periods=_FEWEST).rename_axis(index=None, columns=None)
    return tau.mask(np.eye(len(tau), dtype=bool), 1.0)


def agreement_sentence(board: pd.DataFrame, judge: str) -> str:
    """Return who wins where, in one sentence: whether other metrics would have chosen the judge's winner."""
    best = winners(board)
    if judge not in best:
        return f"No pair has a score under {judge}."
    chosen = set(best[judge])
    others = [m for m in best if m != judge]
    apart = [m for m in others if not chosen & set(best[m])]
    name = listed(sorted(chosen))
    if not others:
        return f"{name} is best by {judge}, the only metric."
    if not apart:
        return f"{name} is best by {judge} and by every other metric ({', '.join(others)})."
    told = "; ".join(f"{m}: {listed(best[m])}" for m in apart)
    return f"{name} is best by {judge}; {len(apart)} of {len(others)} other metrics prefer another ({told})."

"""The same pairs under every metric: who wins where, do the metrics agree, and what cannot be had together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import kendalltau

from lossearch.metrics.metric import SIGN
from lossearch.metrics.registry import METRICS
from lossearch.records.confirmations import PREFIX, Confirmed
from lossearch.records.trial import TrialRecord

_FEWEST = 3


def confirmed_scores(confirmed: Confirmed, direction: str) -> pd.DataFrame:
    """Return one row a pair, metric and seed: pair, metric, direction, seed, score; the judge's rows first.

    The scores are those on the part that the confirmation judged. A pair without what a metric reads
    (probabilities, for one) has no rows for it; a diverged replicate has a constant predictor's score.

    Args:
        confirmed: the confirmation of a study.
        direction: the judge's, "maximize" or "minimize".
    """
    directions = {confirmed.metric: direction} | {m.name: m.direction for m in METRICS.values()}
    prefix = PREFIX[confirmed.part]
    rows = [
        {"pair": c.point.pair, "metric": name, "direction": directions[name], "seed": seed, "score": score}
        for name in directions
        for c in confirmed.confirmations
        for seed, score in zip(c.seeds, c.values.get(prefix + name, ()), strict=False)  # noqa: PD011 - no DataFrame
        if math.isfinite(score)
    ]
    return pd.DataFrame(rows, columns=["pair", "metric", "direction", "seed", "score"])


def leaderboards(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row a metric and pair, best first: metric, direction, pair, mean, sd, seeds, rank.

    Equal means share a rank. ``sd`` is over seeds, missing with one.

    Args:
        scores: what :func:`confirmed_scores` gives.
    """
    grouped = scores.groupby(["metric", "direction", "pair"], sort=False)["score"]
    board = ranked(grouped.agg(mean="mean", sd="std", seeds="count").reset_index())
    order = {name: place for place, name in enumerate(dict.fromkeys(scores["metric"]))}
    place = board["metric"].map(order)
    return (
        board.assign(place=place)
        .sort_values(["place", "rank"], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def ranked(board: pd.DataFrame) -> pd.DataFrame:
    """Return a table of metric, direction and mean with the rank of each row under its metric."""
    worth = board["mean"] * board["direction"].map(SIGN)
    return board.assign(rank=(-worth).groupby(board["metric"]).rank(method="min").astype("Int64"))


def search_scores(records: Sequence[TrialRecord], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row a trial and one column a metric, beside trial, pair and lr: means over seeds at its epoch.

    A diverged trial has a value for the judge only, and for the second objective of a study of two.

    Args:
        records: counted trials.
        metrics: names of metrics.
    """
    rows = [
        {
            "trial": r.number,
            "pair": r.point.pair,
            "lr": r.point.lr,
            **{m: r.scores.get(f"val_{m}", math.nan) for m in metrics},
        }
        for r in records
        if r.value is not None
    ]
    return pd.DataFrame(rows, columns=["trial", "pair", "lr", *metrics])


def winners(board: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Return the best pair, or pairs of one mean, under each metric.

    Args:
        board: what :func:`leaderboards` gives.
    """
    first = board[board["rank"] == 1]
    return {str(metric): tuple(group["pair"]) for metric, group in first.groupby("metric", sort=False)}


def agreement(board: pd.DataFrame) -> pd.DataFrame:
    """Return Kendall's tau-b between the rankings of every two metrics, 1 where they agree.

    Over the pairs that both metrics judge; not a number where those are fewer than three.

    Args:
        board: what :func:`leaderboards` gives.
    """
    ranks = board.pivot_table(index="pair", columns="metric", values="rank", sort=False, observed=True)
    ranks = ranks[list(dict.fromkeys(board["metric"]))].astype(float)
    names = list(ranks.columns)
    table = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    for a, b in combinations(names, 2):
        both = ranks[[a, b]].dropna()
        tau = kendalltau(both[a], both[b]).statistic if len(both) >= _FEWEST else math.nan
        table.loc[a, b] = table.loc[b, a] = tau
    return table


@dataclass(frozen=True)
class Front:
    """The rows of a table that nothing else in it beats under both of two metrics, best first by the first."""

    metrics: tuple[str, str]
    rows: tuple[int, ...]


def front(table: pd.DataFrame, metrics: tuple[str, str], directions: tuple[str, str] | None = None) -> Front:
    """Return the Pareto set of a table's rows for two of its columns.

    A row without either score is not in it; equal rows are all in it.

    Args:
        table: one row a trial or pair, metrics as columns.
        metrics: the two columns.
        directions: "maximize" or "minimize" for each; by default what the metrics of these names declare.
    """
    ways = directions or (METRICS[metrics[0]].direction, METRICS[metrics[1]].direction)
    worth = table[list(metrics)].to_numpy(np.float64) * [SIGN[way] for way in ways]
    kept = np.flatnonzero(undominated(worth))
    order = sorted(kept, key=lambda i: (-worth[i, 0], -worth[i, 1], i))
    return Front(metrics, tuple(int(i) for i in order))


def undominated(worth: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows no other row equals or beats in every column and beats in one; more is better.

    A row that is not finite throughout is not among them.
    """
    rows = np.asarray(worth, dtype=np.float64)
    finite = np.isfinite(rows).all(axis=1)
    others = rows[finite]
    beaten = np.array(
        [bool(((others >= row).all(axis=1) & (others > row).any(axis=1)).any()) for row in rows],
        dtype=np.bool_,
    )
    return np.asarray(finite & ~beaten)


def agreement_sentence(board: pd.DataFrame, judge: str) -> str:
    """Return who wins where, in one sentence: whether other metrics would have chosen the judge's winner.

    Args:
        board: what :func:`leaderboards` gives.
        judge: the metric that decides.
    """
    best = winners(board)
    if judge not in best:
        return f"No pair has a score under {judge}."
    chosen = set(best[judge])
    others = [m for m in best if m != judge]
    apart = [m for m in others if not chosen & set(best[m])]
    name = " and ".join(sorted(chosen))
    if not others:
        return f"{name} is best by {judge}, the only metric."
    if not apart:
        return f"{name} is best by {judge} and by every other metric ({', '.join(others)})."
    told = "; ".join(f"{m}: {' and '.join(best[m])}" for m in apart)
    return f"{name} is best by {judge}; {len(apart)} of {len(others)} other metrics prefer another ({told})."

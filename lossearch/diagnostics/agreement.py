"""The same pairs under every metric: who wins where, and do the metrics agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lossearch._lazy import pd
from lossearch._text import listed
from lossearch.errors import InputError
from lossearch.metrics.metric import SIGN
from lossearch.metrics.registry import METRICS
from lossearch.records.confirmations import PREFIX, Confirmed
from lossearch.records.evidence import Evidence
from lossearch.verdict.decision import judge as judged

LEVEL = 0.05
"""Chance of saying that a metric prefers another pair where it does not."""
DRAWS = 1000
"""Draws of seeds and rows behind each comparison, or as many more as its level needs."""
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


@dataclass(frozen=True)
class Preference:
    """A pair that a metric puts before the judge's best; ``sure``: by more than its uncertainty, None where that is not known."""

    metric: str
    pair: str
    sure: bool | None = None


def preferences(
    board: pd.DataFrame, judge: str, evidence: Callable[[str], Evidence | None]
) -> tuple[Preference, ...]:
    """Return what each metric prefers that has another best than the judge.

    The difference is that of a verdict: paired, over seeds and rows. Both pairs were chosen among all by their scores,
    so the level is shared among as many comparisons as there are.

    Args:
        board: as :func:`leaderboards` gives it.
        judge: the metric that judges.
        evidence: gives what the pairs predicted, as one metric reads it; None where nothing is known.
    """
    best, pairs = winners(board), board["pair"].nunique()
    chosen = best.get(judge, ())
    level = LEVEL / max(math.comb(pairs, 2), 1)
    return tuple(
        Preference(metric, first[0], _is_better(evidence(metric), first[0], chosen, level))
        for metric, first in best.items()
        if chosen and not set(first) & set(chosen)
    )


def _is_better(evidence: Evidence | None, pair: str, chosen: Sequence[str], level: float) -> bool | None:
    """Return whether a pair is measurably better than all the chosen, by the evidence's metric."""
    if evidence is None or evidence.logged is not None:
        return None
    both = {p: said for p, said in evidence.predictions.items() if p in (pair, *chosen)}
    if pair not in both or len(both) <= 1:
        return None
    try:
        found = judged(
            replace(evidence, predictions=both),
            direction=evidence.metric.direction,
            conventional=None,
            level=level,
            draws=max(DRAWS, math.ceil(1 / level)),
        )
    except InputError:
        return None
    return all(found.between(pair, other).low > 0 for other in both if other != pair)


def agreement_sentence(board: pd.DataFrame, judge: str, preferred: Sequence[Preference] | None = None) -> str:
    """Return whether other metrics would have chosen another pair than the judge's best, by more than their uncertainty.

    ``preferred`` is what :func:`preferences` gives; without it no difference is known to be more than chance.
    """
    best = winners(board)
    if judge not in best:
        return f"No pair has a score under {judge}."
    others = [m for m in best if m != judge]
    are = f"{listed(sorted(best[judge]))} {'is' if len(best[judge]) == 1 else 'are'} best by {judge}"
    if not others:
        return f"{are}, the only metric."
    apart = preferences(board, judge, lambda _: None) if preferred is None else preferred
    if not apart:
        return f"{are} and by every other metric ({', '.join(others)})."
    sure, unknown = ([p for p in apart if p.sure is which] for which in (True, None))
    said = [f"{are}."]
    if sure:
        said.append(
            f"{_count(sure, others)} another by more than the uncertainty over seeds and rows ({_told(sure)})."
        )
    if unknown:
        said.append(
            f"{_count(unknown, others)} another ({_told(unknown)}); whether by more than chance is not known here."
        )
    left = len(others) - len(sure) - len(unknown)
    if left:
        all_others = "The only other metric agrees" if len(others) == 1 else f"All {left} other metrics agree"
        rest = f"The other {'one agrees' if left == 1 else f'{left} agree'}"
        whose = "its" if left == 1 else "their"
        within = f" within {whose} uncertainty" if any(p.sure is False for p in apart) else ""
        said.append(f"{all_others if left == len(others) else rest}{within}.")
    return " ".join(said)


def _count(found: Sequence[Preference], others: Sequence[str]) -> str:
    return f"{len(found)} of {len(others)} other metrics {'prefers' if len(found) == 1 else 'prefer'}"


def _told(found: Sequence[Preference]) -> str:
    return "; ".join(f"{p.metric}: {p.pair}" for p in found)
